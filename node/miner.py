"""Mining: the driver's part. Worker processes search tickets for the newest job; what they find goes to the core.

Terms:
    generation: number of a job; what a worker reports for an older one is thrown away.
    slice: the tickets one worker tries before it reports, sized so that a slice takes about `SLICE_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

from consensus.ticket import SearchResult, TicketJob, search_tickets
from node.core.effects import StartMining
from node.core.events import BestShotFound, TicketFound
from node.log_format import get_logger
from workers.processes import Cancelled, WorkerLost, WorkerPool

SLICE_SECONDS = 0.25
SLICE_MAX = 1_000_000
_log = get_logger("miner")


class Miner:
    """Keeps every worker busy with the newest job."""

    def __init__(self, pool: WorkerPool, on_found: Callable[[TicketFound | BestShotFound], None]) -> None:
        self._pool = pool
        self._on_found = on_found
        self._tasks: set[asyncio.Task[None]] = set()
        self._generation = -1
        self._next_index = 0
        self._seconds_per_ticket = 0.0
        self.tickets = 0
