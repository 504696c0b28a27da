"""Nodes follow each other: statuses, headers by gossip, bodies by request, and sync of those that come late."""

from __future__ import annotations

from tests.node.network_pump import Net
from tests.node.world import BOB, World


def test_a_block_that_one_node_mines_reaches_the_others() -> None:
    net = Net()
    net.add("miner", World())
    net.add("one", World(author=None))
    net.add("two", World(author=None))
    net.connect("miner", "one")
    net.connect("one", "two")
    for number in range(1, 6):
        block = net.mine("miner")
        net.run(500)
        assert net.heads() == {block.hash}
        assert net.world("two").head.number == number
    assert net.scores == {}


def test_a_node_that_comes_late_syncs_the_whole_chain() -> None:
    net = Net()
    net.add("miner", World())
    for _ in range(40):
        net.mine("miner")
    net.add("late", World(author=BOB.public))
    net.connect("late", "miner")
    net.run_until(lambda: len(net.heads()) == 1, limit_ms=5_000)
    assert net.world("late").head.number == 40
    roots = {name: net.world(name).importer.chain.state.root for name in ("miner", "late")}
    assert roots["miner"] == roots["late"]
    assert net.scores == {}
