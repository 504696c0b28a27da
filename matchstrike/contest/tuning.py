"""Tuning: every setting of a rival's grid is tried on separate instances, and the best one competes.

The search is stated, complete and in the rivals' favour: one setting is chosen for each family, kind of cost and
budget, so annealing with 128 evaluations need not be the annealing that gets 2048.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from matchstrike.contest.instances import Instance
from matchstrike.contest.intervals import Count, collect_hits, get_spent
from matchstrike.contest.ocean import is_installed, make_ocean_annealing
from matchstrike.contest.rivals import make_annealing, make_greedy, make_tabu
from matchstrike.contest.trace import Method
from matchstrike.contest.trials import Trial, run_trials

ANNEALING_SWEEPS = (2, 4, 8, 16, 32, 64)
ANNEALING_HOT = (0.2, 0.4, 0.8, 1.6)
ANNEALING_COLD = (0.03, 0.08, 0.16)
TABU_TENURES = (0.1, 0.2, 0.35, 0.5)
TABU_MOVES = (1, 2, 4, 8, 16)
OCEAN_SWEEPS = (2, 4, 8, 16, 32, 64, 128)
TUNING_RUNS = 10

Goal = tuple[Count, float]  # a kind of cost and a budget


def list_grids() -> dict[str, list[Method]]:
    """Return the settings of each rival that has any."""
    grids = {
        "greedy": [make_greedy(steepest=steepest) for steepest in (False, True)],
        "annealing": [
            make_annealing(sweeps=sweeps, hot=hot, cold=cold)
            for sweeps, hot, cold in product(ANNEALING_SWEEPS, ANNEALING_HOT, ANNEALING_COLD)
        ],
        "tabu": [make_tabu(tenure=tenure, moves=moves) for tenure, moves in product(TABU_TENURES, TABU_MOVES)],
    }
    if is_installed():
        grids["dwave-annealing"] = [make_ocean_annealing(sweeps=sweeps) for sweeps in OCEAN_SWEEPS]
    return grids


def tune(
    methods: Sequence[Method], instances: Sequence[Instance], goals: Sequence[Goal], *, evaluations_max: int, seed: int
) -> dict[Goal, Method]:
    """Return the best setting for each goal; among equals the one that needs less at the median."""
    tried = [
        run_trials(method, instances, runs=TUNING_RUNS, evaluations_max=evaluations_max, seed=seed)
        for method in methods
    ]
    chosen = {}
    for goal in goals:
        scores = [_score(trials, goal) for trials in tried]
        chosen[goal] = methods[scores.index(max(scores))]
    return chosen


def _score(trials: Sequence[Trial], goal: Goal) -> tuple[float, float]:
    count, budget = goal
    spent = [get_spent(trial, count) for trial in trials]
    typical = float(np.median([np.inf if value is None else value for value in spent]))
    return float(collect_hits(trials, budget, count=count).mean()), -typical
