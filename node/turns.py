"""The core's turns and the event loop's: work is done in order, and the loop serves others after each slice of it.

Terms:
    task: a job for the core, and what the loop's thread does when the job has ended.
    slice: how long the core runs before the loop has its turn.
    rest: the turns of the loop between two slices: as many as an answer to a request takes, and more while the loop
        has something to do, but no longer than a slice.

Invariants: tasks end in the order in which they came, and one is concluded before the next one starts; after one that
failed beyond remedy none is begun; cancelled in the midst, everything that came is still done.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from time import perf_counter

import msgspec

from node.slices import Clock, Job, Slices

SLICE_SECONDS = 0.004
QUIET_SECONDS = 0.000_1
REST_TURNS = 4  # what came in is found, read, answered and written
QUEUE_MAX = 1_024


class CoreStopped(Exception):
    """The core will not do what it was asked for: it failed before."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Work for the core.

    Attributes:
        job: Runs in the core's turns.
        conclude: Runs in the loop's thread when the job has ended.
        fail: Takes what the job or `conclude` raised; returns whether that is dealt with.
    """

    job: Job
    conclude: Job
    fail: Callable[[BaseException], bool]


class Turns:
    """Tasks that wait for the core, and the one under way."""

    def __init__(self, slices: Slices, *, clock: Clock = perf_counter, slice_seconds: float = SLICE_SECONDS) -> None:
        self._slices = slices
        self._clock = clock
        self._slice_seconds = slice_seconds
        self._queue: deque[Task] = deque()
        self._current: Task | None = None
        self._has_work = asyncio.Event()
        self._failure: BaseException | None = None
        self._is_concluding = False
        self.is_serving = False

    @property
    def is_busy(self) -> bool:
        """Whether a task is under way or waits."""
        return self._current is not None or bool(self._queue)

    def add(self, task: Task, *, is_next: bool = False) -> None:
        """Let a task wait for its turn; when too many wait, the loop waits for them instead.

        Args:
            is_next: Before all others.
        """
        if self._failure is not None:
            task.fail(CoreStopped("the node stops"))
            return
        if is_next:
            self._queue.appendleft(task)
        else:
            self._queue.append(task)
        self._has_work.set()
        if len(self._queue) > QUEUE_MAX and not self._is_concluding:
            self.catch_up()

    def catch_up(self) -> None:
        """Do at once all that is under way or waits."""
        while self.is_busy:
            self._run_until(math.inf)

    async def serve(self) -> None:
        """Do what comes, in slices, until cancelled; what is under way or waits then is done at once.

        Raises:
            BaseException: what a task raised and did not deal with.
        """
        with self._slices:
            self.is_serving = True
            try:
                while self._failure is None:
                    await self._has_work.wait()
                    until = self._clock() + self._slice_seconds
                    while self.is_busy and self._run_until(until):
                        pass
                    if self.is_busy:
                        await self._rest()
                    else:
                        self._has_work.clear()
            except asyncio.CancelledError:
                self.catch_up()
                raise
            finally:
                self.is_serving = False
        raise self._failure

    def _give_up(self, failure: BaseException) -> None:
        """Tell those who wait, now and later, that nothing more is done."""
        self._failure = failure
        self._has_work.set()
        while self._queue:
            self._queue.popleft().fail(CoreStopped("the node stops"))

    async def _rest(self) -> None:
        """Give the loop its turns."""
        for _ in range(REST_TURNS):
            await asyncio.sleep(0)
        end = self._clock() + self._slice_seconds
        began, now = 0.0, self._clock()
        while now - began > QUIET_SECONDS and now < end:
            began = now
            await asyncio.sleep(0)
            now = self._clock()

    def _run_until(self, until: float) -> bool:
        """Run the present task, or the next one; return whether it has ended and there is time for another."""
        task = self._queue.popleft() if self._current is None else self._current
        try:
            if not self._work(task, until):
                return False
            self._conclude(task)
        except BaseException as error:
            self._current = None
            if not task.fail(error):
                self._give_up(error)
                raise
        return self._clock() < until

    def _work(self, task: Task, until: float) -> bool:
        """Run a task's job, in slices if these are served; return whether it has ended."""
        if not self.is_serving:
            task.job()
            return True
        if self._current is None:
            self._slices.start(task.job)
            self._current = task
        return self._slices.run_on(until=until)

    def _conclude(self, task: Task) -> None:
        self._current = None
        self._is_concluding = True
        try:
            task.conclude()
        finally:
            self._is_concluding = False
