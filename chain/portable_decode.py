"""Bytes to plain Python values by the type registry of metadata, for clients that know no records.

Values: int, bool, str, bytes (Vec<u8>, [u8; n], accounts, hashes), tuple, dict (named fields), None or the value itself
(Option), "Name" or {"Name": value} (enum). A struct of one unnamed field is that field.

Both the bytes and the registry may come from a stranger: depth and number of values are bounded, and nothing but
`CodecError` is raised.

Source: docs/spec/metadata.md; SCALE.
"""

from __future__ import annotations

import struct
from typing import ClassVar, assert_never

import msgspec

from chain import metadata_v14 as v14
from chain.metadata_v14 import Field, PortableType, PrimitiveKind
from chain.scale import (
    CodecError,
    LimitExceeded,
    NotCanonical,
    NotText,
    TrailingBytes,
    UnexpectedEnd,
    UnknownVariant,
    decode_compact,
)
from chain.ss58 import encode_address

DEPTH_MAX = 64
ACCOUNT_PATH = ("sp_core", "crypto", "AccountId32")
U256_PATH = ("primitive_types", "U256")
_INTEGERS = {
    PrimitiveKind.u8: (1, False),
    PrimitiveKind.u16: (2, False),
    PrimitiveKind.u32: (4, False),
    PrimitiveKind.u64: (8, False),
    PrimitiveKind.u128: (16, False),
    PrimitiveKind.u256: (32, False),
    PrimitiveKind.i8: (1, True),
    PrimitiveKind.i16: (2, True),
    PrimitiveKind.i32: (4, True),
    PrimitiveKind.i64: (8, True),
    PrimitiveKind.i128: (16, True),
    PrimitiveKind.i256: (32, True),
}


class ValueTooLarge(CodecError):
    """A value nested too deep, or of more parts than its bytes can justify."""

    rule: ClassVar[str] = "MET-05"


