"""Several nodes in one thread: carries out what their cores ask of the network, in the order of a simulated clock.

A node is anything with `handle(event, now_ms) -> effects`: the real core of a `World`, or an attacker. Messages cross
as bytes, so that what the network would refuse is refused here. One seed, one history.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from chain.block import Block
from network.libp2p.gossip_wire import compute_message_id
from network.messages import decode_answer, decode_notice, decode_request, encode_message
from network.port import (
    AnswerReceived,
    Disconnect,
    GossipReceived,
    JudgeGossip,
    NoticeReceived,
    PeerConnected,
    PeerGone,
    Publish,
    Punish,
    RequestFailed,
    RequestReceived,
    SendAnswer,
    SendNotice,
    SendRequest,
)
from node.core.effects import ContinueSync, Effect
from node.core.events import Event, SyncStep, Tick
from tests.node.world import BEGIN_MS, World

TICK_MS = 100
BAN_SCORE = 100


class Node(Protocol):
    """Who takes part."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]: ...


class WorldNode:
    """A whole node in memory."""

    def __init__(self, world: World) -> None:
        self.world = world

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Let the core handle an event."""
        self.world.now_ms = now_ms
        return self.world.machine.handle(event, now_ms)


class Net:
    """Connections between nodes."""

    def __init__(self, *, seed: int = 0, latency_ms: tuple[int, int] = (5, 50), loss: float = 0.0) -> None:
        self.now_ms = BEGIN_MS
        self.nodes: dict[str, Node] = {}
        self.links: set[tuple[str, str]] = set()
        self.scores: dict[tuple[str, str], int] = {}
        self.reasons: list[tuple[str, str, int, str]] = []
        self.history: list[tuple[str, Effect]] = []
        self._random = random.Random(seed)
        self._latency_ms = latency_ms
        self._loss = loss
        self._queue: list[tuple[int, int, Callable[[], object]]] = []
        self._sequence = 0
        self._open: dict[tuple[str, int], str] = {}
        self._inbound: dict[tuple[str, str, int], int] = {}
        self._gossip: dict[bytes, tuple[str, bytes]] = {}
        self._seen: set[tuple[str, bytes]] = set()

    # Nodes and links

    def add(self, name: str, node: World | Node) -> None:
        """Add a node; a world's own actions reach the network from now on."""
        if isinstance(node, World):
            node.now_ms = self.now_ms
            node.dispatch = lambda event, name=name: self.dispatch(name, event)  # type: ignore[misc]
            node = WorldNode(node)
        self.nodes[name] = node
        self._later(TICK_MS, lambda: self._tick(name))

    def world(self, name: str) -> World:
        """Return the world of a real node."""
        node = self.nodes[name]
        assert isinstance(node, WorldNode)
        return node.world

    def connect(self, one: str, two: str) -> None:
        """Connect two nodes."""
        self.links |= {(one, two), (two, one)}
        self.dispatch(one, PeerConnected(peer=two, is_outbound=True))
        self.dispatch(two, PeerConnected(peer=one, is_outbound=False))

    def connect_all(self) -> None:
        """Connect every node with every other."""
        names = list(self.nodes)
        for index, one in enumerate(names):
            for two in names[index + 1 :]:
                self.connect(one, two)

    def disconnect(self, one: str, two: str) -> None:
        """End a connection: open requests fail, then the peers are told."""
        if (one, two) not in self.links:
            return
        self.links -= {(one, two), (two, one)}
        for asker, asked in ((one, two), (two, one)):
            for (owner, request_id), peer in list(self._open.items()):
                if owner == asker and peer == asked:
                    del self._open[owner, request_id]
                    self.dispatch(asker, RequestFailed(peer=asked, request_id=request_id, failure="gone"))
            self.dispatch(asker, PeerGone(peer=asked))

    # Time

    def run(self, duration_ms: int) -> None:
        """Let time pass."""
        end_ms = self.now_ms + duration_ms
        while self._queue and self._queue[0][0] <= end_ms:
            self.now_ms, _, action = heapq.heappop(self._queue)
            action()
        self.now_ms = end_ms

    def run_until(self, condition: Callable[[], bool], *, limit_ms: int) -> int:
        """Let time pass until a condition holds, and return how long it took."""
        begin_ms = self.now_ms
        while not condition():
            assert self.now_ms - begin_ms < limit_ms, f"not within {limit_ms} ms: {self.reasons[-5:]}"
            self.run(TICK_MS)
        return self.now_ms - begin_ms

    def mine(self, name: str, *, later_ms: int = 1000) -> Block:
        """Let time pass, and then a node mine a block, once it has caught up."""
        self.run(later_ms)
        while self.world(name).machine.peers.is_catching_up(self.now_ms):
            self.run(TICK_MS)
        self.world(name).now_ms = self.now_ms
        return self.world(name).mine(later_ms=0)

    def heads(self) -> set[bytes]:
        """Return the best blocks of the real nodes."""
        return {node.world.head.hash for node in self.nodes.values() if isinstance(node, WorldNode)}

    def score(self, judge: str, peer: str) -> int:
        """Return a peer's ban score at a node."""
        return self.scores.get((judge, peer), 0)

    # What nodes want done

    def dispatch(self, name: str, event: Event) -> list[Effect]:
        """Let a node handle an event, and carry out what it wants."""
        effects = self.nodes[name].handle(event, self.now_ms)
        self.carry_out(name, effects)
        return effects

    def carry_out(self, name: str, effects: Iterable[Effect]) -> None:
        """Carry out commands for the network; others are only noted."""
        for effect in effects:
            self.history.append((name, effect))
            match effect:
                case SendNotice():
                    notice = decode_notice(encode_message(effect.notice))
                    self._deliver(name, effect.peer, NoticeReceived(peer=name, notice=notice))
                case SendRequest():
                    self._request(name, effect)
                case SendAnswer():
                    self._answer(name, effect)
                case Publish():
                    message_id = compute_message_id(effect.topic, effect.data)
                    self._gossip[message_id] = (effect.topic, effect.data)
                    self._spread(name, message_id)
                case JudgeGossip():
                    if effect.verdict == "accept":
                        self._spread(name, effect.message_id)
                case Punish():
                    self._punish(name, effect)
                case Disconnect():
                    self._later(0, partial(self.disconnect, name, effect.peer))
                case ContinueSync():
                    self._later(0, lambda: self.dispatch(name, SyncStep()))
                case _:
                    continue

    def _request(self, name: str, effect: SendRequest) -> None:
        request = decode_request(encode_message(effect.request))
        self._open[name, effect.request_id] = effect.peer
        self._sequence += 1
        here = self._sequence
        self._inbound[effect.peer, name, here] = effect.request_id
        self._deliver(name, effect.peer, RequestReceived(peer=name, request_id=here, request=request))

        def fail() -> None:
            if self._open.pop((name, effect.request_id), None) is not None:
                failed = RequestFailed(peer=effect.peer, request_id=effect.request_id, failure="timeout")
                self.dispatch(name, failed)

        self._later(effect.timeout_ms, fail)

    def _answer(self, name: str, effect: SendAnswer) -> None:
        request_id = self._inbound.pop((name, effect.peer, effect.request_id), None)
        if request_id is None:
            return
        answer = None if effect.answer is None else decode_answer(encode_message(effect.answer))

        def arrive() -> None:
            if self._open.pop((effect.peer, request_id), None) is None:
                return
            if answer is None:
                self.dispatch(effect.peer, RequestFailed(peer=name, request_id=request_id, failure="refused"))
            else:
                self.dispatch(effect.peer, AnswerReceived(peer=name, request_id=request_id, answer=answer))

        if self._random.random() >= self._loss:
            self._later(self._draw_latency(), arrive)

    def _spread(self, name: str, message_id: bytes) -> None:
        self._seen.add((name, message_id))
        topic, data = self._gossip[message_id]
        for one, two in sorted(self.links):
            if one == name and (two, message_id) not in self._seen:
                event = GossipReceived(peer=name, topic=topic, message_id=message_id, data=data)  # type: ignore[arg-type]
                self._deliver(name, two, event)

    def _punish(self, name: str, effect: Punish) -> None:
        key = (name, effect.peer)
        self.scores[key] = self.scores.get(key, 0) + effect.points
        self.reasons.append((*key, effect.points, effect.reason))
        if self.scores[key] >= BAN_SCORE:
            self._later(0, partial(self.disconnect, name, effect.peer))

    def _deliver(self, sender: str, receiver: str, event: Event) -> None:
        if self._random.random() < self._loss:
            return

        def arrive() -> None:
            if (sender, receiver) not in self.links:
                return
            if isinstance(event, GossipReceived):
                if (receiver, event.message_id) in self._seen:
                    return
                self._seen.add((receiver, event.message_id))
            self.dispatch(receiver, event)

        self._later(self._draw_latency(), arrive)

    def _draw_latency(self) -> int:
        return self._random.randint(*self._latency_ms)

    def _tick(self, name: str) -> None:
        self.dispatch(name, Tick())
        self._later(TICK_MS, lambda: self._tick(name))

    def _later(self, delay_ms: int, action: Callable[[], object]) -> None:
        self._sequence += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._sequence, action))
