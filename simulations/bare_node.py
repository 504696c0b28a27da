"""A node of the world with an empty runtime: the chain's own tree, fork choice, target and clock rules, no more state.

What a block needs from the state after its parent is the clock, the anchor and the last timestamps; the rest of the
runtime is left out, and bodies, signatures and bytes with it. So a block costs microseconds, and tables that need a
million blocks can be measured on the rules that the node runs.

Terms:
    bare block: what is left of a header: parent, height, target, time and who mined it. Its hash is a number.

Invariant: a block enters by `receive` only, and is judged there by the functions of consensus, in the importer's order.
"""

from __future__ import annotations

import msgspec

from chain.block_tree import BlockTree, TreeBlock
from chain.params import WorkParams
from consensus.asert import Anchor, compute_initial_target, compute_target, make_first_anchor, move_anchor, move_clock
from consensus.errors import WrongTarget
from consensus.fork_choice import is_better
from consensus.timestamps import MEDIAN_BLOCKS, check_timestamp
from consensus.work import compute_block_work
from node.core.importer import get_rank

GENESIS_HASH = bytes(8)


class BareBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A block without body, state and bytes."""

    hash: bytes
    parent: bytes
    number: int
    target: int
    timestamp_ms: int
    miner: str


class BareState(msgspec.Struct, frozen=True, kw_only=True):
    """What the state after a block says about the next one."""

    clock_ms: int
    anchor: Anchor | None
    times_ms: tuple[int, ...]
    target: int


class BareChain:
    """The rules of one world, and the states after its blocks, each computed once for all nodes."""

    def __init__(self, params: WorkParams) -> None:
        """Begin with genesis."""
        self.params = params
        self.count = 0
        first = BareState(clock_ms=0, anchor=None, times_ms=(), target=compute_initial_target(params))
        self._states = {GENESIS_HASH: first}

    def make_block(self, parent: TreeBlock, *, miner: str, timestamp_ms: int) -> BareBlock:
        """Return a new block on a parent."""
        self.count += 1
        return BareBlock(
            hash=self.count.to_bytes(8, "big"),
            parent=parent.hash,
            number=parent.number + 1,
            target=self._states[parent.hash].target,
            timestamp_ms=timestamp_ms,
            miner=miner,
        )

    def get_target(self, block_hash: bytes) -> int:
        """Return the target of the block after this one."""
        return self._states[block_hash].target

    def get_state(self, block_hash: bytes) -> BareState:
        """Return the state after a block."""
        return self._states[block_hash]

    def execute(self, block: BareBlock) -> None:
        """Judge a block on its parent's state and keep the state after it.

        Raises:
            InvalidBlock: its target is not the one that the parent's state gives, or its time is too early.
        """
        if block.hash in self._states:
            return
        before = self._states[block.parent]
        if block.target != before.target:
            raise WrongTarget(before.target, block.target)
        check_timestamp(block.timestamp_ms, before.times_ms)
        clock_ms = move_clock(before.clock_ms, timestamp_ms=block.timestamp_ms)
        if before.anchor is None:
            anchor = make_first_anchor(timestamp_ms=block.timestamp_ms, params=self.params)
        else:
            clock_before_ms = before.clock_ms
            anchor = move_anchor(before.anchor, clock_before_ms=clock_before_ms, clock_ms=clock_ms, params=self.params)
        self._states[block.hash] = BareState(
            clock_ms=clock_ms,
            anchor=anchor,
            times_ms=(*before.times_ms[1 - MEDIAN_BLOCKS :], block.timestamp_ms),
            target=compute_target(anchor, height=block.number, clock_ms=clock_ms, params=self.params),
        )


class BareNode:
    """One node's tree, and its best block by fork choice."""

    def __init__(self, chain: BareChain) -> None:
        """Begin with genesis."""
        self.chain = chain
        self.tree = BlockTree(TreeBlock(hash=GENESIS_HASH, parent=GENESIS_HASH, number=0, work_total=0))

    @property
    def best(self) -> TreeBlock:
        """The best block."""
        return self.tree.best

    def receive(self, block: BareBlock) -> bool:
        """Take a block whose parent is known; say whether it is the best now.

        Raises:
            InvalidBlock: it breaks a rule.
            BlockTreeError: its parent is not known, or it is known itself.
        """
        parent = self.tree.get(block.parent)
        self.chain.execute(block)
        placed = TreeBlock(
            hash=block.hash,
            parent=block.parent,
            number=block.number,
            work_total=parent.work_total + compute_block_work(block.target),
        )
        best = self.tree.best
        self.tree.insert(placed)
        if not is_better(get_rank(placed), get_rank(best)):
            return False
        self.tree.set_best(block.hash)
        return True
