"""What a Python annotation means in SCALE: the shape that codec and metadata are both made from.

Terms:
    shape: a frozen description of one SCALE type. `shape_of(annotation)` is the only place that reads annotations.
    record: a `msgspec.Struct`; its fields in order.
    enum: an annotated union of records, each with a class variable `scale_index`; or, where no variant has fields, an
        `IntEnum`.

Annotations understood: the integer aliases below, `bool`, `str`, `bytes` (a Vec<u8>), `Annotated[bytes, Fixed(n)]`,
`X | None`, `tuple[X, ...]` (a Vec), `Annotated[tuple[X, ...], Fixed(n)]` (an array), `tuple[A, B]`, records,
`IntEnum`s, and `Annotated[A | B, Enum(...)]`.

Source: https://docs.polkadot.com/ "SCALE codec"; parity-scale-codec.
"""

from __future__ import annotations

import types
import typing
from enum import IntEnum
from functools import cache
from typing import Annotated, TypeAlias

import msgspec


class Fixed(msgspec.Struct, frozen=True):
    """A length that is part of the type."""

    length: int


class Limit(msgspec.Struct, frozen=True):
    """The most items a Vec may have on the wire; more is refused before anything is allocated."""

    length: int


class IntWidth(msgspec.Struct, frozen=True):
    """A fixed-width little-endian integer."""

    size: int
    signed: bool = False


class CompactWidth(msgspec.Struct, frozen=True):
    """A compact integer of at most `size` bytes."""

    size: int


class Enum(msgspec.Struct, frozen=True):
    """The path under which an enum appears in metadata, its own name last."""

    path: tuple[str, ...]


class TypePath(msgspec.Struct, frozen=True):
    """The path under which a fixed byte string appears in metadata, e.g. sp_core::crypto::AccountId32."""

    path: tuple[str, ...]


U8: TypeAlias = Annotated[int, IntWidth(1)]
U16: TypeAlias = Annotated[int, IntWidth(2)]
U32: TypeAlias = Annotated[int, IntWidth(4)]
U64: TypeAlias = Annotated[int, IntWidth(8)]
U128: TypeAlias = Annotated[int, IntWidth(16)]
U256: TypeAlias = Annotated[int, IntWidth(32)]
I32: TypeAlias = Annotated[int, IntWidth(4, signed=True)]
I64: TypeAlias = Annotated[int, IntWidth(8, signed=True)]
I128: TypeAlias = Annotated[int, IntWidth(16, signed=True)]
CompactU32: TypeAlias = Annotated[int, CompactWidth(4)]
CompactU64: TypeAlias = Annotated[int, CompactWidth(8)]
CompactU128: TypeAlias = Annotated[int, CompactWidth(16)]
Bytes4: TypeAlias = Annotated[bytes, Fixed(4)]
Bytes64: TypeAlias = Annotated[bytes, Fixed(64)]
H256: TypeAlias = Annotated[bytes, Fixed(32), TypePath(("primitive_types", "H256"))]
AccountId: TypeAlias = Annotated[bytes, Fixed(32), TypePath(("sp_core", "crypto", "AccountId32"))]


class UintShape(msgspec.Struct, frozen=True):
    """Fixed-width integer of `size` bytes."""

    size: int
    signed: bool
    path: tuple[str, ...] = ()


class CompactShape(msgspec.Struct, frozen=True):
    """Compact integer of at most `size` bytes."""

    size: int


class BoolShape(msgspec.Struct, frozen=True):
    """One byte, 0 or 1."""


class FixedBytesShape(msgspec.Struct, frozen=True):
    """`length` raw bytes; `path` names it in metadata when not empty."""

    length: int
    path: tuple[str, ...]


class BytesShape(msgspec.Struct, frozen=True):
    """Vec<u8>; at most `limit` bytes unless None."""

    limit: int | None


class TextShape(msgspec.Struct, frozen=True):
    """UTF-8 text with a compact length."""


class OptionShape(msgspec.Struct, frozen=True):
    """0, or 1 and the inner value."""

    inner: Shape


class VecShape(msgspec.Struct, frozen=True):
    """Compact count, then the items."""

    inner: Shape
    limit: int | None


