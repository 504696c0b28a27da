"""Free ways to stall a node's sync, or to set it against honest peers, that must not work."""

from __future__ import annotations

import pytest

from chain.header import encode_header
from network.libp2p.gossip_wire import compute_message_id
from network.messages import GetHeaders, Headers
from network.port import AnswerReceived, GossipReceived, Punish, SendNotice, SendRequest
from network.rates import Rate, TokenBucket
from node.core.effects import Effect
from node.core.events import Tick
from node.core.peer_table import PeerState
from tests.node.test_sync_desk import connect, say
from tests.node.world import BOB, World, find

HOUR_MS = 3_600_000
MOST_WORK = b"\xff" * 40


def list_asked(effects: list[Effect]) -> list[SendRequest]:
    """Return the requests for headers."""
    return [effect for effect in find(effects, SendRequest) if isinstance(effect.request, GetHeaders)]


def hint(world: World, peer: str, raw: bytes) -> list[Effect]:
    """Let a peer bring a header whose parent is unknown."""
    message_id = compute_message_id("headers", raw)
    return world.handle(GossipReceived(peer=peer, topic="headers", message_id=message_id, data=raw))


def answer(world: World, ask: SendRequest, *raws: bytes, later_ms: int = 0) -> list[Effect]:
    """Let a peer answer a request for headers."""
    event = AnswerReceived(peer=ask.peer, request_id=ask.request_id, answer=Headers(headers=raws))
    return world.handle(event, later_ms=later_ms)


def make_raws(count: int) -> list[bytes]:
    """Return the headers of another chain."""
    other = World(author=BOB.public)
    return [encode_header(other.mine().header) for _ in range(count)]


def test_syn_20_peers_that_make_us_ask_by_headers_and_have_nothing_are_asked_after_others() -> None:
    """A hint costs its sender nothing: two that take turns must not keep the honest peer from being asked."""
    raws = make_raws(12)
    world = World(author=None)
    connect(world, "liar0", "liar1", "honest")
    for liar in ("liar0", "liar1"):
        say(world, liar, work=MOST_WORK, justified_height=2**32 - 1)
    [ask] = list_asked(hint(world, "liar0", raws[1]))
    say(world, "honest", work=b"\xff", best_number=90, best_hash=bytes([7]) * 32)
    asked: list[str] = []
    for turn in range(4):
        hint(world, f"liar{(turn + 1) % 2}", raws[turn + 2])
        [ask] = list_asked(answer(world, ask, later_ms=1_900))
        asked.append(ask.peer)
    assert asked.index("honest") <= 1


def test_syn_09_a_header_that_follows_no_known_header_before_it_is_punished() -> None:
    world, raws = World(), make_raws(6)
    known = encode_header(world.mine().header)
    connect(world, "liar")
    effects = say(world, "liar", work=MOST_WORK, best_number=9, best_hash=bytes([7]) * 32)
    [ask] = list_asked(effects)
    locator = ask.request.locator
    assert known[:32] in locator
    effects = answer(world, ask, known, raws[4])
    assert [(effect.peer, effect.points) for effect in find(effects, Punish)] == [("liar", 50)]


def test_syn_20_a_source_that_gives_one_header_at_a_time_is_asked_after_others_though_its_blocks_are_good() -> None:
    state = make_peer()
    state.failures += 1
    state.step_aside(1_000, 5_000)
    state.reward()
    assert state.is_resting(5_999)
    assert not state.is_resting(6_000)
    assert state.is_askable(1_001)


def test_syn_20_a_short_answer_of_a_peer_that_claims_more_work_lets_others_come_first() -> None:
    raws = make_raws(3)
    world = World(author=None)
    world.now_ms += 60_000
    connect(world, "liar")
    [ask] = list_asked(say(world, "liar", work=MOST_WORK, best_number=3, best_hash=bytes([7]) * 32))
    answer(world, ask, *raws)
    state = world.machine.peers.table.get("liar")
    assert state is not None
    assert state.is_resting(world.now_ms)


# A clock that is set back


def make_peer() -> PeerState:
    """Return a peer."""
    bucket = TokenBucket(Rate(per_s=1, burst=1), 0)
    return PeerState("peer", is_outbound=True, now_ms=0, gas=bucket, served=bucket)


def test_syn_21_a_bucket_fills_up_after_the_clock_was_set_back() -> None:
    bucket = TokenBucket(Rate(per_s=10, burst=20), HOUR_MS)
    bucket.spend(20)
    assert not bucket.has(1, HOUR_MS)
    assert not bucket.has(1, 0)
    assert bucket.has(10, 1_000)
    assert not bucket.has(11, 1_000)


def test_syn_21_statuses_go_out_and_honest_ones_cost_nothing_after_the_clock_was_set_back() -> None:
    world = World()
    connect(world, "a")
    effects: list[Effect] = []
    for _ in range(30):
        world.handle(Tick(), later_ms=5_000)
        say(world, "a")
    world.now_ms -= HOUR_MS
    for _ in range(60):
        effects += world.handle(Tick(), later_ms=5_000)
        effects += say(world, "a")
    assert find(effects, Punish) == []
    assert len(find(effects, SendNotice)) >= 59


def test_syn_21_a_clock_that_is_set_back_does_not_stop_mining() -> None:
    world = World()
    world.machine.peers.sync.catch_up_ms = world.now_ms + HOUR_MS
    assert not world.machine.peers.is_catching_up(world.now_ms)


@pytest.mark.parametrize("back_ms", [0, HOUR_MS])
def test_syn_21_a_peer_that_failed_can_be_asked_soon_whatever_the_clock_does(back_ms: int) -> None:
    state = make_peer()
    state.rest(2 * HOUR_MS, 5_000)
    assert not state.is_askable(2 * HOUR_MS)
    assert state.is_askable(2 * HOUR_MS - back_ms + 1_000)
