"""How `matchstrike solve` looks for a solution: methods that run for some seconds and return the best bits.

A method runs in short turns, so that the connection to the node stays awake and Ctrl-C works.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from vm.annealing import Annealed, take_turn
from vm.problem import IsingProblem

VISITS = 10_000_000  # a tenth of a second or two
Turn = Callable[[IsingProblem, tuple[int, int], Annealed | None], Annealed]
OnBetter = Callable[[Annealed, float], object]


async def search(
    problem: IsingProblem, method: str, *, seconds: float, goal: int | None, on_better: OnBetter, seed: int = 0
) -> Annealed:
    """Return the best that a method finds in so many seconds, or as soon as it reaches the goal.

    Args:
        on_better: Told of each improvement, and the seconds since the beginning.
        seed: Another one searches elsewhere.
    """
    turn = METHODS[method]
    begin = time.monotonic()
    best: Annealed | None = None
    number = 0  # of turns
    while best is None or (time.monotonic() - begin < seconds and (goal is None or best.energy > goal)):
        found = await asyncio.to_thread(turn, problem, (seed, number), best)
        number += 1
        if best is None or found.energy < best.energy:
            best = found
            on_better(best, time.monotonic() - begin)
    return best


def _anneal_turn(problem: IsingProblem, place: tuple[int, int], best: Annealed | None) -> Annealed:
    seed, number = place
    return take_turn(problem, number, best, visits=VISITS, seed=seed)


METHODS: Mapping[str, Turn] = {"anneal": _anneal_turn}
