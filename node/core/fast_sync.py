"""Fast sync: what is final by votes, its state by proven parts, the headers below by hash links; nothing is executed.

It is over before the node's core begins: the core then opens a chain whose head is the final block, and brings the rest
as it brings every block.

Invariants: nothing that a peer says is written before it was verified against what is believed already; what it says
falsely costs it its connection, and what it does not say is asked of others. No claim and no silence of peers can hold
it up: every wait has an end, and so has the whole.

Source: docs/spec/light.md, docs/spec/sync.md.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from consensus.light import ForgedSets, InvalidStep, TooFewVotes
from network.messages import STEPS_MAX, Answer, Bodies, FinalitySteps, GetFinality, Headers, StatePart, Status
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
from node.core.fast_peers import FastPeers
from node.core.fast_proof import FastPlan, ProofChase
from node.core.fast_target import FalseAnswer, FastShelf, TargetFetch, Wanted
from node.core.steady_clock import SteadyClock

Outcome: TypeAlias = Literal["done", "no proof", "too late"]
FastEffect: TypeAlias = NetworkCommand | Log

TIMEOUT_MS = 10_000
LOST_MS = 15_000  # then the network has forgotten a request
SETTLE_MS = 2_000  # so long others may still tell of a later final block
PROOF_PATIENCE_MS = 12_000  # without a full page; then what is proven is enough, whoever claims more
PATIENCE_MS = 60_000  # then a state that nobody gives is given up for a newer one
ASKS_PEER_MAX = 2
ASKERS_MAX = 3  # peers that are asked for the same at once
PROOF_HEDGE_MS = 1_000
FETCH_HEDGE_MS = 3_000
PAGE_BYTES_MEAGRE = 512 * 1024
LONELY_MS = 30_000  # so long a first peer is waited for
DEADLINE_MS = 900_000
BYTES_PER_S_MIN = 64 * 1024  # what is verified so quickly moves the deadline


class FastAsk(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits for its answer."""

    peer: Peer
    request: GetFinality | Wanted
    at_ms: int


