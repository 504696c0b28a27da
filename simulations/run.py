"""Plays scenarios and tells how they ended: `python -m simulations.run SCENARIO --seed N`.

A failure ends in a sentence with the command that repeats it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import process_time

import click
import msgspec

from simulations.scenarios import SCENARIOS, Scenario
from simulations.world import Violation, World


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How a scenario ended.

    Attributes:
        digest: Of the whole history; the same seed gives the same.
        height: Of the highest honest node.
        final: The highest final block.
        events: Lines of the history.
        reorg_depth_max: Blocks that a node left at once, at most.
        cpu_seconds: What the run took.
    """

    scenario: str
    seed: int
    digest: str
    height: int
    final: int
    blocks: int
    events: int
    reorgs: int
    reorg_depth_max: int
    cpu_seconds: float


class ScenarioFailed(Exception):
    """A scenario that did not end well; the message says how to repeat it."""


def play(scenario: Scenario, seed: int, *, write: Callable[[str], None] | None = None) -> Report:
    """Return how a scenario ends with a seed.

    Args:
        write: Takes each line of the history as it happens.

    Raises:
        ScenarioFailed: a check found something, or a core raised what it must not.
    """
    begin = process_time()
    world = scenario.begin(seed)
    world.history.write = write
    try:
        world.run(scenario.length_ms)
        scenario.end(world)
    except Exception as failure:  # whatever a core raises is a finding
        name = "" if isinstance(failure, Violation) else f"{type(failure).__name__}: "
        repeat = f"python -m simulations.run {scenario.name} --seed {seed}"
        where = f"{scenario.name}, seed {seed}, after {world.now_ms / 1000:.1f} s"
        raise ScenarioFailed(f"{where}: {name}{failure}\nrepeat it with: {repeat}") from failure
    return _make_report(scenario, seed, world, process_time() - begin)


def _make_report(scenario: Scenario, seed: int, world: World, cpu_seconds: float) -> Report:
    importers = [computer.machine.importer for computer in world.honest.values()]
    history = world.history
    return Report(
        scenario=scenario.name,
        seed=seed,
        digest=history.digest,
        height=max(importer.head.number for importer in importers),
        final=max(importer.final.number for importer in importers),
        blocks=len(history.blocks),
        events=history.count,
        reorgs=len(history.reorgs),
        reorg_depth_max=max((reorg.depth for reorg in history.reorgs), default=0),
        cpu_seconds=round(cpu_seconds, 3),
    )


@click.command()
@click.argument("scenario", type=click.Choice(sorted(SCENARIOS)))
@click.option("--seed", default=1, show_default=True, help="The seed, or the first one.")
@click.option("--count", default=1, show_default=True, help="How many seeds.")
@click.option("--lines", is_flag=True, help="Write the whole history to stderr.")
def main(scenario: str, seed: int, count: int, lines: bool) -> None:
    """Play a scenario; one line of JSON for each seed, exit code 1 if one did not end well."""
    failed = 0

    def write(line: str) -> None:
        click.echo(line, nl=False, err=True)

    for number in range(seed, seed + count):
        try:
            report = play(SCENARIOS[scenario], number, write=write if lines else None)
        except ScenarioFailed as failure:
            failed += 1
            click.echo(f"error: {failure}", err=True)
        else:
            click.echo(msgspec.json.encode(report).decode())
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
