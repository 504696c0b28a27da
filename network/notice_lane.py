"""Notices of one kind on their way to one peer, on one long-lived stream.

Invariants: what waits is counted in `waiting_bytes`, which the service bounds; a stream that is lost with one of two
connections is opened anew and nothing is lost but what the peer had not read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from network.libp2p.host import Host
from network.libp2p.multistream import ProtocolRefused
from network.libp2p.node_key import PeerId
from network.libp2p.stream import Stream
from network.libp2p.varint import encode_frame

_REOPEN_S = 0.2


class NoticeLane:
    """Our half of a notice protocol with a peer."""

    def __init__(self, host: Host, peer: PeerId, protocol: str, *, pause_s: float | None = None) -> None:
        """With a pause only the newest notice is kept, and as much time passes between two."""
        self._host = host
        self._peer = peer
        self._protocol = protocol
        self._pause_s = pause_s
        self._frames: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._stream: Stream | None = None
        self._is_closed = False
        self._waiting = 0

    @property
    def waiting_bytes(self) -> int:
        """How much waits here and in the stream."""
        return self._waiting + (self._stream.pending_bytes if self._stream is not None else 0)

    def put(self, message: bytes) -> None:
        """Send a notice when its turn comes."""
        if self._is_closed:
            return
        if self._pause_s is not None:
            self._frames.clear()
            self._waiting = 0
        frame = encode_frame(message)
        self._frames.append(frame)
        self._waiting += len(frame)
        self._wake.set()

    def close(self) -> None:
        """The peer is gone."""
        self._is_closed = True
        self._frames.clear()
        self._waiting = 0
        self._wake.set()

    async def run(self, on_open: Callable[[], None] | None = None) -> None:
        """Send until the lane is closed; tell when the peer agreed to the protocol.

        Raises:
            ProtocolRefused: the peer does not speak this.
        """
        try:
            while not self._is_closed:
                try:
                    await self._send_all(on_open)
                except ProtocolRefused:
                    raise
                except (OSError, TimeoutError):
                    await asyncio.sleep(_REOPEN_S)
        finally:
            self.close()

    async def _send_all(self, on_open: Callable[[], None] | None) -> None:
        stream = self._stream = await self._host.new_stream(self._peer, [self._protocol])
        if on_open is not None:
            on_open()
        try:
            while not self._is_closed:
                if not self._frames:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                frame = self._frames.popleft()
                self._waiting -= len(frame)
                await stream.write(frame)
                if self._pause_s is not None:
                    await asyncio.sleep(self._pause_s)
        finally:
            self._stream = None
            stream.reset()
