"""The state after any block of the tree: the head's on disk, older ones by undo records, side branches as overlays.

Terms:
    changes of a block: what it set (None: removed) over its parent's state; for blocks off the best chain the store
        keeps them, and a bounded part of them stays in memory.
    tip: the side block whose way from the head was merged last; its child needs one step more, not the whole way.

Invariants: a view is good until the next call; the caller uses it at once and keeps none. An import that pauses keeps
its own: whoever reads meanwhile takes `make_view`, which touches nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from chain.block_tree import BlockTree, TreePath
from chain.pause import Pause, never_pause
from chain.state_overlay import Changes, StateOverlay, merge_changes
from chain.state_tree import StateTree
from chain.state_view import StateView
from node.chain_store import ChainStore

CACHE_BYTES_MAX = 16 * 2**20
_ENTRY_BYTES = 160


class SideStateMissing(Exception):
    """A side block whose changes are not stored."""


class _Tip(msgspec.Struct, frozen=True, kw_only=True):
    """The merged changes that lead from a head's state to a side block's."""

    head_hash: bytes
    block_hash: bytes
    changes: dict[bytes, bytes | None]


class BranchStates:
    """States of the blocks above the floor."""

    def __init__(self, chain: ChainStore, blocks: BlockTree, *, cache_bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._chain = chain
        self._blocks = blocks
        self._cache: dict[bytes, Changes] = {}
        self._cache_bytes = 0
        self._cache_bytes_max = cache_bytes_max
        self._tip: _Tip | None = None

    @property
    def state(self) -> StateTree:
        """The head's state."""
        return self._chain.state

    def get_view(self, block_hash: bytes) -> StateView:
        """Return the state after a block.

        Raises:
            StatePruned: it is below the window of undo records.
            SideStateMissing: it is on a side branch and its changes are not stored.
        """
        if block_hash == self._blocks.best.hash:
            return self.state
        return StateOverlay(self.state, self._get_changes_from_head(block_hash))

    def make_view(self, block_hash: bytes) -> StateView:
        """Return the same for a reader beside the import, merged anew.

        Raises:
            StatePruned: as `get_view`.
            SideStateMissing: as `get_view`.
        """
        if block_hash == self._blocks.best.hash:
            return self.state
        return StateOverlay(
            self.state, self._merge_from_head(self._blocks.get_path(self._blocks.best.hash, block_hash))
        )

    def compute_root(self, parent_hash: bytes, changes: Changes, *, pause: Pause = never_pause) -> bytes:
        """Return the root of the state after a block on this parent that changes this."""
        if parent_hash == self._blocks.best.hash:
            return self.state.root_of(changes, pause=pause)
        return self.state.root_of(merge_changes((self._get_changes_from_head(parent_hash), changes)), pause=pause)

    def compute_changes(self, number: int) -> Changes:
        """Return what the best chain's block at this height changed, read back from undo records."""
        return {key: self.state.get_at(number, key) for key in self.state.get_undo(number)}

    def get_side_changes(self, block_hash: bytes) -> Changes:
        """Return what a block off the best chain changed.

        Raises:
            SideStateMissing: that is not stored.
        """
        found = self._cache.get(block_hash)
        if found is None:
            record = self._chain.get_side_record(block_hash)
            if record is None:
                raise SideStateMissing(f"the changes of the side block 0x{block_hash.hex()} are not stored")
            found = record.changes
            self.keep(block_hash, found)
        return found

    def keep(self, block_hash: bytes, changes: Changes) -> None:
        """Keep the changes of a block off the best chain in memory; the oldest kept go first."""
        self._drop(block_hash)
        self._cache[block_hash] = changes
        self._cache_bytes += _measure(changes)
        while self._cache_bytes > self._cache_bytes_max:
            self._drop(next(iter(self._cache)))

    def forget(self, hashes: Iterable[bytes]) -> None:
        """Forget blocks that joined the best chain or left the tree."""
        self._tip = None
        for block_hash in hashes:
            self._drop(block_hash)

    def _drop(self, block_hash: bytes) -> None:
        changes = self._cache.pop(block_hash, None)
        if changes is not None:
            self._cache_bytes -= _measure(changes)

    def _get_changes_from_head(self, block_hash: bytes) -> Changes:
        head_hash, tip = self._blocks.best.hash, self._tip
        if tip is not None and tip.head_hash == head_hash:
            if tip.block_hash == block_hash:
                return tip.changes
            if tip.block_hash == self._blocks.get(block_hash).parent:
                tip.changes.update(self.get_side_changes(block_hash))
                self._tip = msgspec.structs.replace(tip, block_hash=block_hash)
                return tip.changes
        path = self._blocks.get_path(head_hash, block_hash)
        merged = self._merge_from_head(path)
        if path.enact:
            self._tip = _Tip(head_hash=head_hash, block_hash=block_hash, changes=merged)
        return merged

    def _merge_from_head(self, path: TreePath) -> dict[bytes, bytes | None]:
        merged = self.state.get_changes_back(self._blocks.get(path.ancestor).number)
        for side in path.enact:
            merged.update(self.get_side_changes(side))
        return merged


def _measure(changes: Changes) -> int:
    """Return about how many bytes of memory changes take."""
    return sum(_ENTRY_BYTES + len(key) + len(value or b"") for key, value in changes.items())
