"""A store while fast sync fills it: no chain yet, but the values, headers and steps of one that is coming.

Terms:
    mark: the record that says which block's state is being fetched and how far that is; it is written with every part.
    gap: a range of key hashes whose part has not come.

Invariants: as long as the mark stands the store has no format record, so no node takes it for a chain; the last batch,
synced, writes format, head and body and removes the mark. A crash at any write leaves either a mark or a whole chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from chain.header import Header, decode_header, encode_header
from chain.state_tree import HEAD_KEY as STATE_HEAD_KEY
from chain.state_tree import VALUE_PREFIX, StateHead
from chain.store import BatchEntry, Store, StoreDamaged
from consensus.digest import read_work
from consensus.finality import FinalityStatus
from consensus.work import compute_block_work
from node.chain_layout import (
    BODIES_META,
    FINAL_META,
    FORMAT_KEY,
    FORMAT_VERSION,
    HEADER_PREFIX,
    RECORD_PREFIX,
    STEP_PREFIX,
    BlockData,
    BlockRecord,
    HeadRecord,
    StoreFormat,
    decode_record,
    encode_record,
    get_canonical_key,
    get_meta_key,
    get_number_key,
)
from node.chain_store import make_block_entries, make_canonical_entries

MARK_KEY = get_meta_key("fast")
CHUNK = 4_096
NO_EVENTS = b"\x00"


class Mark(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """How far fast sync is.

    Attributes:
        target: SCALE bytes of the header whose state is fetched; empty before one is chosen.
        gaps: Begin and end of each range of key hashes that is missing; the end is excluded, 2^256 is empty bytes.
        lowest: Hash of the lowest header stored in a row down from the target.
    """

    genesis: bytes
    target: bytes = b""
    gaps: tuple[tuple[bytes, bytes], ...] = ()
    lowest: bytes = b""


class FastStore:
    """What fast sync writes."""

    def __init__(self, store: Store, genesis: Header) -> None:
        """Take up what an earlier run left, or begin; what else the store holds is removed."""
        self._store = store
        self._genesis = genesis
        raw = store.get(MARK_KEY)
        mark = None if raw is None else decode_record(raw, Mark, what="the mark of fast sync")
        if mark is None or mark.genesis != genesis.hash or store.get(FORMAT_KEY) is not None:
            wipe(store)
            mark = Mark(genesis=genesis.hash)
            self._write([], mark)
        self.mark = mark

    @property
    def gaps(self) -> tuple[tuple[bytes, bytes], ...]:
        """What is missing of the state."""
        return self.mark.gaps

    @property
    def lowest(self) -> Header:
        """The lowest header stored in a row down from the target.

        Raises:
            StoreDamaged: it is gone.
        """
        raw = self._store.get(HEADER_PREFIX + self.mark.lowest)
        if raw is None:
            raise StoreDamaged("the lowest header that fast sync stored is missing")
        return decode_header(raw)

    def choose(self, target: Header, gaps: Sequence[tuple[bytes, bytes]]) -> None:
        """Begin with the state of a block, unless it is the one that was begun before."""
        raw = encode_header(target)
        if self.mark.target == raw:
            return
        wipe(self._store, keep=(STEP_PREFIX,))
        mark = Mark(genesis=self._genesis.hash, target=raw, gaps=tuple(gaps), lowest=target.hash)
        entries = [(HEADER_PREFIX + target.hash, raw), (get_canonical_key(target.number), target.hash)]
        self._write(entries, mark)

    def add_part(self, pairs: Iterable[tuple[bytes, bytes]], gaps: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep the pairs of a proven part, with the gaps that are left."""
        entries: list[BatchEntry] = [(VALUE_PREFIX + key, value) for key, value in pairs]
        self._write(entries, replace(self.mark, gaps=tuple(gaps)))

    def add_headers(self, headers: Sequence[Header]) -> None:
        """Keep headers that link down from the lowest one, newest first."""
        entries: list[BatchEntry] = []
        for header in headers:
            entries.append((HEADER_PREFIX + header.hash, encode_header(header)))
            entries.append((get_canonical_key(header.number), header.hash))
        self._write(entries, replace(self.mark, lowest=headers[-1].hash))

    def add_steps(self, steps: dict[int, bytes]) -> None:
        """Keep verified steps of final checkpoints."""
        self._store.write([(STEP_PREFIX + height.to_bytes(8, "big"), raw) for height, raw in steps.items()])

    def finish(self, body: tuple[bytes, ...], status: FinalityStatus) -> None:
        """Make it the chain of a node: records of all headers, then, in one synced batch, everything that names a head.

        Raises:
            StoreDamaged: a header is missing or changed.
        """
        target = decode_header(self.mark.target)
        work = self._write_records(target)
        data = BlockData(
            header=target,
            extrinsics=body,
            work_total=work,
            justified_height=status.justified.height,
            final_height=status.final_height,
            events=NO_EVENTS,
        )
        genesis = BlockData(header=self._genesis, extrinsics=(), work_total=0)
        number = target.number
        form = StoreFormat(version=FORMAT_VERSION, genesis_hash=self._genesis.hash)
        final = HeadRecord(number=number, hash=target.hash)
        self._store.write(
            [
                *make_block_entries(genesis),
                (get_canonical_key(0), self._genesis.hash),
                *make_block_entries(data),
                *make_canonical_entries(data),
                (STATE_HEAD_KEY, encode_record(StateHead(height=number, root=target.state_root))),
                (get_meta_key(FINAL_META), encode_record(final)),
                (get_meta_key(BODIES_META), number.to_bytes(8, "big")),
                (FORMAT_KEY, encode_record(form)),
                (MARK_KEY, None),
            ]
        )

    def _write_records(self, target: Header) -> int:
        """Write the place of each block between genesis and the target; return the work up to and with the target."""
        work, parent = 0, self._genesis.hash
        entries: list[BatchEntry] = []
        for number in range(1, target.number + 1):
            block_hash = self._store.get(get_canonical_key(number)) or b""
            raw = self._store.get(HEADER_PREFIX + block_hash)
            header = None if raw is None else decode_header(raw)
            if header is None or header.parent_hash != parent or header.hash != block_hash:
                raise StoreDamaged(f"the header {number} that fast sync stored is missing or changed")
            work, parent = work + compute_block_work(read_work(header).target), block_hash
            record = BlockRecord(
                number=number,
                parent=header.parent_hash,
                state_root=header.state_root,
                work=work.to_bytes((work.bit_length() + 7) // 8, "big"),
                justified_height=0,
                final_height=0,
            )
            entries += [(RECORD_PREFIX + block_hash, encode_record(record)), (get_number_key(number, block_hash), b"")]
            if len(entries) >= CHUNK:
                self._store.write(entries)
                entries = []
        self._store.write(entries)
        return work

    def _write(self, entries: Sequence[BatchEntry], mark: Mark) -> None:
        self._store.write([*entries, (MARK_KEY, encode_record(mark))])
        self.mark = mark


def is_unfinished(store: Store) -> bool:
    """Return whether a fast sync was begun here and not ended."""
    return store.get(MARK_KEY) is not None


def wipe(store: Store, *, keep: tuple[bytes, ...] = ()) -> None:
    """Remove everything but some kinds of records; a crash in between leaves a mark and no format."""
    store.write([(FORMAT_KEY, None), (MARK_KEY, store.get(MARK_KEY) or encode_record(Mark(genesis=b"")))])
    chunk: list[BatchEntry] = []
    for key, _ in store.iterate(b""):
        if key != MARK_KEY and not key.startswith(keep or (b"\xff" * 8,)):
            chunk.append((key, None))
        if len(chunk) >= CHUNK:
            store.write(chunk)
            chunk = []
    store.write([*chunk, *([] if keep else [(MARK_KEY, None)])])
