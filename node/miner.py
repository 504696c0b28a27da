"""Mining: the driver's part. Workers search tickets for the newest job; what they find goes to the core.

Terms:
    generation: number of a job; what a worker reports for an older one is thrown away.
    slice: the tickets one worker tries before it reports, sized so that a slice takes about `SLICE_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from consensus.ticket import SearchResult, TicketJob, search_tickets
from node.core.effects import StartMining
from node.core.events import BestShotFound, TicketFound
from node.log_format import get_logger

SLICE_SECONDS = 0.2
SLICE_MAX = 1_000_000
WINDOW_SECONDS = 10.0
_log = get_logger("miner")
Search = Callable[[TicketJob, int, int], SearchResult]


class Workers(Protocol):
    """Long-lived processes that run a function of this module's kind."""

    @property
    def count(self) -> int: ...

    async def run(self, function: Search, job: TicketJob, start: int, count: int) -> SearchResult: ...


class Miner:
    """Keeps every worker busy with the newest job."""

    def __init__(self, workers: Workers, on_found: Callable[[TicketFound | BestShotFound], object]) -> None:
        self._workers = workers
        self._on_found = on_found
        self._command: StartMining | None = None
        self._changed = asyncio.Event()
        self._next_index = 0
        self._seconds_per_gas = 0.0
        self.tickets = 0
        self.tickets_per_second = 0.0
        self.strikes_per_second = 0.0
        self._began = perf_counter()
        self._window: deque[tuple[float, int, int]] = deque()

    def start(self, command: StartMining) -> None:
        """Search for this job from now on."""
        self._command = command
        self._next_index = 0
        self._changed.set()

    def stop(self) -> None:
        """Search nothing."""
        self._command = None

    async def run(self) -> None:
        """Mine until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers.count):
                group.create_task(self._run_worker())

    async def _run_worker(self) -> None:
        while True:
            command = self._command
            if command is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            await self._run_slice(command)

    async def _run_slice(self, command: StartMining) -> None:
        count = self._choose_count(command)
        start = self._next_index
        self._next_index += count
        begin = perf_counter()
        result = await self._workers.run(search_tickets, command.job, start, count)
        seconds = perf_counter() - begin
        self._count(command, result.tickets)
        if result.tickets:
            pace = seconds / (result.tickets * command.weight)
            self._seconds_per_gas = pace if not self._seconds_per_gas else 0.7 * self._seconds_per_gas + 0.3 * pace
        self._report(command, result)

    def _count(self, command: StartMining, tickets: int) -> None:
        """Keep the pace of the last seconds."""
        strikes = tickets * (command.job.repeats + (command.job.pool is not None))
        now = perf_counter()
        self.tickets += tickets
        self._window.append((now, tickets, strikes))
        while self._window[0][0] < now - WINDOW_SECONDS:
            self._window.popleft()
        span = min(WINDOW_SECONDS, max(now - self._began, 0.001))
        self.tickets_per_second = sum(item[1] for item in self._window) / span
        self.strikes_per_second = sum(item[2] for item in self._window) / span

    def _report(self, command: StartMining, result: SearchResult) -> None:
        pool = command.job.pool
        if pool is not None and result.best_energy is not None and result.best_shot is not None:
            self._on_found(BestShotFound(problem_id=pool.problem_id, energy=result.best_energy, bits=result.best_shot))
        if result.win is not None:
            if self._command is command:
                self._command = None  # until the core has made a block of it and sends the next job
            self._on_found(TicketFound(generation=command.generation, seal=result.win))

    def _choose_count(self, command: StartMining) -> int:
        if not self._seconds_per_gas:
            return 1
        return min(SLICE_MAX, max(1, int(SLICE_SECONDS / (self._seconds_per_gas * command.weight))))
