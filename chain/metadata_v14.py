"""The records of metadata version 14: the portable type registry, pallets, and the extrinsic's format.

Terms:
    type id: the index of a type in the registry.
    path: the names that lead to a type, its own last; empty for tuples, arrays and the like.

Source: frame_metadata::v14 and scale_info::portable.
"""

from __future__ import annotations

from enum import IntEnum, nonmember
from typing import Annotated, ClassVar, TypeAlias

import msgspec

from chain.scale_shapes import U8, U32, Bytes4, CompactU32, Enum

MAGIC = b"meta"
VERSION = 14


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a composite or variant; `type` is a type id."""

    name: str | None
    type: CompactU32
    type_name: str | None = None
    docs: tuple[str, ...] = ()


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One variant of an enum."""

    name: str
    fields: tuple[Field, ...]
    index: U8
    docs: tuple[str, ...] = ()


class Composite(msgspec.Struct, frozen=True, kw_only=True):
    """A struct or tuple struct."""

    scale_index: ClassVar[int] = 0
    fields: tuple[Field, ...]


class Variants(msgspec.Struct, frozen=True, kw_only=True):
    """An enum."""

    scale_index: ClassVar[int] = 1
    variants: tuple[Variant, ...]


class Sequence(msgspec.Struct, frozen=True, kw_only=True):
    """A Vec."""

    scale_index: ClassVar[int] = 2
    type: CompactU32


class Array(msgspec.Struct, frozen=True, kw_only=True):
    """A fixed number of items."""

    scale_index: ClassVar[int] = 3
    length: U32
    type: CompactU32


class Tuple(msgspec.Struct, frozen=True, kw_only=True):
    """Types one after the other."""

    scale_index: ClassVar[int] = 4
    types: tuple[CompactU32, ...]


class PrimitiveKind(IntEnum):
    """The types that are not made of others."""

    scale_path = nonmember(("scale_info", "TypeDefPrimitive"))
    bool = 0
    char = 1
    str = 2
    u8 = 3
    u16 = 4
    u32 = 5
    u64 = 6
    u128 = 7
    u256 = 8
    i8 = 9
    i16 = 10
    i32 = 11
    i64 = 12
    i128 = 13
    i256 = 14


class Primitive(msgspec.Struct, frozen=True, kw_only=True):
    """A type that is not made of others."""

    scale_index: ClassVar[int] = 5
    kind: PrimitiveKind


class Compact(msgspec.Struct, frozen=True, kw_only=True):
    """A compact integer, or a struct of one."""

    scale_index: ClassVar[int] = 6
    type: CompactU32


class BitSequence(msgspec.Struct, frozen=True, kw_only=True):
    """A bit vector."""

    scale_index: ClassVar[int] = 7
    store: CompactU32
    order: CompactU32


TypeDef: TypeAlias = Annotated[
    Composite | Variants | Sequence | Array | Tuple | Primitive | Compact | BitSequence,
    Enum(("scale_info", "TypeDef")),
]


class TypeParameter(msgspec.Struct, frozen=True, kw_only=True):
    """A generic's name and what stands for it."""

    name: str
    type: CompactU32 | None = None


class PortableType(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the registry."""

    id: CompactU32
    path: tuple[str, ...] = ()
    params: tuple[TypeParameter, ...] = ()
    definition: TypeDef
    docs: tuple[str, ...] = ()


class StorageHasher(IntEnum):
    """How a map's key becomes part of the storage key."""

    scale_path = nonmember(("frame_metadata", "v14", "StorageHasher"))
    Blake2_128 = 0
    Blake2_256 = 1
    Blake2_128Concat = 2
    Twox128 = 3
    Twox256 = 4
    Twox64Concat = 5
    Identity = 6


class StorageModifier(IntEnum):
    """What a missing entry means: nothing, or the default."""

    scale_path = nonmember(("frame_metadata", "v14", "StorageEntryModifier"))
    Optional = 0
    Default = 1


class PlainEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One value."""

    scale_index: ClassVar[int] = 0
    value: CompactU32


class MapEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One value for each key; with several hashers the key type is a tuple."""

    scale_index: ClassVar[int] = 1
    hashers: tuple[StorageHasher, ...]
    key: CompactU32
    value: CompactU32


EntryKind: TypeAlias = Annotated[PlainEntry | MapEntry, Enum(("frame_metadata", "v14", "StorageEntryType"))]


class StorageEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One storage item of a pallet."""

    name: str
    modifier: StorageModifier
    kind: EntryKind
    default: bytes
    docs: tuple[str, ...] = ()


class PalletStorage(msgspec.Struct, frozen=True, kw_only=True):
    """A pallet's storage items, under one prefix."""

    prefix: str
    entries: tuple[StorageEntry, ...]


class Constant(msgspec.Struct, frozen=True, kw_only=True):
    """A named value."""

    name: str
    type: CompactU32
    value: bytes
    docs: tuple[str, ...] = ()


class Pallet(msgspec.Struct, frozen=True, kw_only=True):
    """One pallet; calls, event and error are type ids of enums."""

    name: str
    storage: PalletStorage | None
    calls: CompactU32 | None
    event: CompactU32 | None
    constants: tuple[Constant, ...]
    error: CompactU32 | None
    index: U8


class SignedExtension(msgspec.Struct, frozen=True, kw_only=True):
    """One signed extension: what it sends, and what it only signs."""

    identifier: str
    type: CompactU32
    additional_signed: CompactU32


class ExtrinsicFormat(msgspec.Struct, frozen=True, kw_only=True):
    """The extrinsic's type, version and signed extensions."""

    type: CompactU32
    version: U8
    signed_extensions: tuple[SignedExtension, ...]


class MetadataV14(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a client learns about a chain."""

    magic: Bytes4 = MAGIC
    version: U8 = VERSION
    types: tuple[PortableType, ...]
    pallets: tuple[Pallet, ...]
    extrinsic: ExtrinsicFormat
    runtime: CompactU32
