"""SCALE: the one accepted form of each value, and an error of its own for every other."""

from __future__ import annotations

import pickle
from enum import IntEnum, nonmember
from typing import Annotated, ClassVar, TypeAlias

import msgspec
import pytest

from chain import scale
from chain.scale import (
    CodecError,
    LimitExceeded,
    NotCanonical,
    NotText,
    TrailingBytes,
    UnexpectedEnd,
    UnknownVariant,
    ValueOutOfRange,
    codec_of,
    codec_of_alias,
    decode,
    decode_compact,
    encode,
    encode_compact,
)
from chain.scale_shapes import (
    I64,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    CompactU32,
    CompactU128,
    Enum,
    Fixed,
    Limit,
    UnsupportedType,
    shape_of,
)
from chain.substrate_types import AccountData, AccountInfo, DispatchError, DispatchToken, TokenError


class Colour(IntEnum):
    """Variants without fields, with a gap."""

    scale_path = nonmember(("tests", "Colour"))
    Red = 0
    Blue = 5


class Circle(msgspec.Struct, frozen=True, kw_only=True):
    """A variant."""

    scale_index: ClassVar[int] = 1
    radius: U16


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """A variant without fields."""

    scale_index: ClassVar[int] = 7


Figure: TypeAlias = Annotated[Circle | Nothing, Enum(("tests", "Figure"))]


class Everything(msgspec.Struct, frozen=True, kw_only=True):
    """One field of every kind."""

    small: U8
    signed: I64
    big: U128
    huge: U256
    compact: CompactU128
    flag: bool
    text: str
    data: bytes
    four: Annotated[bytes, Fixed(4)]
    maybe: U32 | None
    numbers: tuple[U16, ...]
    three: Annotated[tuple[bool, ...], Fixed(3)]
    pair: tuple[U8, str]
    colour: Colour
    figure: Figure
    few: Annotated[tuple[U8, ...], Limit(2)] = ()
    short: Annotated[bytes, Limit(3)] = b""


VALUE = Everything(
    small=255,
    signed=-2,
    big=2**128 - 1,
    huge=2**255,
    compact=2**100,
    flag=True,
    text="hé",
    data=b"\x00\x01",
    four=b"abcd",
    maybe=7,
    numbers=(1, 2),
    three=(True, False, True),
    pair=(9, ""),
    colour=Colour.Blue,
    figure=Circle(radius=300),
)
BYTES = bytes.fromhex(
    "ff"
    + "feffffffffffffff"
    + "ff" * 16
    + "00" * 31
    + "80"
    + "2700000000000000000000000010"
    # flag, text, data, four, maybe, numbers, three, pair, colour, figure, few, short
    + "01"
    + "0c68c3a9"
    + "080001"
    + "61626364"
    + "0107000000"
    + "0801000200"
    + "010001"
    + "0900"
    + "05"
    + "012c01"
    + "00"
    + "00"
)


def test_a_record_with_every_kind_of_field_has_these_bytes() -> None:
    assert encode(Everything, VALUE).hex() == BYTES.hex()
    assert decode(Everything, BYTES) == VALUE


def test_scl_02_every_shortening_of_a_value_is_refused() -> None:
    for length in range(len(BYTES)):
        with pytest.raises(CodecError):
            decode(Everything, BYTES[:length])
    with pytest.raises(UnexpectedEnd, match="the bytes end inside a Everything"):
        decode(Everything, BYTES[:20])


def test_scl_03_bytes_after_a_value_are_refused() -> None:
    with pytest.raises(TrailingBytes, match="1 bytes follow"):
        decode(Everything, BYTES + b"\x00")


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (0, "00"),
        (1, "04"),
        (63, "fc"),
        (64, "0101"),
        (16383, "fdff"),
        (16384, "02000100"),
        (2**30 - 1, "feffffff"),
        (2**30, "0300000040"),
        (2**32 - 1, "03ffffffff"),
        (2**32, "070000000001"),
        (100000000000000, "0b00407a10f35a"),
        (2**64 - 1, "13ffffffffffffffff"),
        (2**128 - 1, "33" + "ff" * 16),
        (2**536 - 1, "ff" * 68),
    ],
)
def test_compact_integers_have_the_bytes_of_the_specification(value: int, data: str) -> None:
    assert encode_compact(value).hex() == data
    assert decode_compact(bytes.fromhex(data), 0, 67) == (value, len(data) // 2)


LONGER = ["0100", "fd00", "02000000", "feff0000", "03ffffff3f", "070000004000", "13ffffffffffffff00"]


@pytest.mark.parametrize("data", LONGER)
def test_scl_04_a_compact_integer_in_a_longer_form_is_refused(data: str) -> None:
    with pytest.raises(NotCanonical, match="longer compact form"):
        decode_compact(bytes.fromhex(data), 0, 67)


def test_scl_04_a_compact_integer_too_large_for_its_type_is_refused() -> None:
    with pytest.raises(NotCanonical, match="more than 4 bytes"):
        codec_of_alias(CompactU32).decode(encode_compact(2**32))


@pytest.mark.parametrize(("annotation", "data"), [(bool, "02"), (U8 | None, "0200"), (U8 | None, "ff")])
def test_scl_04_a_tag_other_than_0_and_1_is_refused(annotation: object, data: str) -> None:
    with pytest.raises(NotCanonical):
        codec_of_alias(annotation).decode(bytes.fromhex(data))


@pytest.mark.parametrize("index", [0, 2, 6, 8, 255])
def test_scl_05_an_index_without_a_variant_is_refused(index: int) -> None:
    with pytest.raises(UnknownVariant, match=f"no variant {index} in tests::Figure"):
        codec_of_alias(Figure).decode(bytes((index, 0, 0)))


@pytest.mark.parametrize("index", [1, 4, 6, 255])
def test_scl_05_an_index_without_a_named_variant_is_refused(index: int) -> None:
    with pytest.raises(UnknownVariant, match=f"no variant {index} in tests::Colour"):
        codec_of_alias(Colour).decode(bytes((index,)))


def test_scl_06_a_count_beyond_the_bytes_is_refused_before_anything_is_allocated() -> None:
    with pytest.raises(LimitExceeded):
        codec_of_alias(tuple[U64, ...]).decode(encode_compact(2**32 - 1) + bytes(16))
    with pytest.raises(LimitExceeded):
        codec_of_alias(bytes).decode(encode_compact(2**30) + b"abc")


def test_scl_06_a_count_above_the_limit_is_refused_in_both_directions() -> None:
    codec = codec_of_alias(Annotated[tuple[U8, ...], Limit(2)])
    assert codec.decode(b"\x08\x01\x02") == (1, 2)
    with pytest.raises(LimitExceeded):
        codec.decode(b"\x0c\x01\x02\x03")
    with pytest.raises(LimitExceeded):
        codec.encode((1, 2, 3))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("small", 256),
        ("small", -1),
        ("small", "1"),
        ("small", None),
        ("signed", 2**63),
        ("big", 2**128),
        ("big", -1),
        ("huge", 2**256),
        ("huge", -1),
        ("compact", 2**128),
        ("compact", -1),
        ("compact", 1.5),
        ("flag", 1),
        ("flag", None),
        ("text", 5),
        ("text", "\ud800"),
        ("data", "text"),
        ("data", [1]),
        ("four", b"abc"),
        ("four", b"abcde"),
        ("maybe", -1),
        ("numbers", (1, 70000)),
        ("numbers", 5),
        ("three", (True, False)),
        ("pair", (1,)),
        ("pair", (1, "", 2)),
        ("colour", 5),
        ("colour", 1),
        ("figure", VALUE),
        ("figure", None),
        ("short", b"abcd"),
    ],
)
def test_scl_07_a_value_that_does_not_fit_is_refused(field: str, value: object) -> None:
    with pytest.raises((ValueOutOfRange, LimitExceeded)):
        encode(Everything, msgspec.structs.replace(VALUE, **{field: value}))


