"""The miner, with workers that answer at once: what it tells of the shots that its chunks bring."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from consensus.context import PoolProblem
from consensus.ticket import SearchResult, TicketJob
from node.core.effects import StartMining
from node.core.events import BestShotFound, TicketFound
from node.miner import Miner
from vm.law import compute_law
from vm.problem import make_problem, pack_shots
from workers.processes import Chunk

RING = make_problem(4, couplings=((0, 1, 1), (1, 2, 1), (2, 3, 1), (0, 3, 1)))
POOL = PoolProblem(problem_id=7, problem=RING, depth=1, order=(0, 1, 2, 3), law=compute_law(RING, 1), gas=10)
JOB = TicketJob(
    work_key=bytes(32),
    core_seed=bytes(32),
    core_qubits=4,
    shots=1,
    repeats=1,
    target=1,
    weight=1,
    pool_ratio=(1, 1),
    pool=POOL,
)


class InlineWorkers:
    """A stand-in for WorkerPool: remembers the search, runs other work in this thread."""

    on_chunk: Callable[[Chunk[SearchResult]], object]

    def search(self, function: object, job: TicketJob, on_chunk: Callable[[Chunk[SearchResult]], object]) -> None:
        """Remember who wants the chunks."""
        self.on_chunk = on_chunk

    async def run(self, function: Callable[..., object], *arguments: object) -> object:
        """Return what the function returns."""
        return function(*arguments)


def bring(workers: InlineWorkers, bits: str, energy: int) -> None:
    """Let a chunk come back whose best shot this is."""
    shot = pack_shots(np.array([[int(bit) for bit in bits]], dtype=np.uint8))
    result = SearchResult(win=None, tickets=1, best_energy=energy, best_shot=shot)
    workers.on_chunk(Chunk(worker=0, generation=1, result=result, count=1, seconds=0.1))


def collect(*shots: tuple[str, int]) -> list[tuple[int, int]]:
    """Return (problem, energy) of all that the miner told of when these shots came in turn."""

    async def play() -> list[tuple[int, int]]:
        found: list[BestShotFound | TicketFound] = []
        workers = InlineWorkers()
        miner = Miner(workers, found.append)  # type: ignore[arg-type]
        miner.start(StartMining(generation=1, job=JOB))
        for bits, energy in shots:
            bring(workers, bits, energy)
            for _ in range(4):
                await asyncio.sleep(0)  # lets the polishing task run
        return [(one.problem_id, one.energy) for one in found if isinstance(one, BestShotFound)]

    return asyncio.run(play())


def test_a_shot_of_the_pool_strike_is_told_as_measured_and_as_a_worker_polished_it() -> None:
    assert collect(("0000", 4)) == [(7, 4), (7, -4)]  # all alike, then the ring's best cut


def test_only_a_shot_that_is_better_than_all_before_is_told_and_polished() -> None:
    assert collect(("0001", 0), ("0000", 4), ("0100", 0)) == [(7, 0), (7, -4)]
