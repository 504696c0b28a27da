"""Whom to dial: reserved peers always; then, up to the number wanted, anchors, neighbours on this machine, the address
book and boot nodes; and now and then a feeler. Decides only, dials nothing. No I/O, no clock here.

Terms:
    anchor: a peer that we had dialled when the node last ran. feeler: a connection made to learn whether an address of
    the new table answers, and closed at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from typing import Literal, TypeAlias

import msgspec

from network.address_book import AddressBook, compute_backoff, is_ahead, name_group
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.node_key import PeerId
from network.settings import NetworkSettings

Purpose: TypeAlias = Literal["reserved", "anchor", "near", "bootnode", "book", "feeler"]
ANCHORS = 2
FEELER_MS = 120_000
DIALS_A_TURN = 4
RETRY_MS, RETRY_MS_MAX = 1_000, 60_000
NEAR_MAX = 128
SETTLED_MS = 30_000
RETRIES_MAX = 1_024


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An address to dial, and why."""

    address: Multiaddr
    purpose: Purpose

    @property
    def peer(self) -> PeerId:
        """Who is expected there."""
        return self.address.peer_id or PeerId("")


class Dialer:
    """Keeps the wanted connections in mind.

    Attributes:
        reserved: Peers that are always kept.
        near: What local discovery found.
    """

    def __init__(
        self, own: PeerId, settings: NetworkSettings, book: AddressBook, chance: Random, *, anchors: Iterable[Multiaddr]
    ) -> None:
        """Nobody is dialled yet."""
        self._own = own
        self._settings = settings
        self._book = book
        self._chance = chance
        self._anchors = [address for address in anchors if address.peer_id not in (None, own)][:ANCHORS]
        self._retries: dict[PeerId, tuple[int, int]] = {}  # failures, and not before
        self._dialling: dict[PeerId, Target] = {}
        self._feeler_ms: int | None = None
        self.reserved = {address.peer_id: address for address in settings.reserved if address.peer_id}
        self.near: dict[PeerId, Multiaddr] = {}

    def choose(self, now_ms: int, standing: Mapping[PeerId, Multiaddr | None]) -> list[Target]:
        """Return whom to dial now.

        Args:
            standing: Every connected peer; with its place where we dialled it, None where it dialled us.
        """
        targets = [
            Target(address=address, purpose="reserved")
            for peer, address in self.reserved.items()
            if self._is_free(peer, standing, now_ms)
        ]
        if not self._settings.reserved_only:
            outbound = [peer for peer, place in standing.items() if place is not None and peer not in self.reserved]
            pending = [target for target in self._dialling.values() if target.purpose not in ("reserved", "feeler")]
            room = self._settings.out_peers - len(outbound) - len(pending)
            targets += self._fill(now_ms, standing, min(room, DIALS_A_TURN))
        for target in targets:
            self._dialling[target.peer] = target
        if not self._settings.reserved_only:
            targets += self._feel(now_ms, standing)
        return targets

    def on_end(self, target: Target, now_ms: int, *, is_reached: bool) -> None:
        """An attempt ended: the peer spoke our chain's protocols, or not."""
        self._dialling.pop(target.peer, None)
        if is_reached:
            return
        if target.purpose in ("book", "feeler"):
            self._book.on_failure(target.address, now_ms)
        self._rest(target.peer, now_ms)

    def on_gone(self, peer: PeerId, lasted_ms: int, now_ms: int) -> None:
        """A connection ended; one that was short is like an attempt that failed."""
        if lasted_ms >= SETTLED_MS:
            self._retries.pop(peer, None)
        else:
            self._rest(peer, now_ms)

    def set_near(self, addresses: Iterable[Multiaddr]) -> None:
        """Local discovery looked round."""
        found = {address.peer_id: address for address in addresses if address.peer_id not in (None, self._own)}
        self.near = dict(list(found.items())[:NEAR_MAX])

    # -- inside

    def _fill(self, now_ms: int, standing: Mapping[PeerId, Multiaddr | None], room: int) -> list[Target]:
        targets: list[Target] = []
        while self._anchors and len(targets) < room:
            anchor = self._anchors.pop(0)
            if anchor.peer_id is not None and self._is_free(anchor.peer_id, standing, now_ms):
                targets.append(Target(address=anchor, purpose="anchor"))
        for peer, address in self.near.items():
            if len(targets) < room and self._is_free(peer, standing, now_ms):
                targets.append(Target(address=address, purpose="near"))
        targets += self._pick_from_book(now_ms, standing, targets, room)
        # SPEC NET-39: Of the connections that a node looks for at most half MUST go to boot nodes; the rest it chooses
        # itself, no two in one group.
        boot_room = min(room - len(targets), self._settings.out_peers // 2 - self._count_boot(standing))
        for address in self._settings.bootnodes:
            if boot_room > 0 and address.peer_id is not None and self._is_free(address.peer_id, standing, now_ms):
                targets.append(Target(address=address, purpose="bootnode"))
                boot_room -= 1
        return targets

    def _pick_from_book(
        self, now_ms: int, standing: Mapping[PeerId, Multiaddr | None], chosen: list[Target], room: int
    ) -> list[Target]:
        groups = {name_group(place) for place in standing.values() if place is not None}
        groups |= {name_group(target.address) for target in (*chosen, *self._dialling.values())}
        peers = {*standing, *self._dialling, *self._list_resting(now_ms), self._own}
        peers |= {target.peer for target in chosen}
        targets: list[Target] = []
        while len(chosen) + len(targets) < room:
            address = self._book.choose(now_ms, groups=groups, peers=peers)
            if address is None or address.peer_id is None:
                break
            groups.add(name_group(address))
            peers.add(address.peer_id)
            targets.append(Target(address=address, purpose="book"))
        return targets

    def _feel(self, now_ms: int, standing: Mapping[PeerId, Multiaddr | None]) -> list[Target]:
        # SPEC NET-40: Every 2 minutes a node MUST try one address that others told, so that its tried table stays its
        # own experience.
        if self._feeler_ms is None:
            self._feeler_ms = now_ms
        if 0 <= now_ms - self._feeler_ms < FEELER_MS:
            return []
        self._feeler_ms = now_ms
        peers = {*standing, *self._dialling, *self._list_resting(now_ms), self._own}
        address = self._book.choose(now_ms, groups=(), peers=peers, only_new=True)
        if address is None:
            return []
        feeler = Target(address=address, purpose="feeler")
        self._dialling[feeler.peer] = feeler
        return [feeler]

    def _count_boot(self, standing: Mapping[PeerId, Multiaddr | None]) -> int:
        boot = {address.peer_id for address in self._settings.bootnodes}
        return sum(peer in boot for peer in (*standing, *self._dialling))

    def _rest(self, peer: PeerId, now_ms: int) -> None:
        """Leave a peer alone for a while, each time longer."""
        failures = self._retries.pop(peer, (0, 0))[0]
        wait_ms = compute_backoff(failures, self._chance, base_ms=RETRY_MS, max_ms=RETRY_MS_MAX)
        self._retries[peer] = (failures + 1, now_ms + wait_ms)
        if len(self._retries) > RETRIES_MAX:
            del self._retries[next(iter(self._retries))]

    def _list_resting(self, now_ms: int) -> list[PeerId]:
        return [peer for peer in self._retries if self._is_resting(peer, now_ms)]

    def _is_resting(self, peer: PeerId, now_ms: int) -> bool:
        return is_ahead(self._retries.get(peer, (0, 0))[1], now_ms, RETRY_MS_MAX)

    def _is_free(self, peer: PeerId, standing: Mapping[PeerId, Multiaddr | None], now_ms: int) -> bool:
        return (
            peer != self._own
            and peer not in standing
            and peer not in self._dialling
            and not self._is_resting(peer, now_ms)
        )
