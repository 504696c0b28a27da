"""Slices and turns with a clock that says at every pause that the slice is over."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable

import pytest

from node.slices import Slices
from node.turns import QUEUE_MAX, CoreStopped, Task, Turns


def make_turns() -> tuple[Turns, Slices]:
    """Return turns whose every slice ends at the next pause."""
    clock = itertools.count(1).__next__
    slices = Slices(clock=clock)
    return Turns(slices, clock=clock, slice_seconds=0), slices


class Diary:
    """What happened, in order, and tasks that write it down."""

    def __init__(self, slices: Slices) -> None:
        self.lines: list[str] = []
        self._slices = slices

    def make(self, name: str, pauses: int = 2, *, error: Exception | None = None, is_bearable: bool = False) -> Task:
        """Return a task that pauses, and raises in the end if there is an error."""

        def work() -> None:
            for step in range(pauses):
                self.lines.append(f"{name}{step}")
                self._slices.pause()
            if error is not None:
                raise error

        def fail(failure: BaseException) -> bool:
            self.lines.append(f"{name} failed: {failure}")
            return is_bearable

        return Task(job=work, conclude=lambda: self.lines.append(f"{name} done"), fail=fail)

    async def loop(self, until: Callable[[], bool]) -> None:
        """Write down each turn of the loop."""
        while not until():
            self.lines.append("loop")
            await asyncio.sleep(0)


def test_a_job_pauses_only_in_its_own_thread_and_when_its_slice_is_over() -> None:
    now = 0.0
    slices = Slices(clock=lambda: now)
    threads: list[int] = []

    def job() -> None:
        for _ in range(3):
            threads.append(threading.get_ident())
            slices.pause()

    slices.pause()
    with slices:
        slices.start(job)
        assert not slices.run_on(until=0.0)
        assert len(threads) == 1
        assert slices.run_on(until=1.0)
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads
    slices.pause()


def test_what_a_job_raises_comes_out_where_it_is_waited_for() -> None:
    slices = Slices()

    def job() -> None:
        raise ValueError("broken")

    with slices:
        slices.start(job)
        with pytest.raises(ValueError, match="broken"):
            slices.run_on(until=1.0)
        slices.start(lambda: None)
        assert slices.run_on(until=1.0)


def test_the_loop_has_its_turns_in_the_midst_of_a_task_and_tasks_keep_their_order() -> None:
    turns, slices = make_turns()
    diary = Diary(slices)

    async def run() -> None:
        serving = asyncio.create_task(turns.serve())
        await asyncio.sleep(0)
        turns.add(diary.make("a"))
        turns.add(diary.make("b"))
        await diary.loop(lambda: not turns.is_busy)
        serving.cancel()
        await asyncio.wait([serving])

    asyncio.run(run())
    work = [line for line in diary.lines if line != "loop"]
    assert work == ["a0", "a1", "a done", "b0", "b1", "b done"]
    for before, after in itertools.pairwise(work):
        between = diary.lines[diary.lines.index(before) : diary.lines.index(after)].count("loop")
        assert after.endswith("done") or between >= 4, f"an answer takes four turns between {before} and {after}"


def test_a_task_may_be_put_before_those_that_wait() -> None:
    turns, slices = make_turns()
    diary = Diary(slices)
    for name in ("a", "b"):
        turns.add(diary.make(name, 0))
    turns.add(diary.make("c", 0), is_next=True)
    turns.catch_up()
    assert diary.lines == ["c done", "a done", "b done"]


def test_when_too_many_wait_they_are_done_at_once_and_in_order() -> None:
    turns, slices = make_turns()
    diary = Diary(slices)

    async def run() -> None:
        serving = asyncio.create_task(turns.serve())
        await asyncio.sleep(0)
        turns.add(diary.make("long", 5))
        while "long1" not in diary.lines:
            await asyncio.sleep(0)
        for number in range(QUEUE_MAX + 1):
            turns.add(diary.make(f"task {number}", 0))
        assert not turns.is_busy
        serving.cancel()
        await asyncio.wait([serving])

    asyncio.run(run())
    assert diary.lines[5:] == ["long done", *(f"task {number} done" for number in range(QUEUE_MAX + 1))]


def test_when_serving_is_cancelled_in_the_midst_all_that_came_is_still_done() -> None:
    turns, slices = make_turns()
    diary = Diary(slices)

    async def run() -> None:
        serving = asyncio.create_task(turns.serve())
        await asyncio.sleep(0)
        turns.add(diary.make("a", 3))
        turns.add(diary.make("b", 1))
        while "a1" not in diary.lines:
            await asyncio.sleep(0)
        assert "a2" not in diary.lines
        serving.cancel()
        await asyncio.wait([serving])
        assert serving.cancelled()

    asyncio.run(run())
    assert diary.lines == ["a0", "a1", "a2", "a done", "b0", "b done"]
    assert not turns.is_serving


def test_after_a_failure_nothing_more_is_begun_and_who_waits_is_told() -> None:
    turns, slices = make_turns()
    diary = Diary(slices)

    async def run() -> None:
        serving = asyncio.create_task(turns.serve())
        await asyncio.sleep(0)
        turns.add(diary.make("a", 2, error=ValueError("broken")))
        turns.add(diary.make("b"))
        with pytest.raises(ValueError, match="broken"):
            await serving

    asyncio.run(run())
    turns.add(diary.make("c"))
    assert diary.lines == ["a0", "a1", "a failed: broken", "b failed: the node stops", "c failed: the node stops"]
    assert issubclass(CoreStopped, Exception)


def test_a_failure_that_somebody_deals_with_stops_nothing() -> None:
    turns, slices = make_turns()
    diary = Diary(slices)

    async def run() -> None:
        serving = asyncio.create_task(turns.serve())
        await asyncio.sleep(0)
        turns.add(diary.make("a", 1, error=ValueError("broken"), is_bearable=True))
        turns.add(diary.make("b", 0))
        while turns.is_busy:
            await asyncio.sleep(0)
        serving.cancel()
        await asyncio.wait([serving])

    asyncio.run(run())
    assert diary.lines == ["a0", "a failed: broken", "b done"]
