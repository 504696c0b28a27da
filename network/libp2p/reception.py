"""Inbound connections until they have a place: how many may shake hands, and who gives way to a newcomer.

Source: docs/spec/network.md.
"""

from __future__ import annotations

import asyncio

from network.libp2p.connection import Connection
from network.libp2p.limits import Admission

_GIVES_WAY_MS = 1_000


class Reception:
    """The inbound connections of a host, half-open and secured."""

    def __init__(self, admission: Admission, handshake_s: float) -> None:
        """Nobody has come."""
        self._admission = admission
        self._handshake_s = handshake_s
        self._half_open: dict[Connection, int] = {}  # since when, the oldest first
        self._secured: set[Connection] = set()

    def list_connections(self) -> list[Connection]:
        """Return every inbound connection."""
        return [*self._half_open, *self._secured]

    def admit(self, connection: Connection, now_ms: int) -> bool:
        """Let a raw connection begin its handshake; False where there is no room."""
        if not self._admission.has_room_for_half_open():
            self._free_a_place(now_ms)
        if not self._admission.admits_inbound(connection.remote):
            return False
        self._half_open[connection] = now_ms
        asyncio.get_running_loop().call_later(self._handshake_s, self._end_half_open, connection)
        return True

    def on_secured(self, connection: Connection) -> bool:
        """A handshake is over; False when the connection has no place."""
        if self._half_open.pop(connection, None) is None:
            return False
        self._secured.add(connection)
        return self._admission.on_secured()

    def on_lost(self, connection: Connection) -> None:
        """Forget a connection."""
        if self._half_open.pop(connection, None) is not None:
            self._admission.on_inbound_lost(connection.remote, was_secured=False)
        elif connection in self._secured:
            self._secured.remove(connection)
            self._admission.on_inbound_lost(connection.remote, was_secured=True)

    def _free_a_place(self, now_ms: int) -> None:
        # SPEC NET-46: When as many connections shake hands as may, a newcomer MUST get the place of the one that has
        # taken longest, if that has taken 1 s: idle ones keep nobody out.
        oldest = next(iter(self._half_open), None)
        if oldest is not None and now_ms - self._half_open[oldest] >= _GIVES_WAY_MS:
            self.on_lost(oldest)
            oldest.abort()

    def _end_half_open(self, connection: Connection) -> None:
        if connection in self._half_open:
            connection.abort()
