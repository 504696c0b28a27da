"""Fast sync: what is final by votes, its state by proven parts, the headers below by hash links; nothing is executed.

It is over before the node's core begins: the core then opens a chain whose head is the final block, and brings the rest
as it brings every block.

Invariants: nothing that a peer says is written before it was verified against what is believed already; what it says
falsely costs it its connection, and what it does not say is asked of others.

Source: docs/spec/light.md.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from consensus.light import ForgedSets, InvalidStep, TooFewVotes
from network.messages import Answer, Bodies, FinalitySteps, GetFinality, Headers, StatePart, Status
from network.port import (
    AnswerReceived,
    Disconnect,
    GossipReceived,
    JudgeGossip,
    NetworkCommand,
    NetworkEvent,
    NoticeReceived,
    Peer,
    PeerConnected,
    PeerGone,
    Punish,
    RequestFailed,
    RequestReceived,
    SendAnswer,
    SendNotice,
    SendRequest,
)
from node.core.desk_limits import PROTOCOL_VERSION
from node.core.effects import Log
from node.core.events import SyncStep, Tick
from node.core.fast_proof import FastPlan, ProofChase
from node.core.fast_target import FalseAnswer, FastShelf, TargetFetch, Wanted

Outcome: TypeAlias = Literal["done", "no proof"]
FastEffect: TypeAlias = NetworkCommand | Log

TIMEOUT_MS = 10_000
REST_MS = 2_000
SETTLE_MS = 2_000  # so long others may still tell of a later final block
PATIENCE_MS = 60_000  # then a state that nobody gives is given up for a newer one
ASKS_PEER_MAX = 2
FAILURES_MAX = 3
LONELY_MS = 30_000  # so long a first peer is waited for


class FastPeer(msgspec.Struct, kw_only=True):
    """What is known of a peer.

    Attributes:
        is_spent: It has no more steps than we have, or does not answer.
        failures: Requests in a row that it left without an answer.
    """

    status: Status | None = None
    rests_until_ms: int = 0
    is_spent: bool = False
    failures: int = 0


class FastAsk(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits for its answer."""

    peer: Peer
    request: GetFinality | Wanted


