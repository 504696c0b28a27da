"""The chain on disk: blocks, what their execution left, the head and its state, one synced batch a block.

Terms:
    head: the canonical block whose post-state the store holds.
    side block: a stored block off the canonical chain; what it changes is stored with it, it has no index entries.
    meta: small named values that the node wants to survive (what is final, the name of the chain).

Invariants: after every batch the store holds the whole of one head: its state, undo record, header, body, events and
index. A crash between two batches leaves the earlier or the later head, which may be one ahead of what the node told.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

from chain.extrinsic import is_bare
from chain.hashing import blake2b_256
from chain.header import Header, decode_header, encode_header
from chain.state_overlay import Changes
from chain.state_tree import PreparedCommit, StateTree
from chain.store import BatchEntry, Store, StoreDamaged
from node.chain_layout import (
    ADVICE,
    BODIES_META,
    BODY_PREFIX,
    EVENTS_PREFIX,
    EXTRINSIC_PREFIX,
    FINAL_META,
    HEAD_KEY,
    HEADER_PREFIX,
    NUMBER_PREFIX,
    RECORD_PREFIX,
    SIDE_PREFIX,
    STEP_PREFIX,
    BlockData,
    BlockRecord,
    ExecutionRecord,
    ExtrinsicPlace,
    HeadRecord,
    SideRecord,
    decode_record,
    encode_record,
    get_canonical_key,
    get_meta_key,
    get_number_key,
    make_block_record,
)


class BlockNotNext(Exception):
    """A block that does not stand on the head, or not with the state it claims: a programming error of the caller."""


class ChainStore:
    """The canonical chain, side blocks and the head's state."""

    def __init__(self, store: Store, state: StateTree, head: Header, genesis_hash: bytes) -> None:
        """Hold what `node.chain_opening` has checked; use `open_chain` or `create_chain` there."""
        self._store = store
        self.state = state
        self.head = head
        self.genesis_hash = genesis_hash

    def append_block(
        self,
        data: BlockData,
        changes: Changes | PreparedCommit,
        *,
        undo_floor: int | None = None,
        meta: Mapping[str, bytes | None] | None = None,
    ) -> None:
        """Make a block on the head the new head, in one synced batch.

        Args:
            changes: What its execution changed, or `state.prepare` of that.
            undo_floor: Undo records up to this height are dropped (ignored when `changes` are prepared already).
            meta: Named values to set, or with None to remove, in the same batch.

        Raises:
            BlockNotNext: it has another parent, number or state root.
        """
        header = data.header
        if header.parent_hash != self.head.hash or header.number != self.head.number + 1:
            raise BlockNotNext(f"block {header.number} does not stand on the head {self.head.number}")
        prepared = changes
        if not isinstance(prepared, PreparedCommit):
            prepared = self.state.prepare(prepared, undo_floor=undo_floor)
        if prepared.root != header.state_root or prepared.height != header.number:
            raise BlockNotNext(
                f"block {header.number} has the state root {header.state_root.hex()}, its changes do not"
            )
        self.state.check_prepared(prepared)
        batch = [*prepared.entries, *make_block_entries(data), *make_canonical_entries(data)]
        batch += self._keep_first_places(data)
        batch += [(get_meta_key(name), value) for name, value in (meta or {}).items()]
        batch.append((SIDE_PREFIX + header.hash, None))
        self._store.write(batch)
        self.state.commit(prepared)
        self.head = header

    def revert_head(self) -> Header:
        """Make the head's parent the head again, in one synced batch, and return it; the old head stays a side block.

        Raises:
            StatePruned: the undo record of the head was dropped.
        """
        header, block_hash = self.head, self.head.hash
        side = self._make_head_side_record()
        prepared = self.state.prepare_undo()
        parent = self._get_stored_header(header.parent_hash)
        batch: list[BatchEntry] = [*prepared.entries, (get_canonical_key(header.number), None)]
        batch += [(EVENTS_PREFIX + block_hash, None), _make_head_entry(parent)]
        batch.append((SIDE_PREFIX + block_hash, encode_record(side)))
        for extrinsic in self.get_body(block_hash) or ():
            extrinsic_hash = blake2b_256(extrinsic)
            place = self.find_extrinsic(extrinsic_hash)
            if place is not None and place.block_hash == block_hash:
                batch.append((EXTRINSIC_PREFIX + extrinsic_hash, None))
        self._store.write(batch)
        self.state.commit(prepared)
        self.head = parent
        return parent

    def add_side_block(self, data: BlockData, changes: Changes) -> None:
        """Store a block that is not on the canonical chain, with what it changes."""
        side = SideRecord(events=data.events, receipts=data.receipts, changes=dict(changes))
        self._store.write([*make_block_entries(data), (SIDE_PREFIX + data.header.hash, encode_record(side))])

    def remove_blocks(self, hashes: Iterable[bytes]) -> None:
        """Forget side blocks; canonical ones stay."""
        batch: list[BatchEntry] = []
        for block_hash in hashes:
            record = self.get_record(block_hash)
            if record is not None and self.get_hash(record.number) != block_hash:
                prefixes = (HEADER_PREFIX, BODY_PREFIX, RECORD_PREFIX, SIDE_PREFIX)
                batch += [(prefix + block_hash, None) for prefix in prefixes]
                batch.append((get_number_key(record.number, block_hash), None))
        self._store.write(batch)

    def get_hash(self, number: int) -> bytes | None:
        """Return the canonical block hash at a height, or None."""
        return self._store.get(get_canonical_key(number)) if 0 <= number < 2**64 else None

    def get_header(self, block_hash: bytes) -> Header | None:
        """Return a stored header, or None."""
        raw = self._store.get(HEADER_PREFIX + block_hash)
        return None if raw is None else decode_header(raw)

    def get_header_bytes(self, block_hash: bytes) -> bytes | None:
        """Return the SCALE bytes of a stored header, or None."""
        return self._store.get(HEADER_PREFIX + block_hash)

    def get_body(self, block_hash: bytes) -> tuple[bytes, ...] | None:
        """Return the extrinsics of a stored block, or None."""
        raw = self._store.get(BODY_PREFIX + block_hash)
        return None if raw is None else decode_record(raw, tuple[bytes, ...], what="a body")

    def get_record(self, block_hash: bytes) -> BlockRecord | None:
        """Return a stored block's place in the tree, or None."""
        raw = self._store.get(RECORD_PREFIX + block_hash)
        return None if raw is None else decode_record(raw, BlockRecord, what="a block's record")

    def get_side_record(self, block_hash: bytes) -> SideRecord | None:
        """Return what a block off the canonical chain did, or None."""
        raw = self._store.get(SIDE_PREFIX + block_hash)
        return None if raw is None else decode_record(raw, SideRecord, what="a side block's record")

    def get_final(self) -> HeadRecord | None:
        """Return the newest final block that was written, or None."""
        raw = self.get_meta(FINAL_META)
        return None if raw is None else decode_record(raw, HeadRecord, what="the record of the final block")

    def get_execution(self, block_hash: bytes) -> ExecutionRecord | None:
        """Return the events and receipts of a canonical block, or None."""
        raw = self._store.get(EVENTS_PREFIX + block_hash)
        return None if raw is None else decode_record(raw, ExecutionRecord, what="a block's events")

    def find_extrinsic(self, extrinsic_hash: bytes) -> ExtrinsicPlace | None:
        """Return where an extrinsic stands on the canonical chain (an inherent: its first place), or None."""
        raw = self._store.get(EXTRINSIC_PREFIX + extrinsic_hash)
        return None if raw is None else decode_record(raw, ExtrinsicPlace, what="an extrinsic's place")

    def iterate_blocks(self, *, from_number: int = 0) -> Iterator[tuple[bytes, BlockRecord]]:
        """Yield hash and record of all stored blocks, side blocks too, by height."""
        start = NUMBER_PREFIX + from_number.to_bytes(8, "big")
        for key, _ in self._store.iterate(NUMBER_PREFIX, start=start):
            record = self.get_record(key[9:])
            if record is None:
                raise StoreDamaged(f"block 0x{key[9:].hex()} is listed but has no record. {ADVICE}")
            yield key[9:], record

    def get_last_step(self) -> int:
        """Return the height of the highest final checkpoint with a step, 0 if there is none."""
        newest = next(self._store.iterate(STEP_PREFIX, reverse=True), None)
        return 0 if newest is None else int.from_bytes(newest[0][1:], "big")

    def iterate_steps(self, from_height: int) -> Iterator[tuple[int, bytes]]:
        """Yield the finality steps of final checkpoints by height."""
        start = STEP_PREFIX + from_height.to_bytes(8, "big")
        for key, raw in self._store.iterate(STEP_PREFIX, start=start):
            yield int.from_bytes(key[1:], "big"), raw

    def set_steps(self, steps: Mapping[int, bytes]) -> None:
        """Keep finality steps of final checkpoints, synced."""
        self._store.write([(STEP_PREFIX + height.to_bytes(8, "big"), raw) for height, raw in steps.items()])

    def drop_steps(self, above: int) -> None:
        """Forget the finality steps above a height, whose blocks were taken back."""
        self._store.write(
            [(STEP_PREFIX + height.to_bytes(8, "big"), None) for height, _ in self.iterate_steps(above + 1)]
        )

    @property
    def first_body(self) -> int:
        """The number of the first block whose body is stored: 0, or the block at which fast sync began."""
        raw = self.get_meta(BODIES_META)
        return 0 if raw is None else int.from_bytes(raw, "big")

    def get_meta(self, name: str) -> bytes | None:
        """Return a named value, or None."""
        return self._store.get(get_meta_key(name))

    def set_meta(self, name: str, value: bytes) -> None:
        """Keep a small named value, synced."""
        self._store.write([(get_meta_key(name), value)])

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _make_head_side_record(self) -> SideRecord:
        """Return the head as the side block that it becomes when it is taken back."""
        execution = self.get_execution(self.head.hash)
        if execution is None:
            raise StoreDamaged(f"the events of block 0x{self.head.hash.hex()} are missing. {ADVICE}")
        changes = {key: self.state.get(key) for key in self.state.get_undo(self.head.number)}
        return SideRecord(events=execution.events, receipts=execution.receipts, changes=changes)

    def _keep_first_places(self, data: BlockData) -> list[BatchEntry]:
        """Return the index entries of inherents that stand in an earlier block word for word.

        Two blocks may have the same time. If the later one took the place over, undoing it would lose the earlier.
        """
        entries: list[BatchEntry] = []
        for extrinsic in itertools.takewhile(is_bare, data.extrinsics):
            key = EXTRINSIC_PREFIX + blake2b_256(extrinsic)
            place = self._store.get(key)
            if place is not None:
                entries.append((key, place))
        return entries

    def _get_stored_header(self, block_hash: bytes) -> Header:
        header = self.get_header(block_hash)
        if header is None:
            raise StoreDamaged(f"the header of block 0x{block_hash.hex()} is missing. {ADVICE}")
        return header


