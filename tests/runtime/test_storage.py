"""Storage keys against Substrate's, and the overlay's journal against plain dicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.scale_shapes import U32
from runtime.pallets.balances import TOTAL_ISSUANCE
from runtime.pallets.system import ACCOUNT, BLOCK_HASH, EVENTS, NUMBER
from runtime.pallets.timestamp import NOW
from runtime.storage import Overlay, StorageMap, StorageValue, ValueMissing
from tests.support.dict_view import DictView

NUMBERS: StorageMap[int, int] = StorageMap("Test", "Numbers", (U32, U32), hasher="Identity", default=0)
STRICT: StorageValue[int] = StorageValue("Test", "Strict", U32)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (EVENTS.key, "26aa394eea5630e07c48ae0c9558cef780d41e5e16056765bc8461851072c9d7"),
        (NUMBER.key, "26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac"),
        (TOTAL_ISSUANCE.key, "c2261276cc9d1f8598ea4b6a74b15c2f57c875e4cff74148e4628f264b974c80"),
        (NOW.key, "f0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb"),
        (
            ACCOUNT.key_of(bytes.fromhex("88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee")),
            "26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9280b197190fc1a763257f65171ea366e"
            "88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee",
        ),
    ],
)
def test_keys_are_substrates(key: bytes, expected: str) -> None:
    """Public values of every Substrate chain, and //Alice's account."""
    assert key.hex() == expected


def test_a_map_is_read_back_from_its_keys() -> None:
    """The hashed key carries the key."""
    overlay = Overlay(DictView({}))
    BLOCK_HASH.set(overlay, 7, bytes(range(32)))
    assert list(BLOCK_HASH.iterate(overlay)) == [(7, bytes(range(32)))]


def test_run_01_a_value_without_default_must_be_there() -> None:
    """RUN-01: absent and without a default is a fault of the state, not a zero."""
    overlay = Overlay(DictView({}))
    with pytest.raises(ValueMissing, match=r"Test\.Strict"):
        STRICT.get(overlay)
    assert STRICT.find(overlay) is None


actions = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 5), st.integers(0, 9)),
        st.tuples(st.just("remove"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("mark"), st.just(0), st.just(0)),
        st.tuples(st.just("roll_back"), st.just(0), st.just(0)),
    ),
    max_size=30,
)


@given(initial=st.dictionaries(st.integers(0, 5), st.integers(0, 9)), steps=actions)
def test_the_journal_undoes_exactly_what_came_after_the_mark(
    initial: dict[int, int], steps: list[tuple[str, int, int]]
) -> None:
    """Nested marks, against a stack of dict copies."""
    base = {NUMBERS.key_of(key): NUMBERS.codec.encode(value) for key, value in initial.items()}
    overlay = Overlay(DictView(dict(base)))
    model: dict[int, int] = dict(initial)
    touched: set[int] = set()
    marks: list[tuple[int, dict[int, int], set[int]]] = []
    for kind, key, value in steps:
        if kind == "set":
            NUMBERS.set(overlay, key, value)
            model[key] = value
            touched.add(key)
        elif kind == "remove":
            NUMBERS.remove(overlay, key)
            model.pop(key, None)
            touched.add(key)
        elif kind == "mark":
            marks.append((overlay.make_mark(), dict(model), set(touched)))
        elif marks:
            mark, model, touched = marks.pop()
            overlay.roll_back(mark)
        assert dict(NUMBERS.iterate(overlay)) == model
        assert all(NUMBERS.find(overlay, number) == model.get(number) for number in range(6))
    changed = {key for key in touched if key in model or key in initial}
    assert set(overlay.changes()) == {NUMBERS.key_of(key) for key in changed}


@given(
    below=st.dictionaries(st.integers(0, 300), st.integers(0, 9), max_size=8),
    above=st.dictionaries(st.integers(0, 300), st.none() | st.integers(0, 9), max_size=8),
    start=st.integers(0, 300),
)
def test_iteration_merges_the_view_and_the_changes(
    below: dict[int, int], above: dict[int, int | None], start: int
) -> None:
    """In key order, from a start on, like one dict."""
    overlay = Overlay(DictView({NUMBERS.key_of(key): NUMBERS.codec.encode(value) for key, value in below.items()}))
    for key, value in above.items():
        overlay.write(NUMBERS.key_of(key), NUMBERS.codec, value)
    merged = {NUMBERS.key_of(key): value for key, value in (below | above).items() if value is not None}
    first = NUMBERS.key_of(start)
    found = list(overlay.iterate(NUMBERS.prefix, first))
    assert [key for key, _ in found] == sorted(key for key in merged if key >= first)
    assert all(raw == NUMBERS.codec.encode(merged[key]) for key, raw in found)
