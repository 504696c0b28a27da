"""Stories with faults, each from one seed, and what must be true when they end.

Each lasts some minutes of the world's time, the last of it without faults, so that the nodes can agree again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import msgspec
from msgspec.structs import replace

from chain.params import Params
from simulations.cast import PARAMS, make_plans, make_spec, silence
from simulations.checks import (
    FinalityWatch,
    VoteWatch,
    check_agreement,
    check_bans,
    check_growth,
    check_height,
    check_lives,
    check_states,
)
from simulations.computer import NodePlan
from simulations.faults import plan_crashes, plan_full_disk, plan_partitions
from simulations.long_run import LENGTH_MS as LONG_RUN_MS
from simulations.long_run import begin_long_run
from simulations.wires import Link
from simulations.world import World

NODES = 4
DEPTH_MAX = 4
LAG_MAX = 3
FINALITY_LAG_MAX = 25
FAULTS_END_MS = 75_000
LENGTH_MS = 125_000


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One story.

    Attributes:
        begin: Makes the world of a seed, with its faults planned.
        end: Raises Violation if the world did not end well.
        length_ms: How long it lasts.
    """

    name: str
    summary: str
    begin: Callable[[int], World]
    end: Callable[[World], None]
    length_ms: int


def begin_calm(seed: int) -> World:
    """Nothing happens but blocks."""
    return _make_world(seed)


def begin_crashes(seed: int) -> World:
    """Any node dies at any event or write, and comes back."""
    world = _make_world(seed)
    plan_crashes(world, begin_ms=5_000, end_ms=FAULTS_END_MS, mean_ms=6_000)
    return world


def begin_partitions(seed: int) -> World:
    """The network tears in two and heals."""
    world = _make_world(seed)
    plan_partitions(world, begin_ms=5_000, end_ms=FAULTS_END_MS, mean_ms=20_000)
    return world


