"""The part of protobuf's wire format that libp2p uses: numbers and byte strings.

A message is read as its fields in order, each (number, value): an int for a varint, bytes for everything else. Unknown
fields are the caller's to skip, as protobuf demands.

Source: protobuf.dev, "Encoding"; docs/spec/network.md.
"""

from __future__ import annotations

from network.libp2p.protocol_error import BadProtobuf
from network.libp2p.varint import encode_varint

_NUMBER_BYTES_MAX = 10
_FIXED_BYTES = {1: 8, 5: 4}
_FIELDS_MAX = 20_000

Field = tuple[int, int | bytes]


def decode_fields(data: bytes) -> list[Field]:
    """Return the fields of a message.

    Raises:
        BadProtobuf: cut short, an unknown wire type, field 0, or an absurd count.
    """
    # SPEC NET-04: A protobuf message MUST consist of whole fields of the wire types 0, 1, 2 and 5, each of the type
    # that its schema gives.
    fields: list[Field] = []
    offset, end = 0, len(data)
    while offset < end:
        key, offset = _read_number(data, offset)
        number, kind = key >> 3, key & 7
        if number == 0 or len(fields) >= _FIELDS_MAX:
            raise BadProtobuf("field number 0" if number == 0 else f"more than {_FIELDS_MAX} fields")
        if kind == 0:
            value, offset = _read_number(data, offset)
            fields.append((number, value))
            continue
        if kind == 2:
            length, offset = _read_number(data, offset)
        elif kind in _FIXED_BYTES:
            length = _FIXED_BYTES[kind]
        else:
            raise BadProtobuf(f"wire type {kind}")
        if length > end - offset:
            raise BadProtobuf("a field is longer than its message")
        fields.append((number, data[offset : offset + length]))
        offset += length
    return fields


def as_bytes(value: int | bytes) -> bytes:
    """Return the field's bytes.

    Raises:
        BadProtobuf: the field is a number.
    """
    if isinstance(value, int):
        raise BadProtobuf("a number where bytes belong")
    return value


def as_number(value: int | bytes) -> int:
    """Return the field's number.

    Raises:
        BadProtobuf: the field is a byte string.
    """
    if not isinstance(value, int):
        raise BadProtobuf("bytes where a number belongs")
    return value


def as_text(value: int | bytes) -> str:
    """Return the field's text.

    Raises:
        BadProtobuf: not UTF-8.
    """
    try:
        return as_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise BadProtobuf("text that is not UTF-8") from None


def encode_bytes(number: int, value: bytes) -> bytes:
    """Return a field of bytes."""
    return encode_varint(number << 3 | 2) + encode_varint(len(value)) + value


def encode_number(number: int, value: int) -> bytes:
    """Return a field with a number that is not negative."""
    return encode_varint(number << 3) + encode_varint(value)


def _read_number(data: bytes, offset: int) -> tuple[int, int]:
    value = shift = 0
    for position in range(offset, min(len(data), offset + _NUMBER_BYTES_MAX)):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position + 1
        shift += 7
    raise BadProtobuf("a number is cut short or too long")
