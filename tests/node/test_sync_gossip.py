"""Headers by gossip: what is passed on, what costs a ticket, and what its sender pays for."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from chain.block import Block
from chain.header import Header, encode_header
from chain.params import WorkParams
from consensus.context import WorkContext
from consensus.digest import WorkSeal
from consensus.seal import CheckedHeader, check_seal
from network.libp2p.gossip_wire import compute_message_id
from network.messages import Bodies, GetBodies, GetHeaders
from network.port import (
    AnswerReceived,
    GossipReceived,
    JudgeGossip,
    NoticeReceived,
    PeerConnected,
    Publish,
    Punish,
    RequestFailed,
    RequestReceived,
    SendAnswer,
    SendRequest,
)
from network.rates import Rate, TokenBucket
from node.core.desk_limits import DeskLimits
from node.core.effects import BlockImported, Effect
from node.core.events import Event, Tick
from node.core.gas_budget import GasBudget
from node.core.header_gossip import HeaderGossip
from node.core.peer_table import PeerState
from node.core.seal_book import SealBook
from tests.node.network_pump import Net
from tests.node.test_sync_desk import make_status
from tests.node.world import ALICE, BEGIN_MS, BOB, World, find, with_seal, with_work


def connect(world: World, *peers: str) -> None:
    """Connect peers of which only names exist."""
    for peer in peers:
        world.handle(PeerConnected(peer=peer, is_outbound=True))


def gossip(world: World, peer: str, block: Block | Header | bytes, *, later_ms: int = 0) -> list[Effect]:
    """Let a peer bring a header."""
    data = block if isinstance(block, bytes) else encode_header(block.header if isinstance(block, Block) else block)
    message_id = compute_message_id("headers", data)
    event = GossipReceived(peer=peer, topic="headers", message_id=message_id, data=data)
    return world.handle(event, later_ms=later_ms)


def verdicts(effects: Iterable[Effect]) -> list[str]:
    """Return the verdicts among the effects."""
    return [effect.verdict for effect in find(effects, JudgeGossip)]


def points(effects: Iterable[Effect]) -> list[int]:
    """Return the punishments among the effects."""
    return [effect.points for effect in find(effects, Punish)]


def count_tickets(world: World) -> list[bytes]:
    """Return a list that grows by a hash for each ticket that the node runs for others."""
    run: list[bytes] = []

    def checker(header: Header, context: WorkContext, params: WorkParams) -> CheckedHeader:
        run.append(header.hash)
        return check_seal(header, context, params)

    world.importer.check_seal = SealBook(checker)
    return run


def test_syn_03_a_header_is_passed_on_after_its_ticket_was_run_once_for_gossip_and_import() -> None:
    miner, other = World(), World(author=None)
    connect(other, "a")
    run = count_tickets(other)
    block = miner.mine()
    effects = gossip(other, "a", block, later_ms=1000)
    assert verdicts(effects) == ["accept"]
    [request] = find(effects, SendRequest)
    assert request.request == GetBodies(hashes=(block.hash,))
    answer = AnswerReceived(peer="a", request_id=request.request_id, answer=Bodies(bodies=(block.extrinsics,)))
    assert [effect.hash for effect in find(other.handle(answer), BlockImported)] == [block.hash]
    assert run == [block.hash]
    assert verdicts(gossip(other, "a", block)) == ["ignore"]


def test_syn_04_a_header_that_breaks_a_rule_is_rejected_and_costs_its_sender_half_of_its_score() -> None:
    miner, other = World(), World(author=None)
    connect(other, *"01234")
    run = count_tickets(other)
    block = miner.mine()
    other.now_ms = miner.now_ms
    bad: list[Block | bytes] = [
        b"\x00" * 40,
        with_work(block, target=5),
        with_work(block, weight=7),
        with_work(block, core_epoch=3),
        with_seal(block, WorkSeal(index=0, core_hash=bytes(32), pool_shots=b"x")),
    ]
    for index, item in enumerate(bad):
        effects = gossip(other, str(index), item)
        assert (verdicts(effects), points(effects)) == (["reject"], [50])
    assert len(run) == 1, "only a wrong seal gets as far as the seal's check"
    assert other.head.number == 0


def test_syn_05_a_header_without_a_known_parent_is_ignored_and_leads_to_a_question() -> None:
    miner, other = World(), World(author=None)
    connect(other, "a")
    miner.mine()
    block = miner.mine()
    other.now_ms = miner.now_ms
    effects = gossip(other, "a", block)
    assert (verdicts(effects), points(effects)) == (["ignore"], [])
    [request] = find(effects, SendRequest)
    assert request.request == GetHeaders(locator=(other.genesis.hash,), count=512)
    assert len(other.machine.waiting) == len(other.machine.peers.gossip) == 0


def test_syn_07_a_header_from_the_future_waits_without_being_passed_on() -> None:
    miner, other = World(), World(author=None)
    connect(other, "a")
    block = miner.mine(later_ms=20_000)
    effects = gossip(other, "a", block)
    assert (verdicts(effects), points(effects), find(effects, SendRequest)) == (["ignore"], [], [])
    assert find(other.handle(Tick(), later_ms=4_900), SendRequest) == []
    [request] = find(other.handle(Tick(), later_ms=200), SendRequest)
    assert request.request == GetBodies(hashes=(block.hash,))


def test_syn_08_a_body_that_does_not_come_is_asked_of_another_peer() -> None:
    miner, other = World(), World(author=None)
    miner.mine()
    net = Net()
    net.add("miner", miner)
    net.add("keeper", World(author=None))
    net.add("other", other)
    net.connect("miner", "keeper")
    net.connect("keeper", "other")
    net.run(5_000)
    assert other.head.number == 1
    connect(other, "silent")
    block = net.mine("miner", later_ms=0)
    effects = gossip(other, "silent", block)
    [request] = find(effects, SendRequest)
    assert request.peer == "silent"
    net.run(1_000)
    effects = other.handle(Tick(), later_ms=2_000)
    assert [item.peer for item in find(effects, SendRequest)] in ([], ["keeper"])
    net.run(2_000)
    assert other.head.hash == block.hash


def test_a_body_over_a_slow_line_is_taken_when_it_comes_and_nobody_is_punished() -> None:
    """With two seconds each way an answer takes four: honest peers once banned each other for that."""
    miner, other = World(), World(author=None)
    connect(other, "far")
    block = miner.mine()
    [request] = find(gossip(other, "far", block, later_ms=1_000), SendRequest)
    assert request.timeout_ms >= 5_000
    for _ in range(8):
        assert points(other.handle(Tick(), later_ms=500)) == []
    came = AnswerReceived(peer="far", request_id=request.request_id, answer=Bodies(bodies=(block.extrinsics,)))
    assert points(other.handle(came)) == []
    assert other.head.hash == block.hash


def test_syn_08_others_are_asked_at_once_when_one_fails_and_beside_one_that_is_slow() -> None:
    miner, other = World(), World(author=None)
    connect(other, "a", "b", "c")
    block = miner.mine()
    other.now_ms = miner.now_ms
    for peer, best_hash in (("b", bytes(32)), ("c", block.hash)):
        status = make_status(other, best_number=1, best_hash=best_hash)
        other.handle(NoticeReceived(peer=peer, notice=status))
    [first] = find(gossip(other, "a", block), SendRequest)
    assert find(other.handle(Tick(), later_ms=400), SendRequest) == []
    [beside] = find(other.handle(Tick(), later_ms=100), SendRequest)
    assert (first.peer, beside.peer) == ("a", "c"), "c says that it has this block"
    for request in (first, beside):
        failed = RequestFailed(peer=request.peer, request_id=request.request_id, failure="refused")
        effects = other.handle(failed)
    assert [item.peer for item in find(effects, SendRequest)] == ["b"]


def test_a_body_that_is_awaited_here_too_is_answered_when_it_came() -> None:
    miner, other = World(), World(author=None)
    connect(other, "a", "b")
    block = miner.mine()
    [request] = find(gossip(other, "a", block, later_ms=1000), SendRequest)
    asked = RequestReceived(peer="b", request_id=7, request=GetBodies(hashes=(block.hash,)))
    assert find(other.handle(asked), SendAnswer) == []
    came = AnswerReceived(peer="a", request_id=request.request_id, answer=Bodies(bodies=(block.extrinsics,)))
    [answer] = find(other.handle(came), SendAnswer)
    assert (answer.peer, answer.request_id, answer.answer) == ("b", 7, Bodies(bodies=(block.extrinsics,)))
    for number in range(6):
        again = RequestReceived(peer="b", request_id=8 + number, request=GetBodies(hashes=(bytes(32),)))
        assert len(find(other.handle(again), SendAnswer)) == 1, "what is not awaited is answered at once"


def test_a_header_whose_parent_is_on_its_way_waits_for_it() -> None:
    miner, other = World(), World(author=None)
    connect(other, "a", "b")
    one, two = miner.mine(), miner.mine()
    other.now_ms = miner.now_ms
    [request] = find(gossip(other, "a", one), SendRequest)
    assert verdicts(gossip(other, "b", two)) == []
    came = AnswerReceived(peer="a", request_id=request.request_id, answer=Bodies(bodies=(one.extrinsics,)))
    effects = other.handle(came)
    assert verdicts(effects) == ["accept"]
    assert [item.request for item in find(effects, SendRequest)] == [GetBodies(hashes=(two.hash,))]


def test_own_blocks_are_published() -> None:
    world = World()
    net = Net()
    net.add("world", world)
    block = net.mine("world")
    published = [effect for _, effect in net.history if isinstance(effect, Publish)]
    assert published == [Publish(topic="headers", data=encode_header(block.header))]


class Forger:
    """Sends forged headers on the newest block it saw, as fast as it may."""

    def __init__(self, *, per_tick: int) -> None:
        self.template: Block | None = None
        self.per_tick = per_tick
        self.sent = 0

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Forge with every tick."""
        if not isinstance(event, Tick) or self.template is None:
            return []
        forged: list[Effect] = []
        for _ in range(self.per_tick):
            self.sent += 1
            core_hash = self.sent.to_bytes(32, "little")
            block = with_seal(self.template, WorkSeal(index=self.sent, core_hash=core_hash, pool_shots=b""))
            forged.append(Publish(topic="headers", data=encode_header(block.header)))
        return forged


