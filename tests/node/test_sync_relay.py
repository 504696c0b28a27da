"""Extrinsics by inventory: they reach everybody once, and only what is bad at receipt costs its sender."""

from __future__ import annotations

from chain.era import make_era
from chain.hashing import blake2b_256
from network.messages import ExtrinsicInventory, Extrinsics, GetExtrinsics
from network.port import (
    AnswerReceived,
    NoticeReceived,
    PeerConnected,
    Punish,
    RequestFailed,
    RequestReceived,
    SendAnswer,
    SendNotice,
    SendRequest,
)
from node.core.desk_limits import DeskLimits
from node.core.effects import ContinueSync, Effect, ExtrinsicAccepted, ExtrinsicRefused
from node.core.events import SyncStep, Tick
from node.core.pool_errors import Unfit
from runtime.validity import BadProof
from tests.node.network_pump import Net
from tests.node.world import ALICE, BOB, CHARLIE, World, find, make_transfer


def make_world(*peers: str) -> World:
    """Return a node with peers of which only names exist."""
    world = World(author=None)
    for peer in peers:
        world.handle(PeerConnected(peer=peer, is_outbound=True))
    return world


def offer(world: World, peer: str, *hashes: bytes) -> list[Effect]:
    """Let a peer offer hashes."""
    return world.handle(NoticeReceived(peer=peer, notice=ExtrinsicInventory(hashes=hashes)))


def send(world: World, request: SendRequest, *raws: bytes) -> list[Effect]:
    """Let a peer answer a request with extrinsics."""
    answer = Extrinsics(extrinsics=raws)
    return world.handle(AnswerReceived(peer=request.peer, request_id=request.request_id, answer=answer))


def list_offers(effects: list[Effect]) -> list[tuple[str, tuple[bytes, ...]]]:
    """Return who was offered what."""
    return [
        (item.peer, item.notice.hashes)
        for item in find(effects, SendNotice)
        if isinstance(item.notice, ExtrinsicInventory)
    ]


def test_syn_16_an_extrinsic_reaches_every_node_and_the_next_block() -> None:
    net = Net()
    for name in ("miner", "one", "two", "three"):
        net.add(name, World(author=ALICE.public if name == "miner" else None))
    net.connect("miner", "one")
    net.connect("one", "two")
    net.connect("two", "three")
    net.connect("three", "one")
    net.run(100)
    world = net.world("three")
    raws = [world.transfer(ALICE, BOB, 10**12, nonce) for nonce in range(5)]
    for raw in raws:
        world.submit(raw)
    net.run(1_000)
    assert all(len(net.world(name).machine.pool) == 5 for name in net.nodes)
    assert set(raws) <= set(net.mine("miner", later_ms=0).extrinsics)
    net.run(1_000)
    assert len(net.heads()) == 1
    assert net.scores == {}
    fetched = [effect for _, effect in net.history if isinstance(effect, SendRequest) and effect.peer != ""]
    asked = [item for effect in fetched if isinstance(effect.request, GetExtrinsics) for item in effect.request.hashes]
    assert len(asked) == 3 * 5, "each node fetches each extrinsic once"


def test_syn_16_what_a_peer_offered_or_was_offered_is_not_offered_to_it_again() -> None:
    world = make_world("a", "b")
    raw = world.transfer(ALICE, BOB, 10**12, 0)
    world.submit(raw)
    assert list_offers(world.handle(Tick())) == [("a", (blake2b_256(raw),)), ("b", (blake2b_256(raw),))]
    assert list_offers(world.handle(Tick())) == []
    second = world.transfer(ALICE, BOB, 10**12, 1)
    offer(world, "a", blake2b_256(second))
    world.submit(second)
    assert list_offers(world.handle(Tick())) == [("b", (blake2b_256(second),))]
    world.handle(PeerConnected(peer="c", is_outbound=False))
    assert list_offers(world.handle(Tick())) == [("c", (blake2b_256(raw), blake2b_256(second)))]


def test_an_extrinsic_that_waits_for_a_nonce_is_offered_when_it_is_ready() -> None:
    world = make_world("a")
    second = world.transfer(ALICE, BOB, 10**12, 1)
    world.submit(second)
    assert list_offers(world.handle(Tick())) == []
    first = world.transfer(ALICE, BOB, 10**12, 0)
    world.submit(first)
    assert list_offers(world.handle(Tick())) == [("a", (blake2b_256(first), blake2b_256(second)))]


