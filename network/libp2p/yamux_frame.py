"""yamux's header of twelve bytes: version, kind, flags, stream, length.

Source: hashicorp/yamux, `spec.md`.
"""

from __future__ import annotations

from struct import Struct

from network.libp2p.protocol_error import BadFrame

HEADER_BYTES = 12
WINDOW_BYTES = 262_144  # every stream begins with it
DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8

_HEADER = Struct(">BBHII")
_ALL_FLAGS = SYN | ACK | FIN | RST


def encode_header(kind: int, flags: int, stream: int, length: int) -> bytes:
    """Return a header; `length` is a window's growth, a ping's value or a code for the kinds that carry no data."""
    return _HEADER.pack(0, kind, flags, stream, length)


def decode_header(data: bytes | bytearray, offset: int) -> tuple[int, int, int, int]:
    """Return kind, flags, stream and length.

    Raises:
        BadFrame: another version, an unknown kind or flag, or a stream where none belongs.
    """
    version, kind, flags, stream, length = _HEADER.unpack_from(data, offset)
    # SPEC NET-07: A yamux frame MUST have version 0, a kind from 0 to 3, known flags, and a stream number that is 0 for
    # pings and farewells and another one otherwise.
    if version != 0 or kind > GO_AWAY or flags & ~_ALL_FLAGS:
        raise BadFrame(f"a frame of version {version}, kind {kind} and flags {flags:#x}")
    if (stream == 0) != (kind >= PING):
        raise BadFrame(f"a frame of kind {kind} on stream {stream}")
    return kind, flags, stream, length
