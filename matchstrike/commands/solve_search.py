"""How `matchstrike solve` looks for a solution: methods that run for some seconds and return the best bits.

Annealing runs in short turns, so that the connection to the node stays awake and Ctrl-C works; match-strike
(`solve_strikes`) tells of every strike and stops between two of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from vm.annealing import Annealed, take_turn
from vm.match_strike import Progress
from vm.problem import IsingProblem

VISITS = 10_000_000  # a tenth of a second or two
METHODS = ("anneal", "match-strike")
End = Literal["target", "budget", "time"]


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What a search tells while it runs: after each improvement, and after each strike.

    Attributes:
        energy: The best so far.
        seconds: Since the beginning.
        is_better: Whether it is an improvement.
        strikes: What has been struck and spent, with the last strike's angles; None where nothing is struck.
    """

    energy: int
    seconds: float
    is_better: bool
    strikes: Progress | None = None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The best of a search.

    Attributes:
        bits: Packed.
        ended_by: The target was reached, the budget of strikes was spent, or the time was over.
        last: What was struck and spent; None where nothing was struck.
    """

    energy: int
    bits: bytes
    seconds: float
    ended_by: End
    last: Progress | None = None


Tell = Callable[[News], object]


async def search_by_annealing(
    problem: IsingProblem, *, seconds: float, goal: int | None, tell: Tell, seed: int = 0
) -> Found:
    """Return the best that annealing finds in so many seconds, or as soon as it reaches the goal.

    Args:
        tell: Told of each improvement.
        seed: Another one searches elsewhere.
    """
    begin = time.monotonic()
    best: Annealed | None = None
    number = 0  # of turns
    while best is None or (time.monotonic() - begin < seconds and (goal is None or best.energy > goal)):
        found = await asyncio.to_thread(_anneal_turn, problem, (seed, number), best)
        number += 1
        if best is None or found.energy < best.energy:
            best = found
            tell(News(energy=best.energy, seconds=time.monotonic() - begin, is_better=True))
    ended: End = "target" if goal is not None and best.energy <= goal else "time"
    return Found(energy=best.energy, bits=best.bits, seconds=time.monotonic() - begin, ended_by=ended)


def _anneal_turn(problem: IsingProblem, place: tuple[int, int], best: Annealed | None) -> Annealed:
    seed, number = place
    return take_turn(problem, number, best, visits=VISITS, seed=seed)
