"""SCALE over types that hypothesis makes up: round trips, strangers' bytes, and scalecodec as the second opinion."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from typing import Annotated

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scalecodec.base import RuntimeConfigurationObject, ScaleBytes
from scalecodec.type_registry import load_type_registry_preset

from chain.metadata_v14 import PortableType
from chain.portable_decode import JSON, PLAIN, decode_portable
from chain.portable_encode import encode_portable
from chain.scale import CodecError, codec_of_alias
from chain.scale_shapes import (
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    AccountId,
    CompactU32,
    CompactU64,
    CompactU128,
    Enum,
    Fixed,
)
from chain.type_registry import TypeRegistry


class Level(IntEnum):
    """Named variants."""

    Low = 0
    Middle = 3
    High = 200


class Case(msgspec.Struct, frozen=True):
    """A type, how scalecodec calls it (if it can), and its values: ours, and how scalecodec takes them."""

    annotation: object
    name: str | None
    values: st.SearchStrategy[object]
    theirs: Callable[[object], object]
    is_option: bool = False


def _same(value: object) -> object:
    return value


def _integers(bits: int, *, signed: bool = False) -> st.SearchStrategy[object]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    edges = st.sampled_from([edge for edge in (0, 63, 64, 2**14, 2**30, 2**32, high, low) if low <= edge <= high])
    return st.one_of(edges, st.integers(low, high))


def _hex(value: object) -> object:
    assert isinstance(value, bytes)
    return "0x" + value.hex()


LEAVES = [
    Case(U8, "u8", _integers(8), _same),
    Case(U16, "u16", _integers(16), _same),
    Case(U32, "u32", _integers(32), _same),
    Case(U64, "u64", _integers(64), _same),
    Case(U128, "u128", _integers(128), _same),
    Case(U256, "U256", _integers(256), _same),
    Case(I32, "i32", _integers(32, signed=True), _same),
    Case(I64, "i64", _integers(64, signed=True), _same),
    Case(I128, "i128", _integers(128, signed=True), _same),
    Case(CompactU32, "Compact<u32>", _integers(32), _same),
    Case(CompactU64, "Compact<u64>", _integers(64), _same),
    Case(CompactU128, "Compact<u128>", _integers(128), _same),
    Case(bool, "bool", st.booleans(), _same),
    Case(str, "Text", st.text(st.characters(codec="utf-8"), max_size=70), _same),
    Case(bytes, "Bytes", st.binary(max_size=70), _hex),
    Case(AccountId, "AccountId", st.binary(min_size=32, max_size=32), _hex),
    Case(Annotated[bytes, Fixed(4)], "[u8; 4]", st.binary(min_size=4, max_size=4), _hex),
    Case(Annotated[bytes, Fixed(64)], "[u8; 64]", st.binary(min_size=64, max_size=64), _hex),
    Case(Level, None, st.sampled_from(Level), _same),
]


def _option(inner: Case) -> Case:
    name = f"Option<{inner.name}>" if inner.name and inner.annotation is not bool else None
    return Case(
        inner.annotation | None,  # type: ignore[operator]
        name,
        st.none() | inner.values,
        lambda value: None if value is None else inner.theirs(value),
        is_option=True,
    )


def _vec(inner: Case) -> Case:
    values = st.lists(inner.values, max_size=5).map(tuple)
    name = f"Vec<{inner.name}>" if inner.name and inner.annotation is not U8 else None
    return Case(tuple[inner.annotation, ...], name, values, lambda value: [inner.theirs(item) for item in value])


def _array(inner: Case) -> Case:
    values = st.lists(inner.values, min_size=3, max_size=3).map(tuple)
    name = f"[{inner.name}; 3]" if str(inner.name).isalnum() and inner.name not in (None, "u8") else None
    annotation = Annotated[tuple[inner.annotation, ...], Fixed(3)]
    return Case(annotation, name, values, lambda value: [inner.theirs(item) for item in value])


def _pair(left: Case, right: Case) -> Case:
    # scalecodec misreads the name of a tuple inside a tuple.
    is_named = left.name and right.name and "(" not in left.name + right.name
    name = f"({left.name}, {right.name})" if is_named else None
    return Case(
        tuple[left.annotation, right.annotation],
        name,
        st.tuples(left.values, right.values),
        lambda value: (left.theirs(value[0]), right.theirs(value[1])),
    )


def _record(parts: list[Case], index: int = 0) -> Case:
    names = string.ascii_lowercase[: len(parts)]
    cls = msgspec.defstruct(
        f"Made{index}",
        [(name, part.annotation) for name, part in zip(names, parts, strict=True)],
        namespace={"scale_index": index},
        frozen=True,
        kw_only=True,
    )
    values = st.fixed_dictionaries({name: part.values for name, part in zip(names, parts, strict=True)})
    return Case(cls, None, values.map(lambda fields: cls(**fields)), _same)


def _enum(first: list[Case], second: list[Case]) -> Case:
    one, other = _record(first, 1), _record(second, 9)
    annotation = Annotated[one.annotation | other.annotation, Enum(("tests", "Made"))]  # type: ignore[operator]
    return Case(annotation, None, one.values | other.values, _same)


def _wrap(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    some = st.lists(inner, max_size=4)
    return st.one_of(
        # An Option of an Option has two ways to say None in Python; no type of ours is one.
        inner.filter(lambda case: not case.is_option).map(_option),
        inner.map(_vec),
        inner.map(_array),
        st.builds(_pair, inner, inner),
        some.filter(bool).map(_record),
        st.builds(_enum, some, some),
    )


CASES = st.recursive(st.sampled_from(LEAVES), _wrap, max_leaves=6)
NAMED_CASES = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        inner.filter(lambda case: not case.is_option).map(_option),
        inner.map(_vec),
        inner.map(_array),
        st.builds(_pair, inner, inner),
    ),
    max_leaves=4,
).filter(lambda case: case.name is not None)


@cache
def _oracle() -> RuntimeConfigurationObject:
    config = RuntimeConfigurationObject()
    config.update_type_registry(load_type_registry_preset("core"))
    return config


def _check_like_scalecodec(case: Case, value: object) -> None:
    ours = codec_of_alias(case.annotation).encode(value)
    theirs = _oracle().create_scale_object(case.name)
    assert theirs.encode(case.theirs(value)).to_hex() == "0x" + ours.hex()
    if "Bytes" not in str(case.name):  # it guesses whether bytes are text
        assert _oracle().create_scale_object(case.name, ScaleBytes(ours)).decode() == case.theirs(value)


def _register(case: Case) -> tuple[tuple[PortableType, ...], int]:
    registry = TypeRegistry({})
    type_id = registry.add(case.annotation)
    return registry.types, type_id


@pytest.mark.parametrize("case", LEAVES, ids=lambda case: str(case.name))
def test_scl_01_every_basic_type_and_its_option_vec_array_and_pair_is_as_in_scalecodec(case: Case) -> None:
    @settings(max_examples=10, deadline=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        for built in (case, _option(case), _vec(case), _array(case), _pair(case, LEAVES[2])):
            if built.name is not None:
                _check_like_scalecodec(built, data.draw(built.values))

    check()


@settings(max_examples=60, deadline=None)
@given(NAMED_CASES, st.data())
def test_scl_01_nested_types_are_as_in_scalecodec(case: Case, data: st.DataObject) -> None:
    _check_like_scalecodec(case, data.draw(case.values))


@settings(max_examples=150, deadline=None)
@given(CASES, st.data())
def test_scl_01_every_value_of_every_type_comes_back(case: Case, data: st.DataObject) -> None:
    codec = codec_of_alias(case.annotation)
    value = data.draw(case.values)
    encoded = codec.encode(value)
    assert codec.decode(encoded) == value
    for length in range(len(encoded)):
        with pytest.raises(CodecError):
            codec.decode(encoded[:length])


@settings(max_examples=150, deadline=None)
@given(CASES, st.binary(max_size=80))
def test_scl_01_a_strangers_bytes_are_the_one_form_of_a_value_or_a_codec_error(case: Case, data: bytes) -> None:
    codec = codec_of_alias(case.annotation)
    try:
        value = codec.decode(data)
    except CodecError:
        return
    assert codec.encode(value) == data


@settings(max_examples=100, deadline=None)
@given(CASES, st.data())
def test_the_client_that_knows_only_metadata_reads_and_writes_the_same_bytes(case: Case, data: st.DataObject) -> None:
    types, type_id = _register(case)
    encoded = codec_of_alias(case.annotation).encode(data.draw(case.values))
    for style in (PLAIN, JSON):
        shown = decode_portable(types, type_id, encoded, style)
        assert encode_portable(types, type_id, shown, "value") == encoded
        if style is JSON:
            assert json.loads(json.dumps(shown)) == shown


@settings(max_examples=150, deadline=None)
@given(CASES, st.binary(max_size=60))
def test_the_client_that_knows_only_metadata_refuses_what_the_codec_refuses(case: Case, data: bytes) -> None:
    types, type_id = _register(case)
    results = []
    for decode in (codec_of_alias(case.annotation).decode, lambda raw: decode_portable(types, type_id, raw)):
        try:
            decode(data)
            results.append("accepted")
        except CodecError:
            results.append("refused")
    assert results[0] == results[1]
