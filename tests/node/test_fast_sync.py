"""Fast sync from end to end on real cores: honest peers, liars, crashes, and what the node says afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import pytest
from msgspec.structs import replace

from chain.block import Block
from chain.state_overlay import StateOverlay
from chain.store import BatchEntry, MemoryStore
from consensus.light import make_genesis_belief
from network.messages import Bodies, FinalitySteps, GetHeaders, Headers, StatePart
from network.port import PeerConnected, RequestReceived, SendAnswer
from node.chain_opening import has_chain
from node.core.effects import Effect
from node.core.events import Event
from node.core.fast_proof import FastPlan
from node.core.fast_sync import LONELY_MS, FastSync
from node.core.fast_target import CheckpointMissing
from node.fast_store import FastStore, is_unfinished, wipe
from runtime.queries import get_finality, get_validator_sets
from tests.node.liars import Liar
from tests.node.network_pump import Net
from tests.node.voters import VALIDATORS, make_voter
from tests.node.world import ALICE, BOB, World, find

BLOCKS = 33
FINAL = 25


class Newcomer:
    """A node that syncs fast into a store."""

    def __init__(self, plan: FastPlan, genesis: World, store: MemoryStore, now_ms: int) -> None:
        self.store = store
        self.shelf = FastStore(store, genesis.genesis)
        self.sync = FastSync(self.shelf, plan, now_ms=now_ms)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Take part in the network."""
        return [*self.sync.handle(event, now_ms)]  # type: ignore[arg-type]

    def finish(self) -> None:
        """Make what was fetched a chain."""
        target = self.sync.target
        assert self.sync.outcome == "done"
        assert target is not None
        assert target.body is not None
        self.shelf.finish(target.body, target.status)


@cache
def make_source_store() -> MemoryStore:
    """Return the store of a chain with transfers and votes."""
    world = make_voter(*VALIDATORS)
    for number in range(BLOCKS):
        world.submit(world.transfer(ALICE, BOB, 10**9 + number, number))
        world.mine()
    return world.store


def make_source(**options: object) -> World:
    """Return a node that has that chain already; it neither mines nor votes."""
    store = MemoryStore()
    store.write(list(make_source_store().iterate(b"")))
    return make_voter(author=None, store=store)


def make_plan(world: World, checkpoint: bytes | None = None) -> FastPlan:
    """Return where a newcomer's belief begins."""
    view = world.importer.chain.state.view_at(0)
    assert isinstance(view, StateOverlay)
    anchor = make_genesis_belief(world.genesis.hash, get_finality(view), get_validator_sets(view))
    return FastPlan(genesis=world.genesis.hash, params=world.params, anchor=anchor, checkpoint=checkpoint)


def make_plan_of_source(checkpoint: bytes | None = None) -> FastPlan:
    """Return the plan, from a world at block 0."""
    return make_plan(make_voter(author=None), checkpoint)


def meet(*peers: object, store: MemoryStore | None = None, checkpoint: bytes | None = None) -> tuple[Net, Newcomer]:
    """Connect a newcomer with peers."""
    net = Net()
    world = make_voter(author=None)
    newcomer = Newcomer(make_plan(world, checkpoint), world, store if store is not None else MemoryStore(), net.now_ms)
    net.add("new", newcomer)
    for index, peer in enumerate(peers):
        net.add(f"peer {index}", peer)  # type: ignore[arg-type]
        net.connect("new", f"peer {index}")
    return net, newcomer


def change_answers(change: type | None, make: object = None) -> object:
    """Return a change for `Liar` that replaces answers of a kind."""

    def lie(effect: Effect) -> Iterable[Effect]:
        if isinstance(effect, SendAnswer) and change is not None and isinstance(effect.answer, change):
            return (replace(effect, answer=make(effect.answer)),)  # type: ignore[operator]
        return (effect,)

    return lie


