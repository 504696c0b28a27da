"""Parts of a state: those that are cut pass and cover everything, those that were changed in any way do not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.state_part import InvalidPart, Part, Snapshot, check_part
from chain.state_tree import StateTree
from chain.store import MemoryStore

states = st.dictionaries(st.binary(min_size=1, max_size=8), st.binary(max_size=12), max_size=60)
START = bytes(32)


def cut_all(state: dict[bytes, bytes], *, depth_min: int, bytes_max: int) -> list[tuple[bytes, Part]]:
    """Return all parts of a state with their starts."""
    snapshot, start = Snapshot(tuple(state.items())), START
    parts: list[tuple[bytes, Part]] = []
    following: bytes | None = start
    while following is not None:
        start = following
        part = snapshot.cut(start, depth_min=depth_min, bytes_max=bytes_max, pairs_max=1_000)
        assert part is not None
        parts.append((start, part))
        following = check_part(snapshot.root, start, part)
    return parts


@settings(max_examples=60)
@given(states, st.sampled_from((0, 1, 4)), st.sampled_from((1, 60, 10_000)))
def test_parts_cover_the_state(state: dict[bytes, bytes], depth_min: int, bytes_max: int) -> None:
    parts = cut_all(state, depth_min=depth_min, bytes_max=bytes_max)
    pairs = [pair for _, part in parts for pair in part.pairs]
    assert len(pairs) == len(state)
    assert dict(pairs) == state
    assert Snapshot(tuple(state.items())).root == StateTree.open(MemoryStore()).root_of(dict(state))


@settings(max_examples=60)
@given(states, st.data())
def test_lgt_08_a_changed_part_is_refused(state: dict[bytes, bytes], data: st.DataObject) -> None:
    root = Snapshot(tuple(state.items())).root
    start, part = data.draw(st.sampled_from(cut_all(state, depth_min=2, bytes_max=100)))
    changed = [replace(part, pairs=(*part.pairs, (b"a new key, longer", b"")))]
    if part.pairs:
        key, value = part.pairs[0]
        changed += [
            replace(part, pairs=part.pairs[1:]),
            replace(part, pairs=((key, value + b"!"), *part.pairs[1:])),
            replace(part, pairs=(part.pairs[0], *part.pairs)),
        ]
        if part.depth > 0:
            changed.append(replace(part, pairs=(), siblings=part.siblings[:-1], other=bytes(64)))
    if part.siblings:
        changed += [replace(part, siblings=part.siblings[1:]), replace(part, siblings=(*part.siblings[:-1], b"x" * 32))]
    for item in changed:
        with pytest.raises(InvalidPart):
            check_part(root, start, item)


def test_lgt_08_a_part_of_another_place_is_refused() -> None:
    state = {bytes([number]): b"value" for number in range(200)}
    root = Snapshot(tuple(state.items())).root
    (_, first), (second_start, second), *_ = cut_all(state, depth_min=4, bytes_max=10_000)
    for part, start in ((first, second_start), (second, START), (replace(first, depth=3), START)):
        with pytest.raises(InvalidPart):
            check_part(root, start, part)
    with pytest.raises(InvalidPart):
        check_part(root, second_start, replace(second, depth=2))
    with pytest.raises(InvalidPart):
        check_part(root, START, replace(first, depth=256))


def test_lgt_08_a_pair_of_another_place_is_not_taken_for_one_of_this() -> None:
    """The only pair of a state ends the path to every place; it belongs to one of them."""
    parts = cut_all({b"key": b"value"}, depth_min=4, bytes_max=100)
    root = Snapshot(((b"key", b"value"),)).root
    assert len(parts) == 16
    (pair,) = [part.pairs[0] for _, part in parts if part.pairs]
    for start, part in parts:
        if not part.pairs:
            with pytest.raises(InvalidPart):
                check_part(root, start, replace(part, pairs=(pair,), other=None))


def test_a_place_that_does_not_begin_there_is_not_cut() -> None:
    snapshot = Snapshot(tuple((bytes([number]), b"") for number in range(9)))
    assert snapshot.cut(b"\xff" * 32, depth_min=0, bytes_max=100, pairs_max=10) is None
