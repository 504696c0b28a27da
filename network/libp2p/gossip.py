"""Gossip on the host's streams: one stream to each peer for what we send, one from each for what it sends.

Invariants: a peer that does not read loses messages beyond `OUTBOX_BYTES` and its connection beyond twice as much; one
that sends what is no gossip loses its connection. A validator decides at once, or later through `report`.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Coroutine, Iterable
from random import Random
from typing import Protocol

import msgspec
import structlog

from network.libp2p.connection import Connection
from network.libp2p.gossip_event import Deliver, Effect, Forward, GossipParams, SendRpc, Verdict
from network.libp2p.gossip_router import GossipRouter
from network.libp2p.gossip_wire import (
    MESHSUB_PROTOCOLS,
    RPC_BYTES_MAX,
    TOPIC_BYTES_MAX,
    MessageId,
    Rpc,
    decode_rpc,
    encode_message,
    encode_rpc,
)
from network.libp2p.guard import PeerGuard
from network.libp2p.node_key import PeerId
from network.libp2p.protocol_error import LocalProtocolError, RemoteProtocolError
from network.libp2p.stream import Stream, StreamReset
from network.libp2p.varint import encode_frame

OUTBOX_BYTES = 1_048_576
SUBSCRIPTION_MESSAGES_MAX = 1_024
_COUNTED_BYTES = 4_096
_REOPEN_S = 1.0
LOG = structlog.get_logger("network.gossip")


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a topic.

    Attributes:
        message_id: Its name; `Gossip.report` takes it.
        source: The peer that brought it first; not its author.
    """

    message_id: MessageId
    topic: str
    data: bytes
    source: PeerId


Validator = Callable[[Received], Verdict | None]


