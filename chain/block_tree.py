"""The tree of known blocks above a floor: pure data, which fork choice and the importer walk.

Terms:
    floor: the oldest block kept; every other block descends from it. Pruning moves it up.
    best: the block that fork choice has chosen; the rules for choosing live in consensus.
    path: what leads from one block to another: blocks to retract, newest first, then blocks to enact, oldest first.

Invariants: a block's parent is in the tree unless the block is the floor; a number is its parent's plus one.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import msgspec


class BlockTreeError(Exception):
    """A request that the tree cannot fulfil."""


class BlockUnknown(BlockTreeError):
    """A hash, or a parent, that is not in the tree."""


class BlockMisplaced(BlockTreeError):
    """A block that is in the tree already, or whose number does not follow its parent's."""


class BlockStatus(Enum):
    """How far a block has got; the order is that of import."""

    HEADER = "header"
    STORED = "stored"
    VALID = "valid"
    INVALID = "invalid"


class TreeBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One known block.

    Attributes:
        work_total: Work of the chain up to and with this block.
        justified_height: Height of the highest checkpoint that is justified in the state after this block.
        final_height: Height of the newest block that is final in the state after this block.
        status: HEADER: only its header is known; STORED: its body too; VALID: it was executed; INVALID: it was refused.
    """

    hash: bytes
    parent: bytes
    number: int
    work_total: int
    justified_height: int = 0
    final_height: int = 0
    status: BlockStatus = BlockStatus.VALID


class TreePath(msgspec.Struct, frozen=True, kw_only=True):
    """The way from one block to another.

    Attributes:
        ancestor: Their last common block.
        retract: Hashes to take back, newest first.
        enact: Hashes to apply, oldest first.
    """

    ancestor: bytes
    retract: tuple[bytes, ...]
    enact: tuple[bytes, ...]


class BlockTree:
    """Known blocks by hash, from a floor up."""

    def __init__(self, floor: TreeBlock) -> None:
        """Begin with one block, which is the floor and the best."""
        self._blocks = {floor.hash: floor}
        self._children: dict[bytes, list[bytes]] = {floor.hash: []}
        self._floor = floor.hash
        self._best = floor.hash

    def __len__(self) -> int:
        return len(self._blocks)

    def __contains__(self, block_hash: object) -> bool:
        return block_hash in self._blocks

    @property
    def floor(self) -> TreeBlock:
        """The oldest block."""
        return self._blocks[self._floor]

    @property
    def best(self) -> TreeBlock:
        """The block chosen by `set_best`."""
        return self._blocks[self._best]

    def set_best(self, block_hash: bytes) -> None:
        """Name the best block."""
        self._best = self.get(block_hash).hash

    def get(self, block_hash: bytes) -> TreeBlock:
        """Return a block.

        Raises:
            BlockUnknown: it is not in the tree.
        """
        found = self._blocks.get(block_hash)
        if found is None:
            raise BlockUnknown(f"block 0x{block_hash.hex()} is not in the tree")
        return found

    def insert(self, block: TreeBlock) -> None:
        """Add a block on a known parent.

        Raises:
            BlockUnknown: the parent is not in the tree.
            BlockMisplaced: the block is known, or its number does not follow.
        """
        parent = self.get(block.parent)
        if block.hash in self._blocks:
            raise BlockMisplaced(f"block 0x{block.hash.hex()} is in the tree already")
        if block.number != parent.number + 1:
            raise BlockMisplaced(f"the block has number {block.number}, its parent {parent.number}")
        self._blocks[block.hash] = block
        self._children[block.hash] = []
        self._children[block.parent].append(block.hash)

    def set_status(self, block_hash: bytes, status: BlockStatus) -> None:
        """Change a block's status; INVALID reaches all its descendants."""
        reached = [block_hash] if status is not BlockStatus.INVALID else self.list_descendants(block_hash)
        for item in reached:
            self._blocks[item] = msgspec.structs.replace(self.get(item), status=status)

    def get_children(self, block_hash: bytes) -> tuple[bytes, ...]:
        """Return a block's children in the order of their insertion."""
        return tuple(self._children[self.get(block_hash).hash])

    def list_leaves(self) -> list[bytes]:
        """Return the blocks without children, in the order of their insertion."""
        return [block_hash for block_hash in self._blocks if not self._children[block_hash]]

    def list_descendants(self, block_hash: bytes) -> list[bytes]:
        """Return a block and everything that stands on it, parents first."""
        found = [self.get(block_hash).hash]
        for item in found:
            found += self._children[item]
        return found

    def iterate_ancestry(self, block_hash: bytes) -> Iterator[TreeBlock]:
        """Yield a block, its parent, and so on down to the floor."""
        block = self.get(block_hash)
        while block.hash != self._floor:
            yield block
            block = self._blocks[block.parent]
        yield block

    def get_ancestor(self, block_hash: bytes, number: int) -> TreeBlock:
        """Return the ancestor (or the block itself) with this number.

        Raises:
            BlockUnknown: the number is below the floor or above the block.
        """
        block = self.get(block_hash)
        if not self.floor.number <= number <= block.number:
            raise BlockUnknown(f"block {block.number} has no ancestor with number {number} above the floor")
        while block.number > number:
            block = self._blocks[block.parent]
        return block

    def is_ancestor(self, ancestor: bytes, block_hash: bytes) -> bool:
        """Return whether a block lies on the chain of another, or is the same."""
        number = self.get(ancestor).number
        return number <= self.get(block_hash).number and self.get_ancestor(block_hash, number).hash == ancestor

    def get_common_ancestor(self, left: bytes, right: bytes) -> TreeBlock:
        """Return the last block on both chains."""
        number = min(self.get(left).number, self.get(right).number)
        one, two = self.get_ancestor(left, number), self.get_ancestor(right, number)
        while one.hash != two.hash:
            one, two = self._blocks[one.parent], self._blocks[two.parent]
        return one

    def get_path(self, source: bytes, target: bytes) -> TreePath:
        """Return what to retract and what to enact to go from one block to another."""
        ancestor = self.get_common_ancestor(source, target)
        return TreePath(
            ancestor=ancestor.hash,
            retract=tuple(self._list_down_to(source, ancestor.number)),
            enact=tuple(reversed(self._list_down_to(target, ancestor.number))),
        )

    def prune(self, floor: bytes) -> list[bytes]:
        """Move the floor up and forget what does not descend from it; return the hashes forgotten.

        Raises:
            BlockUnknown: the new floor is not in the tree.
            BlockMisplaced: the best block does not stand on the new floor.
        """
        if not self.is_ancestor(floor, self._best):
            raise BlockMisplaced("the best block does not stand on the new floor")
        kept = set(self.list_descendants(floor))
        forgotten = [block_hash for block_hash in self._blocks if block_hash not in kept]
        for block_hash in forgotten:
            del self._blocks[block_hash], self._children[block_hash]
        self._floor = floor
        return forgotten

    def _list_down_to(self, block_hash: bytes, number: int) -> list[bytes]:
        """Return the hashes from a block down to the one above `number`."""
        hashes = []
        block = self.get(block_hash)
        while block.number > number:
            hashes.append(block.hash)
            block = self._blocks[block.parent]
        return hashes
