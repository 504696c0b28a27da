"""Plots of the contest (package matplotlib): shares over evaluations and over time, and ratios of large graphs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from matchstrike.contest.intervals import Count, collect_hits, compute_share
from matchstrike.contest.large import LargeResult
from matchstrike.contest.small import GOALS, SmallResult
from matchstrike.contest.trials import Trial

SHOWN = ("uniform", "random-p2", "greedy", "annealing", "tabu", "goemans-williamson", "fixed-p2", "recursive-p2")
LARGE_SHOWN = ("uniform", "random-p1", "greedy", "annealing", "tabu", "goemans-williamson", "fixed-p1", "recursive-p1")
COLOURS = ("#999999", "#c9a227", "#1b7837", "#762a83", "#b2182b", "#000000", "#2166ac", "#4393c3")
DASHES = ("--", ":", "-", "-", "-", "-.", "-", "--")
POINTS = 40


class Axes(Protocol):
    """What we use of matplotlib's axes."""

    def plot(self, x: object, y: object, **options: object) -> object:
        """Draw a line."""

    def fill_between(self, x: object, low: object, high: object, **options: object) -> object:
        """Fill the space between two lines."""

    def set(self, **options: object) -> object:
        """Set title, labels and scales."""

    def remove(self) -> None:
        """Take the axes out of the figure."""

    def legend(self, **options: object) -> object:
        """Draw the legend."""


class Figure(Protocol):
    """What we use of matplotlib's figure."""

    def subplots(self, rows: int, columns: int, **options: object) -> NDArray[np.object_]:
        """Return axes."""

    def savefig(self, path: str, **options: object) -> None:
        """Write a file; its ending says which kind."""


def is_installed() -> bool:
    """Return whether matplotlib can be imported."""
    try:
        import_module("matplotlib")
    except ImportError:
        return False
    return True


def plot_small(results: Sequence[SmallResult], count: Count) -> Figure:
    """Return a figure with a panel for each family: the share of runs at the optimum over what was spent."""
    figure = _make_figure(width=3.4 * len(results), height=3.1)
    for axes, result in zip(_make_panels(figure, len(results)), results, strict=True):
        for method, colour, dash in zip(SHOWN, COLOURS, DASHES, strict=True):
            trials = _choose_trials(result, method, count)
            if trials:
                _draw_share(axes, trials, count, label=method, colour=colour, dash=dash)
        unit = "CPU seconds" if count == "seconds" else "evaluations"
        axes.set(title=result.family, xlabel=unit, ylabel="share at the optimum", xscale="log", ylim=(0, 1.02))
    axes.legend(fontsize=6, frameon=False)
    return figure


def plot_large(large: LargeResult) -> Figure:
    """Return a figure with a panel for each group that met strikes: ratios over evaluations."""
    struck = list(dict.fromkeys(cell.group for cell in large.cells if cell.kind == "strikes"))
    figure = _make_figure(width=3.4 * min(4, len(struck)), height=2.9 * -(-len(struck) // 4))
    for axes, group in zip(_make_panels(figure, len(struck)), struck, strict=True):
        for method, colour, dash in zip(LARGE_SHOWN, COLOURS, DASHES, strict=True):
            cells = sorted(
                (cell for cell in large.cells if (cell.group, cell.method) == (group, method)),
                key=lambda cell: cell.budget,
            )
            budgets, values = [c.budget for c in cells], [c.ratio.value for c in cells]
            axes.plot(budgets, values, color=colour, ls=dash, label=method, marker=".", lw=1.2)
            lows, highs = [c.ratio.low for c in cells], [c.ratio.high for c in cells]
            axes.fill_between(budgets, lows, highs, color=colour, alpha=0.12, lw=0)
        axes.set(title=group, xlabel="evaluations", ylabel="cut / target", xscale="log", ylim=(0.6, 1.01))
    axes.legend(fontsize=6, frameon=False)
    return figure


def save_figure(figure: Figure, path: str) -> None:
    """Write the figure as PNG and as PDF."""
    for ending in ("png", "pdf"):
        figure.savefig(f"{path}.{ending}", dpi=200, bbox_inches="tight")


def _choose_trials(result: SmallResult, method: str, count: Count) -> list[Trial]:
    """Return the trials of a method with its setting for 512 evaluations, or its quickest one."""
    if count == "seconds":
        settings = [time.setting for time in result.times if time.method == method]
    else:
        goal = next(goal for goal in GOALS if goal == (count, 512))
        settings = [c.setting for c in result.cells if (c.method, (c.count, c.budget)) == (method, goal)]
    return [trial for trial in result.trials if trial.method == method and trial.setting in settings]


def _draw_share(axes: Axes, trials: Sequence[Trial], count: Count, *, label: str, colour: str, dash: str) -> None:
    spent = np.geomspace(1e-5, 1, POINTS) if count == "seconds" else np.geomspace(4, 2048, POINTS)
    shares = [compute_share(collect_hits(trials, float(budget), count=count)) for budget in spent]
    axes.plot(spent, [share.value for share in shares], color=colour, ls=dash, label=label, lw=1.2)
    lows, highs = [share.low for share in shares], [share.high for share in shares]
    axes.fill_between(spent, lows, highs, color=colour, alpha=0.12, lw=0)


def _make_figure(*, width: float, height: float) -> Figure:
    figure: Figure = import_module("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    return figure


def _make_panels(figure: Figure, count: int) -> list[Axes]:
    columns = min(4, count)
    panels: list[Axes] = list(figure.subplots(-(-count // columns), columns, squeeze=False).ravel())
    for spare in panels[count:]:
        spare.remove()
    return panels[:count]