class GossipHost(Protocol):
    """What gossip needs from the host."""

    clock: Callable[[], int]
    guard: PeerGuard

    def get_connection(self, peer: PeerId) -> Connection | None:
        """Return the peer's living connection."""

    async def new_stream(self, peer: PeerId, protocols: tuple[str, ...]) -> Stream:
        """Open a stream."""

    def set_handler(self, protocol: str, handler: Callable[[Stream], Coroutine[None, None, None]]) -> None:
        """Serve a protocol."""

    def add_watcher(self, watcher: Callable[[PeerId, bool], None]) -> None:
        """Hear of peers that come and go."""

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run work for as long as the host lives."""

    def disconnect(self, peer: PeerId) -> None:
        """Close the connection with a peer."""


class Subscription:
    """Accepted messages of one topic, in order; the oldest are lost when nobody takes them.

    Attributes:
        lost: How many were.
    """

    def __init__(self) -> None:
        """Made by `Gossip.subscribe`."""
        self._queue: asyncio.Queue[Received] = asyncio.Queue(SUBSCRIPTION_MESSAGES_MAX)
        self.lost = 0

    async def get(self) -> Received:
        """Return the next message."""
        return await self._queue.get()

    def get_nowait(self) -> Received:
        """Return the next message, or raise asyncio.QueueEmpty."""
        return self._queue.get_nowait()

    def put(self, message: Received) -> None:
        """Keep a message."""
        if self._queue.full():
            self._queue.get_nowait()
            self.lost += 1
        self._queue.put_nowait(message)


class Gossip:
    """Publishing and subscribing for one host."""

    def __init__(self, host: GossipHost, params: GossipParams, chance: Random) -> None:
        """Made by the host."""
        self._host = host
        self._params = params
        self._streams: dict[PeerId, Stream] = {}
        self._kept: set[PeerId] = set()
        self._inbound: dict[PeerId, Stream] = {}
        self._validators: dict[str, Validator] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._undecided: dict[MessageId, Received] = {}
        self.router = GossipRouter(params, chance)
        for protocol in MESHSUB_PROTOCOLS:
            host.set_handler(protocol, self._read_frames)
        host.add_watcher(self._on_peer)

    def subscribe(self, topic: str, validate: Validator) -> Subscription:
        """Take part in a topic.

        Raises:
            LocalProtocolError: taken part in already, or a name that is too long.
        """
        if topic in self._validators or not 0 < len(topic.encode("utf-8")) <= TOPIC_BYTES_MAX:
            raise LocalProtocolError("a topic is subscribed to once and has a name of 1 to 256 bytes")
        self._validators[topic] = validate
        self._subscriptions[topic] = Subscription()
        self._apply(self.router.subscribe(topic, self._host.clock()))
        return self._subscriptions[topic]

    def unsubscribe(self, topic: str) -> None:
        """Leave a topic."""
        self._validators.pop(topic, None)
        self._subscriptions.pop(topic, None)
        self._apply(self.router.unsubscribe(topic, self._host.clock()))

    def publish(self, topic: str, data: bytes) -> None:
        """Send a message to everybody who takes part.

        Raises:
            LocalProtocolError: larger than a message may be.
        """
        self._apply(self.router.publish(topic, data, self._host.clock()))

    def report(self, message_id: MessageId, verdict: Verdict) -> Received | None:
        """Give the verdict that the validator owed; return the message, None if it was not awaited."""
        message = self._undecided.pop(message_id, None)
        if message is None:
            return None
        self._judge(message, verdict)
        return message

    async def beat_for_ever(self) -> None:
        """Run the router's heartbeat."""
        while True:
            await asyncio.sleep(self._params.heartbeat_ms / 1000)
            self.beat_now()

    def beat_now(self) -> None:
        """Run one heartbeat."""
        self._apply(self.router.heartbeat(self._host.clock()))

    def get_stream(self, peer: PeerId) -> Stream | None:
        """Return the stream on which we send to a peer."""
        return self._streams.get(peer)

    def send_control(self, peer: PeerId, rpc: Rpc) -> None:
        """Send a peer a frame that must not be dropped."""
        self._send(peer, encode_frame(encode_rpc(rpc)), is_droppable=False)

    # -- streams

    def _on_peer(self, peer: PeerId, is_connected: bool) -> None:
        if is_connected and peer not in self._kept:
            self._kept.add(peer)
            self._host.spawn(self._keep_stream(peer))

    async def _keep_stream(self, peer: PeerId) -> None:
        """Hold a stream to the peer while it is connected; open another when one is lost with a double connection."""
        try:
            await self._reopen_streams(peer)
        finally:
            self._kept.discard(peer)

    async def _reopen_streams(self, peer: PeerId) -> None:
        while (connection := self._host.get_connection(peer)) is not None:
            try:
                stream = await self._host.new_stream(peer, MESHSUB_PROTOCOLS)
            except (StreamReset, TimeoutError):
                await asyncio.sleep(_REOPEN_S)
                continue
            self._streams[peer] = stream
            place = _name_place(connection)
            self._apply(self.router.add_peer(peer, is_outbound=connection.is_outbound, place=place))
            try:
                await stream.wait_reset()
            finally:
                self._streams.pop(peer, None)
                self.router.remove_peer(peer, self._host.clock())

    async def _read_frames(self, stream: Stream) -> None:
        peer = stream.peer_id
        # SPEC NET-49: A peer MUST have one gossip stream to us; a later one takes the place of the earlier.
        standing, self._inbound[peer] = self._inbound.get(peer), stream
        if standing is not None:
            standing.reset()
        try:
            async with stream:
                while (frame := await stream.read_frame(RPC_BYTES_MAX)) is not None:
                    self._on_frame(peer, frame)
        except RemoteProtocolError:
            self._host.disconnect(peer)
            raise
        finally:
            if self._inbound.get(peer) is stream:
                del self._inbound[peer]

    def _on_frame(self, peer: PeerId, frame: bytes) -> None:
        # SPEC NET-50: A gossip frame MUST count as a message for each 4 KiB of it and for each message that it holds,
        # and be passed over without being read when it is beyond the peer's rate.
        guard = self._host.guard
        if not guard.on_gossip(peer, 1 + len(frame) // _COUNTED_BYTES):
            return
        rpc = decode_rpc(frame)
        if not rpc.messages or guard.on_gossip(peer, len(rpc.messages)):
            self._apply(self.router.on_rpc(peer, rpc, self._host.clock()))

    # -- effects

    def _apply(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Deliver(message_id, message, source):
                    self._deliver(
                        Received(message_id=message_id, topic=message.topic, data=message.data, source=source)
                    )
                case Forward(peers, message):
                    frame = encode_frame(encode_message(message))
                    for peer in peers:
                        self._send(peer, frame, is_droppable=True)
                case SendRpc(peer, rpc):
                    self._send(peer, encode_frame(encode_rpc(rpc)), is_droppable=bool(rpc.ihave))

    def _deliver(self, message: Received) -> None:
        validate = self._validators.get(message.topic)
        verdict = Verdict.IGNORE if validate is None else validate(message)
        if verdict is not None:
            self._judge(message, verdict)
            return
        self._undecided[message.message_id] = message
        if len(self._undecided) > self._params.pending_max:
            self.report(next(iter(self._undecided)), Verdict.IGNORE)

    def _judge(self, message: Received, verdict: Verdict) -> None:
        self._apply(self.router.on_verdict(message.message_id, verdict, self._host.clock()))
        subscription = self._subscriptions.get(message.topic)
        if verdict is Verdict.ACCEPT and subscription is not None:
            subscription.put(message)

    def _send(self, peer: PeerId, frame: bytes, *, is_droppable: bool) -> None:
        stream = self._streams.get(peer)
        if stream is None or stream.is_reset:
            return
        waiting = stream.pending_bytes
        if waiting > 2 * OUTBOX_BYTES:
            # SPEC NET-24: A peer for which more than 1 MiB of gossip waits MUST NOT be sent messages or offers; one for
            # which more than 2 MiB wait is disconnected.
            LOG.debug("a peer does not read", peer=peer)
            self._host.disconnect(peer)
        elif not is_droppable or waiting <= OUTBOX_BYTES:
            stream.write_now(frame)


def _name_place(connection: Connection) -> str | None:
    """Return the peer's IP address, or None where many honest nodes share one."""
    if connection.remote is None or ipaddress.ip_address(connection.remote.host).is_private:
        return None
    return connection.remote.host
