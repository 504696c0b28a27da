"""Fast sync among peers that promise and do not keep it: it neither stalls nor believes them, and it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from unittest.mock import Mock

import pytest
from msgspec.structs import replace

from chain.hashing import blake2b_256
from chain.state_part import Snapshot
from chain.store import MemoryStore
from consensus.light import decode_step
from network.messages import (
    FinalitySteps,
    GetAncestors,
    GetBodies,
    GetFinality,
    GetStatePart,
    Headers,
    Request,
    StatePart,
    Status,
)
from network.port import (
    AnswerReceived,
    NoticeReceived,
    PeerConnected,
    PeerGone,
    RequestReceived,
    SendAnswer,
    SendNotice,
    SendRequest,
)
from node.core.effects import Effect, Log
from node.core.events import Event, Tick
from node.core.fast_peers import FastPeers
from node.core.fast_proof import FastPlan, ProofChase
from node.core.fast_sync import DEADLINE_MS, TIMEOUT_MS, FastEffect, FastSync
from node.core.fast_target import TargetFetch
from node.core.steady_clock import JUMP_MS_MAX, SteadyClock
from node.fast_store import FastStore
from tests.node.liars import Liar
from tests.node.test_fast_sync import FINAL, Newcomer, change_answers, make_plan_of_source, make_source, meet
from tests.node.test_step_book import NoShelf
from tests.node.voters import make_voter

LATE_MS = TIMEOUT_MS - 200
PART_FIELDS = ("depth", "pairs", "siblings", "other")


class Boaster:
    """Claims a higher final block at every tick, and answers requests of some kinds barrenly, just before the timeout.

    What it is asked besides an honest node answers.
    """

    def __init__(self, kinds: tuple[type, ...], *, first: int) -> None:
        self.world = make_source()
        self.kinds = kinds
        self.number = first
        self.peers: list[str] = []
        self.waiting: list[tuple[int, SendAnswer]] = []
        self.asked: list[Request] = []

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Lie, or let the honest node answer."""
        self.world.now_ms = now_ms
        if isinstance(event, PeerConnected):
            self.peers.append(event.peer)
        if isinstance(event, RequestReceived) and isinstance(event.request, self.kinds):
            self.asked.append(event.request)
            self.waiting.append(
                (
                    now_ms + LATE_MS,
                    SendAnswer(peer=event.peer, request_id=event.request_id, answer=BARREN[type(event.request)]),
                )
            )
            return []
        ready = [answer for at_ms, answer in self.waiting if at_ms <= now_ms]
        self.waiting = [row for row in self.waiting if row[0] > now_ms]
        effects = [effect for effect in self.world.machine.handle(event, now_ms) if not is_status(effect)]
        if isinstance(event, Tick):
            self.number += 2
            effects += [SendNotice(peer=peer, notice=make_status(self.number)) for peer in self.peers]
        return [*ready, *effects]


BARREN = {
    GetFinality: FinalitySteps(steps=()),
    GetAncestors: Headers(headers=()),
    GetStatePart: None,
    GetBodies: None,
}


def is_status(effect: Effect) -> bool:
    """Say whether a node tells its status."""
    return isinstance(effect, SendNotice) and isinstance(effect.notice, Status)


@cache
def get_plan() -> FastPlan:
    """Return where belief begins."""
    return make_plan_of_source()


def make_status(final_number: int) -> Status:
    """Return the status of a peer that claims this final block."""
    genesis = get_plan().genesis
    return Status(
        version=1,
        genesis=genesis,
        best_number=final_number,
        best_hash=genesis,
        justified_height=0,
        work=b"",
        final_number=final_number,
        final_hash=genesis,
        is_authority=False,
    )


def make_sync(checkpoint: bytes | None = None) -> FastSync:
    """Return a fast sync that keeps nothing, at time 0."""
    return FastSync(Mock(gaps=()), replace(get_plan(), checkpoint=checkpoint), now_ms=0)


def join(sync: FastSync, now_ms: int, **claims: int) -> list[FastEffect]:
    """Connect peers that claim these final blocks."""
    effects: list[FastEffect] = []
    for peer, number in claims.items():
        effects += sync.handle(PeerConnected(peer=peer, is_outbound=True), now_ms)
        effects += sync.handle(NoticeReceived(peer=peer, notice=make_status(number)), now_ms)
    return effects


def list_asked(effects: Iterable[FastEffect]) -> list[str]:
    """Return whom the node asks."""
    return [effect.peer for effect in effects if isinstance(effect, SendRequest)]


def answer(sync: FastSync, asks: Iterable[FastEffect], now_ms: int) -> list[FastEffect]:
    """Let everybody who was asked say that there is nothing."""
    effects: list[FastEffect] = []
    for ask in asks:
        if isinstance(ask, SendRequest):
            nothing = FinalitySteps(steps=())
            effects += sync.handle(AnswerReceived(peer=ask.peer, request_id=ask.request_id, answer=nothing), now_ms)
    return effects


# ---- the stall


