"""Blocks that cannot be imported yet: their parent is missing, or their time has not come.

Invariant: no more than `count_max` blocks and `bytes_max` bytes; the oldest go first.
"""

from __future__ import annotations

import msgspec

from node.core.events import Origin


class WaitingBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One block.

    Attributes:
        parent_hash: What it waits for, None if it waits for its time.
        due_ms: When its time has come, None if it waits for its parent.
    """

    hash: bytes
    data: bytes
    origin: Origin
    parent_hash: bytes | None = None
    due_ms: int | None = None


class WaitingBlocks:
    """Bounded memory of blocks to come."""

    def __init__(self, *, count_max: int = 256, bytes_max: int = 64 * 1024 * 1024) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._blocks: dict[bytes, WaitingBlock] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._blocks)

    def add(self, block: WaitingBlock) -> None:
        """Keep a block, and forget the oldest if there are too many."""
        if block.hash in self._blocks or len(block.data) > self._bytes_max:
            return
        self._blocks[block.hash] = block
        self._bytes += len(block.data)
        while len(self._blocks) > self._count_max or self._bytes > self._bytes_max:
            self._remove(next(iter(self._blocks)))

    def take_children(self, parent_hash: bytes) -> list[WaitingBlock]:
        """Take out the blocks that waited for this parent."""
        return [self._remove(block.hash) for block in list(self._blocks.values()) if block.parent_hash == parent_hash]

    def take_due(self, now_ms: int) -> list[WaitingBlock]:
        """Take out the blocks whose time has come."""
        due = [block for block in self._blocks.values() if block.due_ms is not None and block.due_ms <= now_ms]
        return [self._remove(block.hash) for block in due]

    def _remove(self, block_hash: bytes) -> WaitingBlock:
        block = self._blocks.pop(block_hash)
        self._bytes -= len(block.data)
        return block
