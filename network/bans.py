"""Ban scores: what peers did wrong, fading by the minute, and who is shut out until when. No I/O, no clock here.

Terms:
    points: what a fault costs; one fades in a minute. place: a subnet, see `network.libp2p.limits`.

Invariants: every collection is bounded; a place is shut only when several names of it were banned, and never a private
one, where all nodes of a test network live.

Source: docs/spec/network.md.
"""

from __future__ import annotations

import ipaddress
from typing import TypeVar

import msgspec

from network.libp2p.multiaddr import Multiaddr
from network.penalties import BAN_POINTS

FADE_MS = 60_000
BAN_MS = 600_000
DOUBLINGS_MAX = 8
BAN_MS_MAX = BAN_MS * 2**DOUBLINGS_MAX
FORGET_MS = 86_400_000
PLACE_BANS_MAX = 3
PLACE_FADE_MS = 1_200_000
KEPT_MAX = 4_096
T = TypeVar("T")


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """Who is shut out.

    Attributes:
        name: A peer id or a place.
        until_ms: When it may come back.
        count: How often it was banned so far.
    """

    name: str
    until_ms: int
    count: int


class BanBook:
    """The scores and bans that one node keeps."""

    def __init__(self) -> None:
        """Nobody did anything yet."""
        self._scores: dict[str, tuple[float, int]] = {}
        self._bans: dict[str, Ban] = {}
        self._place_faults: dict[str, tuple[float, int]] = {}

    def restore(self, bans: tuple[Ban, ...]) -> None:
        """Put the bans of an earlier run back."""
        for ban in bans[-KEPT_MAX:]:
            _store(self._bans, ban.name, ban)

    def add_points(self, peer: str, remote: Multiaddr | None, points: int, now_ms: int) -> bool:
        """Count a fault; True when the peer is banned by it."""
        if self.is_banned(peer, now_ms):
            return False
        score = self.get_score(peer, now_ms) + points
        if score < BAN_POINTS:
            _store(self._scores, peer, (score, now_ms))
            return False
        # SPEC NET-31: A peer whose points reach 100, of which one fades in a minute, MUST be disconnected and refused
        # for 10 minutes, twice as long each further time within a day.
        self._scores.pop(peer, None)
        self._ban(peer, now_ms)
        place = name_place(remote)
        if place is not None:
            self._count_place(place, now_ms)
        return True

    def get_score(self, peer: str, now_ms: int) -> float:
        """Return a peer's points."""
        return _fade(self._scores.get(peer), FADE_MS, now_ms)

    def is_banned(self, peer: str, now_ms: int) -> bool:
        """Is the peer shut out?"""
        return self._is_shut(peer, now_ms)

    def is_place_banned(self, remote: Multiaddr | None, now_ms: int) -> bool:
        """Is the place shut out from which somebody comes?"""
        place = name_place(remote)
        return place is not None and self._is_shut(place, now_ms)

    def list_bans(self, now_ms: int) -> tuple[Ban, ...]:
        """Return the bans worth keeping: standing, or so recent that the next one doubles."""
        return tuple(ban for ban in self._bans.values() if ban.until_ms + FORGET_MS > now_ms)

    def _count_place(self, place: str, now_ms: int) -> None:
        # SPEC NET-32: A subnet of which 3 peers were banned within 20 minutes MUST be refused like a peer, unless it is
        # private.
        faults = _fade(self._place_faults.get(place), PLACE_FADE_MS, now_ms) + 1
        if faults > PLACE_BANS_MAX - 1:
            self._place_faults.pop(place, None)
            self._ban(place, now_ms)
        else:
            _store(self._place_faults, place, (faults, now_ms))

    def _ban(self, name: str, now_ms: int) -> None:
        old = self._bans.pop(name, None)
        count = old.count + 1 if old is not None and old.until_ms + FORGET_MS > now_ms else 1
        until_ms = now_ms + BAN_MS * 2 ** min(count - 1, DOUBLINGS_MAX)
        _store(self._bans, name, Ban(name=name, until_ms=until_ms, count=count))

    def _is_shut(self, name: str, now_ms: int) -> bool:
        ban = self._bans.get(name)
        # A ban that ends later than any can was made before the clock was set back.
        return ban is not None and 0 < ban.until_ms - now_ms <= BAN_MS_MAX


def name_place(remote: Multiaddr | None) -> str | None:
    """Return the subnet of an address: /24 or /48; None for a private address or a name."""
    if remote is None or remote.kind not in ("ip4", "ip6"):
        return None
    ip = ipaddress.ip_address(remote.host)
    if ip.is_private:
        return None
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False))


def _fade(entry: tuple[float, int] | None, point_ms: int, now_ms: int) -> float:
    if entry is None:
        return 0.0
    points, at_ms = entry
    return max(0.0, points - max(0, now_ms - at_ms) / point_ms)


def _store(entries: dict[str, T], name: str, value: T) -> None:
    """Keep the newest `KEPT_MAX`."""
    entries.pop(name, None)
    entries[name] = value
    if len(entries) > KEPT_MAX:
        del entries[next(iter(entries))]
