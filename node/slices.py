"""A computation in slices: in a thread of its own, but never while its owner runs.

The owner lets the job run on and waits; the job pauses when its slice is over and waits in turn. So neither needs locks
against the other, and what the job computes does not depend on where it was interrupted.

Terms:
    job: a function without arguments or result; one at a time.

Invariants: of the two threads one always waits for the other; the owner is always the same thread.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from time import perf_counter
from types import TracebackType
from typing import Self, TypeAlias

Job: TypeAlias = Callable[[], None]
Clock: TypeAlias = Callable[[], float]


class Slices:
    """Runs jobs in slices for the time of a `with`."""

    def __init__(self, *, clock: Clock = perf_counter) -> None:
        self._clock = clock
        self._owner_waits, self._job_waits = _make_held_lock(), _make_held_lock()
        self._job: Job | None = None
        self._error: BaseException | None = None
        self._until = 0.0
        self._thread: threading.Thread | None = None
        self._thread_id = 0

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._work, name="core", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._thread is not None
        assert self._job is None, "finish the job first"
        self._job_waits.release()
        self._thread.join()
        self._thread = None

    def pause(self) -> None:
        """Wait until the owner lets the job run on, if its slice is over; do nothing in any other thread."""
        if threading.get_ident() == self._thread_id and self._clock() >= self._until:
            self._owner_waits.release()
            self._job_waits.acquire()

    def start(self, job: Job) -> None:
        """Take a job; it runs from the next `run_on`."""
        assert self._thread is not None
        assert self._job is None, "one job at a time"
        self._job = job

    def run_on(self, *, until: float) -> bool:
        """Let the job run until it ends, or pauses at the time `until` or later; return whether it has ended.

        Raises:
            BaseException: whatever the job raised.
        """
        self._until = until
        self._job_waits.release()
        self._owner_waits.acquire()
        if self._job is not None:
            return False
        error, self._error = self._error, None
        if error is not None:
            raise error
        return True

    def finish(self) -> None:
        """Let the job run to its end.

        Raises:
            BaseException: whatever the job raised.
        """
        self.run_on(until=math.inf)

    def _work(self) -> None:
        self._thread_id = threading.get_ident()
        while True:
            self._job_waits.acquire()
            if self._job is None:
                return
            try:
                self._job()
            except BaseException as error:
                self._error = error
            self._job = None
            self._owner_waits.release()


def _make_held_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock
