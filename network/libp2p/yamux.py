"""yamux 1.0: many streams on one connection, each with its own window. No I/O here.

Output is scheduled: control frames first, then one frame of at most 16 KiB from each stream that has data and window,
in turn. So a small message waits for one frame of each other stream, never for the whole of a bulk transfer.

Terms:
    window: how many bytes the receiver of a stream is still ready to take; it grows when the reader has taken them.
    stray bytes: what the peer may have sent on a stream before it learnt that we reset it.

Invariants: what a peer can make us hold is bounded: windows for data, `control_bytes_max` for answers, streams counted.

Source: hashicorp/yamux, `spec.md`; docs/spec/network.md.
"""

from __future__ import annotations

from collections import deque

import msgspec

from network.libp2p.protocol_error import BadFrame, ControlFlood, LocalProtocolError, WindowOverrun
from network.libp2p.yamux_frame import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER_BYTES,
    PING,
    RST,
    SYN,
    WINDOW_BYTES,
    WINDOW_UPDATE,
    decode_header,
    encode_header,
)

YAMUX = "/yamux/1.0.0"
_WINDOW_MAX = 2**32 - 1


class YamuxLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection may cost.

    Attributes:
        inbound_streams_max: Streams that the peer may have open.
        window_bytes: What we are ready to hold for each stream; at least yamux's 256 KiB.
        frame_bytes: Largest piece of one stream sent in its turn.
        control_bytes_max: Answers (pongs, resets, window updates) waiting for a peer that does not read.
    """

    inbound_streams_max: int = 64
    window_bytes: int = WINDOW_BYTES
    frame_bytes: int = 16_384
    control_bytes_max: int = 65_536


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


class _StreamState:
    """One stream's windows, what waits to be sent, and which halves are closed."""

    __slots__ = ("finish_asked", "finished", "pending", "receive_window", "remote_finished", "send_window", "taken")

    def __init__(self, receive_window: int) -> None:
        self.pending = bytearray()
        self.send_window = WINDOW_BYTES
        self.receive_window = receive_window
        self.taken = 0
        self.finish_asked = False
        self.finished = False
        self.remote_finished = False


