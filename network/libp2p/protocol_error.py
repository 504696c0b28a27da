"""Who broke the protocol: the peer (punish) or ourselves (a bug).

Source: docs/spec/network.md. A parser of this room raises nothing else for any bytes it is given.
"""

from __future__ import annotations

from typing import ClassVar


class LocalProtocolError(Exception):
    """We asked for something that the protocol forbids: a bug of the caller, not of the peer."""


class RemoteProtocolError(Exception):
    """The peer sent what no correct implementation sends; its connection or stream ends here."""

    rule: ClassVar[str] = "NET-01"


class BadVarint(RemoteProtocolError):
    """A length or number that is too long, or not written in the shortest way."""

    rule: ClassVar[str] = "NET-02"


class FrameTooLarge(RemoteProtocolError):
    """A frame beyond what its protocol may carry; refused before it is stored."""

    rule: ClassVar[str] = "NET-03"


class BadProtobuf(RemoteProtocolError):
    """Bytes that are no protobuf message, or a field of another kind than its schema says."""

    rule: ClassVar[str] = "NET-04"


class BadNegotiation(RemoteProtocolError):
    """A line that multistream-select does not have, or too many proposals."""

    rule: ClassVar[str] = "NET-05"


class BadHandshake(RemoteProtocolError):
    """A Noise message that does not authenticate, or a node key that is not the one expected."""

    rule: ClassVar[str] = "NET-06"


class BadFrame(RemoteProtocolError):
    """A yamux frame of unknown version or kind, or for a stream that cannot be."""

    rule: ClassVar[str] = "NET-07"


class WindowOverrun(RemoteProtocolError):
    """More data than the window that we granted, or a window beyond 2^32 - 1."""

    rule: ClassVar[str] = "NET-08"


class ControlFlood(RemoteProtocolError):
    """More answers waiting than a reading peer would ever leave."""

    rule: ClassVar[str] = "NET-09"


class PieceFlood(RemoteProtocolError):
    """Pings, empty frames or single bytes without end."""

    rule: ClassVar[str] = "NET-45"
