"""Shares, medians and differences, each with a 95 % interval.

Runs on one instance are alike, so intervals resample instances, not runs. Where all instances agree that would be an
interval of no width; then Wilson's for as many trials as there are instances is wider, and the wider one is printed.

Source: Wilson, J. Am. Stat. Assoc. 22, 209 (1927); bootstrap: Efron and Tibshirani (1993), ch. 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from matchstrike.contest.trials import Trial

Z = 1.959963984540054
RESAMPLES = 2000
BOOTSTRAP_SEED = 1

Count = Literal["evaluations", "recomputed", "seconds"]
Hits = NDArray[np.float64]  # axis: instance; share of its runs that hit


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A value and its 95 % interval; infinite where trials did not hit."""

    value: float
    low: float
    high: float


def compute_wilson(hits: float, trials: int) -> Interval:
    """Return a share of successes with Wilson's interval.

    Raises:
        ValueError: no trials.
    """
    if trials < 1:
        raise ValueError("a share needs at least one trial")
    share = hits / trials
    centre = (share + Z * Z / (2 * trials)) / (1 + Z * Z / trials)
    half = Z / (1 + Z * Z / trials) * sqrt(share * (1 - share) / trials + Z * Z / (4 * trials * trials))
    return Interval(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half))


def compute_share(hits: Hits) -> Interval:
    """Return the mean share of hits over instances."""
    value = float(hits.mean())
    means = _resample(hits)
    low, high = np.quantile(means, [0.025, 0.975])
    if np.ptp(hits) > 0:
        return Interval(value=value, low=float(low), high=float(high))
    wilson = compute_wilson(value * len(hits), len(hits))
    return Interval(value=value, low=min(float(low), wilson.low), high=max(float(high), wilson.high))


def compute_mean(values: Hits) -> Interval:
    """Return the mean over instances; of one instance alone there is no interval."""
    low, high = np.quantile(_resample(values), [0.025, 0.975])
    return Interval(value=float(values.mean()), low=float(low), high=float(high))


def compute_difference(ours: Hits, theirs: Hits) -> Interval:
    """Return the mean difference of two methods' shares, instance by instance."""
    difference = ours - theirs
    low, high = np.quantile(_resample(difference), [0.025, 0.975])
    return Interval(value=float(difference.mean()), low=float(low), high=float(high))


def compute_run_difference(ours: Hits, theirs: Hits, runs: int) -> Interval:
    """Return the difference of two methods' shares on just these instances: runs are resampled, instances kept."""
    chance = np.random.Generator(np.random.PCG64(BOOTSTRAP_SEED))
    drawn = [chance.binomial(runs, share, (RESAMPLES, len(share))).mean(axis=1) / runs for share in (ours, theirs)]
    low, high = np.quantile(drawn[0] - drawn[1], [0.025, 0.975])
    return Interval(value=float((ours - theirs).mean()), low=float(low), high=float(high))


def compute_median(times: Sequence[float | None]) -> Interval:
    """Return the median of times to a hit, None for a run without one; infinite if half of the runs have none."""
    values = np.array([np.inf if time is None else time for time in times])
    chance = np.random.Generator(np.random.PCG64(BOOTSTRAP_SEED))
    drawn = np.sort(values[chance.integers(0, len(values), (RESAMPLES, len(values)))], axis=1)
    medians = np.sort(drawn[:, (len(values) - 1) // 2])  # the lower median: no mean with an infinity
    low, high = medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES)]
    return Interval(value=float(np.sort(values)[(len(values) - 1) // 2]), low=float(low), high=float(high))


def collect_hits(trials: Sequence[Trial], budget: float, *, count: Count = "evaluations") -> Hits:
    """Return for each instance, in the order of their names, the share of its runs that hit within a budget."""
    shares: dict[str, list[bool]] = {}
    for trial in trials:
        spent = get_spent(trial, count)
        shares.setdefault(trial.instance, []).append(spent is not None and spent <= budget)
    return np.array([np.mean(shares[name]) for name in sorted(shares)])


def get_spent(trial: Trial, count: Count) -> float | None:
    """Return what a trial had spent at its hit, None without one."""
    match count:
        case "evaluations":
            return trial.hit_evaluations
        case "recomputed":
            return trial.hit_recomputed
        case "seconds":
            return trial.hit_seconds


def _resample(values: Hits) -> NDArray[np.float64]:
    """Return means of resampled instances."""
    chance = np.random.Generator(np.random.PCG64(BOOTSTRAP_SEED))
    means: NDArray[np.float64] = values[chance.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    return means
