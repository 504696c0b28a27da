"""Match-strike as a method of the contest, with one engine for all runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import process_time

import numpy as np

from matchstrike.contest.instances import Instance
from matchstrike.contest.trace import Mark, Method, Trace
from vm.controllers import FixedAngles, RandomAngles
from vm.engines.engine import Engine
from vm.match_strike import Budget, Controller, MatchStrikeResult, match_strike
from vm.problem import IsingProblem
from vm.refinement import Refinement, refine_none

SHOTS = 32

MakeController = Callable[[IsingProblem], Controller]


def make_fixed(engine: Engine, depth: int) -> Method:
    """Return match-strike at the published angles."""

    def make(problem: IsingProblem) -> Controller:
        return FixedAngles(problem=problem, depth=depth)

    return make_method(f"strike-fixed-p{depth}", engine, make)


def make_random(engine: Engine, depth: int) -> Method:
    """Return strikes at random angles."""

    def make(problem: IsingProblem) -> Controller:
        return RandomAngles(problem=problem, depth=depth)

    return make_method(f"strike-random-p{depth}", engine, make, kind="chance")


def make_method(
    name: str,
    engine: Engine,
    make: MakeController,
    *,
    kind: str = "quantum",
    shots: int = SHOTS,
    refinement: Refinement = refine_none,
) -> Method:
    """Return match-strike with a controller, fresh for each run."""
    return Method(name=name, kind=kind, run=partial(_run, engine=engine, make=make, shots=shots, refinement=refinement))


def _run(
    instance: Instance,
    evaluations_max: int,
    chance: np.random.Generator,
    *,
    engine: Engine,
    make: MakeController,
    shots: int,
    refinement: Refinement,
) -> Trace:
    result = match_strike(
        instance.problem,
        engine=engine,
        controller=make(instance.problem),
        budget=Budget(evaluations=evaluations_max),
        chance=chance,
        target=instance.target,
        shots=shots,
        refinement=refinement,
        clock=process_time,
    )
    return make_trace(result)


def make_trace(result: MatchStrikeResult) -> Trace:
    """Return the trace of a run of match-strike."""
    marks = tuple(
        Mark(energy=m.energy, evaluations=m.evaluations, recomputed=m.evaluations, seconds=m.seconds)
        for m in result.improvements
    )
    spent = result.evaluations
    return Trace(marks=marks, evaluations=spent, recomputed=spent, seconds=result.records[-1].seconds)