class FastSync:
    """One fast sync, from the first connection until everything is on the shelf."""

    def __init__(self, shelf: FastShelf, plan: FastPlan, *, now_ms: int) -> None:
        self._shelf = shelf
        self._plan = plan
        self._clock = SteadyClock(now_ms)
        self._peers = FastPeers()
        self._asks: dict[int, FastAsk] = {}
        self._last_id = 0
        self._effects: list[FastEffect] = []
        self._told_ms: int | None = None
        self._page_ms = 0
        self._progress_ms = 0
        self._deadline_ms = DEADLINE_MS
        self.proof = ProofChase(shelf, plan)
        self.target: TargetFetch | None = None
        self.outcome: Outcome | None = None

    def handle(self, event: NetworkEvent | Tick | SyncStep, now_ms: int) -> list[FastEffect]:
        """Return what to do about an event; `outcome` says when it is over.

        Raises:
            StoreError: the disk failed.
            CheckpointMissing: the proven chain does not contain the trusted checkpoint.
        """
        # SPEC SYN-21: A clock that is set back MUST NOT keep a node from serving, telling and asking its peers.
        now_ms = self._clock.read(now_ms)
        if self.outcome is None:
            self._on_event(event, now_ms)
            self._advance(now_ms)
        if self.outcome is None:
            self._check_deadline(now_ms)
        effects, self._effects = self._effects, []
        return effects

    # Events

    def _on_event(self, event: NetworkEvent | Tick | SyncStep, now_ms: int) -> None:
        match event:
            case PeerConnected():
                self._peers.join(event.peer)
                self._effects.append(SendNotice(peer=event.peer, notice=self._make_status()))
            case PeerGone():
                self._peers.leave(event.peer)
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
        state.status = status
        self._told_ms = now_ms if self._told_ms is None else self._told_ms

    def _on_failure(self, ask: FastAsk, now_ms: int) -> None:
        self._peers.note_barren(ask.peer, ask.at_ms, now_ms)
        state = self._peers.get(ask.peer)
        if state is not None and isinstance(ask.request, GetFinality):
            state.tries += 1

    def _on_answer(self, ask: FastAsk, answer: Answer, now_ms: int) -> None:
        if isinstance(ask.request, GetFinality):
            if self.target is not None:
                pass  # what is final above the target is left to the node
            elif isinstance(answer, FinalitySteps):
                self._on_steps(ask, ask.request.start, answer, now_ms)
            else:
                self._punish(ask.peer, "answered another question")
            return
        if self.target is None:
            return
        try:
            if not isinstance(answer, StatePart | Headers | Bodies):
                raise FalseAnswer("an answer to another question")
            brought = self.target.take(ask.request, answer)
            if brought != "nothing":
                self._progress_ms = now_ms
            if brought != "full":
                self._peers.note_barren(ask.peer, ask.at_ms, now_ms)
        except FalseAnswer as error:
            self._punish(ask.peer, f"a false answer: {error}")

    def _on_steps(self, ask: FastAsk, start: bytes, answer: FinalitySteps, now_ms: int) -> None:
        peer = ask.peer
        taken, is_current, is_end = self.proof.bytes_taken, start == self.proof.start, False
        try:
            self.proof.take_page(start, answer.steps)
        except (TooFewVotes, ForgedSets) as error:
            # An honest node's proof ends so where its chain was without finality for long.
            self._log("warn", f"the proof of finality does not lead on: {error}")
            is_end = True
        except InvalidStep as error:
            self._punish(peer, f"a false proof of finality: {error}")
        self.proof.keep_final()
        is_meagre = len(answer.steps) < STEPS_MAX and sum(map(len, answer.steps)) < PAGE_BYTES_MEAGRE
        if self.proof.bytes_taken > taken:
            self._progress_ms, is_current = now_ms, True
            self._page_ms = self._page_ms if is_meagre else now_ms
            self._peers.begin_place()
        state = self._peers.get(peer)
        if state is None:
            return
        if is_end or self.proof.bytes_taken == taken or (is_meagre and state.final_number > self.proof.final_number):
            self._peers.note_barren(peer, ask.at_ms, now_ms)
            state.has_no_more = is_current

    # What to do next

    def _advance(self, now_ms: int) -> None:
        for request_id, ask in list(self._asks.items()):
            if now_ms - ask.at_ms >= LOST_MS:
                del self._asks[request_id]
                self._on_failure(ask, now_ms)
        if self.target is None:
            self._advance_proof(now_ms)
        if self.target is not None:
            self._fetch(self.target, now_ms)

    def _advance_proof(self, now_ms: int) -> None:
        asks = [(ask, ask.request) for ask in self._asks.values() if isinstance(ask.request, GetFinality)]
        busy = {ask.peer for ask, _ in asks}
        since_ms = [ask.at_ms for ask, request in asks if request.start == self.proof.start]
        fresh = self._peers.list_fresh(self.proof.final_number)
        if self._is_over(has_fresh=bool(fresh or since_ms), now_ms=now_ms):
            self._end_proof(now_ms)
            return
        free = [peer for peer, state in fresh if state.rests_until_ms <= now_ms and peer not in busy]
        # SPEC SYN-23: What one peer is slow to answer MUST be asked of others meanwhile, of at most 3 at once.
        if free and (not since_ms or (len(since_ms) < ASKERS_MAX and now_ms - max(since_ms) >= PROOF_HEDGE_MS)):
            self._ask(free[0], GetFinality(start=self.proof.start), now_ms)

    def _is_over(self, *, has_fresh: bool, now_ms: int) -> bool:
        """Say whether nobody has more, or was given long enough to show it, and those who come late were waited for."""
        if self._told_ms is None:
            return now_ms >= LONELY_MS
        # The proof of a chain that goes on never ends: its last steps, one by one, are nothing to wait for.
        if self.proof.target is not None and now_ms - max(self._told_ms, self._page_ms) >= PROOF_PATIENCE_MS:
            return True
        return not has_fresh and now_ms - self._told_ms >= SETTLE_MS

    def _end_proof(self, now_ms: int) -> None:
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
            self._peers.begin_place()

    def _fetch(self, target: TargetFetch, now_ms: int) -> None:
        if target.is_done:
            self.outcome = "done"
            return
        if now_ms - self._progress_ms >= PATIENCE_MS:
            self._log("warn", "no peer gives the rest of this state; looking for a newer final block")
            self._give_up(now_ms)
            return
        asked: dict[Wanted, list[FastAsk]] = {}
        for ask in self._asks.values():
            if not isinstance(ask.request, GetFinality):
                asked.setdefault(ask.request, []).append(ask)
        wanted = target.list_wanted(asked)
        for peer, _ in self._peers.list_told():
            while wanted and self._has_room(peer, now_ms):
                self._ask(peer, wanted.pop(0), now_ms)
        for request, asks in asked.items():
            if len(asks) < ASKERS_MAX and now_ms - max(ask.at_ms for ask in asks) >= FETCH_HEDGE_MS:
                self._ask_another(request, {ask.peer for ask in asks}, now_ms)

    def _ask_another(self, request: Wanted, asked: set[Peer], now_ms: int) -> None:
        told = [peer for peer, _ in self._peers.list_told()]
        other = next((peer for peer in told if peer not in asked and self._has_room(peer, now_ms)), None)
        if other is not None:
            self._ask(other, request, now_ms)

    def _has_room(self, peer: Peer, now_ms: int) -> bool:
        state = self._peers.get(peer)
        is_free = state is not None and state.rests_until_ms <= now_ms
        return is_free and sum(ask.peer == peer for ask in self._asks.values()) < ASKS_PEER_MAX

    def _give_up(self, now_ms: int) -> None:
        self.target, self._progress_ms, self._page_ms = None, now_ms, now_ms
        self._peers.begin_place()

    def _check_deadline(self, now_ms: int) -> None:
        """End what takes too long; whoever named a checkpoint is told, and goes on."""
        taken = self.proof.bytes_taken + (0 if self.target is None else self.target.bytes_taken)
        # SPEC SYN-24: A fast sync MUST end 15 minutes after it began, and a second later for each 64 KiB that it
        # verified; then every block is synced, or the person who named a checkpoint is told.
        if now_ms < self._deadline_ms + taken * 1000 // BYTES_PER_S_MIN:
            return
        minutes = now_ms // 60_000
        if self._plan.checkpoint is None:
            self._log("warn", f"fast sync is not done after {minutes} min: its peers are too slow, or lie")
            self.outcome = "too late"
            return
        self._log(
            "warn",
            f"fast sync is not done after {minutes} min, and full sync would not stand on the trusted checkpoint "
            f"0x{self._plan.checkpoint.hex()}: still waiting; check the hash and the peers, or start without it",
        )
        self._deadline_ms = now_ms + DEADLINE_MS

    # Requests

    def _ask(self, peer: Peer, request: GetFinality | Wanted, now_ms: int) -> None:
        self._last_id += 1
        self._asks[self._last_id] = FastAsk(peer=peer, request=request, at_ms=now_ms)
        self._effects.append(SendRequest(peer=peer, request_id=self._last_id, request=request, timeout_ms=TIMEOUT_MS))

    def _close(self, request_id: int, peer: Peer) -> FastAsk | None:
        ask = self._asks.get(request_id)
        return self._asks.pop(request_id) if ask is not None and ask.peer == peer else None

    def _punish(self, peer: Peer, reason: str) -> None:
        """Ban a liar and forget it; what it was asked is asked of others."""
        self._effects.append(Punish(peer=peer, points=100, reason=reason))
        self._peers.leave(peer)
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
