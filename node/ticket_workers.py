"""Mining processes: they import vm and consensus once, compile or load the kernels, and search slices of tickets."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager

from consensus.ticket import SearchResult, TicketJob
from node.log_format import get_logger

NICENESS = 5
_log = get_logger("miner")


class TicketWorkers:
    """A few long-lived processes; one that dies is replaced."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = _make_pool(count)

    async def run(
        self, function: Callable[[TicketJob, int, int], SearchResult], job: TicketJob, start: int, count: int
    ) -> SearchResult:
        """Run a search in one of the processes."""
        pool = self._pool
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, function, job, start, count)
        except BrokenProcessPool:
            if pool is self._pool:
                _log.warning("a mining process died; starting new ones")
                self._pool = _make_pool(self.count)
            return SearchResult(win=None, tickets=0, best_energy=None, best_shot=None)

    def close(self) -> None:
        """End the processes; slices in progress are lost."""
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


@asynccontextmanager
async def start_workers(count: int) -> AsyncIterator[TicketWorkers]:
    """Keep `count` mining processes until the context ends."""
    workers = TicketWorkers(count)
    try:
        yield workers
    finally:
        workers.close()


def _make_pool(count: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_set_up_process)


def _set_up_process() -> None:
    """Leave Ctrl-C to the node, and let the node itself run first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
