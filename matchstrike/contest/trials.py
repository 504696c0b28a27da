"""Trials: every method, on every instance, several times, each with its own recorded chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zlib import crc32

import msgspec
import numpy as np

from matchstrike.contest.instances import Instance
from matchstrike.contest.trace import Method, Trace, get_best, get_hit

BUDGETS = (32, 128, 512, 2048, 8192, 131072)


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One run, as it is written out.

    Attributes:
        run: Number; with seed, method and instance it gives the run's chance (`make_chance`).
        setting: The method's parameters.
        best_at: The best energy after each of some numbers of evaluations, None before the first.
        hit_evaluations, hit_recomputed, hit_seconds: Spent until the first hit; None without one.
        evaluations, seconds: Spent in the whole run.
    """

    family: str
    n: int
    instance: str
    method: str
    setting: str
    run: int
    target: int
    best_energy: int
    best_at: tuple[tuple[int, int | None], ...]
    hit_evaluations: int | None
    hit_recomputed: int | None
    hit_seconds: float | None
    evaluations: int
    seconds: float


def run_trials(
    method: Method,
    instances: Sequence[Instance],
    *,
    runs: int,
    evaluations_max: int,
    seed: int,
    on_trial: Callable[[Trial], None] | None = None,
) -> list[Trial]:
    """Return `runs` trials of each instance."""
    trials = []
    for instance in instances:
        for run in range(runs):
            chance = make_chance(seed, f"{method.name} {method.setting}", instance.name, run)
            trace = method.run(instance, evaluations_max, chance)
            trials.append(make_trial(method, instance, run, trace))
            if on_trial is not None:
                on_trial(trials[-1])
    return trials


def make_trial(method: Method, instance: Instance, run: int, trace: Trace) -> Trial:
    """Return the record of a run."""
    hit = get_hit(trace, instance.target)
    return Trial(
        family=instance.family,
        n=instance.n,
        instance=instance.name,
        method=method.name,
        setting=method.setting,
        run=run,
        target=instance.target,
        best_energy=trace.marks[-1].energy,
        best_at=tuple((budget, get_best(trace, budget)) for budget in BUDGETS),
        hit_evaluations=hit.evaluations if hit is not None and method.is_counted else None,
        hit_recomputed=hit.recomputed if hit is not None and method.is_counted else None,
        hit_seconds=None if hit is None else hit.seconds,
        evaluations=trace.evaluations,
        seconds=trace.seconds,
    )


def make_chance(seed: int, method: str, instance: str, run: int) -> np.random.Generator:
    """Return the chance of one run, the same on every machine."""
    return np.random.Generator(np.random.PCG64([seed, crc32(method.encode()), crc32(instance.encode()), run]))
