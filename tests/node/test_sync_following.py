"""Nodes follow each other: statuses, headers by gossip, bodies by request, and sync of those that come late."""

from __future__ import annotations

from msgspec.structs import replace

from chain.params import Params
from network.messages import GetBodies
from network.port import SendRequest
from tests.node.network_pump import Net
from tests.node.world import ALICE, BOB, World

FAR_PARAMS = replace(Params.tiny(), finality=replace(Params.tiny().finality, unattended_depth=1_000))


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


def make_branches(shared: int, left: int, right: int) -> tuple[World, World]:
    """Return two nodes with a common beginning and a branch each; nothing is final for a long while."""
    one, two = World(params=FAR_PARAMS), World(author=BOB.public, params=FAR_PARAMS)
    for _ in range(shared):
        two.receive(one.mine())
        two.now_ms = one.now_ms
    for world, count in ((one, left), (two, right)):
        for _ in range(count):
            world.mine()
    return one, two


def test_a_fork_deeper_than_the_locators_first_steps_is_found_and_followed() -> None:
    one, two = make_branches(20, 60, 90)
    net = Net()
    net.now_ms = max(one.now_ms, two.now_ms)
    net.add("one", one)
    net.add("two", two)
    net.connect("one", "two")
    net.run_until(lambda: len(net.heads()) == 1, limit_ms=10_000)
    assert one.head.hash == two.head.hash
    assert one.head.number == 110
    assert net.scores == {}
    asked = [
        effect.request
        for name, effect in net.history
        if name == "two" and isinstance(effect, SendRequest) and isinstance(effect.request, GetBodies)
    ]
    assert asked == [], "who has more work fetches nothing of a branch with less"


def test_two_halves_that_meet_again_agree_on_the_branch_with_more_work() -> None:
    net = Net(seed=9)
    for name, author in (("a", ALICE), ("b", ALICE), ("c", BOB), ("d", BOB)):
        net.add(name, World(author=author.public, params=FAR_PARAMS))
    net.connect("a", "b")
    net.connect("c", "d")
    for _ in range(12):
        net.mine("a")
    for _ in range(15):
        net.mine("c")
    net.run(2_000)
    assert len(net.heads()) == 2
    net.connect("b", "c")
    net.run_until(lambda: len(net.heads()) == 1, limit_ms=20_000)
    assert net.world("a").head.number == 15
    net.mine("a")
    net.run(1_000)
    assert len(net.heads()) == 1
    assert net.scores == {}
