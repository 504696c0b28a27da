"""`matchstrike bench match`: match-strike beside classical methods on MaxCut, at equal evaluations and equal time."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import machine, processor, python_version

import click
import msgspec

from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.regular_file import read_regular_file
from matchstrike.commands.session import console, emit, output_option
from matchstrike.contest.instances import FAMILIES
from matchstrike.contest.large import TUNED_RUNS, LargePlan, LargeResult, make_large_plan, run_large
from matchstrike.contest.ocean import is_installed as is_ocean_installed
from matchstrike.contest.plots import is_installed as is_matplotlib_installed
from matchstrike.contest.plots import plot_large, plot_small, save_figure
from matchstrike.contest.report import format_report
from matchstrike.contest.small import SmallPlan, SmallResult, make_plan, run_family
from matchstrike.contest.tuning import TUNING_RUNS, list_grids
from rpc.api import Json
from vm.engines.frontier import FrontierEngine

PACKAGES = ("matchstrike", "numpy", "numba", "dwave-samplers")


@click.command("match")
@click.option("--quick", is_flag=True, help="Fewer instances and runs: under five minutes.")
@click.option("--family", "families", type=click.Choice(FAMILIES), multiple=True, help="Only these small graphs.")
@click.option("--small/--no-small", default=True, help="Graphs of 10 to 20 vertices.")
@click.option("--large/--no-large", default=True, help="Random graphs of 40 to 80 vertices.")
@click.option("--graphs", type=click.Path(path_type=Path), help="Also public graphs: a folder with a best_cuts.csv.")
@click.option("--runs", type=click.IntRange(1), help="Of each method on each graph [20 and 3; --quick: 5 and 2].")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of everything that is random.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for report.txt, trials.json and plots.")
@output_option
def bench_match(
    quick: bool,
    families: tuple[str, ...],
    small: bool,
    large: bool,
    graphs: Path | None,
    runs: int | None,
    seed: int,
    out: Path | None,
    output: str,
) -> None:
    """Compare match-strike with classical methods on MaxCut; where these win is printed first.

    The whole contest takes about half an hour of an idle core. Without the extra [bench] there are no plots and no
    D-Wave samplers.
    """
    if families and not small:
        raise click.UsageError("--family chooses among small graphs, and --no-small leaves them out")
    if not (small or large or graphs):
        raise click.UsageError("--no-small and --no-large without --graphs leave nothing to compare")
    engine = FrontierEngine()
    plan, large_plan = make_plans(quick=quick, is_large=large, runs=runs)
    chosen = (families or FAMILIES) if small else ()
    files = read_graphs(graphs) if graphs is not None else {}
    with console.status("tuning") as status:
        results = [run_family(family, plan, engine, seed=seed, on_progress=status.update) for family in chosen]
        of_large = None
        if large or files:
            of_large = run_large(large_plan, files, engine, seed=seed, on_progress=status.update)
    text = "\n".join([*format_report(results, of_large), *list_absences(graphs, large)])
    if out is not None:
        save_contest(out, text, results, of_large)
    settings = describe_settings(plan, large_plan if of_large else None, seed=seed, quick=quick)
    emit({**settings, **describe_results(results, of_large)}, text, output)


def make_plans(*, quick: bool, is_large: bool, runs: int | None) -> tuple[SmallPlan, LargePlan]:
    """Return the plans that the options ask for; without large random graphs there remain the public ones."""
    plan, large_plan = make_plan(quick=quick), make_large_plan(quick=quick)
    if not is_large:
        large_plan = msgspec.structs.replace(large_plan, sizes=())
    if runs is None:
        return plan, large_plan
    plan = msgspec.structs.replace(plan, runs=dict.fromkeys(plan.runs, runs))
    return plan, msgspec.structs.replace(large_plan, runs=runs)


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


def describe_settings(plan: SmallPlan, large: LargePlan | None, *, seed: int, quick: bool) -> dict[str, Json]:
    """Return what repeats the contest: seed, plans, every setting that was tried in tuning, and who computed."""
    data: dict[str, Json] = {"seed": seed, "quick": quick, "processor": processor() or machine()}
    data["versions"] = {"python": python_version(), **{name: _get_version(name) for name in PACKAGES}}
    data["plan"] = msgspec.to_builtins(plan)
    data["large_plan"] = msgspec.to_builtins(large)
    data["tuning"] = {
        "settings": {name: [method.setting for method in grid] for name, grid in list_grids().items()},
        "runs": TUNING_RUNS,
        "runs_of_large": TUNED_RUNS,
    }
    return data


def describe_results(results: list[SmallResult], large: LargeResult | None) -> dict[str, Json]:
    """Return instances, shares, times and ratios with the settings that competed, but not each trial."""
    return {
        "families": [_drop_trials(result) for result in results],
        "large": None if large is None else _drop_trials(large),
    }


def save_contest(folder: Path, text: str, results: list[SmallResult], large: LargeResult | None) -> None:
    """Write the report, every trial, and the plots if matplotlib is installed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.txt").write_text(text + "\n")
    trials = [*(trial for result in results for trial in result.trials), *(large.trials if large else ())]
    (folder / "trials.json").write_bytes(msgspec.json.encode(trials))
    if not is_matplotlib_installed():
        console.print("no plots: pip install 'matchstrike[bench]'")
        return
    if results:
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


def _get_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
