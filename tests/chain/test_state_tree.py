"""The state tree against plain recursion: roots, undo, older states, damage."""

from __future__ import annotations

import pickle
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.hash_tree import DEPTH_MIN, GROWTH_MAX, HashTree
from chain.state_overlay import StateOverlay, merge_changes
from chain.state_tree import (
    HEAD_KEY,
    UNDO_PREFIX,
    VALUE_PREFIX,
    PreparedCommit,
    StaleCommit,
    StateDamaged,
    StatePruned,
    StateTree,
    UndoMissing,
    get_undo_key,
)
from chain.store import MemoryStore
from chain.value_cache import UNKNOWN, ValueCache
from tests.support.state_reference import compute_reference_root, compute_reference_subtree

Changes = dict[bytes, bytes | None]
FROZEN_ROOT = "4795fa09382df9c89eee843015af11197f4695ebc0645077d582fe697311c7ea"


def apply_prepared(store: MemoryStore, tree: StateTree, prepared: PreparedCommit) -> None:
    """Write and commit, as the node does."""
    store.write(prepared.entries)
    tree.commit(prepared)


def draw_changes(random: Random, *, count: int, keys: int = 150) -> Changes:
    """Return some new, changed and deleted keys."""
    return {
        b"key %d" % random.randrange(keys): None if random.random() < 0.35 else random.randbytes(random.randrange(5))
        for _ in range(count)
    }


def set_values(values: dict[bytes, bytes], changes: Changes) -> None:
    """Apply changes to a plain dictionary."""
    for key, value in changes.items():
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value


def make_chain(*, blocks: int, seed: int = 1) -> tuple[MemoryStore, StateTree, list[dict[bytes, bytes]]]:
    """Return a store, its tree and the values after each block from genesis on."""
    random, store = Random(seed), MemoryStore()
    tree, values, history = StateTree.open(store), dict[bytes, bytes](), []
    for _ in range(blocks + 1):
        changes = draw_changes(random, count=random.choice([0, 1, 3, 20]))
        apply_prepared(store, tree, tree.prepare(changes))
        set_values(values, changes)
        history.append(dict(values))
    return store, tree, history


def test_sta_01_an_empty_state_has_a_root_of_zeros_and_one_key_its_leaf() -> None:
    tree = StateTree.open(MemoryStore())
    assert (tree.root, tree.height, tree.count) == (bytes(32), -1, 0)
    assert tree.root_of({b"k": b"v"}) == compute_reference_root({b"k": b"v"})


def test_sta_01_and_sta_02_every_root_equals_plain_recursion() -> None:
    """120 blocks with deletions; what `root_of` foretells, `prepare` gives and the reference confirms."""
    random, store = Random(7), MemoryStore()
    tree, values = StateTree.open(store), dict[bytes, bytes]()
    for height in range(120):
        changes = draw_changes(random, count=random.choice([0, 1, 5, 40]))
        foretold, before = tree.root_of(changes), tree.root
        prepared = tree.prepare(changes)
        assert tree.root == before, "preparing changes nothing"
        apply_prepared(store, tree, prepared)
        set_values(values, changes)
        assert foretold == prepared.root == tree.root == compute_reference_root(values), height
        assert (tree.count, tree.height) == (len(values), height)


def test_sta_02_roots_are_frozen() -> None:
    """Headers commit to them; a change would fork the chain."""
    values = {b"key %d" % i: b"value %d" % i for i in range(10)}
    assert StateTree.open(MemoryStore()).root_of(values).hex() == FROZEN_ROOT


@pytest.mark.parametrize("depth", [4, 5, 9])
def test_sta_02_keys_that_share_long_prefixes_hash_as_plain_recursion_says(depth: int) -> None:
    """Key hashes an attacker would have to grind: they part only after 3, 20, 64, 200 or 255 bits."""
    random, model = Random(depth), dict[bytes, bytes]()
    tree = HashTree(depth=depth)
    for _ in range(150):
        changes: Changes = {}
        for _ in range(random.choice([1, 2, 6])):
            base = random.choice([*model, random.randbytes(32)])
            flipped = int.from_bytes(base, "big") ^ (1 << 255 - random.choice([3, 20, 64, 200, 255]))
            key_hash = random.choice([base, flipped.to_bytes(32, "big")])
            changes[key_hash] = None if random.random() < 0.4 else random.randbytes(32)
        change = tree.compute_change(changes)
        tree.apply_change(change)
        set_values(model, changes)
        assert tree.root == change.root == compute_reference_subtree(model, 0)
        assert tree.root == HashTree((k + v for k, v in model.items()), depth=DEPTH_MIN).root
        assert tree.count == len(model)