def test_scl_08_text_that_is_not_utf_8_is_refused() -> None:
    for data in ("04ff", "08c328", "0ceda080"):
        with pytest.raises(NotText):
            codec_of_alias(str).decode(bytes.fromhex(data))


def test_scl_01_flipping_a_bit_gives_another_value_or_an_error() -> None:
    for position in range(len(BYTES)):
        for bit in range(8):
            changed = bytearray(BYTES)
            changed[position] ^= 1 << bit
            try:
                value = decode(Everything, bytes(changed))
            except CodecError:
                continue
            assert value != VALUE
            assert encode(Everything, value) == bytes(changed)


def test_decode_prefix_says_where_the_value_ends() -> None:
    assert codec_of(Everything).decode_prefix(b"zz" + BYTES + b"zzz", 2) == (VALUE, 2 + len(BYTES))


@pytest.mark.parametrize("annotation", [int, float, dict[str, int], list[int], U8 | U16, object(), None])
def test_an_annotation_without_a_meaning_is_refused_when_the_codec_is_made(annotation: object) -> None:
    with pytest.raises(UnsupportedType):
        shape_of(annotation)


def test_a_vec_of_items_without_bytes_is_refused_when_the_codec_is_made() -> None:
    with pytest.raises(UnsupportedType, match="items without bytes"):
        codec_of_alias(tuple[Nothing, ...])


def test_a_record_without_fields_has_no_bytes() -> None:
    assert encode(Nothing, Nothing()) == b""
    assert codec_of_alias(Annotated[tuple[Nothing, ...], Fixed(2)]).decode(b"") == (Nothing(), Nothing())
    with pytest.raises(ValueOutOfRange, match="not a Nothing"):
        encode(Nothing, VALUE)  # type: ignore[arg-type]


def test_two_variants_with_one_index_are_refused_when_the_codec_is_made() -> None:
    class Again(msgspec.Struct, frozen=True, kw_only=True):
        scale_index: ClassVar[int] = 1

    with pytest.raises(UnsupportedType, match="uses a variant index twice"):
        shape_of(Annotated[Circle | Again, Enum(("tests", "Twice"))])


def test_an_account_has_the_80_bytes_of_substrate() -> None:
    info = AccountInfo(nonce=1, providers=1, data=AccountData(free=10, reserved=2, frozen=3))
    expected = (
        "01000000" + "00000000" + "01000000" + "00000000" + "0a" + "00" * 15 + "02" + "00" * 15 + "03" + "00" * 15
    )
    assert encode(AccountInfo, info).hex() == expected + "00" * 15 + "80"


def test_a_dispatch_error_has_the_bytes_of_substrate() -> None:
    assert codec_of_alias(DispatchError).encode(DispatchToken(error=TokenError.BelowMinimum)) == b"\x07\x02"


@pytest.mark.parametrize(
    "error",
    [UnexpectedEnd, TrailingBytes, NotCanonical, UnknownVariant, LimitExceeded, ValueOutOfRange, NotText, CodecError],
)
def test_errors_survive_a_process_pool(error: type[CodecError]) -> None:
    copy = pickle.loads(pickle.dumps(error("why")))
    assert type(copy) is error
    assert str(copy) == "why"
    assert error.rule.startswith("SCL-")


def test_every_public_error_has_a_rule_of_its_own() -> None:
    rules = [cls.rule for cls in vars(scale).values() if isinstance(cls, type) and issubclass(cls, CodecError)]
    assert len(rules) == len(set(rules)) == 8
