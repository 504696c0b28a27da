"""Tasks: one function over many arguments, on this machine's processes or on a cluster, each result told as it comes.

Terms:
    place: where one task runs at a time: a worker process here, a worker thread of a cluster.
    lost task: its process died under it. It runs again elsewhere; one that several processes died under ends the run.

Functions must be importable by name, and arguments and results must pickle. A task must give the same result whoever
runs it: then nothing depends on which places there are, how many, or which of them die.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from workers.processes import WorkerDied, WorkerPool

DEATHS_MAX = 3  # of processes under one task

A = TypeVar("A")
R = TypeVar("R")


class TaskKillsWorkers(Exception):
    """A task under which process after process died: it needs more memory than they have, or it crashes them."""


class TaskRunner(Protocol):
    """What runs tasks: `LocalTasks` or `workers.cluster.ClusterTasks`."""

    @property
    def places(self) -> int:
        """How many tasks run at once."""

    async def run_tasks(
        self, function: Callable[[A], R], arguments: Sequence[A], on_result: Callable[[int, R], object]
    ) -> None:
        """Run `function(argument)` for each argument; results come in any order, each once, with its argument's index.

        Raises:
            TaskKillsWorkers: a task outlives no process.
            Exception: what a task raised; the others are then given up.
        """


class LocalTasks:
    """Runs tasks in a pool of this machine's processes."""

    def __init__(self, pool: WorkerPool) -> None:
        """Use an entered pool; it must have no search running."""
        self._pool = pool

    @property
    def places(self) -> int:
        """See `TaskRunner`."""
        return self._pool.count

    async def run_tasks(
        self, function: Callable[[A], R], arguments: Sequence[A], on_result: Callable[[int, R], object]
    ) -> None:
        """See `TaskRunner`."""

        async def run_one(index: int, argument: A) -> None:
            on_result(index, await self._run(function, argument, index))

        await run_side_by_side(enumerate(arguments), run_one, self.places)

    async def _run(self, function: Callable[[A], R], argument: A, index: int) -> R:
        for _ in range(DEATHS_MAX):
            try:
                return await self._pool.run(function, argument)
            except WorkerDied as death:
                last = death
        raise TaskKillsWorkers(f"{DEATHS_MAX} processes died under task {index}, the last with {last.exit_code}")


async def run_side_by_side(items: Iterable[tuple[int, A]], run_one: Callable[[int, A], object], count: int) -> None:
    """Await `run_one` for all items, `count` at a time; the first error ends all of them and is raised as it is."""
    waiting: Iterator[tuple[int, A]] = iter(items)

    async def pull() -> None:
        for index, item in waiting:
            await run_one(index, item)  # type: ignore[misc]

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(pull())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