class YamuxSession:
    """One connection's streams: bytes in, events out; bytes to send are fetched with `take_output`."""

    def __init__(self, *, is_client: bool, limits: YamuxLimits | None = None) -> None:
        """The client is the end that dialled; its streams have odd numbers."""
        self._limits = limits or YamuxLimits()
        if self._limits.window_bytes < WINDOW_BYTES:
            raise LocalProtocolError("yamux begins with a window of 256 KiB")
        self._next = 1 if is_client else 2
        self._streams: dict[int, _StreamState] = {}
        self._inbound = 0
        self._buffer = bytearray()
        self._control = bytearray()
        self._ready: deque[int] = deque()
        self._queued: set[int] = set()
        self._stray_bytes = 0
        self._is_away = False

    @property
    def stream_count(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @property
    def inbound_count(self) -> int:
        """How many of them the peer opened."""
        return self._inbound

    def has_stream(self, stream: int) -> bool:
        """Is either half of the stream open?"""
        return stream in self._streams

    # -- what the owner asks

    def open_stream(self) -> int:
        """Return a new stream's number."""
        stream, self._next = self._next, self._next + 2
        self._streams[stream] = _StreamState(self._limits.window_bytes)
        self._push_control(WINDOW_UPDATE, SYN, stream, self._limits.window_bytes - WINDOW_BYTES)
        return stream

    def send(self, stream: int, data: bytes) -> int:
        """Queue data of a stream; return how many bytes now wait. Nothing waits on a stream that is gone.

        Raises:
            LocalProtocolError: this half was closed.
        """
        state = self._streams.get(stream)
        if state is None:
            return 0
        if state.finish_asked:
            raise LocalProtocolError("the stream is closed for writing")
        state.pending += data
        self._make_ready(stream, state)
        return len(state.pending)

    def get_pending_bytes(self, stream: int) -> int:
        """Return how much of a stream waits to be sent."""
        state = self._streams.get(stream)
        return 0 if state is None else len(state.pending)

    def close_write(self, stream: int) -> None:
        """End our half behind what is queued."""
        state = self._streams.get(stream)
        if state is not None and not state.finish_asked:
            state.finish_asked = True
            self._make_ready(stream, state)

    def reset(self, stream: int) -> None:
        """Drop a stream and what it holds."""
        state = self._streams.pop(stream, None)
        if state is not None:
            self._forget(stream, state)
            self._push_control(WINDOW_UPDATE, RST, stream, 0)

    def consume(self, stream: int, count: int) -> None:
        """Say that the reader has taken bytes: grants window once half of it is used up."""
        state = self._streams.get(stream)
        if state is None or state.remote_finished:
            return
        state.taken += count
        if state.taken >= self._limits.window_bytes // 2:
            state.receive_window += state.taken
            self._push_control(WINDOW_UPDATE, 0, stream, state.taken)
            state.taken = 0

    def ping(self, value: int) -> None:
        """Ask for a pong with this value."""
        self._push_control(PING, SYN, 0, value)

    def go_away(self, code: int = 0) -> None:
        """Announce the end; no stream of the peer is taken from now on."""
        self._is_away = True
        self._push_control(GO_AWAY, 0, 0, code)

    def take_output(self, bytes_max: int) -> bytes:
        """Return up to about `bytes_max` bytes to send, empty when nothing may be sent."""
        out = self._control
        self._control = bytearray()
        while self._ready and len(out) < bytes_max:
            stream = self._ready.popleft()
            self._queued.discard(stream)
            state = self._streams.get(stream)
            if state is not None:
                room = bytes_max - len(out) - HEADER_BYTES
                self._write_frame(out, stream, state, room)
        return bytes(out)

    # -- what the peer sends

    def receive(self, data: bytes) -> list[YamuxEvent]:
        """Return what the bytes mean.

        Raises:
            RemoteProtocolError: BadFrame, WindowOverrun, ControlFlood.
        """
        buffer = self._buffer
        buffer += data
        events: list[YamuxEvent] = []
        start, end = 0, len(buffer)
        while end - start >= HEADER_BYTES:
            kind, flags, stream, length = decode_header(buffer, start)
            body = start + HEADER_BYTES
            if kind == DATA:
                if not self._admits(stream, flags, length):
                    raise WindowOverrun(f"{length} bytes on stream {stream}, more than its window")
                if end - body < length:
                    break
                self._on_data(stream, flags, bytes(buffer[body : body + length]), events)
                start = body + length
                continue
            self._on_control(kind, flags, (stream, length), events)
            start = body
        del buffer[:start]
        if len(self._control) > self._limits.control_bytes_max:
            # SPEC NET-09: Answers that wait for a peer MUST stay below 64 KiB; a peer that exceeds them is
            # disconnected.
            raise ControlFlood("the peer asks for answers that it does not read")
        return events

    def _admits(self, stream: int, flags: int, length: int) -> bool:
        # SPEC NET-08: A peer MUST NOT send more on a stream than the window granted to it, nor grant beyond 2^32 - 1.
        state = self._streams.get(stream)
        if state is not None:
            return length <= state.receive_window
        return length <= (WINDOW_BYTES if flags & SYN else self._stray_bytes)

    def _on_data(self, stream: int, flags: int, data: bytes, events: list[YamuxEvent]) -> None:
        state = self._find(stream, flags, events)
        if state is None:
            self._stray_bytes = max(0, self._stray_bytes - len(data))
            return
        if len(data) > state.receive_window:
            raise WindowOverrun(f"{len(data)} bytes on stream {stream}, more than its window")
        if data:
            if state.remote_finished:
                raise BadFrame(f"data on stream {stream} behind its end")
            state.receive_window -= len(data)
            events.append(DataReceived(stream, data))
        self._on_end(stream, state, flags, events)

    def _on_control(self, kind: int, flags: int, body: tuple[int, int], events: list[YamuxEvent]) -> None:
        stream, value = body
        if kind == PING:
            if flags & SYN:
                self._push_control(PING, ACK, 0, value)
            else:
                events.append(PongReceived(value))
        elif kind == GO_AWAY:
            events.append(WentAway(value))
        else:
            state = self._find(stream, flags, events)
            if state is None:
                return
            if state.send_window + value > _WINDOW_MAX:
                raise WindowOverrun("a window beyond 2^32 - 1")
            state.send_window += value
            self._make_ready(stream, state)
            if value:
                events.append(StreamDrained(stream))
            self._on_end(stream, state, flags, events)

    def _find(self, stream: int, flags: int, events: list[YamuxEvent]) -> _StreamState | None:
        """Return the frame's stream, a new one for SYN, or None for one that is refused or gone."""
        if not flags & SYN:
            return self._streams.get(stream)
        if stream == 0 or stream % 2 == self._next % 2 or stream in self._streams:
            raise BadFrame(f"the peer cannot open stream {stream}")
        # SPEC NET-11: A peer MUST be refused its 65th stream, by a reset and without a ban.
        if self._inbound >= self._limits.inbound_streams_max or self._is_away:
            self._allow_strays(WINDOW_BYTES)
            self._push_control(WINDOW_UPDATE, RST, stream, 0)
            return None
        state = _StreamState(self._limits.window_bytes)
        self._streams[stream] = state
        self._inbound += 1
        self._push_control(WINDOW_UPDATE, ACK, stream, self._limits.window_bytes - WINDOW_BYTES)
        events.append(StreamOpened(stream))
        return state

    def _on_end(self, stream: int, state: _StreamState, flags: int, events: list[YamuxEvent]) -> None:
        if flags & RST:
            del self._streams[stream]
            self._forget(stream, state, is_silent=True)
            events.append(StreamWasReset(stream))
        elif flags & FIN and not state.remote_finished:
            state.remote_finished = True
            events.append(StreamFinished(stream))
            self._end_if_closed(stream, state)

    # -- sending

    def _make_ready(self, stream: int, state: _StreamState) -> None:
        has_work = (state.pending and state.send_window) or (state.finish_asked and not state.pending)
        if has_work and not state.finished and stream not in self._queued:
            self._queued.add(stream)
            self._ready.append(stream)

    def _write_frame(self, out: bytearray, stream: int, state: _StreamState, room: int) -> None:
        size = max(0, min(len(state.pending), state.send_window, self._limits.frame_bytes, max(room, 512)))
        if size:
            out += encode_header(DATA, 0, stream, size)
            out += state.pending[:size]
            del state.pending[:size]
            state.send_window -= size
        if state.finish_asked and not state.pending:
            # in a frame of its own: js-libp2p loses the data of a frame that also ends the stream
            out += encode_header(WINDOW_UPDATE, FIN, stream, 0)
            state.finished = True
            self._end_if_closed(stream, state)
        else:
            self._make_ready(stream, state)

    def _push_control(self, kind: int, flags: int, stream: int, value: int) -> None:
        self._control += encode_header(kind, flags, stream, value)

    def _end_if_closed(self, stream: int, state: _StreamState) -> None:
        if state.finished and state.remote_finished:
            del self._streams[stream]
            self._forget(stream, state, is_silent=True)

    def _forget(self, stream: int, state: _StreamState, *, is_silent: bool = False) -> None:
        if stream % 2 != self._next % 2:
            self._inbound -= 1
        if not is_silent and not state.remote_finished:
            self._allow_strays(state.receive_window)

    def _allow_strays(self, count: int) -> None:
        self._stray_bytes = min(self._stray_bytes + count, 64 * self._limits.window_bytes)
