"""One stream of a connection, as asyncio code reads and writes it.

Invariants: what was received and not read never exceeds the window; taking bytes is what grants more. `write` waits
while more than `WRITE_BYTES_MAX` of the stream wait to be sent.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Protocol, Self

from network.libp2p.multistream import Proposer, ProtocolRefused
from network.libp2p.node_key import PeerId
from network.libp2p.protocol_error import FrameTooLarge, RemoteProtocolError
from network.libp2p.varint import decode_varint, encode_frame

WRITE_BYTES_MAX = 262_144
_PIECE_BYTES = 131_072
_LINGER_S = 5.0  # how long the peer may take to close its half after we closed ours


class StreamReset(ConnectionError):
    """The stream was dropped, by the peer or with its connection."""


class StreamOwner(Protocol):
    """What a stream needs from its connection."""

    peer_id: PeerId

    def send(self, stream: int, data: bytes) -> int:
        """Queue data; return how much of the stream waits."""

    def get_pending_bytes(self, stream: int) -> int:
        """Return how much of the stream waits."""

    def close_write(self, stream: int) -> None:
        """End our half."""

    def reset_stream(self, stream: int) -> None:
        """Drop the stream."""

    def consume(self, stream: int, count: int) -> None:
        """Grant window for bytes taken."""

    def discard(self, count: int) -> None:
        """Count bytes as gone that nobody will read; they grant nothing."""


class Stream:
    """A byte stream with a protocol.

    Attributes:
        peer_id: The other end.
        protocol: What was agreed, empty before.
    """

    def __init__(self, owner: StreamOwner, number: int) -> None:
        """Made by the connection."""
        self._owner = owner
        self._number = number
        self._buffer = bytearray()
        self._early = bytearray()  # bytes read too far by the negotiation
        self._is_ended = False
        self._is_reset = False
        self._is_write_closed = False
        self._is_done = False  # nobody reads any more
        self._proposal: Proposer | None = None  # whose answer has not come
        self._failure: ProtocolRefused | RemoteProtocolError | None = None
        self._reader: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] | None = None
        self._writers: list[asyncio.Future[None]] = []
        self.peer_id = owner.peer_id
        self.protocol = ""

    @property
    def buffered_bytes(self) -> int:
        """How much was received and not read."""
        return len(self._buffer)

    @property
    def pending_bytes(self) -> int:
        """How much waits to be sent."""
        return self._owner.get_pending_bytes(self._number)

    @property
    def is_reset(self) -> bool:
        """Is the stream gone?"""
        return self._is_reset

    def propose(self, protocol: str) -> None:
        """Send the only proposal for this stream; what is written next goes with it, before its answer.

        From then on reading and writing raise also what `Host.open_stream` names.
        """
        self._proposal = Proposer([protocol])
        self.write_now(self._proposal.start())

    async def read(self, bytes_max: int = _PIECE_BYTES) -> bytes:
        """Return the next bytes, empty at the end.

        Raises:
            StreamReset: the stream was dropped.
        """
        if self._early:
            data = bytes(self._early[:bytes_max])
            del self._early[:bytes_max]
            return data
        while not self._buffer:
            self._check_open()
            if self._is_ended and self._proposal is not None:
                raise StreamReset("the stream ended within its negotiation")
            if self._is_ended:
                return b""
            assert self._reader is None, "one task reads a stream"
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        data = bytes(self._buffer[:bytes_max])
        del self._buffer[:bytes_max]
        self._owner.consume(self._number, len(data))
        return data

    async def read_exactly(self, count: int) -> bytes:
        """Return `count` bytes, however many windows they take.

        Raises:
            StreamReset: the stream ended or was dropped before.
        """
        data = await self.read(count)
        if len(data) == count:
            return data
        pieces = bytearray(data)
        while len(pieces) < count:
            data = await self.read(count - len(pieces))
            if not data:
                raise StreamReset("the stream ended within a message")
            pieces += data
        return bytes(pieces)

    async def read_frame(self, bytes_max: int) -> bytes | None:
        """Return the next message behind its length, or None at the end between messages.

        Raises:
            RemoteProtocolError: BadVarint, FrameTooLarge.
            StreamReset: the stream ended within a message or was dropped.
        """
        head = b""
        while (found := decode_varint(head)) is None:
            data = self._peek() or await self.read(1)
            if not data:
                if head:
                    raise StreamReset("the stream ended within a message")
                return None
            head += data
        length = found[0]
        if length > bytes_max:
            raise FrameTooLarge(f"a message of {length} bytes where {bytes_max} are allowed")
        return await self.read_exactly(length) if length else b""

    def _peek(self) -> bytes:
        """Take one byte without waiting, and without the cost of a coroutine."""
        if self._early or not self._buffer:
            return b""
        byte = bytes(self._buffer[:1])
        del self._buffer[:1]
        self._owner.consume(self._number, 1)
        return byte

    async def write(self, data: bytes) -> None:
        """Queue data; waits while too much of this stream is queued.

        Raises:
            StreamReset: the stream was dropped.
        """
        for start in range(0, len(data), _PIECE_BYTES):
            piece = data if len(data) <= _PIECE_BYTES else data[start : start + _PIECE_BYTES]
            self._check_open()
            if self._owner.send(self._number, piece) > WRITE_BYTES_MAX:
                await self._wait_until_sent()

    async def write_frame(self, payload: bytes) -> None:
        """Queue one message behind its length; waits like `write`."""
        await self.write(encode_frame(payload))

    def write_now(self, data: bytes) -> None:
        """Queue data without waiting: the caller watches `pending_bytes`.

        Raises:
            StreamReset: the stream was dropped.
        """
        self._check_open()
        self._owner.send(self._number, data)

    def close_write(self) -> None:
        """Say that nothing more will be sent."""
        if not self._is_write_closed and not self._is_reset:
            self._is_write_closed = True
            self._owner.close_write(self._number)

    def reset(self) -> None:
        """Drop the stream at once."""
        if not self._is_reset:
            self._owner.reset_stream(self._number)
            self.on_reset()

    async def __aenter__(self) -> Self:
        """Return the stream."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close both halves: politely after a normal end, by a reset after an error or when the peer goes on."""
        if kind is not None:
            self.reset()
            return
        self._is_done = True
        self._owner.discard(len(self._buffer))
        self._buffer.clear()
        self.close_write()
        if not self._is_ended:
            asyncio.get_running_loop().call_later(_LINGER_S, self._end_lingering)

    async def wait_reset(self) -> None:
        """Return when the stream was dropped."""
        if not self._is_reset:
            if self._gone is None:
                self._gone = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._gone)

    def _end_lingering(self) -> None:
        if not self._is_ended:
            self.reset()

    def _check_open(self) -> None:
        if self._is_reset:
            raise self._failure or StreamReset(f"the stream of {self.protocol or 'no protocol yet'} was reset")

    async def wait_sent(self) -> None:
        """Return when everything written has left, as far as the peer's window lets it.

        Raises:
            StreamReset: the stream was dropped.
        """
        await self._wait_until_sent(0)

    async def _wait_until_sent(self, bytes_max: int = WRITE_BYTES_MAX) -> None:
        while not self._is_reset and self.pending_bytes > bytes_max:
            waiter = asyncio.get_running_loop().create_future()
            self._writers.append(waiter)
            await waiter
        self._check_open()

    # -- what the connection tells

    def unread(self, data: bytes) -> None:
        """Put back bytes that were read too far."""
        self._early += data

    def on_data(self, data: bytes) -> None:
        """Keep what arrived, as long as somebody may read it."""
        if self._is_done:
            self._owner.discard(len(data))
            return
        if self._proposal is not None:
            data = self._hear_answer(self._proposal, data)
        self._buffer += data
        self._wake_reader()

    def _hear_answer(self, proposal: Proposer, data: bytes) -> bytes:
        """Return what follows the answer to the proposal; without an agreement the stream is reset."""
        # SPEC NET-56: A stream whose only proposal was not answered with its own name MUST be reset, and nothing of it
        # be read.
        try:
            proposal.receive(data)
            if proposal.has_failed:
                self._failure = ProtocolRefused(f"{self.peer_id} does not speak what was proposed")
        except RemoteProtocolError as error:
            self._failure = error
        rest = b"" if proposal.agreed is None else proposal.take_rest()
        self._owner.consume(self._number, len(data) - len(rest))
        if self._failure is not None:
            self.reset()
        elif proposal.agreed is not None:
            self.protocol, self._proposal = proposal.agreed, None
        return rest

    def on_end(self) -> None:
        """The peer sends no more."""
        self._is_ended = True
        self._wake_reader()

    def on_reset(self) -> None:
        """The stream is gone, and what was not read with it."""
        self._is_reset = True
        self._buffer.clear()
        self._early.clear()
        self._wake_reader()
        self.on_sent()
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def on_sent(self) -> None:
        """Less waits to be sent than before."""
        for waiter in self._writers:
            if not waiter.done():
                waiter.set_result(None)
        self._writers.clear()

    @property
    def has_writers(self) -> bool:
        """Does somebody wait to write?"""
        return bool(self._writers)

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
