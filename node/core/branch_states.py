"""The state after any block of the tree: the head's on disk, older ones by undo records, side branches as overlays.

Terms:
    changes of a block: what it set (None: removed) over its parent's state; in memory for blocks off the best chain.

Invariants: a view is good until the head moves; the caller uses it at once and keeps none.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from chain.block_tree import BlockTree
from chain.state_overlay import Changes, StateOverlay, merge_changes
from chain.state_tree import StateTree
from chain.state_view import StateView
from node.chain_layout import BlockData


class SideStateMissing(Exception):
    """A side block whose changes are not in memory (after a restart): it must be imported again."""


class SideBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A valid block off the best chain, with what it changed."""

    data: BlockData
    changes: Changes


class BranchStates:
    """States of the blocks above the floor."""

    def __init__(self, state: StateTree, blocks: BlockTree) -> None:
        self.state = state
        self._blocks = blocks
        self._side: dict[bytes, SideBlock] = {}

    def get_view(self, block_hash: bytes) -> StateView:
        """Return the state after a block.

        Raises:
            StatePruned: it is below the window of undo records.
            SideStateMissing: it is on a side branch that this process has not executed.
        """
        if block_hash == self._blocks.best.hash:
            return self.state
        return StateOverlay(self.state, self._get_changes_from_head(block_hash))

    def compute_root(self, parent_hash: bytes, changes: Changes) -> bytes:
        """Return the root of the state after a block on this parent that changes this."""
        if parent_hash == self._blocks.best.hash:
            return self.state.root_of(changes)
        return self.state.root_of(merge_changes((self._get_changes_from_head(parent_hash), changes)))

    def keep(self, block_hash: bytes, side: SideBlock) -> None:
        """Keep a block off the best chain."""
        self._side[block_hash] = side

    def has_kept(self, block_hash: bytes) -> bool:
        """Return whether a block off the best chain is kept."""
        return block_hash in self._side

    def get_kept(self, block_hash: bytes) -> SideBlock:
        """Return a block off the best chain.

        Raises:
            SideStateMissing: it is not kept.
        """
        try:
            return self._side[block_hash]
        except KeyError:
            raise SideStateMissing(f"the changes of the side block 0x{block_hash.hex()} are not kept") from None

    def forget(self, hashes: Iterable[bytes]) -> None:
        """Forget blocks that joined the best chain or left the tree."""
        for block_hash in hashes:
            self._side.pop(block_hash, None)

    def compute_changes(self, number: int) -> Changes:
        """Return what the best chain's block at this height changed, read back from undo records."""
        return {key: self.state.get_at(number, key) for key in self.state.get_undo(number)}

    def _get_changes_from_head(self, block_hash: bytes) -> Changes:
        path = self._blocks.get_path(self._blocks.best.hash, block_hash)
        back = self.state.get_changes_back(self._blocks.get(path.ancestor).number)
        return merge_changes((back, *(self.get_kept(side).changes for side in path.enact)))
