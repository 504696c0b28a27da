"""A libp2p node: listens, dials, and gives each stream to the handler of its protocol.

The rest of the project sees this interface only, and not what is below it.

Invariants: one living connection a peer; every wait on a peer has a time-out; a handler that fails costs its stream and
nothing else.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from random import Random
from types import TracebackType
from typing import ClassVar, Self

import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from network.libp2p.connection import Connection
from network.libp2p.gossip import Gossip, Subscription, Validator
from network.libp2p.guard import OpenGuard, PeerGuard
from network.libp2p.handshake import Handshake
from network.libp2p.host_config import HostConfig, read_clock_ms
from network.libp2p.identify import (
    IDENTIFY,
    IDENTIFY_PUSH,
    PING,
    PING_BYTES,
    PeerInfo,
    PingDesk,
    encode_identify,
    read_identify,
)
from network.libp2p.isolation import negotiate, run_isolated
from network.libp2p.limits import Admission
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.multistream import Proposer, ProtocolRefused, Responder
from network.libp2p.node_key import NodeKey, PeerId
from network.libp2p.noise import make_noise_identity
from network.libp2p.peer_table import PeerTable
from network.libp2p.protocol_error import BadNegotiation, LocalProtocolError, RemoteProtocolError
from network.libp2p.reception import Reception
from network.libp2p.stream import Stream
from network.libp2p.transport import Listener, TcpTransport, Transport

Handler = Callable[[Stream], Awaitable[None]]
Watcher = Callable[[PeerId, bool], None]
LOG = structlog.get_logger("network")


class NotConnected(ConnectionError):
    """There is no connection with this peer."""

    rule: ClassVar[str] = "NET-17"


class Host:
    """One node on the network; used as `async with Host(...) as host`.

    Attributes:
        key: The node's identity.
        peers: The living connections.
        peer_info: What the connected peers said of themselves.
        gossip: Publishing and subscribing.
        guard: Who may be heard; everybody, unless told otherwise.
        external: Where others say they reach this node; told to peers beside the listening addresses.
        retired_bytes: What connections that are gone received and sent.
    """

    def __init__(
        self,
        key: NodeKey,
        *,
        transport: Transport | None = None,
        config: HostConfig | None = None,
        clock: Callable[[], int] = read_clock_ms,
    ) -> None:
        """Without a transport it is TCP."""
        self.key = key
        self.config = config or HostConfig()
        self.clock = clock
        self._transport = transport or TcpTransport()
        self._identity = make_noise_identity(key, X25519PrivateKey.generate())
        self._admission = Admission(self.config.connections)
        self._reception = Reception(self._admission, handshake_s=self.config.handshake_s, visit_s=self.config.visit_s)
        self._backlog_bytes = 0
        self._handlers: dict[str, Handler] = {}
        self._watchers: list[Watcher] = []
        self._listeners: list[Listener] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()
        self._is_closing = False
        self.guard: PeerGuard = OpenGuard()
        self.external: tuple[Multiaddr, ...] = ()
        self.retired_bytes = (0, 0)
        self.peers = PeerTable(key.peer_id)
        self.peer_info: dict[PeerId, PeerInfo] = {}
        self.gossip = Gossip(self, self.config.gossip, Random(secrets.randbits(64)))
        self.set_handler(PING, PingDesk().answer)
        self.set_handler(IDENTIFY, self._answer_identify)
        self.set_handler(IDENTIFY_PUSH, self._take_identify)

    # -- the interface

    async def __aenter__(self) -> Self:
        """Begin to look after connections."""
        await self._group.__aenter__()
        self.spawn(self._tick_for_ever())
        self.spawn(self.gossip.beat_for_ever())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection and end every task."""
        self._is_closing = True
        for listener in self._listeners:
            listener.close()
        standing = [*self.peers.list_connections(), *self._reception.list_connections()]
        for connection in standing:
            connection.close()
        for task in self._tasks:
            task.cancel()
        if kind is not None and not issubclass(kind, asyncio.CancelledError):
            kind = error = trace = None  # the caller's own error leaves as it is, not inside a group
        await self._group.__aexit__(kind, error, trace)

    @property
    def peer_id(self) -> PeerId:
        """This node."""
        return self.key.peer_id

    @property
    def addresses(self) -> tuple[Multiaddr, ...]:
        """Where this node listens, with its name."""
        return tuple(listener.address.with_peer(self.peer_id) for listener in self._listeners)

    async def listen(self, address: Multiaddr) -> Multiaddr:
        """Take connections; return the address with the port that was bound and our name.

        Raises:
            OSError: the address cannot be bound.
        """
        listener = await self._transport.listen(address, lambda: self._make_connection(None, is_outbound=False))
        self._listeners.append(listener)
        return listener.address.with_peer(self.peer_id)

    async def dial(self, address: Multiaddr) -> PeerId:
        """Return the peer once a secured connection with it stands; one that stands already serves.

        Raises:
            OSError: nobody answers, or our limits are reached (TooManyConnections).
            RemoteProtocolError: who answers is not the node dialled, or speaks something else.
            TimeoutError: the handshake took too long.
        """
        expected = address.peer_id
        if expected == self.peer_id:
            raise LocalProtocolError("a node does not dial itself")
        if expected is not None and self.peers.get(expected) is not None:
            return expected
        self._admission.take_outbound()
        connection: Connection | None = None
        try:
            async with asyncio.timeout(self.config.handshake_s):
                connection = await self._transport.connect(
                    address, lambda: self._make_connection(expected, is_outbound=True)
                )
                return await asyncio.shield(connection.secured)
        except BaseException:
            if connection is None:
                self._admission.on_outbound_lost()
            else:
                connection.abort()
            raise

    def open_stream(self, peer: PeerId, protocol: str) -> Stream:
        """Return a stream on which the first bytes go with the proposal, so that a question costs one round trip.

        Whether the peer speaks the protocol shows in the first reading, or in writing once its answer has come: that
        raises `ProtocolRefused`, or a RemoteProtocolError if the answer is none. The caller limits how long it waits.

        Raises:
            NotConnected: dial first.
        """
        stream = self._open_bare(peer)
        stream.propose(protocol)
        return stream

    def _open_bare(self, peer: PeerId) -> Stream:
        connection = self.peers.get(peer)
        if connection is None:
            raise NotConnected(f"not connected to {peer}")
        return connection.open_stream()

    async def new_stream(self, peer: PeerId, protocols: Sequence[str]) -> Stream:
        """Return a stream that speaks the first of the protocols that the peer knows, one round trip or more later.

        Raises:
            NotConnected: dial first. ProtocolRefused: it knows none of them.
            StreamReset, TimeoutError, RemoteProtocolError: the negotiation broke off.
        """
        stream = self._open_bare(peer)
        proposer = Proposer(protocols)
        try:
            stream.write_now(proposer.start())
            async with asyncio.timeout(self.config.negotiation_s):
                await negotiate(stream, proposer)
        except BaseException:
            stream.reset()
            raise
        if proposer.agreed is None:
            stream.reset()
            raise ProtocolRefused(f"{peer} speaks none of {', '.join(protocols)}")
        return stream

    def set_handler(self, protocol: str, handler: Handler) -> None:
        """Give each stream of this protocol that a peer opens to the handler, in a task of its own."""
        self._handlers[protocol] = handler

    def subscribe(self, topic: str, validate: Validator) -> Subscription:
        """Take part in a topic: `validate` judges each message before it is forwarded and delivered."""
        return self.gossip.subscribe(topic, validate)

    def publish(self, topic: str, data: bytes) -> None:
        """Send a message to everybody who takes part in the topic."""
        self.gossip.publish(topic, data)

    def add_watcher(self, watcher: Watcher) -> None:
        """Tell `watcher(peer, is_connected)` of each peer that comes and goes."""
        self._watchers.append(watcher)

    def get_connection(self, peer: PeerId) -> Connection | None:
        """Return the peer's living connection."""
        return self.peers.get(peer)

    def disconnect(self, peer: PeerId) -> None:
        """Close the connection with a peer."""
        connection = self.peers.get(peer)
        if connection is not None:
            connection.close()

    async def ping(self, peer: PeerId) -> float:
        """Return how many milliseconds 32 bytes take to the peer and back.

        Raises:
            ConnectionError, TimeoutError: it does not answer.
            RemoteProtocolError: it answers something else.
        """
        began = time.perf_counter()
        async with self.open_stream(peer, PING) as stream, asyncio.timeout(self.config.negotiation_s):
            payload = secrets.token_bytes(PING_BYTES)
            await stream.write(payload)
            answer = await stream.read_exactly(PING_BYTES)
            if answer != payload:
                raise BadNegotiation("a ping came back changed")
            return (time.perf_counter() - began) * 1000

    async def identify(self, peer: PeerId) -> PeerInfo:
        """Ask the peer what it is."""
        async with self.open_stream(peer, IDENTIFY) as stream, asyncio.timeout(self.config.negotiation_s):
            info = await read_identify(stream)
            self.peer_info[peer] = info
            return info

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run work for as long as the host lives; what the network may do to it is caught here."""
        if self._is_closing:
            work.close()
            return
        task = self._group.create_task(run_isolated(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # which a task that never began has not done

    # -- what connections tell

    def on_transport(self, connection: Connection) -> bool:
        """Count a raw connection; False where there is no room."""
        if connection.is_outbound:
            return True
        if self._is_closing or not self.guard.admits(connection.remote):
            return False
        return self._reception.admit(connection, self.clock())

    def on_secured(self, connection: Connection) -> None:
        """Keep one connection a peer."""
        is_own = connection.peer_id == self.peer_id
        if is_own or not (connection.is_outbound or self._is_received(connection)):
            connection.close()
            return
        is_new = self.peers.get(connection.peer_id) is None
        loser = self.peers.add(connection)
        if loser is not None:
            loser.close()
        if is_new:
            self._tell(connection.peer_id, is_connected=True)

    def _is_received(self, connection: Connection) -> bool:
        return self._reception.on_secured(connection, self.guard.find_leaver, self.clock())

    def on_stream(self, connection: Connection, stream: Stream) -> None:
        """Serve a stream that the peer opened."""
        if self.guard.on_stream(connection.peer_id):
            self.spawn(self._serve(stream))
        else:
            stream.reset()

    def on_backlog(self, change: int) -> None:
        """Count bytes received and not read."""
        # SPEC NET-47: At most 64 MiB received and not read MUST be kept for all connections together; beyond it the
        # stream that holds most, of the connection that holds most, is reset.
        self._backlog_bytes += change
        if change > 0 and self._backlog_bytes > self.config.backlog_bytes_max:
            max(self.peers.list_connections(), key=lambda one: one.backlog_bytes).drop_slowest()

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """Forget a connection."""
        if connection.is_outbound:
            self._admission.on_outbound_lost()
        else:
            self._reception.on_lost(connection)
        if isinstance(error, RemoteProtocolError):
            LOG.debug(
                "peer broke the protocol", peer=connection.peer_id, remote=str(connection.remote), error=str(error)
            )
            if connection.peer_id:
                self.guard.on_fault(connection.peer_id, error)
        received, sent = self.retired_bytes
        self.retired_bytes = (received + connection.received_bytes, sent + connection.sent_bytes)
        if self.peers.remove(connection):
            self.peer_info.pop(connection.peer_id, None)
            self._tell(connection.peer_id, is_connected=False)

    # -- inside

    def _make_connection(self, expected: PeerId | None, *, is_outbound: bool) -> Connection:
        def begin() -> Handshake:
            ephemeral = X25519PrivateKey.generate()
            return Handshake(self._identity, ephemeral, is_initiator=is_outbound, expected=expected)

        connection = Connection(self, begin, self.clock, limits=self.config.streams, pace=self.config.pace)
        connection.is_outbound = is_outbound
        return connection

    def _tell(self, peer: PeerId, *, is_connected: bool) -> None:
        for watcher in self._watchers:
            watcher(peer, is_connected)

    async def _serve(self, stream: Stream) -> None:
        responder = Responder(self._handlers.__contains__)
        try:
            async with asyncio.timeout(self.config.negotiation_s):
                await negotiate(stream, responder)
            if responder.agreed is None:
                async with stream:
                    return  # no reset, which could pass the refusal
            await self._handlers[stream.protocol](stream)
        except BaseException as error:
            stream.reset()
            if isinstance(error, RemoteProtocolError):
                self.guard.on_fault(stream.peer_id, error)
            raise

    async def _answer_identify(self, stream: Stream) -> None:
        connection = self.peers.get(stream.peer_id)
        info = PeerInfo(
            agent=self.config.agent,
            protocol_version=self.config.protocol_version,
            protocols=tuple(self._handlers),
            addresses=tuple(dict.fromkeys([*(listener.address for listener in self._listeners), *self.external])),
            observed=connection.remote if connection is not None else None,
        )
        async with stream:
            await stream.write_frame(encode_identify(info, self.key.public))

    async def _take_identify(self, stream: Stream) -> None:
        async with stream, asyncio.timeout(self.config.negotiation_s):
            self.peer_info[stream.peer_id] = await read_identify(stream)

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.config.tick_s)
            self.check_connections(self.clock())

    def check_connections(self, now_ms: int) -> None:
        """Ping whoever is silent, and drop whoever stays silent."""
        for connection in self.peers.list_connections():
            silence = now_ms - connection.last_received_ms
            # SPEC NET-18: A peer that was silent for 30 s MUST be pinged, and dropped when it stays silent for 30 s
            # more.
            if silence >= 2 * self.config.idle_ms:
                connection.abort()
            elif silence >= self.config.idle_ms:
                connection.send_ping(now_ms)
