"""Rows of headers that nobody has proven yet: what can be seen without any state is checked as they come.

Terms:
    row: headers, each on the one before, the first on a block that the node has imported.
    pending header: one of a row; what its block still needs.

Invariant: a row counts as no work. Its headers' claimed work only says whether their bodies are worth fetching.

Source: docs/spec/sync.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import ClassVar

import msgspec

from chain.hashing import blake2b_256
from chain.header import decode_header
from chain.params import WorkParams
from chain.scale import CodecError
from consensus.digest import read_work
from consensus.errors import InvalidBlock, TimestampTooOld
from consensus.seal import check_header_alone
from consensus.timestamps import MEDIAN_BLOCKS, check_timestamp
from consensus.work import compute_block_work
from network.port import Peer


class BrokenRow(Exception):
    """Headers that no honest node sends: they do not follow each other, or one is wrong by itself."""

    rule: ClassVar[str] = "SYN-09"


class PendingHeader(msgspec.Struct, frozen=True, kw_only=True):
    """A header that waits for its body and for import.

    Attributes:
        raw: Its SCALE bytes.
        gas: The weight it states.
        work: The work it claims.
    """

    hash: bytes
    parent_hash: bytes
    number: int
    extrinsics_root: bytes
    timestamp_ms: int
    gas: int
    work: int
    raw: bytes


class HeaderRow:
    """A row of pending headers on an imported block."""

    def __init__(self, *, root: tuple[int, bytes], times_ms: tuple[int, ...], work: int, source: Peer) -> None:
        """Begin an empty row.

        Args:
            root: Number and hash of the imported block it stands on.
            times_ms: Timestamps of that block and its ancestors, at most 11, oldest first; genesis has none.
            work: Total work of that block.
            source: The peer whose best chain this is.
        """
        self.source = source
        self.root_hash = root[1]
        self.tail = root
        self.work = work
        self.bytes_held = 0
        self._times_ms: deque[int] = deque(times_ms, maxlen=MEDIAN_BLOCKS)
        self._headers: deque[PendingHeader] = deque()
        self._by_hash: dict[bytes, PendingHeader] = {}

    def __len__(self) -> int:
        return len(self._headers)

    def __iter__(self) -> Iterator[PendingHeader]:
        return iter(self._headers)

    def __contains__(self, block_hash: object) -> bool:
        return block_hash in self._by_hash

    @property
    def first(self) -> PendingHeader | None:
        """The header whose block is imported next."""
        return self._headers[0] if self._headers else None

    def get(self, block_hash: bytes) -> PendingHeader | None:
        """Return the header with this hash."""
        return self._by_hash.get(block_hash)

    def extend(self, raws: Iterable[bytes], params: WorkParams, *, due_ms: int) -> list[PendingHeader]:
        """Append headers up to the first whose time has not come, and return those appended.

        Args:
            due_ms: The latest timestamp that may be imported now.

        Raises:
            BrokenRow: one is wrong; those before it stay.
        """
        taken: list[PendingHeader] = []
        for raw in raws:
            header = self._check(raw, params)
            if header.timestamp_ms > due_ms:
                break
            self._headers.append(header)
            self._by_hash[header.hash] = header
            self._times_ms.append(header.timestamp_ms)
            self.tail = (header.number, header.hash)
            self.work += header.work
            self.bytes_held += len(raw)
            taken.append(header)
        return taken

    def pop_first(self) -> PendingHeader:
        """Take out the header whose block is imported now."""
        header = self._headers.popleft()
        del self._by_hash[header.hash]
        self.bytes_held -= len(header.raw)
        self.root_hash = header.hash
        return header

    def _check(self, raw: bytes, params: WorkParams) -> PendingHeader:
        # SPEC SYN-09: The headers of an answer MUST form a row on a block of the request's locator, each right by
        # itself and later than the median of its ancestors.
        try:
            header = decode_header(raw)
            check_header_alone(header, params)
            work = read_work(header)
            check_timestamp(work.timestamp_ms, tuple(self._times_ms))
        except (CodecError, InvalidBlock, TimestampTooOld) as error:
            raise BrokenRow(f"after header {self.tail[0]}: {error}") from error
        if (header.parent_hash, header.number) != (self.tail[1], self.tail[0] + 1):
            raise BrokenRow(f"header {header.number} does not follow header {self.tail[0]}")
        return PendingHeader(
            hash=blake2b_256(raw),
            parent_hash=header.parent_hash,
            number=header.number,
            extrinsics_root=header.extrinsics_root,
            timestamp_ms=work.timestamp_ms,
            gas=work.weight,
            work=compute_block_work(work.target),
            raw=raw,
        )
