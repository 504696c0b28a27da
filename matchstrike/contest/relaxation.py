"""Goemans-Williamson rounding: a relaxation of MaxCut to unit vectors, cut by random hyperplanes.

The semidefinite relaxation is solved as Burer and Monteiro do, with vectors of `ceil(sqrt(2 n)) + 1` components, by
setting one vector after another against the weighted sum of its neighbours (the mixing method). That rank has no bad
local minima for almost all weights, so no semidefinite solver is needed; convergence is checked by the step's gain.

Each rounded cut is one evaluation. The relaxation itself counts in the time, not in the evaluations, as a strike's
circuit does.

Source: Goemans and Williamson, J. ACM 42, 1115 (1995); Burer and Monteiro, Math. Program. 95, 329 (2003); Wang, Chang
and Kolter, arXiv:1706.00476.
"""

from __future__ import annotations

from math import ceil, sqrt
from time import process_time

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matchstrike.contest.instances import Instance
from matchstrike.contest.trace import Method, Trace, trace_draws
from vm.refinement import make_neighbours

SWEEPS_MAX = 200
GAIN_MIN = 1e-5
ROUNDINGS = 64  # at a time

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def make_rounding() -> Method:
    """Return Goemans-Williamson rounding."""
    return Method(name="goemans-williamson", kind="classical", run=run_rounding)


def run_rounding(instance: Instance, evaluations_max: int, chance: np.random.Generator) -> Trace:
    """Return the trace of rounded cuts.

    Raises:
        ValueError: the problem has fields.
    """
    if any(instance.problem.fields):
        raise ValueError("rounding needs a problem without fields")
    started = process_time()
    vectors = solve_relaxation(instance, chance)

    def draw(count: int) -> NDArray[np.uint8]:
        planes = chance.standard_normal((vectors.shape[1], count))
        return (vectors @ planes < 0).T.astype(np.uint8)

    return trace_draws(instance, evaluations_max, draw, chunk=ROUNDINGS, started=started)


def solve_relaxation(instance: Instance, chance: np.random.Generator) -> Floats:
    """Return one unit vector for each spin, float64[spin, component]."""
    near = make_neighbours(instance.problem)
    rank = ceil(sqrt(2 * instance.n)) + 1
    vectors = chance.standard_normal((instance.n, rank))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scale = float(np.abs(near.weights).sum()) / 2
    _mix(near.starts, near.others, near.weights, vectors, GAIN_MIN * scale)
    return vectors


@njit(cache=True, fastmath=False)
def _mix(starts: Integers, others: Integers, weights: Integers, vectors: Floats, gain_min: float) -> None:
    """Sweep in place until a sweep gains less than `gain_min`."""
    n, rank = vectors.shape
    pull = np.empty(rank)
    for _ in range(SWEEPS_MAX):
        gain = 0.0
        for spin in range(n):
            pull[:] = 0.0
            for k in range(starts[spin], starts[spin + 1]):
                for r in range(rank):
                    pull[r] += weights[k] * vectors[others[k], r]
            length = np.sqrt(np.sum(pull * pull))
            if length > 0:
                for r in range(rank):
                    gain += pull[r] * (vectors[spin, r] + pull[r] / length)
                    vectors[spin, r] = -pull[r] / length
        if gain < gain_min:
            return
