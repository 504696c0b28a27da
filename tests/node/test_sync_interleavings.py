"""Whatever happens in whatever order, honest nodes come to one chain when they can talk again, and blame nobody."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.params import Params
from tests.node.liars import Liar, brag, break_the_row, drip_headers, make_forger, stay_silent, withhold_bodies
from tests.node.network_pump import Net
from tests.node.world import ALICE, BOB, CHARLIE, World

NAMES = ("alice", "bob", "charlie", "dave")
AUTHORS = (ALICE.public, BOB.public, CHARLIE.public, None)

ROUNDS = 30  # of 20 s; with a third of all messages lost, one seed needs eleven
PARAMS = replace(Params.tiny(), finality=replace(Params.tiny().finality, unattended_depth=1_000))

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("mine"), st.sampled_from(NAMES[:3]), st.integers(1, 6)),
        st.tuples(st.just("cut"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(st.just("join"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(st.just("wait"), st.integers(1, 4_000), st.none()),
        st.tuples(st.just("submit"), st.sampled_from(NAMES), st.none()),
    ),
    max_size=20,
)


def make_net(seed: int, loss: float) -> Net:
    """Return four connected nodes, three of which mine."""
    net = Net(seed=seed, latency_ms=(5, 400), loss=loss)
    for name, author in zip(NAMES, AUTHORS, strict=True):
        net.add(name, World(author=author, params=PARAMS))
    net.connect_all()
    return net


def act(net: Net, actions: list[tuple[str, object, object]]) -> None:
    """Let what happens happen."""
    nonce = 0
    for kind, one, two in actions:
        match kind, one, two:
            case "mine", str(), int():
                for _ in range(two):
                    net.mine(one, later_ms=200)
            case "cut", str(), str():
                net.disconnect(one, two)
            case "join", str(), str():
                if one != two and (one, two) not in net.links:
                    net.connect(one, two)
            case "wait", int(), _:
                net.run(one)
            case "submit", str(), _:
                world = net.world(one)
                world.submit(world.transfer(ALICE, BOB, 10**9, nonce))
                nonce += 1


def heal(net: Net) -> None:
    """Join all, and mine now and then, which decides ties, until the honest ones agree.

    Who left another for failing too often is joined to it again, as a node's dialer would: with a third of all
    messages lost, some are left.
    """
    for _ in range(ROUNDS):
        for index, one in enumerate(NAMES):
            for two in NAMES[index + 1 :]:
                if (one, two) not in net.links:
                    net.connect(one, two)
        net.run(20_000)
        if len({net.world(name).head.hash for name in NAMES}) == 1:
            return
        net.mine("alice")
    raise AssertionError(f"no agreement: {net.reasons[-10:]}")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions=ACTIONS, seed=st.integers(0, 2**32))
def test_honest_nodes_agree_after_any_history_and_blame_nobody(
    actions: list[tuple[str, object, object]], seed: int
) -> None:
    net = make_net(seed, 0.0)
    act(net, actions)
    heal(net)
    assert net.scores == {}
    assert len({net.world(name).importer.chain.state.root for name in NAMES}) == 1


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions=ACTIONS, seed=st.integers(0, 2**32))
def test_a_third_of_all_messages_lost_delays_agreement_and_bans_nobody(
    actions: list[tuple[str, object, object]], seed: int
) -> None:
    net = make_net(seed, 0.3)
    act(net, actions)
    heal(net)
    assert all(score < 100 for score in net.scores.values())
    assert {reason for *_, points, reason in net.reasons if points > 1} <= {"lacks bodies of its own chain"}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions=ACTIONS, seed=st.integers(0, 2**32), kinds=st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_liars_among_them_change_nothing(
    actions: list[tuple[str, object, object]], seed: int, kinds: list[int]
) -> None:
    net = make_net(seed, 0.0)
    changes = (withhold_bodies, brag(break_the_row), brag(stay_silent), drip_headers)
    for index, kind in enumerate(kinds):
        name = f"liar{index}"
        if kind < len(changes):
            net.add(name, Liar(World(author=None, params=PARAMS), changes[kind]))
        else:
            net.add(name, Liar(make_forger(author=BOB.public, blocks=20), lambda effect: (effect,)))
        for other in NAMES:
            net.connect(name, other)
    act(net, actions)
    heal(net)
    honest = [(judge, peer) for judge, peer in net.scores if judge in NAMES and peer in NAMES]
    assert honest == []
