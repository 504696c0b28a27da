"""`matchstrike solve --method match-strike`: strikes on any engine until the target, the budget or the time ends.

The loop of `vm.match_strike` runs in a thread of its own. Its clock is ours, so that Ctrl-C ends it after the strike
that runs: a clock that shows the end of time is a deadline that has passed.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal

import msgspec
import numpy as np

from matchstrike.commands.failure import FAILED, CommandFailed
from matchstrike.commands.solve_search import End, Found, News, Tell
from vm.annealed_circuit import ORDER_SEED, make_annealed_circuit
from vm.controllers import FixedAngles, RandomAngles
from vm.engines.angled_circuit import set_angles
from vm.engines.catalogue import get_engine
from vm.engines.engine import Engine, EngineRefused
from vm.law import InvalidLaw
from vm.match_strike import Budget, Controller, Ending, MatchStrikeResult, NothingToSpend, Progress, match_strike
from vm.order import anneal_order
from vm.posterior import PosteriorSettings, make_posterior
from vm.problem import STRIKE_COEFFICIENT_MAX, IsingProblem, make_problem, pack_shots
from vm.recursive import make_recursive
from vm.refinement import Refinement, refine_none, refine_one_flip, refine_tabu
from vm.strike import LIVE_QUBITS_MAX, Circuit, compile_circuit, get_gas_limit

SMALL_SPINS_MAX = (
    20  # up to here p = 2 at the published angles is best, above recursion at p = 1 (docs/match-strike.md)
)
SECONDS_PER_GAS = 6e-11
GAS_DEAR = 2 * 10**9  # a tenth of a second: then an order may cost a second or two
SPINS_MAX = 1024  # finding an order takes seconds beyond
ControllerName = Literal["published", "random", "thompson", "improvement", "recursive"]
RefinementName = Literal["none", "one-flip", "tabu"]
MAKERS: Mapping[str, Callable[[IsingProblem, int], Controller]] = {
    "published": lambda problem, depth: FixedAngles(problem=problem, depth=depth),
    "random": lambda problem, depth: RandomAngles(problem=problem, depth=depth),
    "thompson": make_posterior,
    "improvement": lambda problem, depth: make_posterior(problem, depth, PosteriorSettings(acquisition="improvement")),
    "recursive": make_recursive,
}
REFINEMENTS: Mapping[str, Refinement] = {"none": refine_none, "one-flip": refine_one_flip, "tabu": refine_tabu}
ENDS: Mapping[Ending, End] = {"target": "target", "budget": "budget", "deadline": "time"}


class StrikePlan(msgspec.Struct, frozen=True, kw_only=True):
    """How to strike.

    Attributes:
        controller, depth: None for what has proved best at the problem's size.
        evaluations_max, gas_max: Budgets beside the time.
    """

    engine: str = "frontier"
    bond_max: int = 64
    controller: ControllerName | None = None
    depth: int | None = None
    shots: int = 32
    refine: RefinementName = "none"
    evaluations_max: int | None = None
    gas_max: int | None = None


@lru_cache(maxsize=64)
def make_circuit(problem: IsingProblem, depth: int) -> Circuit:
    """Return the problem's circuit; where its strikes are dear, with an order that was searched for longer."""
    circuit = make_annealed_circuit(problem, depth)
    if get_gas_limit(circuit) <= GAS_DEAR:
        return circuit
    return compile_circuit(problem, order=anneal_order(problem, depth, seed=ORDER_SEED), depth=depth)


def settle_plan(plan: StrikePlan, problem: IsingProblem) -> StrikePlan:
    """Return the plan with controller and depth chosen."""
    is_small = problem.n <= SMALL_SPINS_MAX
    controller = plan.controller or ("published" if is_small else "recursive")
    depth = plan.depth or (2 if is_small and controller != "recursive" else 1)
    return msgspec.structs.replace(plan, controller=controller, depth=depth)