def test_fast_sync_ends_with_the_same_state_and_goes_on_with_full_checks() -> None:
    net, newcomer = meet(make_source(), make_source(), make_source())
    net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=60_000)
    assert not has_chain(newcomer.store)
    newcomer.finish()
    assert not is_unfinished(newcomer.store)
    world = make_voter(author=None, store=newcomer.store)
    source = make_source()
    assert world.head.number == world.importer.final.number == FINAL
    assert dict(world.importer.chain.state.iterate(b"")) == dict(
        source.importer.chain.state.view_at(FINAL).iterate(b"")
    )
    net.disconnect("new", "peer 0")
    net.add("node", world)
    net.connect("node", "peer 1")
    net.run_until(lambda: world.head.hash == source.head.hash, limit_ms=60_000)
    assert world.importer.blocks.best.work_total == source.importer.blocks.best.work_total
    assert world.importer.chain.state.root == source.importer.chain.state.root


def test_old_headers_are_there_old_bodies_are_not() -> None:
    net, newcomer = meet(make_source())
    net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=60_000)
    newcomer.finish()
    chain = make_voter(author=None, store=newcomer.store).importer.chain
    source = make_source().importer.chain
    for number in range(FINAL + 1):
        block_hash = source.get_hash(number) or b""
        assert chain.get_hash(number) == block_hash
        assert chain.get_header(block_hash) == source.get_header(block_hash)
    assert chain.first_body == FINAL
    assert chain.get_body(source.get_hash(FINAL) or b"") is not None
    assert chain.get_body(source.get_hash(FINAL - 1) or b"") is None


def test_a_node_without_old_bodies_refuses_to_lead_there_and_serves_what_it_has() -> None:
    net, newcomer = meet(make_source())
    net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=60_000)
    newcomer.finish()
    world = make_voter(author=None, store=newcomer.store)
    world.handle(PeerConnected(peer="p", is_outbound=False))
    chain = world.importer.chain
    for request_id, (number, is_served) in enumerate([(0, False), (FINAL - 2, False), (FINAL - 1, True)]):
        request = GetHeaders(locator=(chain.get_hash(number) or b"",), count=10)
        effects = world.handle(RequestReceived(peer="p", request_id=request_id, request=request))
        (answer,) = find(effects, SendAnswer)
        assert (answer.answer is not None) == is_served
    world.now_ms += 100_000
    source = make_source().importer.chain
    for number in range(FINAL + 1, BLOCKS + 1):
        block_hash = source.get_hash(number) or b""
        header = source.get_header(block_hash)
        assert header is not None
        world.receive(Block(header=header, extrinsics=source.get_body(block_hash) or ()))
    second_net, second = meet(world)
    second_net.run_until(lambda: second.sync.outcome is not None, limit_ms=60_000)
    assert second.sync.outcome == "done", "a node that began so passes proof, state and headers on"


LIES = {
    "steps": change_answers(FinalitySteps, lambda a: replace(a, steps=tuple(raw[:-1] + b"\x00" for raw in a.steps))),
    "pairs": change_answers(StatePart, lambda a: replace(a, pairs=tuple((k, v + b"!") for k, v in a.pairs[:1]))),
    "headers": change_answers(Headers, lambda a: Headers(headers=a.headers[1:])),
    "body": change_answers(Bodies, lambda a: Bodies(bodies=((),))),
    "depth": change_answers(StatePart, lambda a: replace(a, depth=0)),
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_lgt_09_a_liar_is_banned_and_others_are_asked(lie: str) -> None:
    net, newcomer = meet(Liar(make_source(), LIES[lie]), make_source())  # type: ignore[arg-type]
    net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=120_000)
    newcomer.finish()
    assert make_voter(author=None, store=newcomer.store).head.number == FINAL
    assert net.score("new", "peer 1") == 0


@pytest.mark.parametrize("lie", sorted(LIES))
def test_lgt_09_a_liar_alone_is_banned_and_nothing_false_is_written(lie: str) -> None:
    net, newcomer = meet(Liar(make_source(), LIES[lie]))  # type: ignore[arg-type]
    net.run_until(lambda: net.score("new", "peer 0") >= 100, limit_ms=30_000)
    state = dict(make_source().importer.chain.state.view_at(FINAL).iterate(b""))
    assert all(state[key[1:]] == value for key, value in newcomer.store.iterate(b"s"))
    assert not has_chain(newcomer.store)


def test_lgt_12_without_votes_or_peers_there_is_no_proof() -> None:
    young = make_voter(author=None)
    net, newcomer = meet(young)
    net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=10_000)
    assert newcomer.sync.outcome == "no proof"
    lonely, alone = meet()
    assert lonely.run_until(lambda: alone.sync.outcome is not None, limit_ms=2 * LONELY_MS) >= LONELY_MS
    assert alone.sync.outcome == "no proof"


