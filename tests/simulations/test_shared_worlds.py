"""What the nodes of a world compute once, lazy nodes, and money after every block."""

from __future__ import annotations

from time import process_time

import pytest
from msgspec.structs import replace

from node.core.machine import Machine
from runtime.environment import Environment
from runtime.pallets import balances, work
from runtime.pallets.timestamp import set as set_timestamp
from simulations.cast import make_plans, make_spec
from simulations.checks import check_agreement, check_growth, check_lives, check_states
from simulations.computer import NodePlan
from simulations.honest import Site, make_honest_node
from simulations.lazy_machine import make_lazy_node
from simulations.long_run import BLOCKS
from simulations.money import MoneyBroken, RuntimeMistaken
from simulations.run import play
from simulations.scenarios import SCENARIOS
from simulations.shared_runtime import SharedWork
from simulations.throughput import measure_throughput
from simulations.world import World


def make_alone(site: Site) -> Machine:
    """Return an honest node that shares nothing."""
    return make_honest_node(replace(site, shared=SharedWork()))


def make_world(plans: list[NodePlan], *, until_ms: int) -> World:
    """Return a world that has run."""
    world = World(3, make_spec(plans), plans)
    world.run(until_ms)
    return world


def test_nodes_that_share_their_work_have_the_same_history() -> None:
    """Every event and effect, with and without."""
    plans = make_plans(3)
    alone = make_world([replace(plan, maker=make_alone) for plan in plans], until_ms=45_000)
    shared = make_world(plans, until_ms=45_000)
    assert shared.shared.outcomes
    assert shared.history.digest == alone.history.digest


def test_lazy_nodes_agree_and_make_blocks_final() -> None:
    """They make a template for each block that they find, and no other."""
    world = make_world([replace(plan, maker=make_lazy_node) for plan in make_plans(3)], until_ms=90_000)
    check_lives(world)
    check_agreement(world, depth_max=2)
    check_growth(world, blocks_min=15, finality_lag_max=25)
    check_states(world)
    templates = sum(computer.machine.desk.generation for computer in world.computers.values())
    assert len(world.history.blocks) <= templates <= len(world.history.blocks) + 2


def test_a_unit_from_nowhere_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first block that has it: issued without an event, paid twice, or on hold without being there."""

    def mint_more(env: Environment, who: bytes, amount: int) -> int:
        balances.change_issuance(env, 1)
        return balances.mint(env, who, amount)

    def mint_twice(env: Environment, who: bytes, amount: int) -> int:
        balances.deposit(env, who, amount)
        return balances.mint(env, who, amount)

    def mint_held(env: Environment, who: bytes, amount: int) -> int:
        balances.HOLDS.set(env.state, who, (balances.IdAmount(id=balances.HoldReason.Staking, amount=1),))
        return balances.mint(env, who, amount)

    cases = ((mint_more, "its events say"), (mint_twice, "gave accounts"), (mint_held, "1 on hold"))
    for broken, words in cases:
        monkeypatch.setattr(work, "mint", broken)
        with pytest.raises(MoneyBroken, match=words):
            make_world(make_plans(2), until_ms=30_000)


def test_a_call_that_crashes_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node would refuse the extrinsic, log it and go on."""

    def crash(env: Environment, now: int) -> None:
        raise KeyError(now)

    monkeypatch.setattr(set_timestamp, "function", crash)
    with pytest.raises(RuntimeMistaken, match="raised KeyError"):
        make_world(make_plans(2), until_ms=30_000)


def test_twenty_nodes_make_some_blocks() -> None:
    """The figure is printed; what it is depends on the machine, and on what else runs there."""
    print(measure_throughput(process_time, nodes=20, validators=4, blocks=4))


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_two_hundred_blocks_with_faults_end_well_with_two_hundred_seeds() -> None:
    """Ten validators each; about four seconds of CPU time a seed."""
    for seed in range(1, 201):
        assert play(SCENARIOS["long-run"], seed).height >= BLOCKS // 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_nodes_of_which_four_vote_make_more_than_25_blocks_a_second() -> None:
    """Measured on an idle core: 50.8-58.6, and 34-42 if all twenty vote; a busy core gets half of that."""
    measured = measure_throughput(process_time, nodes=20, validators=4, blocks=100)
    print(measured, measure_throughput(process_time, nodes=20, validators=20, blocks=100))
    assert measured.blocks_per_second > 25