def make_block_entries(data: BlockData) -> list[BatchEntry]:
    """Return what is stored of any block, canonical or not."""
    block_hash = data.header.hash
    return [
        (HEADER_PREFIX + block_hash, encode_header(data.header)),
        (BODY_PREFIX + block_hash, encode_record(data.extrinsics)),
        (RECORD_PREFIX + block_hash, encode_record(make_block_record(data))),
        (get_number_key(data.header.number, block_hash), b""),
    ]


def make_canonical_entries(data: BlockData) -> list[BatchEntry]:
    """Return what is stored beside that of the new head: events, index and the head itself."""
    block_hash = data.header.hash
    execution = ExecutionRecord(events=data.events, receipts=data.receipts)
    entries: list[BatchEntry] = [
        (EVENTS_PREFIX + block_hash, encode_record(execution)),
        (get_canonical_key(data.header.number), block_hash),
        _make_head_entry(data.header),
    ]
    for index, extrinsic in enumerate(data.extrinsics):
        place = ExtrinsicPlace(block_hash=block_hash, index=index)
        entries.append((EXTRINSIC_PREFIX + blake2b_256(extrinsic), encode_record(place)))
    return entries


def _make_head_entry(header: Header) -> BatchEntry:
    return HEAD_KEY, encode_record(HeadRecord(number=header.number, hash=header.hash))
