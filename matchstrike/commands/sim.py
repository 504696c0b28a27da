"""`matchstrike sim`: whole networks in one process, from one seed."""

from __future__ import annotations

import click
import msgspec

from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.session import console, emit, output_option
from matchstrike.commands.sim_economy import economy
from matchstrike.commands.sim_settings import read_settings
from matchstrike.commands.sim_sweep import report as write_report
from matchstrike.commands.sim_sweep import sweep
from matchstrike.commands.sim_validate import validate
from rpc.api import Json
from simulations.arena import Attack, AttackReport, UnknownOption, make_options, play_attack
from simulations.attacks import ATTACKS
from simulations.run import Report, ScenarioFailed, play
from simulations.scenarios import SCENARIOS

TIMINGS = {"cpu_seconds"}
WORDS = {
    "pays": "the attack pays",
    "costs": "the attack does not pay",
    "bounded": "the attack gains what is admitted",
    "even": "no difference can be shown",
}


@click.group()
def sim() -> None:
    """Play networks of many nodes with faults and attackers, in one process and from one seed."""


sim.add_command(economy)
sim.add_command(validate)
sim.add_command(sweep)
sim.add_command(write_report)


@sim.command("list")
@output_option
def list_scenarios(output: str) -> None:
    """List the scenarios with faults, and the attacks with their options."""
    rows: Json = {name: {"kind": "faults", "summary": item.summary} for name, item in sorted(SCENARIOS.items())}
    assert isinstance(rows, dict)
    rows |= {name: _describe(attack) for name, attack in sorted(ATTACKS.items())}
    lines = ["faults"]
    lines += [f"  {name:<18} {item.summary}" for name, item in sorted(SCENARIOS.items())]
    lines += ["attacks"]
    lines += [f"  {name:<18} {attack.summary}" for name, attack in sorted(ATTACKS.items())]
    emit(rows, "\n".join(lines), output)


@sim.command("run")
@click.argument("name", type=click.Choice(sorted([*SCENARIOS, *ATTACKS])))
@click.option("--seed", default=1, show_default=True, help="The seed; the same one gives the same history.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of an attack, such as power=0.3, seeds=12 or defence=off; `list -o json` names them.",
)
@click.option("--lines", is_flag=True, help="Write the whole history of a scenario with faults to stderr.")
@output_option
def run_scenario(name: str, seed: int, settings: tuple[str, ...], lines: bool, output: str) -> None:
    """Play a scenario, or an attack over several seeds, and tell how it ended."""
    if name in ATTACKS:
        _run_attack(ATTACKS[name], seed, read_settings(settings), output)
        return
    if settings:
        raise click.UsageError(f"{name} has no options; only attacks have")
    try:
        report = play(
            SCENARIOS[name], seed, write=(lambda line: click.echo(line, nl=False, err=True)) if lines else None
        )
    except ScenarioFailed as failure:
        raise CommandFailed(str(failure)) from failure
    told = {key: value for key, value in msgspec.to_builtins(report).items() if key not in TIMINGS}
    emit(told, _format_report(report), output)


def _run_attack(attack: Attack, seed: int, settings: dict[str, str], output: str) -> None:
    try:
        options = make_options(attack, settings)
    except UnknownOption as error:
        raise click.UsageError(str(error)) from error
    count = int(options["seeds"])
    with console.status(f"seed 1 of {count}") as status:
        report = play_attack(attack, seed, options, lambda done: status.update(f"{done} of {count} seeds played"))
    emit(msgspec.to_builtins(report), format_attack(attack, report), output)
    if not report.is_held:
        raise CommandFailed(
            f"{attack.name} pays {report.gain:.4g} ({report.unit}) at {report.parameter}="
            f"{report.options[report.parameter]:g}, where it must not"
        )


def format_attack(attack: Attack, report: AttackReport) -> str:
    """Return the report as lines."""
    chosen = ", ".join(f"{key}={value:g}" for key, value in report.options.items())
    word = WORDS[report.verdict]
    lines = [
        attack.summary,
        f"defence {report.defence}: {attack.defence}",
        f"with {chosen}",
        f"gain {report.gain:+.4g}, 95 % between {report.low:+.4g} and {report.high:+.4g}, in {report.unit}"
        f" (honest {report.honest:.4g}, admitted {report.bound:g}): {word}",
        f"must not pay {'up to' if attack.is_rising else 'from'} {report.parameter}={report.holds_to:g}",
        *(f"  {name:<28} {value:.4g}" for name, value in report.facts.items()),
    ]
    return "\n".join(lines)


def _describe(attack: Attack) -> Json:
    return {
        "kind": "attack",
        "summary": attack.summary,
        "defence": attack.defence,
        "unit": attack.unit,
        "bound": attack.bound,
        "options": {**attack.defaults, "seeds": attack.seeds, "defence": "on"},
        "parameter": attack.parameter,
        "steps": list(attack.steps),
        "holds_to": attack.holds_to,
    }


def _format_report(report: Report) -> str:
    return "\n".join(f"{field:<16} {getattr(report, field)}" for field in report.__struct_fields__)
