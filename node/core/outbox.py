"""What the peer desk wants done, collected in order, and the requests that peers have not answered yet.

Invariant: a request id is used once; an ask is forgotten when its answer, its failure or its peer's end comes.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from network.messages import Answer, Notice, Request
from network.port import Disconnect, JudgeGossip, Peer, Publish, Punish, SendAnswer, SendNotice, SendRequest, Verdict
from node.core.effects import ContinueSync, Effect
from node.core.peer_table import PeerTable

BAN_POINTS = 100
GRAVE_POINTS = 50
LATE_POINTS = 1  # on a lossy line honest peers are late too; those that always are get disconnected

Purpose: TypeAlias = Literal["headers", "bodies", "tip", "extrinsics"]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits for its answer."""

    request_id: int
    peer: Peer
    purpose: Purpose
    request: Request
    sent_ms: int


class Outbox:
    """Effects in the making."""

    def __init__(self, table: PeerTable) -> None:
        self._table = table
        self._effects: list[Effect] = []
        self._asks: dict[int, Ask] = {}
        self._last_id = 0

    def take(self) -> list[Effect]:
        """Return what was collected and begin anew."""
        effects, self._effects = self._effects, []
        return effects

    def add(self, effects: list[Effect]) -> None:
        """Collect effects of another desk."""
        self._effects += effects

    def ask(self, peer: Peer, purpose: Purpose, request: Request, *, timeout_ms: int, now_ms: int) -> Ask:
        """Send a request and return it as it waits."""
        self._last_id += 1
        request_id = self._last_id
        ask = Ask(request_id=request_id, peer=peer, purpose=purpose, request=request, sent_ms=now_ms)
        self._asks[request_id] = ask
        self._effects.append(SendRequest(peer=peer, request_id=request_id, request=request, timeout_ms=timeout_ms))
        return ask

    def close(self, request_id: int, peer: Peer) -> Ask | None:
        """Take out the ask that an answer or a failure belongs to, None if there is none."""
        ask = self._asks.get(request_id)
        if ask is None or ask.peer != peer:
            return None
        return self._asks.pop(request_id)

    def close_all(self, peer: Peer) -> list[Ask]:
        """Take out everything asked of a peer."""
        return [self._asks.pop(ask.request_id) for ask in list(self._asks.values()) if ask.peer == peer]

    def count(self, purpose: Purpose, peer: Peer | None = None) -> int:
        """Return how many requests of a kind wait, in all or for one peer."""
        return sum(ask.purpose == purpose and peer in (None, ask.peer) for ask in self._asks.values())

    def tell(self, peer: Peer, notice: Notice) -> None:
        """Send a notice."""
        self._effects.append(SendNotice(peer=peer, notice=notice))

    def answer(self, peer: Peer, request_id: int, answer: Answer | None) -> None:
        """Answer a request; None refuses."""
        self._effects.append(SendAnswer(peer=peer, request_id=request_id, answer=answer))

    def publish(self, data: bytes) -> None:
        """Send a header of ours by gossip."""
        self._effects.append(Publish(topic="headers", data=data))

    def judge(self, message_id: bytes, verdict: Verdict) -> None:
        """Give the verdict on a gossip message."""
        self._effects.append(JudgeGossip(message_id=message_id, verdict=verdict))

    def punish(self, peer: Peer, points: int, reason: str) -> None:
        """Add to a peer's ban score; a peer that earns the whole of it by grave faults takes no further part here."""
        self._effects.append(Punish(peer=peer, points=points, reason=reason))
        state = self._table.get(peer)
        if state is not None and points >= GRAVE_POINTS:
            state.grave_points += points
            state.is_leaving = state.is_leaving or state.grave_points >= BAN_POINTS

    def disconnect(self, peer: Peer, reason: str) -> None:
        """Close a connection that deserves no ban."""
        state = self._table.get(peer)
        if state is not None and not state.is_leaving:
            state.is_leaving = True
            self._effects.append(Disconnect(peer=peer, reason=reason))

    def go_on(self) -> None:
        """Ask the driver for another turn, after whatever else waits."""
        if not any(isinstance(effect, ContinueSync) for effect in self._effects):
            self._effects.append(ContinueSync())