def test_lgt_07_belief_can_begin_with_a_named_checkpoint() -> None:
    source = make_source()
    checkpoint = source.importer.chain.get_hash(15) or b""
    net, newcomer = meet(make_source(), checkpoint=checkpoint)
    net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=60_000)
    newcomer.finish()
    world = make_voter(author=None, store=newcomer.store)
    assert world.head.number == FINAL
    assert world.importer.chain.get_hash(15) == checkpoint


def test_lgt_10_a_network_without_the_named_checkpoint_is_not_followed() -> None:
    net, newcomer = meet(make_source(), checkpoint=b"\x55" * 32)
    net.run(120_000)
    assert newcomer.sync.outcome is None
    assert newcomer.sync.target is None


def test_lgt_10_headers_that_pass_the_checkpoint_by_are_refused() -> None:
    source = make_source()
    net, newcomer = meet(make_source(), checkpoint=source.importer.chain.get_hash(15))
    newcomer.sync.proof.anchor_number = 15
    net.run_until(lambda: newcomer.sync.target is not None, limit_ms=60_000)
    assert newcomer.sync.target is not None
    newcomer.sync.target._anchor_number = 16
    with pytest.raises(CheckpointMissing):
        net.run(10_000)


class CutStore(MemoryStore):
    """A store whose process dies at the n-th write."""

    def __init__(self, writes: int, content: Iterable[tuple[bytes, bytes]] = ()) -> None:
        super().__init__()
        super().write(list(content))
        self.left = writes

    def write(self, batch: list[BatchEntry], *, sync: bool = True) -> None:  # type: ignore[override]
        """Write, or die before it."""
        if self.left == 0:
            raise InterruptedError("power cut")
        self.left -= 1
        super().write(batch)


def sync_into(store: MemoryStore) -> None:
    """Sync fast from an honest peer to the end."""
    net, newcomer = meet(make_source(), store=store)
    net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=60_000)
    newcomer.finish()


def test_a_crash_at_any_write_leaves_a_mark_or_a_whole_chain() -> None:
    """And the next start goes on from there."""
    writes, is_whole = 0, False
    while not is_whole:
        store = CutStore(writes)
        try:
            sync_into(store)
            is_whole = True
        except InterruptedError:
            assert not has_chain(store)
        left = MemoryStore()
        left.write(list(store.iterate(b"")))
        if not is_whole:
            assert is_unfinished(left) or not list(left.iterate(b""))
            values = set(left.iterate(b"s"))
            sync_into(left)
            assert values <= set(left.iterate(b"s"))
        assert make_voter(author=None, store=left).head.number == FINAL
        writes += 1
    assert writes > 20


def test_an_unfinished_fast_sync_can_be_removed() -> None:
    net, newcomer = meet(make_source())
    net.run_until(lambda: bool(list(newcomer.store.iterate(b"s"))), limit_ms=60_000)
    wipe(newcomer.store)
    assert not list(newcomer.store.iterate(b""))
    assert make_voter(author=None, store=newcomer.store).head.number == 0


def test_peers_that_go_away_are_replaced_in_the_middle() -> None:
    net, newcomer = meet(make_source())
    net.run_until(lambda: bool(list(newcomer.store.iterate(b"s"))), limit_ms=60_000)
    net.disconnect("new", "peer 0")
    net.run(5_000)
    assert newcomer.sync.outcome is None
    net.add("late", make_source())
    net.connect("new", "late")
    net.run_until(lambda: newcomer.sync.outcome == "done", limit_ms=60_000)


def test_a_block_after_fast_sync_is_verified_in_full() -> None:
    net, newcomer = meet(make_source())
    net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=60_000)
    newcomer.finish()
    world = make_voter(author=None, store=newcomer.store)
    source = make_source().importer.chain
    block_hash = source.get_hash(FINAL + 1) or b""
    header = source.get_header(block_hash)
    assert header is not None
    bad = Block(header=replace(header, state_root=bytes(32)), extrinsics=source.get_body(block_hash) or ())
    world.receive(bad)
    assert world.head.number == FINAL
