"""`matchstrike sim sweep` and `sim report`: attacks over their parameters, and one page that shows them."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import click
import msgspec
from rich.progress import Progress

from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.session import console, emit, output_option
from matchstrike.commands.sim_settings import read_settings
from simulations.arena import AttackReport, UnknownOption, make_options
from simulations.attacks import ATTACKS
from simulations.report_page import make_page
from simulations.sweep import Sweep, list_settings, make_sweep, play_point


class SweepFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `sim sweep -o json` writes and `sim report` reads."""

    seed: int
    sweeps: tuple[Sweep, ...]


@click.command("sweep")
@click.argument("names", nargs=-1, type=click.Choice(sorted(ATTACKS)))
@click.option("--seed", default=1, show_default=True, help="The seed; the same one gives the same sweep.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="An option of every run, such as seeds=12.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes side by side.")
@output_option
def sweep(names: tuple[str, ...], seed: int, settings: tuple[str, ...], jobs: int, output: str) -> None:
    """Play attacks (all without NAMES) over their parameter, and once with the defence off."""
    found = play_sweeps(names or tuple(ATTACKS), seed, read_settings(settings), jobs=jobs)
    lines = [line for item in found for line in format_sweep(item)]
    emit(msgspec.to_builtins(SweepFile(seed=seed, sweeps=tuple(found))), "\n".join(lines), output)


@click.command("report")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("page", type=click.Path(dir_okay=False, path_type=Path))
def report(source: Path, page: Path) -> None:
    """Write one HTML PAGE with plots from the SOURCE that `sim sweep -o json` printed."""
    try:
        told = msgspec.json.decode(source.read_bytes(), type=SweepFile)
    except msgspec.DecodeError as error:
        raise CommandFailed(f"{source} is not the output of `matchstrike sim sweep -o json`: {error}") from error
    page.write_text(make_page(told.sweeps, seed=told.seed), encoding="utf-8")
    click.echo(f"{page}: {len(told.sweeps)} attacks", err=True)


def play_sweeps(names: tuple[str, ...], seed: int, settings: dict[str, str], *, jobs: int) -> list[Sweep]:
    """Return the sweeps, their runs side by side in processes of their own.

    Raises:
        click.UsageError: an attack lacks one of the options.
    """
    runs = [(name, point) for name in names for point in list_settings(ATTACKS[name], settings)]
    try:
        for name, point in runs:
            make_options(ATTACKS[name], point)
    except UnknownOption as error:
        raise click.UsageError(str(error)) from error
    reports: dict[int, AttackReport] = {}
    with Progress(console=console) as progress, ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        task = progress.add_task("runs", total=len(runs))
        futures: dict[Future[AttackReport], int] = {
            pool.submit(play_point, name, seed, point): index for index, (name, point) in enumerate(runs)
        }
        for done in as_completed(futures):
            reports[futures[done]] = done.result()
            progress.advance(task)
    return [
        make_sweep(ATTACKS[name], [reports[index] for index, run in enumerate(runs) if run[0] == name])
        for name in dict.fromkeys(names)
    ]


def format_sweep(item: Sweep) -> list[str]:
    """Return a sweep as lines."""
    rows = [(f"{item.parameter}={point.options[item.parameter]:g}", point) for point in item.points]
    rows.append(("defence off", item.undefended))
    stops = "" if item.stops_paying is None else f"; crosses the bound at {item.parameter}={item.stops_paying:.3g}"
    lines = [f"{item.attack}: gain in {item.unit}, {item.bound:g} admitted{stops}"]
    lines += [
        f"  {label:<18} {point.gain:+10.4g}  ({point.low:+.4g} .. {point.high:+.4g})  {point.verdict}"
        for label, point in rows
    ]
    return lines
