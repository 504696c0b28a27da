"""Who may be heard, and who has gone too far: rates, points and bans of the connected peers (a `PeerGuard`)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import structlog

from network.address_book import name_group
from network.bans import BanBook
from network.eviction import Guest, find_leaver
from network.libp2p.connection import Connection
from network.libp2p.host import Host
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.node_key import PeerId
from network.libp2p.protocol_error import RemoteProtocolError
from network.peer_session import PeerMeter, Use
from network.penalties import EXCESS, get_fault_points
from network.port import Topic
from network.settings import ServiceLimits

RESERVED = "reserved"  # the group of reserved newcomers, of which nobody stands
LOG = structlog.get_logger("network")


class Doorkeeper:
    """Counts what peers do; the host asks it, the service tells it.

    Attributes:
        bans: Scores and bans, with the wall clock's time.
        trusted: Reserved peers: disconnected for their faults, but not refused.
    """

    def __init__(self, host: Host, limits: ServiceLimits, bans: BanBook, wall_ms: Callable[[], int]) -> None:
        """Watches from now on."""
        self._secret = secrets.token_bytes(32)
        self._host = host
        self._limits = limits
        self._wall_ms = wall_ms
        self._meters: dict[PeerId, PeerMeter] = {}
        self.bans = bans
        self.trusted: set[PeerId] = set()
        host.guard = self

    # -- what the host asks

    def admits(self, remote: Multiaddr | None) -> bool:
        """May a connection from this place begin its handshake?"""
        return not self.bans.is_place_banned(remote, self._wall_ms())

    def find_leaver(self, newcomer: Connection, standing: Sequence[Connection]) -> Connection | None:
        """All inbound places are taken; whose does the newcomer get? None refuses it."""
        if newcomer.peer_id not in self.trusted and self.bans.is_banned(newcomer.peer_id, self._wall_ms()):
            return None
        guests = {one.peer_id: one for one in standing if one.peer_id not in self.trusted}
        group = RESERVED if newcomer.peer_id in self.trusted else _name_group(newcomer)
        leaver = find_leaver([self._describe(one) for one in guests.values()], group, self._secret)
        if leaver is None:
            return None
        LOG.debug("a newcomer gets a place", newcomer=newcomer.peer_id, leaver=leaver.peer)
        return guests[leaver.peer]

    def on_stream(self, peer: PeerId) -> bool:
        """A peer opens a stream."""
        return self.count_message(peer)

    def on_gossip(self, peer: PeerId, count: int) -> bool:
        """A frame of gossip came."""
        return self.count_message(peer, count)

    def on_fault(self, peer: PeerId, error: RemoteProtocolError) -> None:
        """A peer broke a rule."""
        self.punish(peer, get_fault_points(error), str(error))

    # -- what the service tells and asks

    def add_peer(self, peer: PeerId) -> bool:
        """A peer is connected; False when it must go."""
        self._meters[peer] = PeerMeter(self._limits, self._host.clock())
        return peer in self.trusted or not self.bans.is_banned(peer, self._wall_ms())

    def remove_peer(self, peer: PeerId) -> None:
        """A peer is gone; its points stay."""
        self._meters.pop(peer, None)

    def count_message(self, peer: PeerId, count: int = 1) -> bool:
        """Count messages; False when they are beyond the rate and must be passed over."""
        # SPEC NET-29: What a peer sends beyond 200 messages a second (1,000 at once) MUST be passed over and cost 1
        # point a message; 16 MiB a second (64 at once) that nobody asked for MUST cost 1 point each further 64 KiB.
        meter = self._meters.get(peer)
        if meter is None:
            return False
        return self._charge(peer, meter.messages.take(count, self._host.clock()), "too many messages")

    def count_bytes(self, peer: PeerId, count: int) -> None:
        """Count bytes that nobody asked for."""
        meter = self._meters.get(peer)
        if meter is not None:
            self._charge(peer, meter.bytes.take(count, self._host.clock()) / 65_536, "too many bytes")

    def count_gossip(self, peer: PeerId, topic: Topic) -> bool:
        """Count a new message of a topic; False when it must be passed over."""
        # SPEC NET-30: Of new gossip that one peer brings first, what exceeds 10 headers a second (60 at once) or 50
        # votes a second (500 at once) MUST be ignored and cost 1 point each.
        meter = self._meters.get(peer)
        if meter is None:
            return False
        return self._charge(peer, meter.gossip[topic].take(1, self._host.clock()), f"too many {topic}")

    def count_inventory(self, peer: PeerId, count: int) -> int:
        """Count hashes of extrinsics; return for how many milliseconds the peer's next must wait."""
        # SPEC NET-33: A node MUST read hashes of extrinsics no faster than 500 a second from one peer (1,024 at once).
        meter = self._meters.get(peer)
        return 0 if meter is None else meter.inventory.borrow(count, self._host.clock())

    def count_exchange(self, peer: PeerId) -> bool:
        """Count a request for addresses; False when it comes too early."""
        meter = self._meters.get(peer)
        if meter is None:
            return False
        return self._charge(peer, meter.exchanges.take(1, self._host.clock()), "asks for addresses too often")

    def note_use(self, peer: PeerId, use: Use) -> None:
        """A peer was the first to bring something valid."""
        meter = self._meters.get(peer)
        if meter is not None:
            meter.used_ms[use] = self._host.clock()

    def punish(self, peer: PeerId, points: int, reason: str) -> None:
        """Add to a peer's score, and part from it when it is banned."""
        connection = self._host.get_connection(peer)
        remote = connection.remote if connection is not None else None
        if peer in self.trusted:
            if points >= 100:
                self._host.disconnect(peer)
        elif self.bans.add_points(peer, remote, points, self._wall_ms()):
            LOG.info("banned a peer", peer=peer, reason=reason)
            self._host.disconnect(peer)

    def _describe(self, connection: Connection) -> Guest:
        meter = self._meters.get(connection.peer_id)
        return Guest(
            peer=connection.peer_id,
            group=_name_group(connection),
            since_ms=self._host.clock() if meter is None else meter.since_ms,
            ping_ms=connection.round_trip_ms,
            header_ms=None if meter is None else meter.used_ms.get("header"),
            news_ms=None if meter is None else meter.used_ms.get("news"),
        )

    def _charge(self, peer: PeerId, lacking: float, reason: str) -> bool:
        if lacking > 0:
            self.punish(peer, max(EXCESS, int(lacking)), reason)
        return lacking == 0


def _name_group(connection: Connection) -> str:
    return "unknown" if connection.remote is None else name_group(connection.remote)
