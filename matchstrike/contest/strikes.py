"""Match-strike as a method of the contest, with one engine for all runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import process_time

import numpy as np

from matchstrike.contest.instances import Instance
from matchstrike.contest.trace import Kind, Mark, Method, Trace
from vm.annealed_circuit import make_annealed_circuit
from vm.controllers import FixedAngles, RandomAngles
from vm.engines.engine import Engine
from vm.match_strike import Budget, Controller, MatchStrikeResult, match_strike
from vm.posterior import Acquisition, PosteriorAngles, PosteriorSettings, make_posterior, transfer
from vm.problem import IsingProblem
from vm.recursive import make_recursive
from vm.refinement import Refinement, refine_none

SHOTS = 32

MakeController = Callable[[IsingProblem], Controller]


def make_fixed(engine: Engine, depth: int) -> Method:
    """Return match-strike at the published angles."""

    def make(problem: IsingProblem) -> Controller:
        return FixedAngles(problem=problem, depth=depth)

    return make_method(f"fixed-p{depth}", engine, make, depth=depth)


def make_random(engine: Engine, depth: int) -> Method:
    """Return strikes at random angles."""

    def make(problem: IsingProblem) -> Controller:
        return RandomAngles(problem=problem, depth=depth)

    return make_method(f"random-p{depth}", engine, make, depth=depth, kind="chance")


def make_learning(engine: Engine, depth: int, *, acquisition: Acquisition = "thompson") -> Method:
    """Return match-strike with a posterior that starts afresh on each instance."""
    settings = PosteriorSettings(acquisition=acquisition)

    def make(problem: IsingProblem) -> Controller:
        return make_posterior(problem, depth, settings)

    return make_method(f"{acquisition}-p{depth}", engine, make, depth=depth)


def make_transferred(engine: Engine, learnt: PosteriorAngles) -> Method:
    """Return match-strike with a posterior that starts from what it learnt on other instances."""

    def make(problem: IsingProblem) -> Controller:
        return transfer(learnt, problem)

    return make_method(f"transfer-p{learnt.depth}", engine, make, depth=learnt.depth)


def learn_angles(
    engine: Engine, problems: Sequence[IsingProblem], depth: int, *, evaluations: int, seed: int
) -> PosteriorAngles:
    """Return a posterior after runs on some problems of one kind, one after another."""
    learnt = make_posterior(problems[0], depth)
    for number, problem in enumerate(problems):
        result = match_strike(
            problem,
            engine=engine,
            controller=transfer(learnt, problem),
            budget=Budget(evaluations=evaluations),
            chance=np.random.Generator(np.random.PCG64([seed, depth, number])),
        )
        assert isinstance(result.controller, PosteriorAngles)
        learnt = result.controller
    return learnt


def make_recursion(engine: Engine, depth: int) -> Method:
    """Return recursive match-strike."""

    def make(problem: IsingProblem) -> Controller:
        return make_recursive(problem, depth)

    return make_method(f"recursive-p{depth}", engine, make, depth=depth)


def make_refined(engine: Engine, depth: int, refinement: Refinement, name: str) -> Method:
    """Return match-strike at the published angles with its shots refined."""

    def make(problem: IsingProblem) -> Controller:
        return FixedAngles(problem=problem, depth=depth)

    return make_method(f"fixed-p{depth}+{name}", engine, make, depth=depth, refinement=refinement)


def make_method(
    name: str,
    engine: Engine,
    make: MakeController,
    *,
    kind: Kind = "strikes",
    depth: int,
    refinement: Refinement = refine_none,
) -> Method:
    """Return match-strike with a controller, fresh for each run."""
    return Method(name=name, kind=kind, run=partial(_run, engine=engine, make=make, depth=depth, refinement=refinement))


def _run(
    instance: Instance,
    evaluations_max: int,
    chance: np.random.Generator,
    *,
    engine: Engine,
    make: MakeController,
    depth: int,
    refinement: Refinement,
) -> Trace:
    make_annealed_circuit(instance.problem, depth)  # once for each instance, and not timed
    result = match_strike(
        instance.problem,
        engine=engine,
        controller=make(instance.problem),
        budget=Budget(evaluations=evaluations_max),
        chance=chance,
        target=instance.target,
        shots=SHOTS,
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
