"""Sync among liars: whatever they do, a node that has one honest peer comes to its chain, and says who was at fault."""

from __future__ import annotations

import pytest

from chain.store import MemoryStore
from node.core.effects import BlockRefused
from tests.node.liars import (
    Change,
    Liar,
    answer_nothing,
    brag,
    break_the_row,
    drip_headers,
    lack_everything,
    make_forger,
    send_wrong_bodies,
    stay_silent,
    withhold_bodies,
)
from tests.node.network_pump import Net
from tests.node.world import BEGIN_MS, BOB, CHARLIE, World

BLOCKS = 90


@pytest.fixture(scope="module")
def stored() -> MemoryStore:
    """An honest chain."""
    world = World()
    for _ in range(BLOCKS):
        world.mine()
    return world.store


def copy(store: MemoryStore) -> MemoryStore:
    """Return a store with the same content."""
    twin = MemoryStore()
    twin.write(list(store.iterate(b"")))
    return twin


def make_net(stored: MemoryStore, *changes: Change, honest: int = 1, seed: int = 1) -> Net:
    """Return a net of honest peers with the chain, liars that have it too, and one newcomer."""
    net = Net(seed=seed)
    net.now_ms = BEGIN_MS + (BLOCKS + 1) * 1000
    for index, change in enumerate(changes):
        net.add(f"liar{index}", Liar(World(author=None, store=copy(stored)), change))
    for index in range(honest):
        net.add(f"honest{index}", World(author=None, store=copy(stored)))
    net.add("new", World(author=None))
    for name in list(net.nodes):
        if name != "new":
            net.connect("new", name)
    return net


def is_done(net: Net) -> bool:
    """Whether the newcomer has the whole chain."""
    return net.world("new").head.hash == net.world("honest0").head.hash


LIARS = (
    withhold_bodies,
    answer_nothing,
    lack_everything,
    send_wrong_bodies,
    break_the_row,
    drip_headers,
    stay_silent,
)


@pytest.mark.parametrize("change", LIARS)
@pytest.mark.parametrize("is_bragging", [False, True])
def test_syn_11_a_liar_neither_stalls_nor_misleads_the_sync(
    stored: MemoryStore, change: Change, is_bragging: bool
) -> None:
    net = make_net(stored, brag(change) if is_bragging else change)
    assert net.run_until(lambda: is_done(net), limit_ms=30_000) <= 5_000
    net.run(15_000)
    assert net.score("new", "honest0") == 0
    assert net.world("new").importer.chain.state.root == net.world("honest0").importer.chain.state.root


@pytest.mark.parametrize(("change", "points"), list(zip(LIARS, (1, 20, 20, 100, 50, 0, 1), strict=True)))
def test_syn_09_a_liar_that_is_alone_is_found_out_and_left_for_an_honest_peer(
    stored: MemoryStore, change: Change, points: int
) -> None:
    net = make_net(stored, change, honest=0)
    net.run(20_000)
    assert net.score("new", "liar0") >= points
    net.add("honest0", World(author=None, store=copy(stored)))
    net.connect("new", "honest0")
    net.run_until(lambda: is_done(net), limit_ms=15_000)
    assert net.score("new", "honest0") == 0


def test_three_kinds_of_liars_at_once_do_not_outdo_one_honest_peer(stored: MemoryStore) -> None:
    changes = (withhold_bodies, brag(stay_silent), send_wrong_bodies, brag(break_the_row), drip_headers, answer_nothing)
    net = make_net(stored, *changes)
    net.run_until(lambda: is_done(net), limit_ms=60_000)
    assert net.score("new", "honest0") == 0
    assert net.score("new", "liar2") >= 100


def test_syn_12_a_chain_of_forged_seals_is_refused_at_its_first_block(stored: MemoryStore) -> None:
    forger = make_forger(author=BOB.public, blocks=BLOCKS + 40)
    net = Net(seed=3)
    net.now_ms = forger.now_ms
    net.add("forger", Liar(forger, lambda effect: (effect,)))
    net.add("honest0", World(author=None, store=copy(stored)))
    net.add("new", World(author=None))
    net.connect("new", "forger")
    net.run(2_000)
    assert net.world("new").head.number == 0
    assert net.score("new", "forger") >= 100
    assert ("new", "forger") not in net.links
    refused = [effect for name, effect in net.history if name == "new" and isinstance(effect, BlockRefused)]
    assert len(refused) == 1
    net.connect("new", "honest0")
    net.run_until(lambda: is_done(net), limit_ms=10_000)


def test_syn_13_a_peer_with_another_final_block_is_disconnected_without_punishment(stored: MemoryStore) -> None:
    other = World(author=CHARLIE.public)
    for _ in range(BLOCKS + 30):
        other.mine()
    net = Net(seed=4)
    net.now_ms = other.now_ms
    net.add("ours", World(author=None, store=copy(stored)))
    net.add("other", other)
    net.connect("ours", "other")
    net.run(5_000)
    assert ("ours", "other") not in net.links
    assert net.scores == {}
    assert net.world("ours").head.number == BLOCKS


def test_a_longer_chain_that_nobody_can_have_gives_way_to_one_that_is_there(stored: MemoryStore) -> None:
    other = World(author=BOB.public)
    for _ in range(BLOCKS + 20):
        other.mine()
    net = make_net(stored)
    net.now_ms = other.now_ms
    net.add("liar", Liar(other, withhold_bodies))
    net.disconnect("new", "honest0")
    net.connect("new", "liar")
    net.run(400)
    assert net.world("new").machine.peers.sync.row is not None
    net.connect("new", "honest0")
    assert net.run_until(lambda: is_done(net), limit_ms=30_000) <= 8_000


def test_headers_are_asked_of_a_second_peer_when_the_first_takes_its_time(stored: MemoryStore) -> None:
    net = make_net(stored, brag(stay_silent), honest=0)
    net.run(300)
    net.add("honest0", World(author=None, store=copy(stored)))
    net.connect("new", "honest0")
    assert net.run_until(lambda: is_done(net), limit_ms=30_000) <= 4_500
