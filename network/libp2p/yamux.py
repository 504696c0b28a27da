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
from network.libp2p.yamux_event import (
    DataReceived,
    PongReceived,
    StreamDrained,
    StreamFinished,
    StreamOpened,
    StreamWasReset,
    WentAway,
    YamuxEvent,
)
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
_NEAR_MS = 20  # 256 KiB in each round trip are enough


class YamuxLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection may cost.

    Attributes:
        inbound_streams_max: Streams that the peer may have open.
        window_bytes: What we are ready to hold for each stream; at least yamux's 256 KiB.
        window_bytes_max: What the window of a stream grows to when the peer is far and the reader quick.
        growth_bytes: By how much all windows of the connection may have grown.
        frame_bytes: Largest piece of one stream sent in its turn.
        control_bytes_max: Answers (pongs, resets, window updates) waiting for a peer that does not read.
    """

    inbound_streams_max: int = 64
    window_bytes: int = WINDOW_BYTES
    window_bytes_max: int = 4_194_304
    growth_bytes: int = 4_194_304
    frame_bytes: int = 16_384
    control_bytes_max: int = 65_536


class _StreamState:
    """One stream's windows, what waits to be sent, and which halves are closed."""

    __slots__ = (
        "finish_asked",
        "finished",
        "granted_ms",
        "pending",
        "receive_window",
        "remote_finished",
        "send_window",
        "taken",
        "window",
    )

    def __init__(self, window: int) -> None:
        self.pending = bytearray()
        self.send_window = WINDOW_BYTES
        self.window = window  # what the peer may send before it waits
        self.receive_window = window  # what of it is left
        self.taken = 0
        self.granted_ms: int | None = None
        self.finish_asked = False
        self.finished = False
        self.remote_finished = False


class YamuxSession:
    """One connection's streams: bytes in, events out; bytes to send are fetched with `take_output`.

    Attributes:
        frames_received: How many the peer has sent.
        round_trip_ms: How far away the peer is; a window grows only for one that is.
    """

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
        self._growth_left = self._limits.growth_bytes
        self._body_left = 0
        self._body = (0, 0)
        self._body_state: _StreamState | None = None
        self._is_away = False
        self.frames_received = 0
        self.round_trip_ms = 0

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

    def consume(self, stream: int, count: int, now_ms: int = 0) -> None:
        """Say that the reader has taken bytes: grants window once half of it is used up, more to a quick reader."""
        state = self._streams.get(stream)
        if state is None or state.remote_finished:
            return
        state.taken += count
        if state.taken >= state.window // 2:
            grant = state.taken + self._grow(state, now_ms)
            state.receive_window += grant
            self._push_control(WINDOW_UPDATE, 0, stream, grant)
            state.taken = 0

    def _grow(self, state: _StreamState, now_ms: int) -> int:
        """Return by how much a stream's window grows: twofold, if half of it was gone within a round trip.

        Then the peer waits for us more than we for it. A window that is larger than that fills buffers on the way, and
        small messages wait behind it.
        """
        # SPEC NET-44: The windows of a connection's streams MUST NOT grow by more than 4 MiB in all, nor any beyond
        # 4 MiB.
        last, state.granted_ms = state.granted_ms, now_ms
        if last is None or self.round_trip_ms < _NEAR_MS or now_ms - last > self.round_trip_ms:
            return 0
        growth = max(0, min(state.window, self._limits.window_bytes_max - state.window, self._growth_left))
        state.window += growth
        self._growth_left -= growth
        return growth

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
        """Return what the bytes mean; a frame's data is passed on as it comes, and not kept until the frame is whole.

        Raises:
            RemoteProtocolError: BadFrame, WindowOverrun, ControlFlood.
        """
        buffer = self._buffer
        buffer += data
        events: list[YamuxEvent] = []
        start, end = 0, len(buffer)
        while True:
            if self._body_left:
                size = min(self._body_left, end - start)
                if size:
                    self._on_body(bytes(buffer[start : start + size]), events)
                    start += size
                if self._body_left:
                    break
            if end - start < HEADER_BYTES:
                break
            kind, flags, stream, length = decode_header(buffer, start)
            start += HEADER_BYTES
            self.frames_received += 1
            if kind == DATA:
                self._on_data(stream, flags, length, events)
            else:
                self._on_control(kind, flags, (stream, length), events)
        del buffer[:start]
        if len(self._control) > self._limits.control_bytes_max:
            # SPEC NET-09: Answers that wait for a peer MUST stay below 64 KiB; a peer that exceeds them is
            # disconnected.
            raise ControlFlood("the peer asks for answers that it does not read")
        return events

    def _on_data(self, stream: int, flags: int, length: int, events: list[YamuxEvent]) -> None:
        """Take a frame's header: its data must fit into what was granted."""
        # SPEC NET-08: A peer MUST NOT send more on a stream than the window granted to it, nor grant beyond 2^32 - 1.
        state = self._find(stream, flags, events)
        if length > (self._stray_bytes if state is None else state.receive_window):
            raise WindowOverrun(f"{length} bytes on stream {stream}, more than its window")
        if state is None:
            self._stray_bytes -= length
        elif length:
            if state.remote_finished:
                raise BadFrame(f"data on stream {stream} behind its end")
            state.receive_window -= length
        self._body, self._body_left, self._body_state = (stream, flags), length, state
        if not length:
            self._end_body(events)

    def _on_body(self, piece: bytes, events: list[YamuxEvent]) -> None:
        stream = self._body[0]
        self._body_left -= len(piece)
        if self._is_body_wanted():
            events.append(DataReceived(stream, piece))
        if not self._body_left:
            self._end_body(events)

    def _end_body(self, events: list[YamuxEvent]) -> None:
        stream, flags = self._body
        if self._body_state is not None and self._is_body_wanted():
            self._on_end(stream, self._body_state, flags, events)
        self._body_state = None

    def _is_body_wanted(self) -> bool:
        """Is the stream of the frame that is being read still the one it was at the frame's header?"""
        return self._body_state is not None and self._streams.get(self._body[0]) is self._body_state

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
        self._growth_left += state.window - self._limits.window_bytes
        if not is_silent and not state.remote_finished:
            self._allow_strays(state.receive_window)

    def _allow_strays(self, count: int) -> None:
        self._stray_bytes = min(self._stray_bytes + count, 64 * self._limits.window_bytes)
