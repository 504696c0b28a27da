"""The tree of known blocks against plain walks over parents."""

from __future__ import annotations

from random import Random

import pytest

from chain.block_tree import BlockMisplaced, BlockStatus, BlockTree, BlockUnknown, TreeBlock


def make_entry(block_hash: bytes, parent: bytes, number: int) -> TreeBlock:
    return TreeBlock(hash=block_hash, parent=parent, number=number, work_total=number * 10)


def make_tree(edges: str = "ab bc cd be ef eg") -> BlockTree:
    """Return a tree from pairs parent-child; the floor is `a` with number 0.

    a - b - c - d
          - e - f
              - g
    """
    tree = BlockTree(make_entry(b"a", b"-", 0))
    for edge in edges.encode().split():
        parent = tree.get(edge[:1])
        tree.insert(make_entry(edge[1:], parent.hash, parent.number + 1))
    return tree


def test_paths_retract_newest_first_and_enact_oldest_first() -> None:
    tree = make_tree()
    path = tree.get_path(b"d", b"g")
    assert (path.ancestor, path.retract, path.enact) == (b"b", (b"d", b"c"), (b"e", b"g"))
    assert tree.get_path(b"b", b"f").enact == (b"e", b"f")
    assert tree.get_path(b"f", b"f").retract == ()
    assert tree.get_path(b"f", b"a").retract == (b"f", b"e", b"b")


def test_ancestry_children_and_leaves() -> None:
    tree = make_tree()
    assert [block.hash for block in tree.iterate_ancestry(b"g")] == [b"g", b"e", b"b", b"a"]
    assert (tree.get_children(b"e"), tree.get_children(b"f")) == ((b"f", b"g"), ())
    assert tree.list_leaves() == [b"d", b"f", b"g"]
    assert tree.list_descendants(b"e") == [b"e", b"f", b"g"]
    assert tree.get_ancestor(b"g", 1).hash == b"b"
    assert tree.is_ancestor(b"b", b"g")
    assert tree.is_ancestor(b"g", b"g")
    assert not tree.is_ancestor(b"g", b"b")
    assert not tree.is_ancestor(b"c", b"g")
    assert tree.get_common_ancestor(b"d", b"f").hash == b"b"
    assert b"g" in tree
    assert b"z" not in tree


def test_pruning_keeps_what_stands_on_the_new_floor() -> None:
    tree = make_tree()
    tree.set_best(b"f")
    assert sorted(tree.prune(b"e")) == [b"a", b"b", b"c", b"d"]
    assert (len(tree), tree.floor.hash, tree.best.hash) == (3, b"e", b"f")
    assert [block.hash for block in tree.iterate_ancestry(b"g")] == [b"g", b"e"]
    with pytest.raises(BlockUnknown):
        tree.get_ancestor(b"g", 1)
    with pytest.raises(BlockUnknown):
        tree.get(b"a")
    with pytest.raises(BlockMisplaced):
        tree.prune(b"g")
    assert len(tree) == 3


def test_an_invalid_block_takes_its_descendants_along() -> None:
    tree = make_tree()
    tree.set_status(b"b", BlockStatus.STORED)
    tree.set_status(b"e", BlockStatus.INVALID)
    invalid = {
        name for name in (b"a", b"b", b"c", b"d", b"e", b"f", b"g") if tree.get(name).status is BlockStatus.INVALID
    }
    assert invalid == {b"e", b"f", b"g"}
    assert tree.get(b"b").status is BlockStatus.STORED


def test_blocks_that_do_not_fit_are_refused() -> None:
    tree = make_tree()
    with pytest.raises(BlockUnknown):
        tree.insert(make_entry(b"x", b"y", 1))
    with pytest.raises(BlockMisplaced):
        tree.insert(make_entry(b"c", b"b", 2))
    with pytest.raises(BlockMisplaced):
        tree.insert(make_entry(b"x", b"c", 5))
    with pytest.raises(BlockUnknown):
        tree.set_best(b"x")
    with pytest.raises(BlockUnknown):
        tree.get_ancestor(b"c", 3)


def test_random_trees_agree_with_walks_over_parents() -> None:
    random = Random(3)
    for _ in range(20):
        tree = BlockTree(make_entry(b"\x00", b"-", 0))
        parents = {b"\x00": b"-"}
        for i in range(1, 40):
            parent = tree.get(random.choice(list(parents)))
            tree.insert(make_entry(bytes([i]), parent.hash, parent.number + 1))
            parents[bytes([i])] = parent.hash
        chains = {name: walk(parents, name) for name in parents}
        for _ in range(60):
            left, right = random.choice(list(parents)), random.choice(list(parents))
            common = next(name for name in chains[left] if name in chains[right])
            path = tree.get_path(left, right)
            assert tree.get_common_ancestor(left, right).hash == path.ancestor == common
            assert [*path.retract, common] == chains[left][: len(path.retract) + 1]
            assert [*reversed(path.enact), common] == chains[right][: len(path.enact) + 1]
            assert tree.is_ancestor(left, right) == (left in chains[right])


def walk(parents: dict[bytes, bytes], name: bytes) -> list[bytes]:
    """Return a block and its ancestors, youngest first."""
    found = []
    while name in parents:
        found.append(name)
        name = parents[name]
    return found