class FastSync:
    """One fast sync, from the first connection until everything is on the shelf."""

    def __init__(self, shelf: FastShelf, plan: FastPlan, *, now_ms: int) -> None:
        self._shelf = shelf
        self._plan = plan
        self._peers: dict[Peer, FastPeer] = {}
        self._asks: dict[int, FastAsk] = {}
        self._last_id = 0
        self._effects: list[FastEffect] = []
        self._begin_ms = now_ms
        self._told_ms: int | None = None
        self._progress_ms = now_ms
        self.proof = ProofChase(shelf, plan)
        self.target: TargetFetch | None = None
        self.outcome: Outcome | None = None

    def handle(self, event: NetworkEvent | Tick | SyncStep, now_ms: int) -> list[FastEffect]:
        """Return what to do about an event; `outcome` says when it is over.

        Raises:
            StoreError: the disk failed.
            CheckpointMissing: the proven chain does not contain the trusted checkpoint.
        """
        if self.outcome is None:
            self._on_event(event, now_ms)
            self._advance(now_ms)
        effects, self._effects = self._effects, []
        return effects

    # Events

    def _on_event(self, event: NetworkEvent | Tick | SyncStep, now_ms: int) -> None:
        match event:
            case PeerConnected():
                self._peers[event.peer] = FastPeer()
                self._effects.append(SendNotice(peer=event.peer, notice=self._make_status()))
            case PeerGone():
                self._peers.pop(event.peer, None)
                self._asks = {number: ask for number, ask in self._asks.items() if ask.peer != event.peer}
            case NoticeReceived(notice=Status()):
                self._on_status(event.peer, event.notice, now_ms)
            case RequestReceived():
                self._effects.append(SendAnswer(peer=event.peer, request_id=event.request_id, answer=None))
            case GossipReceived():
                self._effects.append(JudgeGossip(message_id=event.message_id, verdict="ignore"))
            case AnswerReceived():
                ask = self._close(event.request_id, event.peer)
                if ask is not None:
                    self._on_answer(ask, event.answer, now_ms)
            case RequestFailed():
                ask = self._close(event.request_id, event.peer)
                if ask is not None:
                    self._on_failure(ask, now_ms)
            case _:
                pass

    def _on_status(self, peer: Peer, status: object, now_ms: int) -> None:
        state = self._peers.get(peer)
        if state is None or not isinstance(status, Status):
            return
        if status.genesis != self._plan.genesis or status.version != PROTOCOL_VERSION:
            self._effects.append(Disconnect(peer=peer, reason="it is on another chain, or speaks another version"))
            return
        is_higher = state.status is None or status.final_number > state.status.final_number
        state.status, state.is_spent = status, state.is_spent and not is_higher
        self._told_ms = now_ms if self._told_ms is None else self._told_ms

    def _on_failure(self, ask: FastAsk, now_ms: int) -> None:
        self._rest(ask.peer, now_ms)
        state = self._peers.get(ask.peer)
        if state is not None:
            state.failures += 1
            state.is_spent = state.is_spent or state.failures >= FAILURES_MAX

    def _on_answer(self, ask: FastAsk, answer: Answer, now_ms: int) -> None:
        if isinstance(ask.request, GetFinality):
            if isinstance(answer, FinalitySteps):
                self._on_steps(ask.peer, answer, now_ms)
            else:
                self._punish(ask.peer, "answered another question")
            return
        if self.target is None:
            return
        try:
            if not isinstance(answer, StatePart | Headers | Bodies):
                raise FalseAnswer("an answer to another question")
            if self.target.take(ask.request, answer):
                self._progress_ms = now_ms
            else:
                self._rest(ask.peer, now_ms)
        except FalseAnswer as error:
            self._punish(ask.peer, f"a false answer: {error}")

    def _on_steps(self, peer: Peer, answer: FinalitySteps, now_ms: int) -> None:
        state, before = self._peers.get(peer), self.proof.start
        try:
            for raw in answer.steps:
                self.proof.take(raw)
        except (TooFewVotes, ForgedSets) as error:
            # An honest node's proof ends so where its chain was without finality for long.
            self._log("warn", f"the proof of finality does not lead on: {error}")
            self._rest(peer, now_ms)
        except InvalidStep as error:
            self._punish(peer, f"a false proof of finality: {error}")
        self.proof.keep_final()
        if self.proof.start != before or (self.proof.verifier is not None and self._plan.checkpoint == before):
            self._progress_ms = now_ms
        if state is not None and self.proof.start == before:
            state.is_spent = True

    # What to do next

    def _advance(self, now_ms: int) -> None:
        if self.target is None:
            self._advance_proof(now_ms)
        if self.target is not None:
            self._fetch(self.target, now_ms)

    def _advance_proof(self, now_ms: int) -> None:
        if any(isinstance(ask.request, GetFinality) for ask in self._asks.values()):
            return
        told = [(peer, state) for peer, state in self._peers.items() if state.status is not None]
        fresh = [(peer, state) for peer, state in told if not state.is_spent]
        free = [row for row in fresh if row[1].rests_until_ms <= now_ms]
        if free:
            peer, _ = max(free, key=lambda row: 0 if row[1].status is None else row[1].status.final_number)
            self._ask(peer, GetFinality(start=self.proof.start))
        elif self._is_over(has_told=bool(told), has_fresh=bool(fresh), now_ms=now_ms):
            self._end_proof(told, now_ms)

    def _is_over(self, *, has_told: bool, has_fresh: bool, now_ms: int) -> bool:
        """Say whether nobody has more, and those who come late were waited for."""
        if not has_told:
            return now_ms - self._begin_ms >= LONELY_MS
        return not has_fresh and self._told_ms is not None and now_ms - self._told_ms >= SETTLE_MS

    def _end_proof(self, told: list[tuple[Peer, FastPeer]], now_ms: int) -> None:
        """Begin with the state, or give up; whoever named a checkpoint does not want blocks that do not stand on it."""
        target = self.proof.target
        if target is not None and target.header is not None:
            number = target.checkpoint.height
            self._log("info", f"⚡ #{number} (0x{target.checkpoint.hash.hex()}) is final by votes; fetching its state")
            self.target = TargetFetch(self._shelf, self._plan, target, anchor_number=self.proof.anchor_number)
            self._progress_ms = now_ms
        elif self._plan.checkpoint is None:
            # SPEC LGT-12: A node that finds no proof MUST say so and sync every block, unless a person named a
            # checkpoint.
            self.outcome = "no proof"
        elif now_ms - self._progress_ms >= PATIENCE_MS // 6:
            self._log("warn", "no peer here proves anything about the trusted checkpoint; waiting for others")
            self._progress_ms = now_ms
            for _, state in told:
                state.is_spent = False

    def _fetch(self, target: TargetFetch, now_ms: int) -> None:
        if target.is_done:
            self.outcome = "done"
            return
        if now_ms - self._progress_ms >= PATIENCE_MS:
            self._log("warn", "no peer gives the rest of this state; looking for a newer final block")
            self._give_up(now_ms)
            return
        wanted = target.list_wanted(
            [ask.request for ask in self._asks.values() if not isinstance(ask.request, GetFinality)]
        )
        for peer, state in self._peers.items():
            room = ASKS_PEER_MAX - sum(ask.peer == peer for ask in self._asks.values())
            if state.status is not None and state.rests_until_ms <= now_ms:
                for request in wanted[: max(0, room)]:
                    self._ask(peer, request)
                    wanted.remove(request)

    def _give_up(self, now_ms: int) -> None:
        self.target, self._progress_ms = None, now_ms
        for state in self._peers.values():
            state.is_spent = False

    # Requests

    def _ask(self, peer: Peer, request: GetFinality | Wanted) -> None:
        self._last_id += 1
        self._asks[self._last_id] = FastAsk(peer=peer, request=request)
        self._effects.append(SendRequest(peer=peer, request_id=self._last_id, request=request, timeout_ms=TIMEOUT_MS))

    def _close(self, request_id: int, peer: Peer) -> FastAsk | None:
        ask = self._asks.get(request_id)
        return self._asks.pop(request_id) if ask is not None and ask.peer == peer else None

    def _rest(self, peer: Peer, now_ms: int) -> None:
        state = self._peers.get(peer)
        if state is not None:
            state.rests_until_ms = now_ms + REST_MS

    def _punish(self, peer: Peer, reason: str) -> None:
        """Ban a liar and forget it; what it was asked is asked of others."""
        self._effects.append(Punish(peer=peer, points=100, reason=reason))
        self._peers.pop(peer, None)
        self._asks = {number: ask for number, ask in self._asks.items() if ask.peer != peer}

    def _log(self, level: Literal["info", "warn"], message: str) -> None:
        self._effects.append(Log(level=level, target="sync", message=message))

    def _make_status(self) -> Status:
        genesis = self._plan.genesis
        return Status(
            version=PROTOCOL_VERSION,
            genesis=genesis,
            best_number=0,
            best_hash=genesis,
            justified_height=0,
            work=b"",
            final_number=0,
            final_hash=genesis,
            is_authority=False,
        )
