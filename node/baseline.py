"""The free baseline: open problems are annealed a little, so that no bounty is paid for less than everybody can have.

What annealing finds for nothing is brought as the author's solution like any other bits, and its energy is kept, to be
shown beside the problem. A worker does it, in turns of at most about a tenth of a second, resting in between.

Terms:
    turn: one call of `vm.annealing.take_turn`. effort: the seconds that workers have annealed a problem for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

import msgspec

from node.core.events import BestShotFound
from node.core.problem_choice import SolutionBook
from runtime.problem_records import Problem, ProblemStatus, read_ising
from runtime.problem_state import INSTANCES, RECORDS
from runtime.storage import Overlay
from vm.annealing import Annealed, take_turn
from vm.problem import IsingProblem
from workers.processes import WorkerDied, WorkerPool

VISITS = 10_000_000
REST = 3.0  # so many times as long as a turn took
POLL_SECONDS = 1.0
PROBLEMS_KEPT_MAX = 2048
Name = tuple[int, bytes, int]


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn found, and how long it took."""

    found: Annealed
    seconds: float


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """What was done for a problem so far."""

    turns: int = 0
    seconds: float = 0.0
    best: Annealed | None = None


class Baseline:
    """Anneals the open problems of the best state, the least annealed first."""

    def __init__(
        self,
        get_state: Callable[[], Overlay],
        book: SolutionBook,
        on_found: Callable[[BestShotFound], object],
        *,
        seconds_max: float,
    ) -> None:
        """Remember nothing yet.

        Args:
            get_state: Returns the best block's state.
            book: Where energies are shown from.
            on_found: Told of bits that are better than all annealed before.
            seconds_max: Effort for one problem.
        """
        self._get_state = get_state
        self._book = book
        self._on_found = on_found
        self._seconds_max = seconds_max
        self._efforts: dict[Name, Effort] = {}

    async def serve(self, workers: WorkerPool) -> None:
        """Anneal until cancelled."""
        while True:
            spent = await self.take_turn(workers)
            await asyncio.sleep(POLL_SECONDS if spent is None else REST * spent)

    async def take_turn(self, workers: WorkerPool) -> float | None:
        """Anneal one problem for a turn; return the seconds that it took, None if there was nothing to do."""
        chosen = self._choose()
        if chosen is None:
            return None
        name, ising = chosen
        effort = self._efforts.get(name, Effort())
        try:
            timed = await workers.run(take_timed_turn, ising, effort.turns, effort.best)
        except WorkerDied:
            return POLL_SECONDS
        is_better = effort.best is None or timed.found.energy < effort.best.energy
        best = timed.found if is_better else effort.best
        self._efforts[name] = Effort(turns=effort.turns + 1, seconds=effort.seconds + timed.seconds, best=best)
        while len(self._efforts) > PROBLEMS_KEPT_MAX:
            del self._efforts[next(iter(self._efforts))]
        if is_better:
            self._book.note_baseline(name[0], timed.found.energy)
            self._on_found(BestShotFound(problem_id=name[0], energy=timed.found.energy, bits=timed.found.bits))
        return timed.seconds

    def _choose(self) -> tuple[Name, IsingProblem] | None:
        """Return the open problem with the least effort, unless all have had theirs."""
        state = self._get_state()
        least: tuple[float, Name] | None = None
        for number, record in RECORDS.iterate(state):
            if record.status is not ProblemStatus.Open:
                continue
            name = make_name(number, record)
            seconds = self._efforts.get(name, Effort()).seconds
            if seconds < self._seconds_max and (least is None or (seconds, name) < least):
                least = (seconds, name)
        if least is None:
            return None
        instance = INSTANCES.find(state, least[1][0])
        return None if instance is None else (least[1], read_ising(instance.ising))


def make_name(number: int, record: Problem) -> Name:
    """Return what tells a problem from the one that has its number on another branch."""
    return number, record.poster, record.posted_at


def take_timed_turn(problem: IsingProblem, number: int, best: Annealed | None) -> Timed:
    """Return what a turn finds and how long it took; runs in a worker process."""
    begin = perf_counter()
    found = take_turn(problem, number, best, visits=VISITS)
    return Timed(found=found, seconds=perf_counter() - begin)