def test_forged_headers_at_full_rate_cost_two_tickets_and_hold_nobody_up() -> None:
    net = Net(seed=5)
    net.add("miner", World())
    net.add("other", World(author=None))
    forgers = [Forger(per_tick=20) for _ in range(8)]
    net.connect("miner", "other")
    for index, forger in enumerate(forgers):
        net.add(f"forger{index}", forger)
        net.connect(f"forger{index}", "other")
    run = count_tickets(net.world("other"))
    for number in range(1, 6):
        block = net.mine("miner")
        net.run(300)
        assert net.world("other").head.number == number
        for forger in forgers:
            forger.template = block
    assert sum(forger.sent for forger in forgers) > 3_000
    assert len(run) <= 5 + 2 * len(forgers)
    assert all(net.score("other", f"forger{index}") >= 100 for index in range(8))
    assert net.score("other", "miner") == 0


def make_state(peer: str, budget: GasBudget, *, good: int = 0) -> PeerState:
    """Return a peer with its bucket."""
    state = PeerState(
        peer,
        is_outbound=False,
        now_ms=BEGIN_MS,
        gas=budget.make_bucket(BEGIN_MS),
        served=TokenBucket(Rate(per_s=1, burst=1), BEGIN_MS),
    )
    state.good = good
    return state