class UnsupportedPortableType(CodecError):
    """A type of the registry that this client cannot read, such as a bit sequence."""

    rule: ClassVar[str] = "MET-06"


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How values are shown.

    Attributes:
        is_json: Integers of 64 bits and more become decimal text, bytes become 0x hex, tuples lists.
        ss58_prefix: Accounts become addresses of this network; None leaves them bytes.
    """

    is_json: bool = False
    ss58_prefix: int | None = None


PLAIN = Style()
JSON = Style(is_json=True)


def decode_portable(types: tuple[PortableType, ...], type_id: int, data: bytes, style: Style = PLAIN) -> object:
    """Return the value of a type whose bytes are exactly `data`.

    Raises:
        CodecError: the bytes are no canonical value of the type.
    """
    value, end = decode_portable_prefix(types, type_id, data, 0, style)
    if end != len(data):
        raise TrailingBytes(f"{len(data) - end} bytes follow the value")
    return value


def decode_portable_prefix(
    types: tuple[PortableType, ...], type_id: int, data: bytes, start: int, style: Style = PLAIN
) -> tuple[object, int]:
    """Return the value that begins at `start`, and where it ends.

    Raises:
        CodecError: no canonical value of the type begins there.
    """
    reader = _Reader(types, data, start, style)
    value = reader.read(type_id, 0)
    return value, reader.position


class _Reader:
    """The bytes, the position in them, and how many values may still be made."""

    def __init__(self, types: tuple[PortableType, ...], data: bytes, start: int, style: Style) -> None:
        self.types = types
        self.data = data
        self.position = start
        self.style = style
        self.values_left = 10_000 + 64 * len(data)

    def read(self, type_id: int, depth: int) -> object:
        self.values_left -= 1
        # SPEC MET-05: A client MUST NOT read values nested deeper than 64, or more than 10000 plus 64 for each byte.
        if depth > DEPTH_MAX or self.values_left < 0:
            raise ValueTooLarge("a value is nested too deep or has too many parts")
        if not 0 <= type_id < len(self.types):
            raise UnsupportedPortableType(f"there is no type {type_id}")
        portable = self.types[type_id]
        if portable.path == ACCOUNT_PATH:
            return self._show_account(self._take(32))
        if portable.path == U256_PATH:
            return self._show_int(int.from_bytes(self._take(32), "little"), 32)
        definition = portable.definition
        match definition:
            case v14.Primitive():
                return self._read_primitive(definition.kind)
            case v14.Compact():
                return self._read_compact(definition.type)
            case v14.Sequence():
                return self._read_items(definition.type, self._read_count(), depth)
            case v14.Array():
                return self._read_items(definition.type, definition.length, depth)
            case v14.Tuple():
                return self._show_items([self.read(inner, depth + 1) for inner in definition.types])
            case v14.Composite():
                return self._read_fields(definition.fields, depth)
            case v14.Variants():
                return self._read_variant(portable, definition, depth)
            case v14.BitSequence():
                raise UnsupportedPortableType("bit sequences are not supported")
            case _:
                assert_never(definition)

    def _take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.data):
            raise UnexpectedEnd(f"{size} bytes are needed, {len(self.data) - self.position} are left")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def _read_primitive(self, kind: PrimitiveKind) -> object:
        if kind in _INTEGERS:
            size, signed = _INTEGERS[kind]
            return self._show_int(int.from_bytes(self._take(size), "little", signed=signed), size)
        if kind is PrimitiveKind.bool:
            return self._read_tag() == 1
        if kind is PrimitiveKind.char:
            return self._read_char()
        try:
            return self._take(self._read_count()).decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotText("text that is not UTF-8") from error

    def _read_char(self) -> str:
        (code,) = struct.unpack("<I", self._take(4))
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise NotCanonical(f"{code:#x} is no character")
        return chr(code)

    def _read_tag(self) -> int:
        tag = self._take(1)[0]
        if tag > 1:
            raise NotCanonical(f"a tag byte {tag} instead of 0 or 1")
        return tag

    def _read_count(self) -> int:
        count = self._read_compact_int(4)
        if count > len(self.data) - self.position:
            raise LimitExceeded(f"{count} items are more than the bytes allow")
        return count

    def _read_compact_int(self, size: int) -> int:
        value, self.position = decode_compact(self.data, self.position, size)
        return value

    def _read_compact(self, type_id: int) -> object:
        size = compact_size(self.types, type_id)
        return None if size == 0 else self._show_int(self._read_compact_int(size), size)

    def _read_items(self, type_id: int, count: int, depth: int) -> object:
        if is_byte(self.types, type_id):
            taken = self._take(count)
            return "0x" + taken.hex() if self.style.is_json else taken
        return self._show_items([self.read(type_id, depth + 1) for _ in range(count)])

    def _read_fields(self, fields: tuple[Field, ...], depth: int) -> object:
        if not fields:
            return None
        if any(field.name is None for field in fields):
            values = [self.read(field.type, depth + 1) for field in fields]
            return values[0] if len(values) == 1 else self._show_items(values)
        return {str(field.name): self.read(field.type, depth + 1) for field in fields}

    def _read_variant(self, portable: PortableType, definition: v14.Variants, depth: int) -> object:
        index = self._take(1)[0]
        variant = next((item for item in definition.variants if item.index == index), None)
        if variant is None:
            raise UnknownVariant(f"no variant {index} in {'::'.join(portable.path)}")
        value = self._read_fields(variant.fields, depth)
        if portable.path == ("Option",):
            return value
        return {variant.name: value} if variant.fields else variant.name

    def _show_int(self, value: int, size: int) -> object:
        return str(value) if self.style.is_json and size >= 8 else value

    def _show_items(self, values: list[object]) -> object:
        return values if self.style.is_json else tuple(values)

    def _show_account(self, account: bytes) -> object:
        if self.style.ss58_prefix is not None:
            return encode_address(account, self.style.ss58_prefix)
        return "0x" + account.hex() if self.style.is_json else account


def is_byte(types: tuple[PortableType, ...], type_id: int) -> bool:
    """Is this the type u8 itself?"""
    if not 0 <= type_id < len(types):
        return False
    definition = types[type_id].definition
    return isinstance(definition, v14.Primitive) and definition.kind is PrimitiveKind.u8


def int_size(kind: PrimitiveKind) -> tuple[int, bool] | None:
    """Return bytes and sign of an integer primitive, None for the others."""
    return _INTEGERS.get(kind)


def compact_size(types: tuple[PortableType, ...], type_id: int) -> int:
    """Return the bytes of the integer inside a compact type, 0 for compact of nothing.

    Raises:
        UnsupportedPortableType: it holds no unsigned integer.
    """
    for _ in range(DEPTH_MAX):
        if not 0 <= type_id < len(types):
            break
        definition = types[type_id].definition
        match definition:
            case v14.Primitive() if not _INTEGERS.get(definition.kind, (0, True))[1]:
                return _INTEGERS[definition.kind][0]
            case v14.Tuple(types=()) | v14.Composite(fields=()):
                return 0
            case v14.Composite(fields=(field,)):
                type_id = field.type
            case _:
                break
    raise UnsupportedPortableType("a compact type without an unsigned integer in it")