async def search_by_strikes(
    problem: IsingProblem, plan: StrikePlan, *, seconds: float, goal: int | None, tell: Tell, seed: int = 0
) -> Found:
    """Return the best that strikes find in the time and the budget, or as soon as they reach the goal.

    Args:
        plan: Settled.
        tell: Told of each strike, in the strikes' thread.

    Raises:
        CommandFailed: no engine, no circuit, or not one strike within the time.
    """
    is_stopped = threading.Event()

    def clock() -> float:
        return math.inf if is_stopped.is_set() else time.monotonic()

    def work() -> Found:
        return _strike(problem, plan, _Run(seconds=seconds, goal=goal, tell=tell, seed=seed, clock=clock))

    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        is_stopped.set()
        raise


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    seconds: float
    goal: int | None
    tell: Tell
    seed: int
    clock: Callable[[], float]


def _strike(problem: IsingProblem, plan: StrikePlan, run: _Run) -> Found:
    assert plan.controller is not None
    assert plan.depth is not None
    try:
        engine = get_engine(plan.engine, bond_max=plan.bond_max)
        _check_worth(problem, plan, run.seconds)
        _warm_up(engine)
        result = _fire(problem, plan, run, engine)
    except (EngineRefused, InvalidLaw, NothingToSpend) as error:
        raise CommandFailed(f"match-strike cannot solve this: {error}", FAILED) from error
    bits = pack_shots(np.frombuffer(result.best_bits, np.uint8).reshape(1, -1))
    last = result.records[-1]
    return Found(energy=result.best_energy, bits=bits, seconds=last.seconds, ended_by=ENDS[result.ended_by], last=last)


def _fire(problem: IsingProblem, plan: StrikePlan, run: _Run, engine: Engine) -> MatchStrikeResult:
    best: list[int] = []

    def report(progress: Progress) -> None:
        is_better = not best or progress.best_energy < best[-1]
        best.append(progress.best_energy)
        news = News(energy=progress.best_energy, seconds=progress.seconds, is_better=is_better, strikes=progress)
        run.tell(news)

    return match_strike(
        problem,
        engine=engine,
        controller=MAKERS[str(plan.controller)](problem, plan.depth or 1),
        budget=Budget(evaluations=plan.evaluations_max, gas=plan.gas_max),
        chance=np.random.Generator(np.random.PCG64(run.seed)),
        target=run.goal,
        shots=plan.shots,
        refinement=REFINEMENTS[plan.refine],
        compiler=make_circuit,
        clock=run.clock,
        deadline=run.clock() + run.seconds,
        on_progress=report,
    )


def _warm_up(engine: Engine) -> None:
    """Let compilers and libraries load before the clock starts."""
    pair = make_annealed_circuit(make_problem(2, [(0, 1, 1)]), 1)
    engine.sample(set_angles(pair, (1,), (1,)), shots=1, seed=bytes(32))


def _check_worth(problem: IsingProblem, plan: StrikePlan, seconds: float) -> None:
    """Refuse what cannot end well, before it is begun.

    Raises:
        CommandFailed: coefficients or a size that the angles or the search for an order do not stand, or one exact
            strike longer than the time.
    """
    largest = max((abs(value) for value in (*problem.fields, *(w for _, _, w in problem.couplings))), default=0)
    if largest > STRIKE_COEFFICIENT_MAX:
        text = f"a coefficient of {largest} is too large for a strike's angles (at most {STRIKE_COEFFICIENT_MAX})"
        raise CommandFailed(f"{text}; use --method anneal", FAILED)
    if problem.n > SPINS_MAX:
        raise CommandFailed(
            f"match-strike takes at most {SPINS_MAX} spins, not {problem.n}; use --method anneal", FAILED
        )
    circuit = make_circuit(problem, plan.depth or 1)  # kept, so that the clock starts with an order found
    needed = SECONDS_PER_GAS * get_gas_limit(circuit, plan.shots)
    if plan.engine == "frontier" and circuit.schedule.live_qubits_max <= LIVE_QUBITS_MAX and needed > seconds:
        text = f"one strike of {plan.shots} shots takes about {needed:.0f} s, more than --seconds {seconds:g}"
        raise CommandFailed(f"{text}; give more time, a lower --depth, or --method anneal", FAILED)