def test_a_tree_that_outgrows_its_depth_deepens_and_keeps_its_root() -> None:
    tree = HashTree()
    values = {i.to_bytes(2, "big") * 16: bytes(32) for i in range(0, 65_536, 400)}
    tree.apply_change(tree.compute_change(values))
    assert len(values) > GROWTH_MAX << DEPTH_MIN
    assert tree.depth > DEPTH_MIN
    assert tree.root == compute_reference_subtree(values, 0)
    later: Changes = {key: bytes([1]) * 32 for key in list(values)[::3]}
    assert tree.compute_change(later).root == compute_reference_subtree({**values, **later}, 0)


def test_a_bulk_of_changes_gives_the_same_tree_as_one_by_one() -> None:
    """A genesis state comes as one step; each bucket then takes many entries at once."""
    random = Random(12)
    keys = [random.randbytes(32) for _ in range(400)]
    single, model = HashTree(depth=DEPTH_MIN + 3), dict[bytes, bytes]()
    for _ in range(3):
        changes: Changes = {key: random.choice([None, random.randbytes(32)]) for key in random.sample(keys, 300)}
        assert GROWTH_MAX << DEPTH_MIN < len(changes) < GROWTH_MAX << DEPTH_MIN + 3
        bulk = HashTree((key + value for key, value in model.items()), depth=DEPTH_MIN)
        for tree in (bulk, single):
            tree.apply_change(tree.compute_change(changes))
        set_values(model, changes)
        assert bulk.root == single.root == compute_reference_subtree(model, 0)
        assert bulk.count == single.count == len(model)


@given(st.lists(st.dictionaries(st.binary(max_size=2), st.none() | st.binary(max_size=2), max_size=8), max_size=8))
@settings(max_examples=50)
def test_any_blocks_can_be_taken_back_one_by_one(steps: list[Changes]) -> None:
    store = MemoryStore()
    tree = StateTree.open(store)
    apply_prepared(store, tree, tree.prepare({b"genesis": b"1"}))
    trail = [(tree.root, dict(tree.iterate(b"")))]
    for changes in steps:
        apply_prepared(store, tree, tree.prepare(changes))
        trail.append((tree.root, dict(tree.iterate(b""))))
    for root, values in reversed(trail[:-1]):
        apply_prepared(store, tree, tree.prepare_undo())
        assert (tree.root, dict(tree.iterate(b""))) == (root, values)
        assert all(tree.get(key) == value for key, value in values.items())
    assert not list(store.iterate(UNDO_PREFIX))
    assert StateTree.open(store).root == tree.root


def test_a_reopened_store_has_the_same_root_at_any_depth() -> None:
    store, tree, _ = make_chain(blocks=20)
    for depth in (None, 4, 11):
        opened = StateTree.open(store, depth=depth)
        assert (opened.root, opened.height, opened.oldest_height) == (tree.root, 20, 0)


def test_older_states_read_as_they_were() -> None:
    _, tree, history = make_chain(blocks=30)
    for height, values in enumerate(history):
        view = tree.view_at(height)
        assert dict(view.iterate(b"")) == values
        assert all(tree.get_at(height, key) == view.get(key) == values.get(key) for key in history[-1] | values)
        assert tree.root_of(tree.get_changes_back(height)) == compute_reference_root(values)


@pytest.mark.parametrize("height", [-1, 9, 31])
def test_sta_08_a_height_outside_the_window_is_refused(height: int) -> None:
    store, tree, _ = make_chain(blocks=29)
    apply_prepared(store, tree, tree.prepare({b"x": b"y"}, undo_floor=10))
    assert (tree.oldest_height, tree.height) == (10, 30)
    tree.get_at(10, b"x")
    for read in (lambda: tree.get_at(height, b"x"), lambda: tree.view_at(height)):
        with pytest.raises(StatePruned):
            read()


def test_sta_08_undo_ends_where_the_window_ends() -> None:
    store, tree, _ = make_chain(blocks=5)
    apply_prepared(store, tree, tree.prepare({b"x": b"y"}, undo_floor=5))
    assert [key for key, _ in store.iterate(UNDO_PREFIX)] == [get_undo_key(6)]
    apply_prepared(store, tree, tree.prepare_undo())
    assert (tree.height, tree.oldest_height) == (5, 5)
    with pytest.raises(StatePruned):
        tree.prepare_undo()


def test_a_side_branch_has_the_root_that_it_gets_as_the_head() -> None:
    """Three blocks back, two other blocks on: computed beside the head, then done in earnest."""
    store, tree, _ = make_chain(blocks=12)
    branch = [draw_changes(Random(99), count=10), draw_changes(Random(98), count=10)]
    accumulated = merge_changes([tree.get_changes_back(9), *branch])
    foretold, view = tree.root_of(accumulated), StateOverlay(tree, accumulated)
    expected = dict(view.iterate(b""))
    for _ in range(3):
        apply_prepared(store, tree, tree.prepare_undo())
    for changes in branch:
        apply_prepared(store, tree, tree.prepare(changes))
    assert tree.root == foretold
    assert dict(tree.iterate(b"")) == expected


