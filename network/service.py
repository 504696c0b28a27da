"""The chain's protocols on a libp2p host: what `network.port` says, done on real connections.

Order of events of a peer: PeerConnected once it showed that it speaks our chain's protocols, then what it says and
asks, then the failures of what we asked it, then PeerGone.

Invariants: every queue is bounded; no handler holds up the loop; the core is called from the loop only, never from
within `perform`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random, SystemRandom
from types import TracebackType
from typing import Self, assert_never

import structlog

from network.bans import BanBook
from network.chain_protocols import make_chain_protocols
from network.doorkeeper import Doorkeeper
from network.event_inbox import EventInbox
from network.libp2p.gossip import Received
from network.libp2p.gossip_event import Verdict
from network.libp2p.gossip_wire import MessageId
from network.libp2p.host import Host
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.multistream import ProtocolRefused
from network.libp2p.node_key import PeerId
from network.libp2p.stream import Stream, StreamReset
from network.messages import NOTICE_BYTES_MAX, BadMessage, Notice, Status, decode_notice, encode_message
from network.notice_lane import NoticeLane
from network.outreach import Outreach
from network.peer_session import PeerSession
from network.penalties import BROKEN_RULE
from network.port import (
    Disconnect,
    GossipReceived,
    JudgeGossip,
    NetworkCommand,
    NetworkEvent,
    NoticeReceived,
    PeerConnected,
    PeerGone,
    Publish,
    Punish,
    SendAnswer,
    SendNotice,
    SendRequest,
    Topic,
)
from network.request_desk import RequestDesk
from network.settings import NetworkSettings

GOSSIP_BYTES_MAX: dict[Topic, int] = {"headers": 16_384, "votes": 1_024}
TICK_S = 1.0
LOG = structlog.get_logger("network")


def read_wall_ms() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000


class ConnectionCounts:
    """Peers that came and went since the start, by who dialled."""

    def __init__(self) -> None:
        """None yet."""
        self.opened_in = self.opened_out = self.closed_in = self.closed_out = 0


class NetworkService:
    """One node among its peers; used as `async with NetworkService(...)`.

    Attributes:
        host: What is below: connections and streams.
        door: Rates, scores and bans.
        sessions: The connected peers.
        requests: What is asked and answered.
        outreach: Finds peers.
    """

    def __init__(
        self,
        host: Host,
        settings: NetworkSettings,
        on_event: Callable[[NetworkEvent], None],
        *,
        chance: Random | None = None,
        wall_ms: Callable[[], int] = read_wall_ms,
    ) -> None:
        """`host` is entered and left by this service."""
        self.host = host
        self.settings = settings
        self.wall_ms = wall_ms
        self._limits = settings.limits
        self._protocols = make_chain_protocols(settings.genesis)
        self._topics: dict[str, Topic] = {name: topic for topic, name in self._protocols.topics.items()}
        self._inbox = EventInbox(on_event, self._limits.notices_max)
        self.door = Doorkeeper(host, self._limits, BanBook(), wall_ms)
        self.sessions: dict[PeerId, PeerSession] = {}
        self.counts = ConnectionCounts()
        self.requests = RequestDesk(host, self.door, self._inbox, protocols=self._protocols, limits=self._limits)
        self.outreach = Outreach(
            host, self.door, settings, protocols=self._protocols, chance=chance or SystemRandom(), wall_ms=wall_ms
        )
        self.requests.sessions = self.outreach.sessions = self.sessions
        host.set_handler(self._protocols.status, self._read_notices)
        host.set_handler(self._protocols.inventory, self._read_notices)
        host.set_handler(self._protocols.sync, self._serve_request)
        host.add_watcher(self._on_peer)

    # -- life

    async def __aenter__(self) -> Self:
        """Listen and take part."""
        await self.host.__aenter__()
        try:
            for address in self.settings.listen:
                await self.host.listen(address)
        except BaseException:
            await self.host.__aexit__(None, None, None)
            raise
        for name in self._protocols.topics.values():
            self.host.subscribe(name, self._take_gossip)
        self.host.spawn(self._tick_for_ever())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Part from everybody."""
        self.outreach.leave()
        await self.host.__aexit__(kind, error, trace)

    # -- for people

    @property
    def peer_count(self) -> int:
        """How many peers of our chain are connected."""
        return sum(session.is_greeted for session in self.sessions.values())

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes received and sent since the start."""
        received, sent = self.host.retired_bytes
        for connection in self.host.peers.list_connections():
            received += connection.received_bytes
            sent += connection.sent_bytes
        return received, sent

    @property
    def addresses(self) -> tuple[Multiaddr, ...]:
        """Where others reach this node, with its name."""
        external = (address.with_peer(self.host.peer_id) for address in self.host.external)
        return tuple(dict.fromkeys([*self.host.addresses, *external]))

    def list_reserved(self) -> list[PeerId]:
        """Return the peers that are always kept."""
        return list(self.outreach.dialer.reserved)

    def add_reserved(self, address: Multiaddr) -> None:
        """Keep a peer at all times; `address` ends in its id."""
        if address.peer_id is not None and address.peer_id != self.host.peer_id:
            self.outreach.dialer.reserved[address.peer_id] = address
            self.door.trusted.add(address.peer_id)

    def remove_reserved(self, peer: str) -> None:
        """Treat a peer as any other; where nobody else is spoken with, part from it."""
        self.outreach.dialer.reserved.pop(PeerId(peer), None)
        self.door.trusted.discard(PeerId(peer))
        if not self.outreach.is_welcome(PeerId(peer)):
            self._part(PeerId(peer), "no longer reserved")

    # -- commands of the core

    def perform(self, command: NetworkCommand) -> None:
        """Do what the core wants, now or as soon as it can be done."""
        match command:
            case SendNotice(peer=peer, notice=notice):
                self._send_notice(PeerId(peer), notice)
            case SendRequest():
                self.requests.ask(command)
            case SendAnswer():
                self.requests.answer(command)
            case Publish(topic=topic, data=data):
                self.host.publish(self._protocols.topics[topic], data)
            case JudgeGossip(message_id=message_id, verdict=verdict):
                self._judge(MessageId(message_id), Verdict(verdict))
            case Punish(peer=peer, points=points, reason=reason):
                self.door.punish(PeerId(peer), points, reason)
            case Disconnect(peer=peer, reason=reason):
                self._part(PeerId(peer), reason)
            case _:
                assert_never(command)

    def _judge(self, message_id: MessageId, verdict: Verdict) -> None:
        judged = self.host.gossip.report(message_id, verdict)
        if judged is not None and verdict is Verdict.ACCEPT:
            self.door.note_use(judged.source, "header" if self._topics[judged.topic] == "headers" else "news")

    def _send_notice(self, peer: PeerId, notice: Notice) -> None:
        session = self.sessions.get(peer)
        if session is None:
            return
        lane = session.statuses if isinstance(notice, Status) else session.inventories
        lane.put(encode_message(notice))
        # SPEC NET-34: A peer for which more than 8 MiB of notices wait MUST be disconnected.
        if session.waiting_bytes > self._limits.outgoing_bytes_max:
            self._part(peer, "does not read")

    def _part(self, peer: PeerId, reason: str) -> None:
        LOG.debug("parted from a peer", peer=peer, reason=reason)
        self.host.disconnect(peer)

    # -- peers

    def _on_peer(self, peer: PeerId, is_connected: bool) -> None:
        if is_connected:
            self._add_peer(peer)
        else:
            self._remove_peer(peer)

    def _add_peer(self, peer: PeerId) -> None:
        connection = self.host.get_connection(peer)
        if connection is None:
            return
        if not (self.door.add_peer(peer) and self.outreach.is_welcome(peer)):
            self.door.remove_peer(peer)
            self.host.disconnect(peer)
            return
        protocols, pause_s = self._protocols, self._limits.status_pause_s
        statuses = NoticeLane(self.host, peer, protocols.status, pause_s=pause_s)
        lanes = (statuses, NoticeLane(self.host, peer, protocols.inventory))
        session = PeerSession(self.host, connection, lanes, served_max=self._limits.served_max)
        self.sessions[peer] = session
        if session.is_outbound:
            self.counts.opened_out += 1
        else:
            self.counts.opened_in += 1
        self.host.spawn(self._run_statuses(session))
        self.host.spawn(session.inventories.run())

    async def _run_statuses(self, session: PeerSession) -> None:
        # SPEC NET-35: A peer that does not speak our chain's status protocol, or whose status names another block 0,
        # MUST be parted from, and that is no fault.
        try:
            await session.statuses.run(lambda: self._greet(session))
        except ProtocolRefused:
            self._part_from_foreign(session)

    def _part_from_foreign(self, session: PeerSession) -> None:
        self.outreach.on_foreign(session)
        self._part(session.peer, "of another chain")

    def _greet(self, session: PeerSession) -> None:
        """Tell the core of a peer, once it is known to be of our chain."""
        if session.is_greeted or session.is_gone:
            return
        if self.outreach.is_feeler(session.peer):
            session.is_gone = True
            self.outreach.on_greeted(session)
            self._part(session.peer, "it answers, which is all we wanted")
            return
        session.is_greeted = True
        self._inbox.put(PeerConnected(peer=session.peer, is_outbound=session.is_outbound))
        self.outreach.on_greeted(session)

    def _remove_peer(self, peer: PeerId) -> None:
        self.door.remove_peer(peer)
        session = self.sessions.pop(peer, None)
        if session is None:
            return
        session.close()
        if session.is_outbound:
            self.counts.closed_out += 1
        else:
            self.counts.closed_in += 1
        self.outreach.on_gone(session)
        self.requests.drop_asked(session)
        if session.is_greeted:
            self._inbox.put(PeerGone(peer=peer))

    def _meet(self, stream: Stream) -> PeerSession:
        """Return the session of a peer that speaks one of our protocols."""
        session = self.sessions.get(stream.peer_id)
        if session is None:
            raise StreamReset("the peer is not welcome")
        self._greet(session)
        return session

    # -- what peers say

    async def _read_notices(self, stream: Stream) -> None:
        session = self._meet(stream)
        older = session.reading.pop(stream.protocol, None)
        if older is not None:
            older.reset()
        session.reading[stream.protocol] = stream
        async with stream:
            while (frame := await stream.read_frame(NOTICE_BYTES_MAX)) is not None:
                if self.door.count_message(session.peer):
                    await self._take_notice(session, stream, decode_notice(frame))

    async def _take_notice(self, session: PeerSession, stream: Stream, notice: Notice) -> None:
        if isinstance(notice, Status) != (stream.protocol == self._protocols.status):
            raise BadMessage(f"a notice that {stream.protocol} does not carry")
        if isinstance(notice, Status):
            if notice.genesis != self.settings.genesis:
                self._part_from_foreign(session)
                return
            session.status = notice
        else:
            wait_ms = self.door.count_inventory(session.peer, len(notice.hashes))
            if wait_ms:
                await asyncio.sleep(wait_ms / 1000)
        await self._inbox.wait_room(session.peer)
        if not session.is_gone:
            self._inbox.put_notice(NoticeReceived(peer=session.peer, notice=notice))

    async def _serve_request(self, stream: Stream) -> None:
        session = self._meet(stream)
        async with stream:
            await self.requests.serve(session, stream)

    def _take_gossip(self, message: Received) -> Verdict | None:
        session = self.sessions.get(message.source)
        if session is None:
            return Verdict.IGNORE
        topic = self._topics[message.topic]
        # SPEC NET-36: A sealed header in gossip MUST have at most 16 KiB, a signed vote at most 1 KiB.
        if len(message.data) > GOSSIP_BYTES_MAX[topic]:
            self.door.punish(message.source, BROKEN_RULE, f"a message of {topic} that is too large")
            return Verdict.REJECT
        if not self.door.count_gossip(message.source, topic):
            return Verdict.IGNORE
        self._greet(session)
        self._inbox.put(
            GossipReceived(peer=message.source, topic=topic, message_id=message.message_id, data=message.data)
        )
        return None

    # -- once a second

    async def _tick_for_ever(self) -> None:
        while True:
            try:
                self.check(self.host.clock())
            except Exception:
                LOG.exception("looking after the network failed; this is a bug")
            await asyncio.sleep(TICK_S)

    def check(self, now_ms: int) -> None:
        """Look at the peers: their bytes, and whether they ever said a word."""
        for session in list(self.sessions.values()):
            self.door.count_bytes(session.peer, session.take_unsolicited())
            if not session.is_greeted and now_ms - session.since_ms > self._limits.greeting_s * 1000:
                self._part(session.peer, "says nothing")
        self.outreach.check()