def begin_long_split(seed: int) -> World:
    """Two halves of the stake are apart for two minutes: each makes blocks, neither makes any final."""
    world = _make_world(seed)
    names = list(world.computers)
    world.chance.get_stream("faults", "split").shuffle(names)
    world.plan(10_000, lambda: world.peering.wires.split([names[: NODES // 2]]))
    world.plan(130_000, world.peering.wires.heal)
    return world


def begin_loss(seed: int) -> World:
    """Three of ten messages vanish, and one of ten comes twice."""
    return _calm_down(_make_world(seed, link=Link(loss=0.3, doubled=0.1)))


def begin_latency(seed: int) -> World:
    """Every message takes two seconds and more."""
    return _calm_down(_make_world(seed, link=Link(latency_ms=2_000.0, jitter_ms=200.0)))


def begin_skew(seed: int) -> World:
    """Clocks are up to twelve seconds apart, and one jumps."""
    plans = make_plans(NODES)
    skews = (0, 6_000, -6_000, 3_000)
    world = _make_world(seed, [replace(plan, skew_ms=skew) for plan, skew in zip(plans, skews, strict=True)])
    stream = world.chance.get_stream("faults", "skew")
    computer = world.computers[stream.choice(sorted(world.computers))]
    jump_ms = stream.randint(-8_000, 8_000)

    def jump() -> None:
        computer.skew_ms += jump_ms

    world.plan(stream.randint(10_000, FAULTS_END_MS), jump)
    return world


def begin_slow_disk(seed: int) -> World:
    """One disk needs most of a second for each write."""
    plans = make_plans(NODES)
    return _make_world(seed, [replace(plans[0], write_ms=800.0), *plans[1:]])


def begin_full_disk(seed: int) -> World:
    """One disk is full for half a minute."""
    world = _make_world(seed)
    stream = world.chance.get_stream("faults", "full disk")
    begin_ms = stream.randint(5_000, FAULTS_END_MS - 30_000)
    plan_full_disk(world, stream.choice(sorted(world.computers)), begin_ms=begin_ms, end_ms=begin_ms + 30_000)
    return world


def begin_silent_third(seed: int) -> World:
    """A third of the stake never votes, and finality goes on."""
    return _make_world(seed, silence(make_plans(3), 1))


def begin_silent_more(seed: int) -> World:
    """Two fifths of the stake never vote, until the leak has taken so much of it that finality goes on."""
    finality = replace(PARAMS.finality, leak_quotient=64)
    return _make_world(seed, silence(make_plans(5), 2), params=replace(PARAMS, finality=finality))


def begin_newcomer(seed: int) -> World:
    """A node begins with an empty disk when others have sixty blocks, and dies at a write while it catches up."""
    work = replace(PARAMS.work, block_target_ms=1_000, half_life_ms=20_000)
    plans = [replace(plan, import_ms=1.0, write_ms=0.2) for plan in make_plans(NODES)]
    world = _make_world(seed, plans, link=Link(loss=0.05), params=replace(PARAMS, work=work))
    world.plan(FAULTS_END_MS, lambda: world.peering.wires.set_link(Link()))
    stream = world.chance.get_stream("faults", "newcomer")
    newcomer = world.computers["dave"]
    world.kill("dave")
    newcomer.disk.plan_cut(stream.randint(2, 70), is_written=stream.random() < 0.5)
    for at_ms in (60_000, 60_000 + stream.randint(200, 8_000), FAULTS_END_MS):
        world.plan(at_ms, lambda: world.start("dave"))
    return world


def begin_far_newcomer(seed: int) -> World:
    """Every message takes four seconds; a node begins with an empty disk, and has what others had within 100 s."""
    work = replace(PARAMS.work, block_target_ms=20_000, half_life_ms=400_000)
    link = Link(latency_ms=3_900.0, jitter_ms=100.0)
    world = _make_world(seed, link=link, params=replace(PARAMS, work=work))
    world.kill("dave")

    def come() -> None:
        number = min(computer.machine.importer.head.number for computer in world.honest.values())
        world.start("dave")
        world.plan(460_000, lambda: check_height(world, "dave", number))

    world.plan(360_000, come)
    world.plan(460_000, lambda: world.peering.wires.set_link(Link()))
    return world


def begin_everything(seed: int) -> World:
    """Crashes, partitions, loss, slow links and skewed clocks at once."""
    plans = make_plans(NODES)
    plans = [replace(plan, skew_ms=1_000 * index) for index, plan in enumerate(plans)]
    world = _make_world(seed, plans, link=Link(loss=0.1, latency_ms=200.0, jitter_ms=200.0, doubled=0.1))
    _calm_down(world)
    plan_crashes(world, begin_ms=5_000, end_ms=FAULTS_END_MS, mean_ms=15_000)
    plan_partitions(world, begin_ms=5_000, end_ms=FAULTS_END_MS, mean_ms=30_000)
    return world


def end_well(world: World, *, lag_max: int = LAG_MAX) -> None:
    """Everybody runs and agrees, the chain has grown, and the state is sound."""
    check_lives(world)
    check_bans(world)
    check_agreement(world, depth_max=DEPTH_MAX, lag_max=lag_max)
    check_growth(world, blocks_min=10, finality_lag_max=FINALITY_LAG_MAX)
    check_states(world)


BEGINNINGS: tuple[tuple[str, Callable[[int], World], int], ...] = (
    ("calm", begin_calm, 90_000),
    ("crashes", begin_crashes, LENGTH_MS),
    ("partitions", begin_partitions, LENGTH_MS),
    ("long-split", begin_long_split, 190_000),
    ("loss", begin_loss, LENGTH_MS),
    ("latency", begin_latency, 180_000),
    ("skew", begin_skew, LENGTH_MS),
    ("slow-disk", begin_slow_disk, LENGTH_MS),
    ("full-disk", begin_full_disk, LENGTH_MS),
    ("silent-third", begin_silent_third, LENGTH_MS),
    ("silent-more", begin_silent_more, 240_000),
    ("newcomer", begin_newcomer, LENGTH_MS - 20_000),
    ("far-newcomer", begin_far_newcomer, 500_000),
    ("everything", begin_everything, LENGTH_MS),
    ("long-run", begin_long_run, LONG_RUN_MS),
)
# A reorganisation of some blocks keeps a disk of 0.8 s a write busy while the next blocks come.
ENDS: Mapping[str, Callable[[World], None]] = {"slow-disk": partial(end_well, lag_max=6)}

SCENARIOS: Mapping[str, Scenario] = {
    name: Scenario(
        name=name,
        summary=(begin.__doc__ or "").strip(),
        begin=begin,
        end=ENDS.get(name, end_well),
        length_ms=length_ms,
    )
    for name, begin, length_ms in BEGINNINGS
}


def _make_world(
    seed: int, plans: list[NodePlan] | None = None, *, link: Link | None = None, params: Params | None = None
) -> World:
    plans = plans or make_plans(NODES)
    return World(seed, make_spec(plans, params=params), plans, link=link, observers=(FinalityWatch(), VoteWatch()))


def _calm_down(world: World) -> World:
    """Let the links be good in the last minute."""
    world.plan(FAULTS_END_MS, lambda: world.peering.wires.set_link(Link()))
    return world