def test_syn_22_two_boasters_that_answer_late_do_not_stall_the_proof() -> None:
    net, newcomer = meet(Boaster((GetFinality,), first=1_000), Boaster((GetFinality,), first=1_001), make_source())
    took_ms = net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=120_000)
    newcomer.finish()
    assert make_voter(author=None, store=newcomer.store).head.number == FINAL
    assert took_ms < 60_000


@pytest.mark.parametrize("kinds", [(GetStatePart,), (GetStatePart, GetAncestors, GetBodies)])
def test_syn_23_two_peers_that_answer_late_do_not_stall_the_state(kinds: tuple[type, ...]) -> None:
    liars = (Boaster(kinds, first=1_000), Boaster(kinds, first=1_001))
    net, newcomer = meet(*liars, make_source())
    took_ms = net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=120_000)
    newcomer.finish()
    assert any(liar.asked for liar in liars)
    assert took_ms < 30_000


def test_syn_22_claims_and_connections_reset_no_count() -> None:
    sync = make_sync()
    asks = join(sync, 0, liar=1_000)
    assert list_asked(asks) == ["liar"]
    answer(sync, asks, 500)
    sync.handle(PeerGone(peer="liar"), 600)
    asks = join(sync, 700, liar=2_000, honest=25)
    assert list_asked(asks) == ["honest"], "the liar has had its turn at this place, whatever it claims now"
    assert sync._peers.list_told()[0][0] == "honest"


def test_syn_22_those_least_waited_for_in_vain_are_asked_first_then_the_highest_claim() -> None:
    peers = FastPeers()
    for peer, number in (("low", 10), ("liar", 1_000), ("high", 20)):
        peers.join(peer)
        state = peers.get(peer)
        assert state is not None
        state.status = make_status(number)
    peers.note_barren("liar", 0, 10)
    assert [peer for peer, _ in peers.list_told()] == ["high", "low", "liar"]
    for _ in range(10):
        peers.note_barren("high", 0, 300)
    peers.note_barren("liar", 0, 9_500)
    assert [peer for peer, _ in peers.list_told()] == ["low", "high", "liar"], (
        "saying no at once costs less than waiting"
    )


def test_what_is_known_of_peers_that_went_is_bounded() -> None:
    peers = FastPeers()
    for number in range(2_000):
        peers.join(f"peer {number}")
        peers.leave(f"peer {number}")
    assert len(peers._peers) < 600


def test_syn_23_at_most_three_are_asked_for_the_same_a_second_apart() -> None:
    sync = make_sync()
    effects = join(sync, 0, a=4, b=3, c=2, d=1)
    for now_ms in range(0, 9_000, 100):
        effects += sync.handle(Tick(), now_ms)
        assert len(list_asked(effects)) == min(3, 1 + now_ms // 1_000)
    assert list_asked(effects) == ["a", "b", "c"]


def test_a_page_that_another_peer_was_quicker_with_is_no_lie() -> None:
    steps = make_source().importer.steps.list_steps(0, count=100, bytes_max=2**20)
    chase = ProofChase(NoShelf(), get_plan())
    genesis = chase.start
    chase.take_page(genesis, steps[:2])
    chase.take_page(genesis, steps[:1])
    chase.take_page(genesis, ())
    assert chase.start == blake2b_256_of(steps[1])
    chase.take_page(genesis, steps)
    assert chase.final_number == FINAL


def blake2b_256_of(step: bytes) -> bytes:
    """Return the hash of the block of a step."""
    return blake2b_256(decode_step(step).header)


@pytest.mark.parametrize(
    ("kind", "drip"),
    [
        (FinalitySteps, lambda a: FinalitySteps(steps=a.steps[:1])),
        (Headers, lambda a: Headers(headers=a.headers[:1])),
    ],
)
def test_syn_22_a_peer_that_drips_is_asked_after_others(kind: type, drip: Callable[[object], object]) -> None:
    net, newcomer = meet(Liar(make_source(), boast(change_answers(kind, drip))), make_source())
    net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=60_000)
    newcomer.finish()
    told = dict(newcomer.sync._peers.list_told())
    assert told["peer 0"].barren_ms > told["peer 1"].barren_ms == 0


def test_syn_22_a_sliver_is_taken_and_counts_as_barren() -> None:
    net, newcomer = meet(make_source())
    net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=60_000)
    world = make_source()
    belief, chain = newcomer.sync.proof.target, world.importer.chain
    assert belief is not None
    shelf = FastStore(MemoryStore(), world.genesis)
    target = TargetFetch(shelf, get_plan(), belief, anchor_number=0)
    request = GetAncestors(start=belief.checkpoint.hash, count=512)
    raws = [chain.get_header_bytes(chain.get_hash(number) or b"") or b"" for number in range(FINAL - 1, 0, -1)]
    assert target.take(request, Headers(headers=tuple(raws[:1]))) == "meagre"
    assert target.take(request, Headers(headers=tuple(raws))) == "nothing", "others have brought it"
    assert target.take(replace(request, start=shelf.lowest.hash), Headers(headers=tuple(raws[1:]))) == "full"
    snapshot = Snapshot(chain.state.view_at(FINAL).iterate(b""))
    for depth, brought in ((200, "meagre"), (4, "full")):
        start = shelf.gaps[0][0]
        part = snapshot.cut(start, depth_min=depth, bytes_max=2**20, pairs_max=1_000)
        assert part is not None
        wanted = GetStatePart(block_hash=belief.checkpoint.hash, start=start, depth_min=4, bytes_max=2**20)
        assert target.take(wanted, StatePart(**{name: getattr(part, name) for name in PART_FIELDS})) == brought


