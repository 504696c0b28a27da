"""How many connections there may be, in all and from one place. No I/O here.

Terms:
    half-open: a raw connection whose handshake is not over.
    subnet: the first 24 bits of an IPv4 address, the first 48 of an IPv6 address.
    private: addresses that nobody can have in the open net (loopback among them); not counted by place unless asked,
        for a test network shares one.

Source: docs/spec/network.md.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import ClassVar

import msgspec

from network.libp2p.multiaddr import Multiaddr


class TooManyConnections(ConnectionError):
    """A connection that our own limits refuse; the peer did nothing wrong."""

    rule: ClassVar[str] = "NET-16"


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The most of each kind.

    Attributes:
        half_open_max: Inbound handshakes at a time.
        inbound_max: Inbound connections.
        visitors_max: Inbound connections beyond those, for seconds; at most as many as inbound ones.
        outbound_max: Outbound connections.
        per_host_max: Inbound connections from one IP address.
        per_subnet_max: Inbound connections from one subnet.
        counts_private: Count private addresses by place too.
    """

    half_open_max: int = 64
    inbound_max: int = 40
    visitors_max: int = 8
    outbound_max: int = 16
    per_host_max: int = 4
    per_subnet_max: int = 16
    counts_private: bool = False


class Admission:
    """Counts what stands and says what may come."""

    def __init__(self, limits: ConnectionLimits) -> None:
        """Nothing stands yet."""
        self._limits = limits
        self._places: Counter[str] = Counter()
        self.half_open = 0
        self.inbound = 0
        self.visitors = 0
        self.outbound = 0

    def has_room_for_half_open(self) -> bool:
        """May one more connection shake hands, as far as their number goes?"""
        return self.half_open < self._limits.half_open_max

    def admits_inbound(self, remote: Multiaddr | None) -> bool:
        """Count one more inbound connection, half-open; False, and nothing counted, where there is no room."""
        # SPEC NET-16: A node MUST refuse, before any cryptography, inbound connections beyond its limits in all,
        # half-open, for one IP address and for one subnet.
        limits = self._limits
        if self.half_open >= limits.half_open_max or self.inbound >= limits.inbound_max + limits.half_open_max:
            return False
        places = self._name_places(remote)
        room = zip(places, (limits.per_host_max, limits.per_subnet_max), strict=False)
        if any(self._places[place] >= most for place, most in room):
            return False
        self._places.update(places)
        self.inbound += 1
        self.half_open += 1
        return True

    def on_secured(self) -> None:
        """Count an inbound handshake as over."""
        self.half_open -= 1

    @property
    def is_overfull(self) -> bool:
        """Are there more inbound connections, handshake over and no visitors, than may be?"""
        return self.inbound - self.half_open - self.visitors > self._limits.inbound_max

    def has_room_for_visitor(self) -> bool:
        """May one more inbound connection stay for a while?"""
        return self.visitors < min(self._limits.visitors_max, self._limits.inbound_max)

    def on_inbound_lost(self, remote: Multiaddr | None, *, was_secured: bool) -> None:
        """Forget an inbound connection that was admitted."""
        self.inbound -= 1
        if not was_secured:
            self.half_open -= 1
        for place in self._name_places(remote):
            self._places[place] -= 1
            if not self._places[place]:
                del self._places[place]

    def take_outbound(self) -> None:
        """Count one more outbound connection.

        Raises:
            TooManyConnections: there is no room.
        """
        if self.outbound >= self._limits.outbound_max:
            raise TooManyConnections(f"{self.outbound} outbound connections stand, which is the most")
        self.outbound += 1

    def on_outbound_lost(self) -> None:
        """Forget an outbound connection."""
        self.outbound -= 1

    def _name_places(self, remote: Multiaddr | None) -> tuple[str, ...]:
        if remote is None:
            return ()
        ip = ipaddress.ip_address(remote.host)
        if ip.is_private and not self._limits.counts_private:
            return ()
        network = ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False)
        return (remote.host, str(network))
