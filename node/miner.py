"""Mining: the driver's part. Worker processes search tickets for the newest job; what they find goes to the core."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter

from consensus.context import PoolProblem
from consensus.ticket import SearchResult, search_tickets
from node.core.effects import RunLeaves, StartMining
from node.core.events import BestShotFound, LeavesRun, StrikesRun, TicketFound
from node.leaf_strikes import run_leaves
from node.log_format import get_logger
from node.shot_polish import polish_shot
from workers.processes import Chunk, WorkerDied, WorkerPool

Found = TicketFound | BestShotFound | StrikesRun | LeavesRun
WINDOW_SECONDS = 10.0
PROBLEMS_KEPT_MAX = 256
_log = get_logger("miner")


class Miner:
    """Keeps every worker busy with the newest job."""

    def __init__(self, workers: WorkerPool, on_found: Callable[[Found], object]) -> None:
        self._workers = workers
        self._on_found = on_found
        self._began = perf_counter()
        self._window: deque[tuple[float, int, int]] = deque()
        self._best: dict[int, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.tickets = 0

    @property
    def tickets_per_second(self) -> float:
        """Tickets of the last seconds, all workers together."""
        return self._compute_pace(1)

    @property
    def strikes_per_second(self) -> float:
        """Strikes of the last seconds, core and pool, all workers together."""
        return self._compute_pace(2)

    def start(self, command: StartMining) -> None:
        """Search for this job from now on."""
        self._workers.search(search_tickets, command.job, lambda chunk: self._on_chunk(command, chunk))

    def run_leaves(self, command: RunLeaves) -> None:
        """Run strikes of a batch again, between chunks of the search, and tell of their shots."""
        task = asyncio.create_task(self._run_leaves(command))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Search nothing."""
        self._workers.stop_search()

    def _on_chunk(self, command: StartMining, chunk: Chunk[SearchResult]) -> None:
        result = chunk.result
        self._count(command, result.tickets)
        pool = command.job.pool
        if pool is not None and result.best_energy is not None and result.best_shot is not None:
            self._on_shot(pool, result.best_energy, result.best_shot)
        if result.leaves:
            self._on_found(StrikesRun(generation=command.generation, start=result.start, leaves=result.leaves))
        if result.win is not None:
            self._on_found(TicketFound(generation=command.generation, seal=result.win))

    def _on_shot(self, pool: PoolProblem, energy: int, bits: bytes) -> None:
        """Tell of a shot that is better than all before, and have a worker polish it."""
        known = self._best.get(pool.problem_id)
        if known is not None and energy >= known:
            return
        self._best[pool.problem_id] = energy
        while len(self._best) > PROBLEMS_KEPT_MAX:
            del self._best[next(iter(self._best))]
        self._on_found(BestShotFound(problem_id=pool.problem_id, energy=energy, bits=bits))
        task = asyncio.create_task(self._polish(pool, bits))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _polish(self, pool: PoolProblem, bits: bytes) -> None:
        try:
            polished = await self._workers.run(polish_shot, pool.problem, bits)
        except WorkerDied:
            return
        self._on_found(BestShotFound(problem_id=pool.problem_id, energy=polished.energy, bits=polished.bits))

    async def _run_leaves(self, command: RunLeaves) -> None:
        try:
            shots = await self._workers.run(run_leaves, command)
        except WorkerDied:
            return  # the desk asks again
        self._on_found(LeavesRun(batch=command.batch, indices=command.indices, shots=shots))

    def _count(self, command: StartMining, tickets: int) -> None:
        self.tickets += tickets
        strikes = tickets * (command.job.repeats + (command.job.pool is not None))
        self._window.append((perf_counter(), tickets, strikes))
        self._forget_old()

    def _compute_pace(self, column: int) -> float:
        self._forget_old()
        span = min(WINDOW_SECONDS, max(perf_counter() - self._began, 0.001))
        return sum(row[column] for row in self._window) / span

    def _forget_old(self) -> None:
        oldest = perf_counter() - WINDOW_SECONDS
        while self._window and self._window[0][0] < oldest:
            self._window.popleft()


def make_workers(count: int) -> WorkerPool:
    """Return the mining processes, to be entered; deaths and errors of the search go to the log."""
    return WorkerPool(
        count,
        on_death=lambda death: _log.warning("a mining process died and is replaced: %s", death),
        on_search_error=lambda error: _log.error("searching tickets failed: %s: %s", type(error).__name__, error),
    )
