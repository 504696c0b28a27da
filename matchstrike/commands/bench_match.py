"""`matchstrike bench match`: match-strike beside classical methods on MaxCut, at equal evaluations and equal time."""

from __future__ import annotations

from pathlib import Path
from platform import processor

import click
import msgspec

from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.regular_file import read_regular_file
from matchstrike.commands.session import console, emit, output_option
from matchstrike.contest.instances import FAMILIES
from matchstrike.contest.large import LargeResult, make_large_plan, run_large
from matchstrike.contest.ocean import is_installed as is_ocean_installed
from matchstrike.contest.plots import is_installed as is_matplotlib_installed
from matchstrike.contest.plots import plot_large, plot_small, save_figure
from matchstrike.contest.report import format_report
from matchstrike.contest.small import SmallResult, make_plan, run_family
from rpc.api import Json
from vm.engines.frontier import FrontierEngine


@click.command("match")
@click.option("--quick", is_flag=True, help="Fewer instances and runs: under five minutes.")
@click.option("--family", "families", type=click.Choice(FAMILIES), multiple=True, help="Only these small graphs.")
@click.option("--large/--no-large", default=True, help="Also graphs of 40 to 100 vertices.")
@click.option("--graphs", type=click.Path(path_type=Path), help="Folder of public graphs with a best_cuts.csv.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of everything that is random.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for report.txt, trials.json and plots.")
@output_option
def bench_match(
    quick: bool,
    families: tuple[str, ...],
    large: bool,
    graphs: Path | None,
    seed: int,
    out: Path | None,
    output: str,
) -> None:
    """Compare match-strike with classical methods on MaxCut; where these win is printed first.

    The whole contest takes about half an hour of an idle core. Without the extra [bench] there are no plots and no
    D-Wave samplers.
    """
    engine = FrontierEngine()
    plan = make_plan(quick=quick)
    files = read_graphs(graphs) if graphs is not None else {}
    with console.status("tuning") as status:
        results = [
            run_family(family, plan, engine, seed=seed, on_progress=status.update) for family in families or FAMILIES
        ]
        of_large = None
        if large:
            of_large = run_large(make_large_plan(quick=quick), files, engine, seed=seed, on_progress=status.update)
    text = "\n".join([*format_report(results, of_large), *list_absences(graphs, large)])
    if out is not None:
        save_contest(out, text, results, of_large)
    emit(describe_contest(results, of_large, seed=seed, quick=quick), text, output)


def read_graphs(folder: Path) -> dict[str, bytes]:
    """Return the folder's graphs and table by name.

    Raises:
        CommandFailed: no such folder, or a file that cannot be read.
    """
    if not folder.is_dir():
        raise CommandFailed(f"there is no folder {folder}")
    return {path.name: read_regular_file(path) for path in sorted(folder.iterdir()) if path.suffix in (".txt", ".csv")}


def list_absences(graphs: Path | None, large: bool) -> list[str]:
    """Return what was left out, and how to have it."""
    lines = []
    if not is_ocean_installed():
        lines.append("D-Wave's samplers are not installed: pip install 'matchstrike[bench]'")
    if large and graphs is None:
        lines.append("Public instances were left out: name their folder with --graphs")
    return lines


def describe_contest(
    results: list[SmallResult], large: LargeResult | None, *, seed: int, quick: bool
) -> dict[str, Json]:
    """Return what is printed as JSON: seeds, instances, shares, times and ratios, but not each trial."""
    data: dict[str, Json] = {"seed": seed, "quick": quick, "processor": processor()}
    data["families"] = [_drop_trials(result) for result in results]
    data["large"] = None if large is None else _drop_trials(large)
    return data


def save_contest(folder: Path, text: str, results: list[SmallResult], large: LargeResult | None) -> None:
    """Write the report, every trial, and the plots if matplotlib is installed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.txt").write_text(text + "\n")
    trials = [*(trial for result in results for trial in result.trials), *(large.trials if large else ())]
    (folder / "trials.json").write_bytes(msgspec.json.encode(trials))
    if not is_matplotlib_installed():
        console.print("no plots: pip install 'matchstrike[bench]'")
        return
    save_figure(plot_small(results, "evaluations"), str(folder / "match-evaluations"))
    save_figure(plot_small(results, "seconds"), str(folder / "match-time"))
    if large is not None:
        save_figure(plot_large(large), str(folder / "match-large"))


def _drop_trials(result: SmallResult | LargeResult) -> dict[str, Json]:
    data: dict[str, Json] = msgspec.to_builtins(msgspec.structs.replace(result, trials=()))
    del data["trials"]
    data["instances"] = [
        {"name": one.name, "n": one.n, "target": one.target, "status": one.status} for one in result.instances
    ]
    return data
