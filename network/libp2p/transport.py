"""Where raw connections come from: TCP, or pairs inside one process for tests.

A transport makes a `Connection` (an asyncio protocol) for each raw connection and never reads bytes itself.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from network.libp2p.connection import Connection
from network.libp2p.multiaddr import Multiaddr, make_ip_address

Factory = Callable[[], Connection]
_NOT_SENT_BYTES = 131_072
_BACKLOG = 128


class Listener(Protocol):
    """An open door."""

    address: Multiaddr

    def close(self) -> None:
        """Take no more connections."""


class Transport(Protocol):
    """Makes raw connections."""

    async def connect(self, address: Multiaddr, factory: Factory) -> Connection:
        """Return a connection whose handshake has begun.

        Raises:
            OSError: nobody there.
        """

    async def listen(self, address: Multiaddr, factory: Factory) -> Listener:
        """Take connections at the address; port 0 picks a free one."""


class TcpListener:
    """A listening socket."""

    def __init__(self, server: asyncio.Server) -> None:
        """The server already listens."""
        self._server = server
        host, port = server.sockets[0].getsockname()[:2]
        self.address = make_ip_address(host, port)

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()


class TcpTransport:
    """TCP, with small messages sent at once and little kept in the kernel."""

    async def connect(self, address: Multiaddr, factory: Factory) -> Connection:
        """Return a connection whose handshake has begun."""
        loop = asyncio.get_running_loop()
        family = {"ip4": socket.AF_INET, "dns4": socket.AF_INET, "ip6": socket.AF_INET6, "dns6": socket.AF_INET6}
        transport, connection = await loop.create_connection(
            factory, address.host, address.port, family=family.get(address.kind, socket.AF_UNSPEC)
        )
        _tune(transport)
        return connection

    async def listen(self, address: Multiaddr, factory: Factory) -> TcpListener:
        """Take connections at the address."""

        def make() -> Connection:
            return factory()

        server = await asyncio.get_running_loop().create_server(
            make, address.host, address.port, backlog=_BACKLOG, reuse_address=True
        )
        return TcpListener(server)


def _tune(transport: asyncio.BaseTransport) -> None:
    """Keep bulk out of the kernel's buffer, so that a small message does not wait behind megabytes of it."""
    raw = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if raw is not None and option is not None:
        raw.setsockopt(socket.IPPROTO_TCP, option, _NOT_SENT_BYTES)