def test_syn_06_strangers_cannot_use_up_what_good_peers_need() -> None:
    limits = DeskLimits(gas_per_second=1_000, gas_share=4)
    budget = GasBudget(limits, ticket_gas_max=100, now_ms=BEGIN_MS)
    strangers = [make_state(str(index), budget) for index in range(20)]
    spent = sum(budget.spend(state, 50, BEGIN_MS) for state in strangers for _ in range(20))
    assert spent * 50 <= 1_000 // 4 + 50
    good = make_state("good", budget, good=1)
    assert sum(budget.spend(good, 50, BEGIN_MS) for _ in range(100)) * 50 == 1_000 // 4
    assert not budget.spend(strangers[0], 50, BEGIN_MS + 100)
    assert budget.spend(strangers[0], 50, BEGIN_MS + 1_000)


def test_syn_06_without_gas_a_peer_has_one_waiting_header_and_its_next_ones_are_ignored() -> None:
    miner, other = World(), World(author=None)
    connect(other, "a", "b")
    desk = other.machine.peers
    assert isinstance(desk.gossip, HeaderGossip)
    for state in desk.table:
        state.gas = TokenBucket(Rate(per_s=50_000_000, burst=100_000_000), other.now_ms)
        state.gas.spend(200_000_000)
    block = miner.mine()
    other.now_ms = miner.now_ms
    assert verdicts(gossip(other, "a", block)) == []
    second = with_seal(block, WorkSeal(index=1, core_hash=bytes(32), pool_shots=b""))
    assert verdicts(gossip(other, "a", second)) == ["ignore"]
    assert len(desk.gossip) == 1
    effects = other.handle(Tick(), later_ms=2_000)
    assert verdicts(effects) == ["accept"]


@pytest.mark.parametrize("author", [ALICE.public, BOB.public])
def test_a_block_below_the_final_one_is_ignored(author: bytes) -> None:
    old, other = World(author=author), World()
    connect(other, "a")
    block = old.mine()
    for _ in range(4):
        other.mine()
    assert verdicts(gossip(other, "a", block)) == ["ignore"]
