"""`matchstrike sim`: whole networks in one process, from one seed."""

from __future__ import annotations

import click
import msgspec

from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.session import emit, output_option
from matchstrike.commands.sim_validate import validate
from simulations.run import Report, ScenarioFailed, play
from simulations.scenarios import SCENARIOS


@click.group()
def sim() -> None:
    """Play networks of many nodes with faults, in one process and from one seed."""


sim.add_command(validate)


@sim.command("list")
@output_option
def list_scenarios(output: str) -> None:
    """List the scenarios."""
    rows = {name: scenario.summary for name, scenario in sorted(SCENARIOS.items())}
    emit(rows, "\n".join(f"{name:<14} {summary}" for name, summary in rows.items()), output)


@sim.command("run")
@click.argument("name", type=click.Choice(sorted(SCENARIOS)))
@click.option("--seed", default=1, show_default=True, help="The seed; the same one gives the same history.")
@click.option("--lines", is_flag=True, help="Write the whole history to stderr.")
@output_option
def run_scenario(name: str, seed: int, lines: bool, output: str) -> None:
    """Play a scenario and tell how it ended."""
    try:
        report = play(
            SCENARIOS[name], seed, write=(lambda line: click.echo(line, nl=False, err=True)) if lines else None
        )
    except ScenarioFailed as failure:
        raise CommandFailed(str(failure)) from failure
    emit(msgspec.to_builtins(report), _format_report(report), output)


def _format_report(report: Report) -> str:
    return "\n".join(f"{field:<16} {getattr(report, field)}" for field in report.__struct_fields__)