def test_an_extrinsic_that_one_peer_does_not_send_is_asked_of_another() -> None:
    world = make_world("a", "b")
    raw = world.transfer(ALICE, BOB, 10**12, 0)
    [request] = find(offer(world, "a", blake2b_256(raw)), SendRequest)
    assert find(offer(world, "b", blake2b_256(raw)), SendRequest) == []
    failed = RequestFailed(peer="a", request_id=request.request_id, failure="timeout")
    effects = world.handle(failed)
    assert [item.points for item in find(effects, Punish)] == [1]
    [request] = find(effects, SendRequest)
    assert request.peer == "b"
    assert len(find(send(world, request, raw), ExtrinsicAccepted)) == 1
    assert find(offer(world, "a", blake2b_256(raw)), SendRequest) == []


def test_syn_17_only_what_is_bad_at_receipt_costs_its_sender() -> None:
    world = make_world("a")
    valid = world.transfer(ALICE, BOB, 10**12, 0)
    forged = bytearray(valid)
    forged[60] ^= 1
    poor = world.transfer(CHARLIE, BOB, 10**30, 0)
    stale = world.transfer(BOB, ALICE, 10**12, 0)
    miner = World()
    miner.submit(stale)
    world.receive(miner.mine())
    world.now_ms = miner.now_ms
    cases = ((valid, []), (valid[:50], [25]), (bytes(forged), [50]), (stale, []), (poor, []))
    for raw, expected in cases:
        [request] = find(offer(world, "a", blake2b_256(raw)), SendRequest)
        effects = send(world, request, raw)
        assert [item.points for item in find(effects, Punish)] == expected, raw
    [request] = find(offer(world, "a", bytes(32)), SendRequest)
    assert [item.points for item in find(send(world, request, valid), Punish)] == [5], "nobody asked for this one"


def test_syn_17_what_was_signed_on_another_branch_costs_nobody_anything() -> None:
    """A call may be born at its signer's head; where that lost, others find the signature wrong."""
    world = make_world("a")
    call, era = make_transfer(BOB, 10**12), make_era(32, 1)
    miner = World()
    world.receive(miner.mine())
    mortal = world.sign(ALICE, call, 0, era=era, birth=bytes(32))
    [request] = find(offer(world, "a", blake2b_256(mortal)), SendRequest)
    effects = send(world, request, mortal)
    [refused] = find(effects, ExtrinsicRefused)
    assert isinstance(refused.error, Unfit)
    assert refused.error.reason == BadProof.reason
    assert find(effects, Punish) == []


def test_syn_15_a_flood_of_extrinsics_is_taken_in_steps() -> None:
    world = make_world("a")
    raws = [world.transfer(ALICE, BOB, 10**12, nonce) for nonce in range(100)]
    [request] = find(offer(world, "a", *map(blake2b_256, raws)), SendRequest)
    effects = send(world, request, *raws)
    counts = [len(find(effects, ExtrinsicAccepted))]
    while find(effects, ContinueSync):
        effects = world.handle(SyncStep())
        counts.append(len(find(effects, ExtrinsicAccepted)))
    assert counts == [32, 32, 32, 4]


def test_a_flood_of_offers_stays_within_its_bounds() -> None:
    limits = DeskLimits()
    world = make_world(*map(str, range(8)))
    relay = world.machine.peers.relay
    asked = 0
    for round_number in range(24):
        for peer in range(8):
            start = (round_number * 8 + peer) * 1_024
            hashes = tuple(blake2b_256((start + index).to_bytes(8, "little")) for index in range(1_024))
            asked += len(find(offer(world, str(peer), *hashes), SendRequest))
    assert relay.wished_count <= limits.extrinsics_wanted_max
    assert relay.known_count <= 8 * limits.extrinsics_known_max
    assert asked <= limits.extrinsic_asks_max


def test_a_peer_gets_the_extrinsics_that_the_pool_still_has() -> None:
    world = make_world("a")
    raw = world.transfer(ALICE, BOB, 10**12, 0)
    world.submit(raw)
    request = GetExtrinsics(hashes=(bytes(32), blake2b_256(raw)))
    [answer] = find(world.handle(RequestReceived(peer="a", request_id=3, request=request)), SendAnswer)
    assert answer.answer == Extrinsics(extrinsics=(raw,))


def test_what_an_answer_lacks_is_asked_of_another_peer() -> None:
    world = make_world("a", "b")
    raws = [world.transfer(ALICE, BOB, 10**12, nonce) for nonce in range(2)]
    hashes = tuple(map(blake2b_256, raws))
    [request] = find(offer(world, "a", *hashes), SendRequest)
    offer(world, "b", *hashes)
    [again] = find(send(world, request, raws[0]), SendRequest)
    assert (again.peer, again.request) == ("b", GetExtrinsics(hashes=(hashes[1],)))
    assert len(find(send(world, again, raws[1]), ExtrinsicAccepted)) == 1
