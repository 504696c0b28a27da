"""Whose place a newcomer gets when all inbound places are taken. No I/O, no clock here.

Whoever holds many places from few groups must not keep others out, and whoever comes often must not drive out peers
that have shown their worth in a way that he cannot copy for many connections at once.

Terms:
    guest: a peer that dialled us. group: as in the address book, the first 16 bits of an IPv4 address, the first 32 of
        an IPv6 address; all private addresses are one.

Source: bitcoin/bitcoin, `src/node/eviction.cpp`, of which this differs in three things: a newcomer whose own group is
among the most crowded gets nobody's place, a group has only so much protection, and the numbers grow with the places;
docs/spec/network.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b

import msgspec

from network.libp2p.node_key import PeerId


class Guest(msgspec.Struct, frozen=True, kw_only=True):
    """What counts of one guest.

    Attributes:
        since_ms: When it came.
        ping_ms: Its shortest round trip; None while none was measured.
        header_ms: When it last was the first to bring a valid header; None if never.
        news_ms: The same of votes and extrinsics.
    """

    peer: PeerId
    group: str
    since_ms: int
    ping_ms: int | None = None
    header_ms: int | None = None
    news_ms: int | None = None


def find_leaver(guests: Sequence[Guest], group: str, secret: bytes) -> Guest | None:
    """Return who gives way to a newcomer of this group; None when the newcomer must go.

    Args:
        guests: All who may have to go; reserved peers are not among them.
        secret: Decides which groups are protected; must stay ours.
    """
    # SPEC NET-52: When all inbound places are taken, a newcomer MUST get the place of a peer without protection, the
    # youngest of the group that has most connections, if its own group has fewer.
    protected = find_protected(guests, secret)
    sizes = Counter(guest.group for guest in guests)
    leaving = [guest for guest in guests if guest.peer not in protected]
    leaver = max(leaving, key=lambda guest: (sizes[guest.group], guest.since_ms, guest.peer), default=None)
    return leaver if leaver is not None and sizes[group] < sizes[leaver.group] else None


def find_protected(guests: Sequence[Guest], secret: bytes) -> frozenset[PeerId]:
    """Return who gives way to nobody."""
    # SPEC NET-53: Of n inbound peers a node MUST protect from giving way one of each of n/10 groups that its secret
    # chooses, the n/5 nearest by ping, the n/10 that last brought a valid header first, the n/10 that last brought a
    # vote or extrinsics, and half of the rest, those connected longest; but of one group no more than n/10, or one.
    shelter, tenth = _Shelter(max(1, len(guests) // 10)), len(guests) // 10
    by_age = sorted(guests, key=lambda guest: (guest.since_ms, guest.peer))
    eldest = {guest.group: guest for guest in reversed(by_age)}
    shelter.take(sorted(eldest.values(), key=lambda guest: _rank_group(guest.group, secret)), tenth)
    shelter.take(_rank(by_age, lambda guest: guest.ping_ms), 2 * tenth)
    shelter.take(_rank(by_age, lambda guest: guest.header_ms)[::-1], tenth)
    shelter.take(_rank(by_age, lambda guest: guest.news_ms)[::-1], tenth)
    shelter.take(by_age, (len(guests) - len(shelter.peers) + 1) // 2)
    return frozenset(shelter.peers)


class _Shelter:
    """Who is protected so far, with a bound for each group."""

    def __init__(self, group_max: int) -> None:
        self._group_max = group_max
        self._groups: Counter[str] = Counter()
        self.peers: set[PeerId] = set()

    def take(self, ranked: Iterable[Guest], count: int) -> None:
        """Protect so many more, the first of those that may be."""
        for guest in ranked:
            if count <= 0:
                return
            if guest.peer not in self.peers and self._groups[guest.group] < self._group_max:
                self.peers.add(guest.peer)
                self._groups[guest.group] += 1
                count -= 1


def _rank(guests: Iterable[Guest], read: Callable[[Guest], int | None]) -> list[Guest]:
    """Return the guests that have this value, the smallest first."""
    valued = [(value, guest) for guest in guests if (value := read(guest)) is not None]
    return [guest for _, guest in sorted(valued, key=lambda pair: pair[0])]


def _rank_group(group: str, secret: bytes) -> bytes:
    return blake2b(group.encode(), key=secret, digest_size=8).digest()
