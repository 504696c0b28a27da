"""Two hundred blocks with faults: nodes die, links tear and lose, clocks differ, and at the end all is well.

Ten lazy validators; the faults end a minute before the end.
"""

from __future__ import annotations

from msgspec.structs import replace

from simulations.cast import make_plans, make_spec
from simulations.checks import FinalityWatch, VoteWatch
from simulations.faults import plan_crashes, plan_partitions
from simulations.lazy_machine import make_lazy_node
from simulations.wires import Link
from simulations.world import World

NODES = 10
BLOCKS = 200
BLOCK_MS = 3_000
CALM_MS = 60_000
LENGTH_MS = BLOCKS * BLOCK_MS + CALM_MS
TICK_MS = 500


def begin_long_run(seed: int) -> World:
    """Two hundred blocks of ten validators: crashes, partitions, loss and skewed clocks, then a minute of calm."""
    plans = [replace(plan, maker=make_lazy_node, skew_ms=300 * index) for index, plan in enumerate(make_plans(NODES))]
    link = Link(loss=0.05, jitter_ms=100.0, doubled=0.05)
    observers = (FinalityWatch(), VoteWatch())
    world = World(seed, make_spec(plans), plans, link=link, observers=observers, tick_ms=TICK_MS)
    end_ms = BLOCKS * BLOCK_MS
    plan_crashes(world, begin_ms=5_000, end_ms=end_ms, mean_ms=20_000)
    plan_partitions(world, begin_ms=5_000, end_ms=end_ms, mean_ms=60_000)
    world.plan(end_ms, lambda: world.peering.wires.set_link(Link()))
    return world
