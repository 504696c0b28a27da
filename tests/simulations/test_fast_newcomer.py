"""A node begins with fast sync in a world that goes on, among peers that want to keep it from ending."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from simulations.cast import PARAMS, make_plans, make_spec
from simulations.checks import FinalityWatch, VoteWatch, check_agreement, check_growth
from simulations.computer import NodePlan
from simulations.fast_newcomer import FastNewcomer, FinalityBoaster
from simulations.wires import Link
from simulations.world import World

BEGIN_MS = 45_000


def make_world(seed: int, liars: int, *, link: Link | None = None) -> World:
    """Return a world of three validators, liars, and a newcomer that begins late and dials them all."""
    plans = make_plans(3)
    others = [
        NodePlan(name=f"liar-{n}", wishes=("alice",), maker=FinalityBoaster, is_honest=False) for n in range(liars)
    ]
    names = tuple(plan.name for plan in (*others, *plans))
    newcomer = NodePlan(name="newcomer", wishes=names, maker=FastNewcomer, is_honest=False)
    params = replace(PARAMS, work=replace(PARAMS.work, block_target_ms=1_000, half_life_ms=20_000))
    spec = make_spec(plans, params=params)
    world = World(seed, spec, [*plans, *others, newcomer], link=link, observers=(FinalityWatch(), VoteWatch()))
    world.kill("newcomer")
    world.plan(BEGIN_MS, lambda: start_newcomer(world))
    return world


def start_newcomer(world: World) -> None:
    """Start it as soon as there is something final to prove: on bad lines that takes its time."""
    if min(computer.machine.importer.final.number for computer in world.honest.values()) > 0:
        world.start("newcomer")
    else:
        world.plan(world.now_ms + 1_000, lambda: start_newcomer(world))


def get_newcomer(world: World) -> FastNewcomer:
    """Return the newcomer."""
    actor = world.computers["newcomer"].actor
    assert isinstance(actor, FastNewcomer)
    return actor


def check_end(world: World) -> None:
    """Refuse a world in which the newcomer is not where the others are."""
    check_agreement(world, depth_max=4)
    check_growth(world, blocks_min=15, finality_lag_max=25)
    newcomer = get_newcomer(world)
    assert newcomer.outcome == "done"
    assert newcomer.machine is not None
    importer = newcomer.machine.importer
    assert importer.chain.first_body > 0, "it did not sync the blocks before"
    best = max(computer.machine.importer.head.number for computer in world.honest.values())
    assert best - importer.head.number <= 4
    header = importer.chain.get_hash(importer.final.number)
    assert any(header == c.machine.importer.chain.get_hash(importer.final.number) for c in world.honest.values())


@pytest.mark.parametrize("seed", [1, 2])
def test_syn_22_liars_that_claim_more_and_answer_late_do_not_stall_fast_sync(seed: int) -> None:
    world = make_world(seed, 2)
    world.run(BEGIN_MS + 45_000)
    check_end(world)
    liars = [world.computers[f"liar-{n}"].actor for n in range(2)]
    assert any(isinstance(liar, FinalityBoaster) and liar.asked for liar in liars)


@pytest.mark.slow
@pytest.mark.parametrize("liars", [0, 2, 6])
def test_syn_23_fast_sync_comes_through_on_bad_lines_too(liars: int) -> None:
    """Bad, but such that blocks of a second become final: after a long leak there is no proof to bring."""
    for seed in range(1, 11):
        world = make_world(seed, liars, link=Link(loss=0.1, latency_ms=100.0, jitter_ms=100.0, doubled=0.1))
        world.plan(BEGIN_MS + 120_000, lambda world=world: world.peering.wires.set_link(Link()))  # type: ignore[misc]
        world.run(BEGIN_MS + 160_000)
        check_end(world)
