"""How many blocks a second the simulator plays: whole nodes with real headers, votes and state, on one core.

The nodes are lazy, tick once a second, and share what follows from the same block and state.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from simulations.cast import make_plans, make_spec
from simulations.checks import FinalityWatch, VoteWatch
from simulations.lazy_machine import make_lazy_node
from simulations.world import World

WARM_UP_MS = 15_000
TICK_MS = 1_000
GARBAGE_THRESHOLD = 50_000


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured; `final` is the highest final block."""

    nodes: int
    validators: int
    blocks: int
    final: int
    cpu_seconds: float

    @property
    def blocks_per_second(self) -> float:
        """Blocks of the best chain for each second of CPU time."""
        return self.blocks / self.cpu_seconds


def measure_throughput(clock: Callable[[], float], *, nodes: int, validators: int, blocks: int) -> Throughput:
    """Return how quickly a network of so many nodes makes about so many blocks.

    Args:
        clock: Tells the CPU seconds of this process.
    """
    plans = [replace(plan, maker=make_lazy_node) for plan in make_plans(nodes)]
    plans[validators:] = [replace(plan, stake_planck=0, vote_seed=None) for plan in plans[validators:]]
    observers = (FinalityWatch(), VoteWatch())
    world = World(1, make_spec(plans), plans, observers=observers, tick_ms=TICK_MS)
    world.run(WARM_UP_MS)
    importer = world.computers[plans[0].name].machine.importer
    first, thresholds = importer.head.number, gc.get_threshold()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 20)
    begin = clock()
    try:
        world.run(WARM_UP_MS + blocks * world.spec.params.work.block_target_ms)
    finally:
        gc.set_threshold(*thresholds)
    return Throughput(
        nodes=nodes,
        validators=validators,
        blocks=importer.head.number - first,
        final=importer.final.number,
        cpu_seconds=clock() - begin,
    )
