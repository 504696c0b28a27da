"""A secured connection on asyncio: feeds the machines that do no I/O, and lets streams wait.

Everything received is handled inside `data_received`, without a task; output is collected for one turn of the loop, so
that several small messages share a record and a system call. The transport holds little (`WRITE_HIGH_BYTES`): what
waits, waits in yamux, where the streams take turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from network.libp2p.handshake import Handshake
from network.libp2p.multiaddr import InvalidMultiaddr, Multiaddr, make_ip_address
from network.libp2p.node_key import PeerId
from network.libp2p.noise import CipherState, RecordReader
from network.libp2p.pace import Pace, PaceLimits
from network.libp2p.protocol_error import RemoteProtocolError
from network.libp2p.stream import Stream
from network.libp2p.yamux import YamuxLimits, YamuxSession
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

WRITE_HIGH_BYTES = 65_536
BACKLOG_BYTES_MAX = 8_388_608
CLOSE_S = 2.0  # how long what is written may take to leave
_OUTPUT_BYTES = 49_152
_MEASURES = 4  # pings at the beginning


class ConnectionOwner(Protocol):
    """What a connection tells the host."""

    def on_transport(self, connection: Connection) -> bool:
        """A raw connection stands; False refuses it."""

    def on_secured(self, connection: Connection) -> None:
        """The handshake is over."""

    def on_stream(self, connection: Connection, stream: Stream) -> None:
        """The peer opened a stream."""

    def on_backlog(self, change: int) -> None:
        """So many bytes more, or less, are received and not read."""

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """The connection is gone; `error` says why when the peer broke the protocol."""


class Connection(asyncio.Protocol):
    """One connection with one peer.

    Attributes:
        peer_id: The other end; empty before the handshake is over.
        is_outbound: Did we dial?
        remote: The other end's socket, or None when it has no IP address.
        last_received_ms: When the peer was last heard.
        backlog_bytes: What was received and not read.
        received_bytes, sent_bytes: What passed, handshake and encryption included.
    """

    def __init__(
        self,
        owner: ConnectionOwner,
        begin: Callable[[], Handshake],
        clock: Callable[[], int],
        *,
        limits: YamuxLimits,
        pace: PaceLimits,
    ) -> None:
        """Given to a transport, which calls `connection_made`; the handshake begins when the owner has agreed."""
        self._owner = owner
        self._begin = begin
        self._handshake: Handshake | None = None
        self._pace = Pace(pace, clock())
        self._paid_sent = self._records_received = self._counted_pieces = 0
        self._clock = clock
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._send: CipherState | None = None
        self._receive: CipherState | None = None
        self._records = RecordReader()
        self._session: YamuxSession | None = None
        self._streams: dict[int, Stream] = {}
        self._ending: set[int] = set()
        self._is_paused = False
        self._is_flush_planned = False
        self._error: Exception | None = None
        self.backlog_bytes = 0
        self._closed = asyncio.get_running_loop().create_future()
        self.secured: asyncio.Future[PeerId] = asyncio.get_running_loop().create_future()
        self.peer_id = PeerId("")
        self.is_outbound = False
        self.is_closed = False
        self.remote: Multiaddr | None = None
        self.last_received_ms = clock()
        self.received_bytes = self.sent_bytes = 0
        self.ping_sent_ms: int | None = None
        self._measures = 0

    # -- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, unless the host refuses the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        try:
            self.remote = make_ip_address(str(peer[0]), int(peer[1])) if peer else None
        except InvalidMultiaddr:
            self.remote = None
        if not self._owner.on_transport(self):
            self.abort()
            return
        transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self._handshake = self._begin()
        opening = self._handshake.start()
        if opening:
            transport.write(opening)

    def data_received(self, data: bytes) -> None:
        """Handle what arrived; a broken protocol ends the connection."""
        if self.is_closed:
            return
        self.last_received_ms = self._clock()
        self.received_bytes += len(data)
        try:
            if self._handshake is not None:
                self._on_handshake(self._handshake, data)
            else:
                self._records.add(data)
            if self._session is not None:
                self._on_records()
            self._keep_pace(len(data))
        except RemoteProtocolError as error:
            # SPEC NET-01: A connection on which the peer breaks a rule of transport MUST be closed at once.
            self._error = error
            self.abort()
            return
        self._flush()

    def _keep_pace(self, received: int) -> None:
        """Stop reading for a while when the peer causes more work than its bytes are worth."""
        pieces = self._records_received + (0 if self._session is None else self._session.frames_received)
        new, self._counted_pieces = pieces - self._counted_pieces, pieces
        sent, self._paid_sent = self.sent_bytes - self._paid_sent, self.sent_bytes
        wait_ms = self._pace.take(1 + new, received, sent, self.last_received_ms)
        if wait_ms and self._transport is not None:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(wait_ms / 1000, self._transport.resume_reading)

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """The transport takes more."""
        self._is_paused = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Reset every stream and tell the host."""
        self.is_closed = True
        if self._error is None:
            self._error = exc
        for stream in list(self._streams.values()):
            stream.on_reset()
        self._streams.clear()
        self._add_backlog(-self.backlog_bytes)
        if not self.secured.done():
            self.secured.set_exception(self._error or ConnectionResetError("closed within the handshake"))
            self.secured.exception()  # marks it as seen: an inbound handshake has nobody who waits
        if not self._closed.done():
            self._closed.set_result(None)
        self._owner.on_lost(self, self._error)

    # -- what the host and the streams ask

    def open_stream(self) -> Stream:
        """Return a new stream, before its protocol is agreed."""
        if self._session is None or self.is_closed:
            raise ConnectionResetError("the connection is closed")
        return self._add_stream(self._session.open_stream())

    def send(self, stream: int, data: bytes) -> int:
        """Queue data of a stream."""
        if self._session is None or self.is_closed:
            return 0
        waiting = self._session.send(stream, data)
        self._plan_flush()
        return waiting

    def get_pending_bytes(self, stream: int) -> int:
        """Return how much of a stream waits."""
        return 0 if self._session is None else self._session.get_pending_bytes(stream)

    def close_write(self, stream: int) -> None:
        """End our half of a stream."""
        if self._session is not None and not self.is_closed:
            self._session.close_write(stream)
            self._ending.add(stream)
            self._plan_flush()

    def reset_stream(self, stream: int) -> None:
        """Drop a stream."""
        dropped = self._streams.pop(stream, None)
        if dropped is not None:
            self._add_backlog(-dropped.buffered_bytes)
        if self._session is not None and not self.is_closed:
            self._session.reset(stream)
            self._plan_flush()

    def consume(self, stream: int, count: int) -> None:
        """Grant window for bytes taken."""
        self._add_backlog(-count)
        if self._session is not None and not self.is_closed:
            self._session.consume(stream, count, self._clock())
            self._plan_flush()

    def discard(self, count: int) -> None:
        """Count bytes as gone that nobody will read."""
        self._add_backlog(-count)

    def drop_slowest(self) -> None:
        """Reset the stream that holds most."""
        if self._streams:
            max(self._streams.values(), key=lambda stream: stream.buffered_bytes).reset()

    def send_ping(self, now_ms: int) -> None:
        """Ask whether the peer still lives."""
        if self._session is not None and self.ping_sent_ms is None:
            self.ping_sent_ms = now_ms
            self._session.ping(now_ms & 0xFFFF_FFFF)
            self._plan_flush()

    @property
    def stream_count(self) -> int:
        """How many streams are open."""
        return 0 if self._session is None else self._session.stream_count

    @property
    def round_trip_ms(self) -> int | None:
        """The shortest ping so far."""
        return None if self._session is None else self._session.round_trip_ms or None

    def close(self) -> None:
        """Say goodbye and close behind what is already written."""
        if self._transport is None or self.is_closed:
            return
        if self._session is not None:
            self._session.go_away()
            self._flush()
        self.is_closed = True
        self._transport.close()
        asyncio.get_running_loop().call_later(CLOSE_S, self._transport.abort)  # a peer that does not read

    def abort(self) -> None:
        """Close at once."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Return when the connection is gone."""
        await asyncio.shield(self._closed)

    # -- inside

    def _on_handshake(self, handshake: Handshake, data: bytes) -> None:
        answer = handshake.receive(data)
        if answer and self._transport is not None:
            self._transport.write(answer)
        if not handshake.is_over:
            return
        self._send, self._receive, self._records, early = handshake.take_result()
        self._handshake = None
        assert handshake.peer_id is not None
        self.peer_id = handshake.peer_id
        self._session = YamuxSession(is_client=self.is_outbound, limits=self._limits)
        if not self.secured.done():
            self.secured.set_result(self.peer_id)
        self.send_ping(self._clock())
        self._owner.on_secured(self)
        if early:
            self._on_events(self._session.receive(early))

    def _on_records(self) -> None:
        assert self._session is not None
        assert self._receive is not None
        while not self.is_closed and (record := self._records.take()) is not None:
            self._records_received += 1
            self._on_events(self._session.receive(self._receive.decrypt(record)))

    def _on_events(self, events: list[YamuxEvent]) -> None:
        for event in events:
            match event:
                case DataReceived(number, data):
                    stream = self._streams.get(number)
                    if stream is not None:
                        self._add_backlog(len(data))
                        stream.on_data(data)
                case StreamOpened(number):
                    self._owner.on_stream(self, self._add_stream(number))
                case StreamFinished(number):
                    if (stream := self._streams.get(number)) is not None:
                        stream.on_end()
                        self._ending.add(number)
                case StreamWasReset(number):
                    if (stream := self._streams.pop(number, None)) is not None:
                        self._add_backlog(-stream.buffered_bytes)
                        stream.on_reset()
                case StreamDrained(_):
                    pass  # the flush behind these events sends what the window now allows
                case PongReceived(_):
                    self._on_pong()
                case WentAway(_):
                    self.close()
        # SPEC NET-14: At most 8 MiB received and not read MUST be kept for one connection; beyond it the stream that
        # holds most is reset.
        if self.backlog_bytes > BACKLOG_BYTES_MAX:
            self.drop_slowest()

    def _add_backlog(self, change: int) -> None:
        self.backlog_bytes += change
        self._owner.on_backlog(change)

    def _on_pong(self) -> None:
        """Measure how far the peer is; the shortest time counts, for the others waited somewhere."""
        sent_ms, self.ping_sent_ms = self.ping_sent_ms, None
        if sent_ms is not None and self._session is not None:
            took_ms = max(1, self.last_received_ms - sent_ms)
            self._session.round_trip_ms = min(took_ms, self._session.round_trip_ms or took_ms)
            self._measures += 1
            if self._measures < _MEASURES:
                self.send_ping(self._clock())

    def _add_stream(self, number: int) -> Stream:
        stream = Stream(self, number)
        self._streams[number] = stream
        return stream

    def _plan_flush(self) -> None:
        if not self._is_flush_planned and not self._is_paused:
            self._is_flush_planned = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_planned = False
        if self._session is None or self._transport is None or self._send is None:
            return
        while not self._is_paused and not self.is_closed:
            plain = self._session.take_output(_OUTPUT_BYTES)
            if not plain:
                break
            records = self._send.encrypt_records(plain)
            self.sent_bytes += len(records)
            self._transport.write(records)
        for number in [number for number in self._ending if not self._session.has_stream(number)]:
            self._ending.discard(number)
            self._streams.pop(number, None)
        for stream in self._streams.values():
            if stream.has_writers:
                stream.on_sent()
