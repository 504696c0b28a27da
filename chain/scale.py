"""SCALE: values to bytes and back, canonical in both directions.

`codec_of(annotation)` compiles one encoder and one decoder per type from its shape (see chain.scale_shapes), by
writing a small Python function for it: fields of fixed width are packed in one `struct` call, which is what makes a
thousand transfers a block affordable.

Invariant: `encode(decode(b)) == b` for every `b` that `decode` accepts. Nothing but `CodecError` is raised for bad
bytes or bad values.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable
from functools import cache
from typing import ClassVar, Generic, TypeVar, cast

from chain.scale_shapes import shape_of
from chain.scale_source import write_decoder, write_encoder

T = TypeVar("T")


class CodecError(ValueError):
    """Bytes or a value that SCALE refuses."""

    rule: ClassVar[str] = "SCL-01"


class UnexpectedEnd(CodecError):
    """The bytes end before the value does."""

    rule: ClassVar[str] = "SCL-02"


class TrailingBytes(CodecError):
    """Bytes are left after the value."""

    rule: ClassVar[str] = "SCL-03"


class NotCanonical(CodecError):
    """A value in a longer form than needed, or a bool or option tag other than 0 and 1."""

    rule: ClassVar[str] = "SCL-04"


class UnknownVariant(CodecError):
    """An enum index without a variant."""

    rule: ClassVar[str] = "SCL-05"


class LimitExceeded(CodecError):
    """More items than the type allows or than the bytes can hold."""

    rule: ClassVar[str] = "SCL-06"


class ValueOutOfRange(CodecError):
    """A Python value that its SCALE type cannot hold."""

    rule: ClassVar[str] = "SCL-07"


class NotText(CodecError):
    """Bytes that are no UTF-8 where text is wanted."""

    rule: ClassVar[str] = "SCL-08"


class Codec(Generic[T]):
    """The compiled codec of one type."""

    __slots__ = ("_decode", "_encode", "name")

    def __init__(self, name: str, encode: Callable[[T], bytes], decode: Callable[[bytes, int], tuple[T, int]]) -> None:
        self.name = name
        self._encode = encode
        self._decode = decode

    def encode(self, value: T) -> bytes:
        """Return the bytes of `value`.

        Raises:
            ValueOutOfRange: the value does not fit its type.
        """
        try:
            return self._encode(value)
        except CodecError:
            raise
        # SPEC SCL-07: A value that its type cannot hold MUST be refused.
        except (struct.error, OverflowError, AttributeError, TypeError, ValueError, IndexError, KeyError) as error:
            raise ValueOutOfRange(f"not a {self.name}: {error}") from error

    def decode(self, data: bytes) -> T:
        """Return the value whose bytes are exactly `data`.

        Raises:
            CodecError: the bytes are not the canonical form of one value.
        """
        # SPEC SCL-01: Decoding MUST accept only bytes that encoding the decoded value gives again.
        value, end = self.decode_prefix(data, 0)
        # SPEC SCL-03: Bytes left after a decoded value MUST be refused.
        if end != len(data):
            raise TrailingBytes(f"{len(data) - end} bytes follow a {self.name}")
        return value

    def decode_prefix(self, data: bytes, start: int) -> tuple[T, int]:
        """Return the value that begins at `start`, and where it ends.

        Raises:
            CodecError: no canonical value begins there.
        """
        try:
            return self._decode(data, start)
        # SPEC SCL-02: Bytes that end before the value does MUST be refused.
        except (IndexError, struct.error) as error:
            raise UnexpectedEnd(f"the bytes end inside a {self.name}") from error
        # SPEC SCL-08: Text MUST be UTF-8.
        except UnicodeDecodeError as error:
            raise NotText(f"text that is not UTF-8 in a {self.name}") from error


def codec_of(annotation: type[T]) -> Codec[T]:
    """Return the codec of a record type, compiled on first use."""
    return cast("Codec[T]", codec_of_alias(cast("Hashable", annotation)))


@cache
def codec_of_alias(annotation: Hashable) -> Codec[object]:
    """Return the codec of any annotation, such as an enum's alias; the caller casts it to what the alias holds."""
    shape = shape_of(annotation)
    name = getattr(annotation, "__name__", str(annotation))
    names: dict[str, object] = {
        "compact": decode_compact,
        "compact_bytes": encode_compact,
        "count": _decode_count,
        "NotCanonical": NotCanonical,
        "UnknownVariant": UnknownVariant,
        "LimitExceeded": LimitExceeded,
        "ValueOutOfRange": ValueOutOfRange,
    }
    encoder = write_encoder(shape, names)
    decoder = write_decoder(shape, names)
    # The source is made from type shapes alone (never from data); this is how one function per type comes about.
    exec(encoder + decoder, names)
    encode_one = cast("Callable[[object], bytes]", names["encode"])
    decode_one = cast("Callable[[bytes, int], tuple[object, int]]", names["decode"])
    return Codec(name, encode_one, decode_one)


def encode(annotation: type[T], value: T) -> bytes:
    """Return the bytes of `value` as `annotation`."""
    return codec_of(annotation).encode(value)


def decode(annotation: type[T], data: bytes) -> T:
    """Return the value of type `annotation` whose bytes are exactly `data`."""
    return codec_of(annotation).decode(data)


def encode_compact(value: int) -> bytes:
    """Return the compact form of an unsigned integer below 2^536."""
    if value < 0:
        raise ValueOutOfRange(f"{value} is negative")
    if value < 1 << 6:
        return bytes((value << 2,))
    if value < 1 << 14:
        return ((value << 2) | 1).to_bytes(2, "little")
    if value < 1 << 30:
        return ((value << 2) | 2).to_bytes(4, "little")
    size = (value.bit_length() + 7) // 8
    if size > 67:
        raise ValueOutOfRange("a compact integer has at most 67 bytes")
    return bytes((((size - 4) << 2) | 3,)) + value.to_bytes(size, "little")


def decode_compact(data: bytes, start: int, size_max: int) -> tuple[int, int]:
    """Return the compact integer at `start` and where it ends.

    Raises:
        NotCanonical: a longer form than needed, or an integer of more than `size_max` bytes.
        UnexpectedEnd: the bytes end inside it.
    """
    if start >= len(data):
        raise UnexpectedEnd("the bytes end before a compact integer")
    first = data[start]
    mode = first & 3
    size = (1, 2, 4, (first >> 2) + 5)[mode]
    end = start + size
    if end > len(data):
        raise UnexpectedEnd("the bytes end inside a compact integer")
    if mode == 3:
        value = int.from_bytes(data[start + 1 : end], "little")
        minimal = max(1 << 30, 1 << (8 * (size - 2)))
    else:
        value = int.from_bytes(data[start:end], "little") >> 2
        minimal = (0, 1 << 6, 1 << 14)[mode]
    # SPEC SCL-04: A compact integer MUST have its shortest form, and a bool or option tag MUST be 0 or 1.
    if value < minimal:
        raise NotCanonical(f"{value} in a longer compact form than needed")
    if value >> (8 * size_max):
        raise NotCanonical(f"a compact integer of more than {size_max} bytes")
    return value, end


def _decode_count(data: bytes, start: int, limit: int, item_size_min: int) -> tuple[int, int]:
    """Return a Vec's count, refusing one that the limit or the remaining bytes rule out."""
    value, end = decode_compact(data, start, 4)
    # SPEC SCL-06: A count above the type's limit, or above what the remaining bytes can hold, MUST be refused.
    if value > limit or value * item_size_min > len(data) - end:
        raise LimitExceeded(f"{value} items are more than the type or the bytes allow")
    return value, end
