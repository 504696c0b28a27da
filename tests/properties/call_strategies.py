"""Arguments of any call, from the SCALE shapes of its fields: what means something on a chain, and anything else."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import strategies as st

from chain.scale_shapes import (
    ArrayShape,
    BoolShape,
    BytesShape,
    CompactShape,
    EnumShape,
    FixedBytesShape,
    NamedIndexShape,
    OptionShape,
    RecordShape,
    Shape,
    TupleShape,
    UintShape,
    VecShape,
    shape_of,
)
from runtime.dispatch import Call

EDGES = (0, 1, 2, 3, 5, 6, 7, 8, 16, 63, 64, 65, 2**15, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1, 2**127, 2**128 - 1)
ITEMS_MAX = 8


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Values that mean something on a chain."""

    integers: tuple[int, ...]
    strings: tuple[bytes, ...]


def draw_arguments(
    call: Call, known: Known, good: Sequence[tuple[object, ...]] = ()
) -> st.SearchStrategy[tuple[object, ...]]:
    """Return a strategy of a call's arguments: any at all, or good ones of which up to two are any."""
    fields = [strategy_of(shape_of(annotation), known) for _, annotation in call.fields]
    anything: st.SearchStrategy[tuple[object, ...]] = st.tuples(*fields)
    if not good or not fields:
        return anything

    def replace_some(chosen: tuple[tuple[object, ...], tuple[object, ...], set[int]]) -> tuple[object, ...]:
        arguments, others, places = chosen
        return tuple(b if k in places else a for k, (a, b) in enumerate(zip(arguments, others, strict=True)))

    places = st.sets(st.integers(0, len(fields) - 1), max_size=2)
    return st.tuples(st.sampled_from(list(good)), anything, places).map(replace_some) | anything


def strategy_of(shape: Shape, known: Known) -> st.SearchStrategy[object]:
    """Return a strategy of the values of a shape."""
    match shape:
        case UintShape():
            bits = 8 * shape.size - shape.signed
            return _integers(-(2**bits) if shape.signed else 0, 2**bits, known)
        case CompactShape():
            return _integers(0, 2 ** (8 * shape.size), known)
        case BoolShape():
            return st.booleans()
        case FixedBytesShape():
            return _strings(shape.length, shape.length, known)
        case BytesShape():
            return _strings(0, 512 if shape.limit is None else shape.limit, known)
        case OptionShape():
            return st.none() | strategy_of(shape.inner, known)
        case VecShape():
            most = ITEMS_MAX if shape.limit is None else min(shape.limit, ITEMS_MAX)
            return st.lists(strategy_of(shape.inner, known), max_size=most).map(tuple)
        case ArrayShape():
            inner = strategy_of(shape.inner, known)
            return st.lists(inner, min_size=shape.length, max_size=shape.length).map(tuple)
        case TupleShape():
            return st.tuples(*(strategy_of(item, known) for item in shape.items))
        case RecordShape():
            return st.builds(shape.cls, **{name: strategy_of(inner, known) for name, inner in shape.fields})
        case NamedIndexShape():
            return st.sampled_from(list(shape.cls))
        case EnumShape():
            return st.one_of([strategy_of(record, known) for _, record in shape.variants])
        case _:
            return st.text(max_size=8)


def _integers(low: int, end: int, known: Known) -> st.SearchStrategy[object]:
    edges = sorted({value for value in (*EDGES, *(-edge for edge in EDGES), *known.integers) if low <= value < end})
    return st.sampled_from(edges) | st.integers(low, end - 1)


def _strings(least: int, most: int, known: Known) -> st.SearchStrategy[object]:
    fitting = [value for value in known.strings if least <= len(value) <= most]
    anything = st.binary(min_size=least, max_size=min(most, max(least, 64)))
    return st.sampled_from(fitting) | anything if fitting else anything