def boast(change: object) -> Callable[[Effect], Iterable[Effect]]:
    """Return the change, with statuses that claim a later final block."""

    def lie(effect: Effect) -> Iterable[Effect]:
        if isinstance(effect, SendNotice) and isinstance(effect.notice, Status):
            return (replace(effect, notice=replace(effect.notice, final_number=1_000)),)
        changed: Iterable[Effect] = change(effect)  # type: ignore[operator]
        return changed

    return lie


# ---- the deadline


def run(sync: FastSync, begin_ms: int, end_ms: int, *, step_ms: int = 1_000) -> list[FastEffect]:
    """Let time pass."""
    effects: list[FastEffect] = []
    for now_ms in range(begin_ms, end_ms, step_ms):
        effects += sync.handle(Tick(), now_ms)
    return effects


def run_with_new_liars(sync: FastSync, end_ms: int) -> list[FastEffect]:
    """Let time pass in which a new peer that answers nothing comes every ten seconds."""
    effects: list[FastEffect] = []
    for now_ms in range(0, end_ms, 10_000):
        effects += join(sync, now_ms, **{f"liar {now_ms}": 1_000})
        effects += sync.handle(Tick(), now_ms)
        if sync.outcome is not None:
            break
    return effects


def test_syn_24_fast_sync_ends_when_ever_new_liars_come() -> None:
    sync = make_sync()
    assert not any(isinstance(effect, Log) for effect in run_with_new_liars(sync, DEADLINE_MS))
    effects = run_with_new_liars(sync, DEADLINE_MS * 2)
    assert sync.outcome == "too late"
    assert any(isinstance(effect, Log) and "not done after 15 min" in effect.message for effect in effects)


def test_syn_24_whoever_named_a_checkpoint_is_told_and_waits_on() -> None:
    sync = make_sync(checkpoint=b"\x55" * 32)
    told = [effect.message for effect in run_with_new_liars(sync, 2 * DEADLINE_MS + 10_000) if isinstance(effect, Log)]
    assert sync.outcome is None
    assert sum("full sync would not stand on the trusted checkpoint 0x5555" in message for message in told) == 2


def test_syn_24_what_is_verified_moves_the_deadline() -> None:
    sync = make_sync(checkpoint=b"\x55" * 32)
    sync.proof.bytes_taken = 64 * 1024 * 60
    assert not [effect for effect in run(sync, 0, DEADLINE_MS + 59_000) if "15 min" in str(effect)]
    assert [effect for effect in run(sync, DEADLINE_MS + 59_000, DEADLINE_MS + 61_000) if "16 min" in str(effect)]


# ---- clocks


def test_syn_21_a_steady_clock_neither_goes_back_nor_jumps() -> None:
    clock = SteadyClock(1_000_000)
    assert [clock.read(now_ms) for now_ms in (1_000_100, 5_000, 5_100, 10**12, 10**12 + 1)] == [
        100,
        100,
        200,
        200 + JUMP_MS_MAX,
        201 + JUMP_MS_MAX,
    ]


class Skewed:
    """A newcomer whose clock is set once."""

    def __init__(self, newcomer: Newcomer, at_ms: int, by_ms: int) -> None:
        self.newcomer = newcomer
        self.at_ms = at_ms
        self.by_ms = by_ms

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Handle an event by the wrong clock."""
        return self.newcomer.handle(event, now_ms + (self.by_ms if now_ms >= self.at_ms else 0))


@pytest.mark.parametrize(("after_ms", "by_ms"), [(300, -3_600_000), (2_500, -3_600_000), (2_500, 3_600_000)])
def test_syn_21_a_clock_that_is_set_stalls_no_fast_sync(after_ms: int, by_ms: int) -> None:
    net, newcomer = meet(Liar(make_source(), refuse_once(StatePart)), Boaster((GetFinality,), first=1_000))
    net.nodes["new"] = Skewed(newcomer, net.now_ms + after_ms, by_ms)
    net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=60_000)
    newcomer.finish()


def refuse_once(kind: type) -> Callable[[Effect], Iterable[Effect]]:
    """Return a change for `Liar` that refuses the first request of a kind, so that the asker rests."""
    refused: list[Effect] = []

    def change(effect: Effect) -> Iterable[Effect]:
        if isinstance(effect, SendAnswer) and isinstance(effect.answer, kind) and not refused:
            refused.append(effect)
            return (replace(effect, answer=None),)
        return (effect,)

    return change


def test_syn_23_a_request_that_the_network_forgets_is_asked_again() -> None:
    sync = make_sync()
    assert list_asked(join(sync, 0, a=5)) == ["a"]
    assert list_asked(run(sync, 0, 14_000)) == []
    assert list_asked(run(sync, 14_000, 20_000)) == ["a"]
