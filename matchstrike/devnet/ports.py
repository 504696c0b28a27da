"""Ports for nodes: below the range from which the system gives ports to outgoing connections, and free right now."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from matchstrike.devnet.failure import DevnetFailed

EPHEMERAL_MIN = 32_768  # Linux's default; a port above may be taken by anybody's connection at any moment
SPAN = 400
RPC_FIRST = 9_944
PROMETHEUS_FIRST = 9_615
LINK_FIRST = 31_433  # between the nodes of a devnet that has links
P2P_FIRST = 30_433  # not 30333, which any node takes that is started by hand


class PortChooser:
    """Gives each port once."""

    def __init__(self, taken: Iterable[int] = ()) -> None:
        self._taken = set(taken)

    def choose(self, first: int) -> int:
        """Return this port, or the next that is free below the system's own.

        Raises:
            DevnetFailed: none is free.
        """
        candidates: list[int] = [first, *range(first + 1, min(first + SPAN, EPHEMERAL_MIN))]
        for port in candidates:
            if port not in self._taken and is_free(port):
                self._taken.add(port)
                return port
        raise DevnetFailed(f"the port {first} is taken, and no other is free up to {EPHEMERAL_MIN - 1}")


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port of this machine."""
    for host in ("127.0.0.1", "0.0.0.0"):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
