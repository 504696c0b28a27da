"""Inbound connections until they have a place: how many may shake hands, and who gives way to a newcomer.

Source: docs/spec/network.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from network.libp2p.connection import Connection
from network.libp2p.limits import Admission

FindLeaver = Callable[[Connection, Sequence[Connection]], Connection | None]
_GIVES_WAY_MS = 1_000
_VISIT_MS_MIN = 2_000


class Reception:
    """The inbound connections of a host: half-open, guests, and visitors, who have no place and soon leave."""

    def __init__(self, admission: Admission, *, handshake_s: float, visit_s: float) -> None:
        """Nobody has come."""
        self._admission = admission
        self._handshake_s = handshake_s
        self._visit_s = visit_s
        self._half_open: dict[Connection, int] = {}  # since when, the oldest first
        self._secured: set[Connection] = set()
        self._visitors: dict[Connection, int] = {}  # since when, the oldest first; they are among the secured

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

    def on_secured(self, connection: Connection, find_leaver: FindLeaver, now_ms: int) -> bool:
        """A handshake is over; False when the connection has no place, not even that of another."""
        if self._half_open.pop(connection, None) is None:
            return False
        self._admission.on_secured()
        standing = list(self._secured)
        self._secured.add(connection)
        for other in standing:
            if not self._admission.is_overfull:
                return True
            if other.is_closed or other.peer_id == connection.peer_id:  # it leaves anyway
                self._part_from(other)
        if not self._admission.is_overfull:
            return True
        guests = [other for other in standing if other in self._secured and other not in self._visitors]
        leaver = find_leaver(connection, guests)
        if leaver is not None:
            self._part_from(leaver)
            return True
        return self._admit_visitor(connection, now_ms)

    def on_lost(self, connection: Connection) -> None:
        """Forget a connection."""
        if self._half_open.pop(connection, None) is not None:
            self._admission.on_inbound_lost(connection.remote, was_secured=False)
        elif connection in self._secured:
            self._secured.remove(connection)
            if self._visitors.pop(connection, None) is not None:
                self._admission.visitors -= 1
            self._admission.on_inbound_lost(connection.remote, was_secured=True)

    def _admit_visitor(self, connection: Connection, now_ms: int) -> bool:
        # SPEC NET-54: A newcomer that gets no place MUST be heard for 10 s all the same, so that it can ask for
        # addresses, as one of 8 visitors; when there are as many, in the stead of the one that came first, if that has
        # had 2 s.
        if not self._admission.has_room_for_visitor():
            oldest = next(iter(self._visitors), None)
            if oldest is None or now_ms - self._visitors[oldest] < _VISIT_MS_MIN:
                self.on_lost(connection)
                return False
            self._part_from(oldest)
        self._visitors[connection] = now_ms
        self._admission.visitors += 1
        asyncio.get_running_loop().call_later(self._visit_s, self._end_visit, connection)
        return True

    def _end_visit(self, connection: Connection) -> None:
        """A visitor leaves, unless a place has become free."""
        if self._visitors.pop(connection, None) is None:
            return
        self._admission.visitors -= 1
        if self._admission.is_overfull:
            self.on_lost(connection)
            connection.close()

    def _part_from(self, connection: Connection) -> None:
        """Free a place at once."""
        self.on_lost(connection)
        connection.abort()

    def _free_a_place(self, now_ms: int) -> None:
        # SPEC NET-46: When as many connections shake hands as may, a newcomer MUST get the place of the one that has
        # taken longest, if that has taken 1 s: idle ones keep nobody out.
        oldest = next(iter(self._half_open), None)
        if oldest is not None and now_ms - self._half_open[oldest] >= _GIVES_WAY_MS:
            self._part_from(oldest)

    def _end_half_open(self, connection: Connection) -> None:
        if connection in self._half_open:
            connection.abort()
