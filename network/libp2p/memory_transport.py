"""Raw connections inside one process, for tests: the same bytes through the same code, without sockets.

A `MemoryNetwork` is a world of its own; each host gets a transport of it with its own IP address, so that the limits by
address and subnet work as they do on TCP.
"""

from __future__ import annotations

import asyncio
from collections import deque

from network.libp2p.connection import Connection
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.transport import Factory

_PIECE_BYTES = 65_536


class MemoryPipe(asyncio.Transport):
    """One end of a pair; what it writes arrives at the other end in a later turn of the loop."""

    def __init__(self, peer_address: tuple[str, int]) -> None:
        """Joined to its other end and its connection by `MemoryNetwork`."""
        super().__init__({"peername": peer_address})
        self.connection: Connection | None = None
        self.other: MemoryPipe | None = None
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._high = 65_536
        self._is_over_high = False
        self._is_planned = False
        self._is_closing = False
        self._is_lost = False
        self.is_held = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue bytes for the other end."""
        if self._is_closing or not data:
            return
        self._queue.append(bytes(data))
        self._queued_bytes += len(data)
        if self._queued_bytes > self._high and not self._is_over_high and self.connection is not None:
            self._is_over_high = True
            self.connection.pause_writing()
        self._plan()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set from how many bytes on the writer is asked to pause."""
        self._high = 65_536 if high is None else high

    def get_write_buffer_size(self) -> int:
        """Return how many bytes have not arrived."""
        return self._queued_bytes

    def is_closing(self) -> bool:
        """Was it closed?"""
        return self._is_closing

    def close(self) -> None:
        """Close behind what is queued."""
        if not self._is_closing:
            self._is_closing = True
            self._plan()

    def abort(self) -> None:
        """Close at once and forget what is queued."""
        self._queue.clear()
        self._queued_bytes = 0
        self._is_closing = True
        self.is_held = False  # our own end needs no network to give up
        self._plan()

    def pause_reading(self) -> None:
        """Let the other end keep what it writes."""
        if self.other is not None and not self._is_closing:
            self.other.hold()

    def resume_reading(self) -> None:
        """Take again what the other end writes."""
        if self.other is not None and not self._is_closing:
            self.other.release()

    def hold(self) -> None:
        """Deliver nothing from now on: a network that is stuck."""
        self.is_held = True

    def release(self) -> None:
        """Deliver again."""
        self.is_held = False
        self._plan()

    def _plan(self) -> None:
        if not self._is_planned:
            self._is_planned = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._is_planned = False
        if self.is_held:
            return
        other = self.other
        if self._queue:
            data = self._queue.popleft()
            self._queued_bytes -= len(data)
            if other is not None and other.connection is not None and not other._is_closing:
                other.connection.data_received(data)
            if self._is_over_high and self._queued_bytes <= self._high // 4 and self.connection is not None:
                self._is_over_high = False
                self.connection.resume_writing()
        if self._queue:
            self._plan()
        elif self._is_closing and not self._is_lost:
            self._is_lost = True
            if self.connection is not None:
                self.connection.connection_lost(None)
            if other is not None:
                other.abort()


class MemoryListener:
    """A name under which a host is reached."""

    def __init__(self, network: MemoryNetwork, address: Multiaddr) -> None:
        """Registered by `MemoryTransport.listen`."""
        self._network = network
        self.address = address

    def close(self) -> None:
        """Take no more connections."""
        self._network.doors.pop((self.address.host, self.address.port), None)


class MemoryNetwork:
    """All doors of one test."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self.doors: dict[tuple[str, int], Factory] = {}
        self.ports = 40_000
        self.pipes: list[MemoryPipe] = []

    def make_transport(self, host: str) -> MemoryTransport:
        """Return the transport of a host with this IP address."""
        return MemoryTransport(self, host)


class MemoryTransport:
    """One host's way into a `MemoryNetwork`."""

    def __init__(self, network: MemoryNetwork, host: str) -> None:
        """Made by `MemoryNetwork.make_transport`."""
        self._network = network
        self._host = host

    async def connect(self, address: Multiaddr, factory: Factory) -> Connection:
        """Return a connection whose handshake has begun."""
        door = self._network.doors.get((address.host, address.port))
        if door is None:
            raise ConnectionRefusedError(f"nobody listens at {address}")
        self._network.ports += 1
        near = MemoryPipe((address.host, address.port))
        far = MemoryPipe((self._host, self._network.ports))
        near.other, far.other = far, near
        self._network.pipes += [near, far]
        near.connection, far.connection = factory(), door()
        far.connection.connection_made(far)
        near.connection.connection_made(near)
        return near.connection

    async def listen(self, address: Multiaddr, factory: Factory) -> MemoryListener:
        """Take connections at the address."""
        port = address.port
        if port == 0:
            self._network.ports += 1
            port = self._network.ports
        self._network.doors[(address.host, port)] = factory
        return MemoryListener(self._network, Multiaddr(kind=address.kind, host=address.host, port=port))
