"""Finding peers: dials whom the dialer names, learns addresses by identify and peer exchange, and remembers them.

Invariants: at most one attempt a peer; an address counts as reached only when we dialled it and its peer spoke our
chain's protocols under the expected key; what peers say of themselves counts only for the place from which they speak.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Mapping
from random import Random

import msgspec
import structlog

from network.address_book import AddressBook, is_private, name_group
from network.chain_protocols import ChainProtocols
from network.dialer import ANCHORS, Dialer, Target
from network.doorkeeper import Doorkeeper
from network.libp2p.host import Host
from network.libp2p.identify import PeerInfo
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.node_key import PeerId
from network.libp2p.protocol_error import RemoteProtocolError
from network.libp2p.stream import Stream, StreamReset
from network.local_discovery import LocalDiscovery
from network.peer_exchange import ADDRESSES_MAX, EXCHANGE_BYTES_MAX, decode_addresses, encode_addresses
from network.peer_session import PeerSession
from network.penalties import get_fault_points
from network.saved_peers import SavedPeers, load_saved_peers, save_peers
from network.settings import NetworkSettings

EXCHANGE_MS = 75_000
EXCHANGE_S = 10.0
ENOUGH_ADDRESSES = 1_000
SAVE_MS = 120_000
FIRST_SAVE_MS = 10_000
LOOK_MS = 2_000
WITNESSES = 2
WITNESSES_MAX = 256
LOG = structlog.get_logger("sub-libp2p")


class Outreach:
    """The part of the service that goes out.

    Attributes:
        book: Known addresses.
        dialer: Whom to dial.
    """

    def __init__(
        self,
        host: Host,
        door: Doorkeeper,
        settings: NetworkSettings,
        *,
        protocols: ChainProtocols,
        chance: Random,
        wall_ms: Callable[[], int],
    ) -> None:
        """`sessions` is set by the service."""
        self._host = host
        self._door = door
        self._settings = settings
        self._protocols = protocols
        self._chance = chance
        self._wall_ms = wall_ms
        self._memory = load_saved_peers(settings.memory_file, chance)
        self._discovery = (
            LocalDiscovery(settings.meeting_folder, host.peer_id) if settings.meeting_folder is not None else None
        )
        self._targets: dict[PeerId, Target] = {}
        self._exchange_ms: dict[PeerId, int] = {}
        self._witnesses: dict[Multiaddr, set[str]] = {}
        self._saved_ms = self._looked_ms = 0
        self.sessions: Mapping[PeerId, PeerSession] = {}
        self.book = AddressBook(self._memory.secret, chance, allows_private=settings.allows_private)
        self.book.restore(self._memory.entries)
        door.bans.restore(self._memory.bans)
        self.dialer = Dialer(host.peer_id, settings, self.book, chance, anchors=self._memory.anchors)
        door.trusted.update(self.dialer.reserved)
        host.external = settings.public
        host.set_handler(protocols.exchange, self._answer_exchange)

    # -- what the service tells

    def is_feeler(self, peer: PeerId) -> bool:
        """Was the peer dialled only to learn whether it answers?"""
        target = self._targets.get(peer)
        return target is not None and target.purpose == "feeler"

    def is_welcome(self, peer: PeerId) -> bool:
        """May the peer stay?"""
        return not self._settings.reserved_only or peer in self.dialer.reserved

    def on_greeted(self, session: PeerSession) -> None:
        """A peer is of our chain: its address is good, and it may know others."""
        target = self._targets.pop(session.peer, None)
        if target is not None:
            self.dialer.on_end(target, self._wall_ms(), is_reached=True)
            connection = self._host.get_connection(session.peer)
            if connection is not None and connection.is_outbound:
                session.place = target.address
                self.book.on_success(target.address, name_group(target.address), self._wall_ms())
        if target is None or target.purpose != "feeler":
            self._host.spawn(self._identify(session))
            if target is not None and len(self.book) < ENOUGH_ADDRESSES:
                self._plan_exchange(session)

    def on_gone(self, session: PeerSession) -> None:
        """A peer left."""
        self._exchange_ms.pop(session.peer, None)
        target = self._targets.pop(session.peer, None)
        if target is not None:
            self.dialer.on_end(target, self._wall_ms(), is_reached=False)
        elif session.place is not None:
            self.dialer.on_gone(session.peer, self._host.clock() - session.since_ms, self._wall_ms())

    def on_foreign(self, session: PeerSession) -> None:
        """A peer is of another chain."""
        target = self._targets.get(session.peer)
        if target is not None:
            self.book.forget(target.address)

    def check(self) -> None:
        """Dial, look round, ask and save, each when it is time; called once a second."""
        now_ms = self._wall_ms()
        if self._discovery is not None and not 0 <= now_ms - self._looked_ms < LOOK_MS:
            self._looked_ms = now_ms
            self._look_round(self._discovery)
        standing = {peer: session.place for peer, session in self.sessions.items()}
        for target in self.dialer.choose(now_ms, standing):
            self._targets[target.peer] = target
            self._host.spawn(self._dial(target))
        self._ask_somebody()
        if self._saved_ms == 0:
            self._saved_ms = now_ms - SAVE_MS + FIRST_SAVE_MS
        if not 0 <= now_ms - self._saved_ms < SAVE_MS:
            self._saved_ms = now_ms
            self.save()

    def save(self) -> None:
        """Write what is worth remembering."""
        path = self._settings.memory_file
        if path is None:
            return
        dialled = sorted(
            (session.since_ms, str(session.peer), session.place)
            for session in self.sessions.values()
            if session.place is not None and session.is_greeted
        )
        saved = SavedPeers(
            secret=self._memory.secret,
            entries=self.book.list_entries(),
            anchors=tuple(place for _, _, place in dialled[:ANCHORS]),
            bans=self._door.bans.list_bans(self._wall_ms()),
        )
        try:
            save_peers(path, saved)
        except OSError as error:
            LOG.warning("the known peers cannot be saved", path=str(path), error=str(error))

    def leave(self) -> None:
        """The node stops."""
        self.save()
        if self._discovery is not None:
            self._discovery.leave()

    # -- dialling

    async def _dial(self, target: Target) -> None:
        try:
            await self._host.dial(target.address)
        except (OSError, TimeoutError, RemoteProtocolError) as error:
            LOG.debug("nobody reached", address=str(target.address), error=str(error))
            self._drop(target)
            return
        session = self.sessions.get(target.peer)
        if session is None:
            self._drop(target)  # it came and went
        elif session.is_greeted and self._targets.get(target.peer) is target:
            self.on_greeted(session)  # it had come to us meanwhile

    def _drop(self, target: Target) -> None:
        if self._targets.get(target.peer) is target:
            del self._targets[target.peer]
            self.dialer.on_end(target, self._wall_ms(), is_reached=False)

    def _look_round(self, discovery: LocalDiscovery) -> None:
        own = self._host.addresses
        try:
            if own:
                discovery.announce(_make_local(own[0]))
            self.dialer.set_near(discovery.look())
        except OSError as error:
            LOG.warning("local discovery is off", error=str(error))
            self._discovery = None

    # -- learning

    async def _identify(self, session: PeerSession) -> None:
        info = await self._host.identify(session.peer)
        session.agent = info.agent
        session.listens = self._confirm(session, info)
        source = name_group(session.remote) if session.remote is not None else "unknown"
        for address in session.listens:
            self.book.learn(address, source, self._wall_ms())
        if session.is_outbound and info.observed is not None:
            self._on_observed(info.observed, source)

    def _confirm(self, session: PeerSession, info: PeerInfo) -> tuple[Multiaddr, ...]:
        """Return where a peer listens, as far as it speaks from there."""
        # SPEC NET-42: Of the addresses that a peer claims for itself only those with the IP address from which it
        # speaks MUST be believed.
        if session.remote is None:
            return ()
        host = session.remote.host
        ports: list[int] = []
        for address in info.addresses:
            if address.kind not in ("ip4", "ip6") or address.port == 0 or address.port in ports:
                continue
            if address.host == host or ipaddress.ip_address(address.host).is_unspecified:
                ports.append(address.port)
        return tuple(
            Multiaddr(kind=session.remote.kind, host=host, port=port, peer_id=session.peer) for port in ports[:2]
        )

    def _on_observed(self, observed: Multiaddr, source: str) -> None:
        """A peer that we dialled says how it sees us; with our port that is where we may be reached.

        A public address needs two witnesses of different groups.
        """
        own = self._host.addresses
        if not own or observed.kind not in ("ip4", "ip6"):
            return
        address = Multiaddr(kind=observed.kind, host=observed.host, port=own[0].port)
        if address in self._host.external or len(self._witnesses) >= WITNESSES_MAX:
            return
        witnesses = self._witnesses.setdefault(address, set())
        witnesses.add(source)
        if len(witnesses) >= (1 if is_private(address) else WITNESSES):
            self._host.external = (*self._host.external, address)
            LOG.info(f"🔍 Discovered new external address for our node: {address.with_peer(self._host.peer_id)}")

    # -- peer exchange

    def _ask_somebody(self) -> None:
        if len(self.book) >= ENOUGH_ADDRESSES or self._settings.reserved_only:
            return
        now_ms = self._host.clock()
        able = [
            session
            for session in self.sessions.values()
            if session.is_greeted and now_ms - self._exchange_ms.get(session.peer, session.since_ms) >= EXCHANGE_MS
        ]
        if able:
            self._plan_exchange(self._chance.choice(able))

    def _plan_exchange(self, session: PeerSession) -> None:
        self._exchange_ms[session.peer] = self._host.clock()
        self._host.spawn(self._exchange(session))

    async def _exchange(self, session: PeerSession) -> None:
        try:
            async with asyncio.timeout(EXCHANGE_S):
                async with self._host.open_stream(session.peer, self._protocols.exchange) as stream:
                    stream.close_write()
                    frame = await stream.read_frame(EXCHANGE_BYTES_MAX)
            addresses = decode_addresses(frame or b"\x90")
        except RemoteProtocolError as error:
            self._door.punish(session.peer, get_fault_points(error), str(error))
            return
        source = name_group(session.remote) if session.remote is not None else "unknown"
        for address in addresses:
            if address.peer_id != self._host.peer_id:
                self.book.learn(address, source, self._wall_ms())

    async def _answer_exchange(self, stream: Stream) -> None:
        if not self._door.count_exchange(stream.peer_id):
            raise StreamReset("asks for addresses too often")
        confirmed = [
            address
            for session in self.sessions.values()
            if session.is_greeted and session.peer != stream.peer_id
            for address in session.listens[:1]
        ]
        told = [address for address in self.book.sample(ADDRESSES_MAX, confirmed) if address.peer_id != stream.peer_id]
        async with stream:
            await stream.write_frame(encode_addresses(told))


def _make_local(address: Multiaddr) -> Multiaddr:
    """Return where nodes of this machine reach a node that listens at this address."""
    if address.kind in ("ip4", "ip6") and ipaddress.ip_address(address.host).is_unspecified:
        return msgspec.structs.replace(address, host="127.0.0.1" if address.kind == "ip4" else "::1")
    return address
