"""The contest on graphs small enough for brute force: who hits the optimum, after how many evaluations, how soon.

Terms:
    champion: match-strike at the published angles with p = 2, named before the contest. Verdicts compare each other
        method with it, on the same instances; one is a win if the 95 % interval of the difference leaves out zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from matchstrike.contest.contestants import Contestant, Lengths, list_methods, make_rivals, make_strikers
from matchstrike.contest.instances import FAMILIES, Instance, make_instance
from matchstrike.contest.intervals import (
    Count,
    Interval,
    collect_hits,
    compute_difference,
    compute_median,
    compute_run_difference,
    compute_share,
)
from matchstrike.contest.trace import Kind
from matchstrike.contest.trials import Trial, make_chance, run_trials
from matchstrike.contest.tuning import Goal
from vm.engines.engine import Engine

CHAMPION = "fixed-p2"
EVALUATION_BUDGETS = (32, 128, 512, 2048)
TIME_BUDGETS_S = (1e-4, 1e-3, 1e-2, 1e-1)
GOALS: tuple[Goal, ...] = (
    *(("evaluations", budget) for budget in EVALUATION_BUDGETS),
    *(("recomputed", budget) for budget in EVALUATION_BUDGETS),
    *(("seconds", budget) for budget in TIME_BUDGETS_S),
)


class SmallPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured.

    Attributes:
        sizes: Vertices, by family.
        per_size: Instances of each size.
        runs: Of each method on each instance, by family.
        depths: Of match-strike, by family.
        training_sizes, training_per_size: Of the instances on which rivals are tuned and transfer learns.
    """

    sizes: dict[str, tuple[int, ...]]
    per_size: int
    runs: dict[str, int]
    depths: dict[str, tuple[int, ...]]
    training_sizes: tuple[int, ...]
    training_per_size: int
    lengths: Lengths


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A share of runs that hit the optimum within a budget.

    Attributes:
        count: evaluations, recomputed or seconds (of CPU).
        setting: The contestant's setting for this budget.
        lead: Its share less the champion's, with the interval for another draw of instances; None for the champion.
        lead_here: The same with the interval for just these instances.
    """

    family: str
    count: Count
    budget: float
    method: str
    kind: Kind
    setting: str
    share: Interval
    lead: Interval | None
    lead_here: Interval | None


class Time(msgspec.Struct, frozen=True, kw_only=True):
    """CPU seconds to the optimum, the median over runs, with each method's quickest setting."""

    family: str
    method: str
    kind: Kind
    setting: str
    median_s: Interval


class SmallResult(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one family."""

    family: str
    instances: tuple[Instance, ...]
    runs: int
    cells: tuple[Cell, ...]
    times: tuple[Time, ...]
    trials: tuple[Trial, ...]


def make_plan(*, quick: bool) -> SmallPlan:
    """Return what is measured; `quick` keeps the cubic graphs whole and cuts the others."""
    even = (10, 12, 14, 16, 18, 20)
    short = (10, 12, 14)
    grids = (10, 12, 15, 16, 18, 20)
    return SmallPlan(
        sizes={"cubic": even, "gnp": short, "weighted": short, "grid": (10, 12, 15)}
        if quick
        else {"cubic": even, "gnp": even, "weighted": even, "grid": grids},
        per_size=5,
        runs={**dict.fromkeys(FAMILIES, 5 if quick else 20), "cubic": 20},
        depths=dict.fromkeys(FAMILIES, (2,) if quick else (1, 2, 3)),
        training_sizes=(10, 14, 16) if quick else (10, 12, 14, 16, 18, 20),
        training_per_size=2 if quick else 4,
        lengths=Lengths(strikes=2048, classical=1 << 13 if quick else 1 << 15),
    )


def run_family(
    family: str, plan: SmallPlan, engine: Engine, *, seed: int, on_progress: Callable[[str], None]
) -> SmallResult:
    """Return one family's trials, shares and times."""
    on_progress(f"{family}: tuning the rivals, learning angles")
    training = [
        make_instance(family, n, number, seed=seed, purpose="tuning")
        for n in plan.training_sizes
        for number in range(plan.training_per_size)
    ]
    contestants = make_rivals(training, GOALS, lengths=plan.lengths, seed=seed)
    contestants += make_strikers(engine, training, plan.depths[family], lengths=plan.lengths, seed=seed)
    instances = [
        make_instance(family, n, number, seed=seed, purpose="contest")
        for n in plan.sizes[family]
        for number in range(plan.per_size)
    ]
    trials: dict[tuple[str, str], list[Trial]] = {}
    for contestant in contestants:
        on_progress(f"{family}: {contestant.name}")
        for method in list_methods(contestant):
            method.run(
                instances[0], plan.lengths.strikes, make_chance(seed, "warm-up", instances[0].name, 0)
            )  # compiled, and not timed
            trials[contestant.name, method.setting] = run_trials(
                method, instances, runs=plan.runs[family], evaluations_max=contestant.evaluations_max, seed=seed
            )
    return SmallResult(
        family=family,
        instances=tuple(instances),
        runs=plan.runs[family],
        cells=tuple(_list_cells(family, contestants, trials, plan.runs[family])),
        times=tuple(_list_times(family, contestants, trials)),
        trials=tuple(trial for own in trials.values() for trial in own),
    )


def _list_cells(
    family: str, contestants: Sequence[Contestant], trials: dict[tuple[str, str], list[Trial]], runs: int
) -> list[Cell]:
    cells = []
    for goal in GOALS:
        count, budget = goal
        champion = collect_hits(trials[CHAMPION, ""], budget, count=count)
        for contestant in contestants:
            method = contestant.tuned.get(goal, contestant.method)
            if not method.is_counted and count != "seconds":
                continue
            hits = collect_hits(trials[contestant.name, method.setting], budget, count=count)
            is_champion = contestant.name == CHAMPION
            cells.append(
                Cell(
                    family=family,
                    count=count,
                    budget=budget,
                    method=contestant.name,
                    kind=contestant.kind,
                    setting=method.setting,
                    share=compute_share(hits),
                    lead=None if is_champion else compute_difference(hits, champion),
                    lead_here=None if is_champion else compute_run_difference(hits, champion, runs),
                )
            )
    return cells


def _list_times(
    family: str, contestants: Sequence[Contestant], trials: dict[tuple[str, str], list[Trial]]
) -> list[Time]:
    times = []
    for contestant in contestants:
        found = {
            method.setting: compute_median([t.hit_seconds for t in trials[contestant.name, method.setting]])
            for method in list_methods(contestant)
        }
        setting = min(found, key=lambda name: found[name].value)
        times.append(
            Time(
                family=family,
                method=contestant.name,
                kind=contestant.kind,
                setting=setting,
                median_s=found[setting],
            )
        )
    return times
