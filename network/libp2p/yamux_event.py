"""What happened on a connection's streams, as `yamux.YamuxSession` tells it."""

from __future__ import annotations

import msgspec


class StreamOpened(msgspec.Struct, frozen=True):
    """The peer opened a stream."""

    stream: int


class DataReceived(msgspec.Struct, frozen=True):
    """A stream's next bytes."""

    stream: int
    data: bytes


class StreamFinished(msgspec.Struct, frozen=True):
    """The peer will send no more on this stream."""

    stream: int


class StreamWasReset(msgspec.Struct, frozen=True):
    """The peer has dropped the stream."""

    stream: int


class StreamDrained(msgspec.Struct, frozen=True):
    """The peer granted more window to a stream."""

    stream: int


class PongReceived(msgspec.Struct, frozen=True):
    """The answer to a ping of ours."""

    value: int


class WentAway(msgspec.Struct, frozen=True):
    """The peer takes no more streams; code 0 is a normal end."""

    code: int


YamuxEvent = StreamOpened | DataReceived | StreamFinished | StreamWasReset | StreamDrained | PongReceived | WentAway