class ArrayShape(msgspec.Struct, frozen=True):
    """Exactly `length` items."""

    inner: Shape
    length: int


class TupleShape(msgspec.Struct, frozen=True):
    """Items one after the other."""

    items: tuple[Shape, ...]


class RecordShape(msgspec.Struct, frozen=True):
    """A record's fields, one after the other."""

    cls: type[msgspec.Struct]
    fields: tuple[tuple[str, Shape], ...]


class NamedIndexShape(msgspec.Struct, frozen=True):
    """One index byte that names a variant without fields (a Python IntEnum)."""

    cls: type[IntEnum]
    path: tuple[str, ...]


class EnumShape(msgspec.Struct, frozen=True):
    """One index byte, then the fields of that variant."""

    path: tuple[str, ...]
    variants: tuple[tuple[int, RecordShape], ...]


Shape: TypeAlias = (
    UintShape
    | CompactShape
    | BoolShape
    | FixedBytesShape
    | BytesShape
    | TextShape
    | OptionShape
    | VecShape
    | ArrayShape
    | TupleShape
    | RecordShape
    | NamedIndexShape
    | EnumShape
)


class UnsupportedType(TypeError):
    """An annotation without a SCALE meaning (our bug, found when the codec is compiled)."""


@cache
def shape_of(annotation: object) -> Shape:
    """Return the shape of an annotation.

    Raises:
        UnsupportedType: the annotation has no SCALE meaning.
    """
    if typing.get_origin(annotation) is Annotated:
        base, *notes = typing.get_args(annotation)
        return _shape_of_annotated(base, notes, annotation)
    if annotation is bool:
        return BoolShape()
    if annotation is bytes:
        return BytesShape(limit=None)
    if annotation is str:
        return TextShape()
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _record_shape(annotation)
    if isinstance(annotation, type) and issubclass(annotation, IntEnum):
        return NamedIndexShape(cls=annotation, path=path_of(annotation))
    if typing.get_origin(annotation) is tuple:
        items = typing.get_args(annotation)
        if len(items) == 2 and items[1] is Ellipsis:
            return VecShape(inner=shape_of(items[0]), limit=None)
        return TupleShape(items=tuple(shape_of(item) for item in items))
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        inner = [item for item in typing.get_args(annotation) if item is not types.NoneType]
        if len(inner) == 1:
            return OptionShape(inner=shape_of(inner[0]))
    raise UnsupportedType(f"{annotation!r} has no SCALE meaning")


def path_of(cls: type) -> tuple[str, ...]:
    """Return the path of a record or IntEnum in metadata: its `scale_path`, else module and name."""
    path: tuple[str, ...] | None = getattr(cls, "scale_path", None)
    return path if path is not None else (*cls.__module__.split("."), cls.__name__)


def _shape_of_annotated(base: object, notes: list[object], annotation: object) -> Shape:
    path = next((note.path for note in notes if isinstance(note, TypePath)), ())
    for note in notes:
        match note:
            case IntWidth():
                return UintShape(size=note.size, signed=note.signed, path=path)
            case CompactWidth():
                return CompactShape(size=note.size)
            case Fixed() if base is bytes:
                return FixedBytesShape(length=note.length, path=path)
            case Fixed():
                return ArrayShape(inner=shape_of(typing.get_args(base)[0]), length=note.length)
            case Limit() if base is bytes:
                return BytesShape(limit=note.length)
            case Limit():
                return VecShape(inner=shape_of(typing.get_args(base)[0]), limit=note.length)
            case Enum():
                members = typing.get_args(base) or (base,)
                variants = sorted(
                    ((int(member.scale_index), _record_shape(member)) for member in members), key=lambda v: v[0]
                )
                if len({index for index, _ in variants}) != len(variants):
                    raise UnsupportedType(f"{note.path} uses a variant index twice")
                return EnumShape(path=note.path, variants=tuple(variants))
            case _:
                continue
    raise UnsupportedType(f"{annotation!r} has no SCALE meaning")


def _record_shape(cls: type[msgspec.Struct]) -> RecordShape:
    hints = typing.get_type_hints(cls, include_extras=True)
    return RecordShape(cls=cls, fields=tuple((name, shape_of(hints[name])) for name in cls.__struct_fields__))