def test_iteration_is_by_storage_key_within_a_prefix_from_a_start() -> None:
    store = MemoryStore()
    tree = StateTree.open(store)
    apply_prepared(store, tree, tree.prepare({b"a1": b"1", b"a2": b"2", b"a3": b"3", b"b": b"4"}))
    view = StateOverlay(tree, {b"a2": None, b"a25": b"new", b"a9": b"last", b"b": b"5"})
    assert [key for key, _ in tree.iterate(b"a", b"a2")] == [b"a2", b"a3"]
    assert list(view.iterate(b"a")) == [(b"a1", b"1"), (b"a25", b"new"), (b"a3", b"3"), (b"a9", b"last")]
    assert [key for key, _ in view.iterate(b"a", b"a26")] == [b"a3", b"a9"]
    assert dict(view.iterate(b"b")) == {b"b": b"5"}
    assert (view.get(b"a2"), view.get(b"a3")) == (None, b"3")


def test_a_value_that_stays_leaves_no_trace() -> None:
    _, tree, history = make_chain(blocks=3)
    key, value = next(iter(history[-1].items()))
    prepared = tree.prepare({key: value, b"absent": None})
    assert prepared.changes == {}
    assert prepared.root == tree.root


def test_a_step_prepared_on_another_state_is_not_committed() -> None:
    store, tree, _ = make_chain(blocks=3)
    stale = tree.prepare({b"x": b"1"})
    apply_prepared(store, tree, tree.prepare({b"y": b"2"}))
    root = tree.root
    with pytest.raises(StaleCommit):
        tree.commit(stale)
    assert tree.root == root


@pytest.mark.parametrize("damage", ["value", "lost value", "foreign value", "height record", "other root"])
def test_sta_06_values_that_do_not_have_the_written_root_are_refused(damage: str) -> None:
    store, _, history = make_chain(blocks=10)
    key = VALUE_PREFIX + next(iter(history[-1]))
    match damage:
        case "value":
            store.write([(key, b"changed")])
        case "lost value":
            store.write([(key, None)])
        case "foreign value":
            store.write([(VALUE_PREFIX + b"new", b"1")])
        case "height record":
            store.write([(HEAD_KEY, b"\xff")])
        case _:
            store.write([(HEAD_KEY, msgspec.msgpack.encode([10, bytes(31) + b"1"]))])
    with pytest.raises(StateDamaged) as caught:
        StateTree.open(store)
    assert caught.value.rule == "STA-06"


def test_sta_06_values_without_a_height_are_refused() -> None:
    store, _, _ = make_chain(blocks=10)
    store.write([(HEAD_KEY, None)])
    with pytest.raises(StateDamaged):
        StateTree.open(store)


@pytest.mark.parametrize("damage", ["hole", "no last", "one too many", "unreadable", "foreign"])
def test_sta_07_undo_records_with_a_gap_are_refused(damage: str) -> None:
    store, _, _ = make_chain(blocks=10)
    match damage:
        case "hole":
            store.write([(get_undo_key(5), None)])
        case "no last":
            store.write([(get_undo_key(10), None)])
        case "one too many":
            store.write([(get_undo_key(11), store.get(get_undo_key(10)))])
        case "unreadable":
            store.write([(get_undo_key(5), b"\x00")])
        case _:
            store.write([(get_undo_key(4), msgspec.msgpack.encode([bytes(32), bytes(32), {}]))])
    with pytest.raises(UndoMissing) as caught:
        StateTree.open(store)
    assert caught.value.rule == "STA-07"
    assert type(pickle.loads(pickle.dumps(caught.value))) is UndoMissing


def test_sta_07_a_missing_record_of_a_block_without_changes_is_a_gap_too() -> None:
    """The roots on both sides of it are equal, so only the heights tell."""
    store, tree, _ = make_chain(blocks=3)
    for _ in range(3):
        apply_prepared(store, tree, tree.prepare({}))
    store.write([(get_undo_key(5), None)])
    with pytest.raises(UndoMissing):
        StateTree.open(store)


def test_an_undo_record_that_was_changed_is_not_applied() -> None:
    store, tree, _ = make_chain(blocks=4)
    before, after = tree.root_of(tree.get_undo(4)), tree.root
    store.write([(get_undo_key(4), msgspec.msgpack.encode([before, after, {b"key": b"forged"}]))])
    with pytest.raises(StateDamaged):
        tree.prepare_undo()


def test_the_cache_is_bounded_and_remembers_absence() -> None:
    cache = ValueCache(bytes_max=2_000)
    assert cache.get(b"a") is UNKNOWN
    cache.set(b"a", None)
    assert cache.get(b"a") is None
    for number in range(1_000):
        cache.set(b"%d" % number, b"v")
        assert len(cache) <= 12
    assert cache.get(b"999") == b"v"
    assert cache.get(b"a") is UNKNOWN
