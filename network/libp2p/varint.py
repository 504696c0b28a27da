"""Unsigned varints and frames that begin with their length.

Source: multiformats, unsigned-varint; docs/spec/network.md.
"""

from __future__ import annotations

from network.libp2p.protocol_error import BadVarint, FrameTooLarge

VARINT_BYTES_MAX = 9


def encode_varint(value: int) -> bytes:
    """Return the shortest varint of a number that is not negative."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varint(data: bytes | bytearray, start: int = 0) -> tuple[int, int] | None:
    """Return the number and the offset behind it, or None while bytes are missing.

    Raises:
        BadVarint: longer than 9 bytes, or not the shortest form.
    """
    # SPEC NET-02: A length on the wire MUST be an unsigned varint of at most 9 bytes in its shortest form.
    value = shift = 0
    for offset in range(start, len(data)):
        byte = data[offset]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise BadVarint("a varint ends in a byte that adds nothing")
            return value, offset + 1
        shift += 7
        if shift >= 7 * VARINT_BYTES_MAX:
            raise BadVarint(f"a varint is longer than {VARINT_BYTES_MAX} bytes")
    return None


def encode_frame(payload: bytes) -> bytes:
    """Return the payload behind its length."""
    return encode_varint(len(payload)) + payload


class FrameReader:
    """Cuts a stream of bytes into frames, each behind its length; holds at most one frame that is not complete."""

    def __init__(self, bytes_max: int) -> None:
        """Frames of more than `bytes_max` are refused as soon as their length is read."""
        self._bytes_max = bytes_max
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[bytes]:
        """Return the frames that `data` completes.

        Raises:
            BadVarint, FrameTooLarge.
        """
        self._buffer += data
        frames: list[bytes] = []
        while (frame := self.take()) is not None:
            frames.append(frame)
        return frames

    def add(self, data: bytes) -> None:
        """Keep bytes for `take`."""
        self._buffer += data

    def take(self) -> bytes | None:
        """Return the next complete frame, or None.

        Raises:
            BadVarint, FrameTooLarge.
        """
        head = decode_varint(self._buffer)
        if head is None:
            return None
        length, start = head
        # SPEC NET-03: A frame MUST be refused by its length, before its content is stored, when it exceeds its
        # protocol's limit.
        if length > self._bytes_max:
            raise FrameTooLarge(f"a frame of {length} bytes where {self._bytes_max} are allowed")
        if len(self._buffer) < start + length:
            return None
        frame = bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        return frame

    def take_rest(self) -> bytes:
        """Return what is behind the last frame taken, and forget it."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest
