"""Plain Python values to bytes by the type registry of metadata; a wrong value is named by its path.

Accepted: int or decimal text for integers; bytes or 0x hex for bytes; bytes, 0x hex or an address for accounts (and
where an address type is wanted); list or tuple; dict by field name (an Option may be left out); "Name" or
{"Name": value} for enums; None for an empty Option. What chain.portable_decode returns is accepted again.

Source: docs/spec/metadata.md; SCALE.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import ClassVar, NoReturn, assert_never

from chain import metadata_v14 as v14
from chain.metadata_v14 import Field, PortableType, PrimitiveKind, Variant
from chain.portable_decode import ACCOUNT_PATH, DEPTH_MAX, U256_PATH, compact_size, int_size, is_byte
from chain.scale import CodecError, encode_compact
from chain.ss58 import PREFIX_SUBSTRATE, InvalidAddress, decode_address

ADDRESS_PATH = ("sp_runtime", "multiaddress", "MultiAddress")
_DECIMAL = re.compile(r"-?[0-9][0-9_]*")
_HEX = re.compile(r"0x([0-9a-fA-F]{2})*")


class WrongArgument(CodecError):
    """A value that does not fit its type; says where, what was expected, and what was given."""

    rule: ClassVar[str] = "MET-04"

    def __init__(self, path: str, expected: str, given: str) -> None:
        super().__init__(path, expected, given)
        self.path = path
        self.expected = expected
        self.given = given

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, got {self.given}"


def encode_portable(
    types: tuple[PortableType, ...], type_id: int, value: object, path: str, *, ss58_prefix: int = PREFIX_SUBSTRATE
) -> bytes:
    """Return the bytes of a value as the type `type_id`.

    Args:
        path: What the value is called in errors.
        ss58_prefix: The network whose addresses are accepted, beside the general 42.

    Raises:
        WrongArgument: the value, or a part of it, does not fit.
    """
    writer = _Writer(types, ss58_prefix)
    writer.write(type_id, value, path, 0)
    return b"".join(writer.parts)


def encode_fields(
    types: tuple[PortableType, ...], fields: tuple[Field, ...], value: object, path: str, *, ss58_prefix: int
) -> bytes:
    """Return the bytes of the fields of a call or another variant; see `encode_portable`."""
    writer = _Writer(types, ss58_prefix)
    writer.write_fields(fields, value, path, 0)
    return b"".join(writer.parts)


class _Writer:
    """The parts written so far."""

    def __init__(self, types: tuple[PortableType, ...], ss58_prefix: int) -> None:
        self.types = types
        self.ss58_prefix = ss58_prefix
        self.parts: list[bytes] = []

    def write(self, type_id: int, value: object, path: str, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise WrongArgument(path, f"at most {DEPTH_MAX} levels", "more")
        if not 0 <= type_id < len(self.types):
            raise WrongArgument(path, "a type of the metadata", f"type {type_id}")
        portable = self.types[type_id]
        if portable.path == ACCOUNT_PATH:
            self.parts.append(self._read_account(value, path))
            return
        if portable.path == U256_PATH:
            self.parts.append(self._read_int(value, path, 32, signed=False).to_bytes(32, "little"))
            return
        definition = portable.definition
        match definition:
            case v14.Primitive():
                self._write_primitive(definition.kind, value, path)
            case v14.Compact():
                size = compact_size(self.types, definition.type)
                if size:
                    self.parts.append(encode_compact(self._read_int(value, path, size, signed=False)))
            case v14.Sequence():
                self._write_sequence(definition, value, path, depth)
            case v14.Array():
                self._write_array(definition, value, path, depth)
            case v14.Tuple():
                self._write_items(definition.types, value, path, depth)
            case v14.Composite():
                self.write_fields(definition.fields, value, path, depth)
            case v14.Variants():
                self._write_variant(portable, definition, value, path, depth)
            case v14.BitSequence():
                raise WrongArgument(path, "a type that this client supports", "a bit sequence")
            case _:
                assert_never(definition)

    def write_fields(self, fields: tuple[Field, ...], value: object, path: str, depth: int) -> None:
        if any(field.name is None for field in fields):
            if len(fields) == 1:
                self.write(fields[0].type, value, path, depth + 1)
            else:
                self._write_items(tuple(field.type for field in fields), value, path, depth)
            return
        given = {} if value is None and not fields else value
        if not isinstance(given, Mapping):
            _refuse(path, f"fields {', '.join(str(field.name) for field in fields)}", value)
        names = [str(field.name) for field in fields]
        for name in given:
            if name not in names:
                close = get_close_matches(str(name), names, 1)
                hint = f" (did you mean {close[0]}?)" if close else ""
                raise WrongArgument(path, f"only the fields {', '.join(names) or '(none)'}", f"{name!r}{hint}")
        for field, name in zip(fields, names, strict=True):
            if name not in given and not self._is_option(field.type):
                raise WrongArgument(f"{path}.{name}", field.type_name or "a value", "nothing")
            self.write(field.type, given.get(name), f"{path}.{name}", depth + 1)

    def _is_option(self, type_id: int) -> bool:
        return 0 <= type_id < len(self.types) and self.types[type_id].path == ("Option",)

    def _write_primitive(self, kind: PrimitiveKind, value: object, path: str) -> None:
        width = int_size(kind)
        if width is not None:
            size, signed = width
            self.parts.append(self._read_int(value, path, size, signed=signed).to_bytes(size, "little", signed=signed))
        elif kind is PrimitiveKind.bool:
            if not isinstance(value, bool) and value not in ("true", "false"):
                _refuse(path, "true or false", value)
            self.parts.append(b"\x01" if value in (True, "true") else b"\x00")
        elif not isinstance(value, str) or (kind is PrimitiveKind.char and len(value) != 1):
            _refuse(path, "one character" if kind is PrimitiveKind.char else "text", value)
        else:
            self._write_text(kind, value, path)

    def _write_text(self, kind: PrimitiveKind, value: str, path: str) -> None:
        try:
            data = value.encode("utf-8")
        except UnicodeEncodeError:
            _refuse(path, "text without lone surrogates", value)
        is_char = kind is PrimitiveKind.char
        self.parts.append(ord(value).to_bytes(4, "little") if is_char else encode_compact(len(data)) + data)

    def _write_sequence(self, definition: v14.Sequence, value: object, path: str, depth: int) -> None:
        if is_byte(self.types, definition.type) and not isinstance(value, list | tuple):
            data = _read_bytes(value, path, "bytes (0x and hex digits)")
            self.parts.append(encode_compact(len(data)) + data)
            return
        if not isinstance(value, list | tuple):
            _refuse(path, "a list", value)
        self.parts.append(encode_compact(len(value)))
        for position, item in enumerate(value):
            self.write(definition.type, item, f"{path}[{position}]", depth + 1)

    def _write_array(self, definition: v14.Array, value: object, path: str, depth: int) -> None:
        if is_byte(self.types, definition.type) and not isinstance(value, list | tuple):
            expected = f"{definition.length} bytes (0x and {2 * definition.length} hex digits)"
            data = _read_bytes(value, path, expected)
            if len(data) != definition.length:
                raise WrongArgument(path, expected, f"{len(data)} bytes")
            self.parts.append(data)
            return
        if not isinstance(value, list | tuple) or len(value) != definition.length:
            _refuse(path, f"a list of {definition.length} items", value)
        for position, item in enumerate(value):
            self.write(definition.type, item, f"{path}[{position}]", depth + 1)

    def _write_items(self, type_ids: tuple[int, ...], value: object, path: str, depth: int) -> None:
        given = () if value is None and not type_ids else value
        if not isinstance(given, list | tuple) or len(given) != len(type_ids):
            _refuse(path, f"a list of {len(type_ids)} items", value)
        for position, (type_id, item) in enumerate(zip(type_ids, given, strict=True)):
            self.write(type_id, item, f"{path}[{position}]", depth + 1)

    def _write_variant(
        self, portable: PortableType, definition: v14.Variants, value: object, path: str, depth: int
    ) -> None:
        if portable.path == ("Option",):
            self._write_option(definition, value, path, depth)
            return
        if portable.path == ADDRESS_PATH and (isinstance(value, bytes) or not _names_variant(definition, value)):
            self.parts.append(b"\x00" + self._read_account(value, path))
            return
        variant, inner = _choose_variant(definition, value, path)
        self.parts.append(bytes((variant.index,)))
        self.write_fields(variant.fields, inner, f"{path}.{variant.name}", depth)

    def _write_option(self, definition: v14.Variants, value: object, path: str, depth: int) -> None:
        if value is None:
            self.parts.append(b"\x00")
            return
        some = next((variant for variant in definition.variants if variant.name == "Some"), None)
        if some is None:
            raise WrongArgument(path, "an Option that has Some", "another metadata")
        self.parts.append(b"\x01")
        self.write_fields(some.fields, value, path, depth)

    def _read_int(self, value: object, path: str, size: int, *, signed: bool) -> int:
        low = -(1 << (8 * size - 1)) if signed else 0
        high = (1 << (8 * size - (1 if signed else 0))) - 1
        expected = f"an integer from {low} to {high if size < 16 else f'2^{8 * size - (1 if signed else 0)} - 1'}"
        if isinstance(value, str) and len(value) < 100 and _DECIMAL.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            _refuse(path, expected, value)
        return value

    def _read_account(self, value: object, path: str) -> bytes:
        expected = "an account (an address, or 0x and 64 hex digits)"
        if isinstance(value, str) and not value.startswith("0x"):
            return self._read_address(value, path, expected)
        data = _read_bytes(value, path, expected)
        if len(data) != 32:
            raise WrongArgument(path, expected, f"{len(data)} bytes")
        return data

    def _read_address(self, value: str, path: str, expected: str) -> bytes:
        try:
            account, prefix = decode_address(value)
        except InvalidAddress as error:
            raise WrongArgument(path, expected, f"{_show(value)} ({error})") from None
        if prefix not in (self.ss58_prefix, PREFIX_SUBSTRATE):
            networks = " or ".join(str(item) for item in sorted({self.ss58_prefix, PREFIX_SUBSTRATE}))
            raise WrongArgument(path, f"an address of network {networks}", f"one of network {prefix}")
        return account


def _names_variant(definition: v14.Variants, value: object) -> bool:
    name = next(iter(value), None) if isinstance(value, Mapping) else value
    return any(variant.name == name for variant in definition.variants)


def _choose_variant(definition: v14.Variants, value: object, path: str) -> tuple[Variant, object]:
    inner: object = None
    name = value
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, inner),) = value.items()
    names = [variant.name for variant in definition.variants]
    variant = next((item for item in definition.variants if item.name == name), None)
    if variant is None:
        shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        _refuse(path, f"one of {shown}", value)
    return variant, inner


def _read_bytes(value: object, path: str, expected: str) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        _refuse(path, expected, value)
    return bytes.fromhex(value[2:])


def _refuse(path: str, expected: str, value: object) -> NoReturn:
    # SPEC MET-04: A value that does not fit its type MUST be refused with its path, what was expected and what came.
    raise WrongArgument(path, expected, _show(value))


def _show(value: object) -> str:
    shown = "nothing" if value is None else repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
