"""Faults that a seed draws: who dies when, where the network tears, what a disk does.

Each ends before the scenario does, so that the nodes can agree again.

All times are milliseconds since the world's beginning.
"""

from __future__ import annotations

from simulations.agenda import Action
from simulations.computer import Computer
from simulations.world import World


def plan_crashes(world: World, *, begin_ms: int, end_ms: int, mean_ms: float) -> None:
    """Kill nodes again and again, each time in one of the ways a process can end, and start them again.

    A third of the deaths comes between two events, a third after an event whose effects are lost, a third in the middle
    of one, at a write: half of these still get to the disk.
    """
    stream = world.chance.get_stream("faults", "crashes")
    at_ms = begin_ms + stream.expovariate(1 / mean_ms)
    while at_ms < end_ms:
        name = stream.choice(sorted(world.computers))
        kind, delay, is_written = stream.randrange(3), stream.randint(1, 6), stream.random() < 0.5
        down_ms = round(stream.expovariate(1 / 5_000))
        world.plan(round(at_ms), _make_death(world, world.computers[name], kind, delay, is_written=is_written))
        world.plan(round(at_ms) + 2_000 + down_ms, _make_start(world, name))
        at_ms += stream.expovariate(1 / mean_ms)
    world.plan(end_ms, _make_start_all(world))


def plan_partitions(world: World, *, begin_ms: int, end_ms: int, mean_ms: float) -> None:
    """Tear the network in two, and heal it, again and again."""
    stream = world.chance.get_stream("faults", "partitions")
    at_ms = begin_ms + stream.expovariate(1 / mean_ms)
    while at_ms < end_ms:
        names = sorted(world.computers)
        group = tuple(stream.sample(names, stream.randint(1, len(names) - 1)))
        length_ms = min(stream.expovariate(1 / mean_ms), end_ms - at_ms)
        world.plan(round(at_ms), _make_split(world, group))
        world.plan(round(at_ms + length_ms), world.peering.wires.heal)
        at_ms += length_ms + stream.expovariate(1 / mean_ms)


def plan_full_disk(world: World, name: str, *, begin_ms: int, end_ms: int) -> None:
    """Let a node's disk be full for a while; the node has to stop, and starts again when there is space."""
    computer = world.computers[name]

    def fill() -> None:
        computer.disk.is_full = True

    def clear() -> None:
        computer.disk.is_full = False
        world.start(name)

    world.plan(begin_ms, fill)
    world.plan(end_ms, clear)


def _make_death(world: World, computer: Computer, kind: int, delay: int, *, is_written: bool) -> Action:
    def die() -> None:
        match kind:
            case 0:
                world.kill(computer.plan.name)
            case 1:
                computer.plan_kill(delay)
            case _:
                computer.disk.plan_cut(delay, is_written=is_written)

    return die


def _make_start(world: World, name: str) -> Action:
    return lambda: world.start(name)


def _make_start_all(world: World) -> Action:
    def start_all() -> None:
        for name, computer in world.computers.items():
            computer.disk.plan_cut(0, is_written=True)  # what has not come yet does not come any more
            computer.plan_kill(0)
            world.start(name)

    return start_all


def _make_split(world: World, group: tuple[str, ...]) -> Action:
    return lambda: world.peering.wires.split([group])
