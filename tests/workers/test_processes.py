"""The pool with real processes: results, replacement of a search, deaths, and no orphan whatever happens."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from time import monotonic

import pytest

from tests.workers import jobs
from workers.processes import Chunk, WorkerDied, WorkerPool

LIMIT_SECONDS = 60.0
ROOT = Path(__file__).parents[2]


def play(scene: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run a coroutine to its end, in bounded time."""

    async def limited() -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            await scene()

    asyncio.run(limited())


def is_running(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def wait_until_gone(pids: tuple[int, ...]) -> None:
    """Return when none of the processes runs."""
    while any(is_running(pid) for pid in pids):
        await asyncio.sleep(0.01)


def test_calls_return_results_and_errors() -> None:
    async def scene() -> None:
        async with WorkerPool(2, niceness=7) as pool:
            first, second = await asyncio.gather(pool.run(jobs.describe_process), pool.run(jobs.describe_process))
            assert {first["pid"], second["pid"]} == set(pool.process_ids)
            assert (first["threads"], first["sigint_ignored"]) == ("1", True)
            assert first["niceness"] == os.nice(0) + 7
            with pytest.raises(KeyError, match="of ours"):
                await pool.run(jobs.raise_error, "of ours")
            with pytest.raises(RuntimeError, match="Stubborn"):
                await pool.run(jobs.raise_stubborn)
            with pytest.raises(RuntimeError, match="does not pickle"):
                await pool.run(jobs.return_unpicklable)
            assert await pool.run(max, 3, 4) == 4

    play(scene)


def test_a_search_ends_with_its_last_result() -> None:
    async def scene() -> None:
        chunks: list[Chunk[jobs.Found]] = []
        done = asyncio.Event()

        def on_chunk(chunk: Chunk[jobs.Found]) -> None:
            chunks.append(chunk)
            if chunk.result.is_last:
                done.set()

        async with WorkerPool(2) as pool:
            generation = pool.search(jobs.search_number, 30_000, on_chunk)  # 0.3 s, so that both take part
            await done.wait()
            count = len(chunks)
            await asyncio.gather(pool.run(os.getpid), pool.run(os.getpid))  # each worker has answered since
        assert len(chunks) == count
        assert {chunk.generation for chunk in chunks} == {generation}
        assert sum(chunk.result.is_last for chunk in chunks) == 1
        results = sorted((chunk.result for chunk in chunks), key=lambda found: found.start)
        assert {chunk.worker for chunk in chunks} == {0, 1}
        assert all(a.start + a.count <= b.start for a, b in pairwise(results))
        ends = [0, *(found.start + found.count for found in results)]  # a chunk that was still run may be missing
        assert sum(end != found.start for end, found in zip(ends, results, strict=False)) <= 1

    play(scene)


def test_a_new_search_replaces_the_old_one_within_a_tenth_of_a_second() -> None:
    async def scene() -> None:
        old: list[int] = []
        async with WorkerPool(1, chunk_seconds=0.02) as pool:
            steady, arrived = asyncio.Event(), asyncio.Event()
            pool.search(jobs.search_slowly, 1, lambda chunk: steady.set() if chunk.count >= 8 else None)
            await steady.wait()
            waits = []
            for job in range(2, 12):
                begin = monotonic()
                generation = pool.search(
                    jobs.search_slowly, job, lambda chunk: (old.append(chunk.generation), arrived.set())
                )
                arrived.clear()
                await arrived.wait()
                waits.append(monotonic() - begin)
                assert old[-1] == generation
            assert sorted(waits)[5] < 0.1, waits
            pool.stop_search()
            heard = len(old)
            await pool.run(os.getpid)
            assert len(old) == heard
        assert old == sorted(old)

    play(scene)


def test_a_call_comes_between_two_chunks_of_a_search() -> None:
    async def scene() -> None:
        async with WorkerPool(1) as pool:
            pool.search(jobs.search_slowly, 1, lambda _: None)
            assert await pool.run(os.getpid) == pool.process_ids[0]

    play(scene)


def test_a_search_that_raises_is_reported_once_and_waits() -> None:
    async def scene() -> None:
        errors: list[Exception] = []
        failed = asyncio.Event()

        def on_error(error: Exception) -> None:
            errors.append(error)
            failed.set()

        async with WorkerPool(1, on_search_error=on_error) as pool:
            pool.search(jobs.search_and_fail, 5, lambda _: None)
            await failed.wait()
            await pool.run(os.getpid)
            assert [str(error) for error in errors] == ["job 5"]

    play(scene)


@pytest.mark.parametrize("code", [3, -9])
def test_a_worker_that_dies_is_reported_and_replaced(code: int) -> None:
    async def scene() -> None:
        deaths: list[WorkerDied] = []
        async with WorkerPool(1, on_death=deaths.append) as pool:
            before = await pool.run(os.getpid)
            with pytest.raises(WorkerDied) as caught:
                await pool.run(jobs.die_at_once, code)
            assert caught.value.exit_code == code
            assert await pool.run(os.getpid) != before
            assert [(death.worker, death.exit_code) for death in deaths] == [(0, code)]
            assert str(pickle.loads(pickle.dumps(deaths[0]))) == f"worker 0 ended with exit code {code}"

    play(scene)


def test_the_replacement_goes_on_with_the_search_where_nobody_was() -> None:
    async def scene() -> None:
        chunks: list[Chunk[jobs.Found]] = []
        first, second = asyncio.Event(), asyncio.Event()

        def on_chunk(chunk: Chunk[jobs.Found]) -> None:
            chunks.append(chunk)
            (first if chunk.result.process == victim else second).set()

        async with WorkerPool(1) as pool:
            victim = await pool.run(os.getpid)
            pool.search(jobs.search_slowly, 1, on_chunk)
            await first.wait()
            os.kill(victim, signal.SIGKILL)
            await second.wait()
        before = [chunk.result.start + chunk.result.count for chunk in chunks if chunk.result.process == victim]
        later = [chunk.result.start for chunk in chunks if chunk.result.process != victim]
        assert later[0] >= before[-1]

    play(scene)


def test_closing_leaves_no_process_and_fails_what_was_pending() -> None:
    async def scene() -> None:
        async with WorkerPool(2) as pool:
            pids = pool.process_ids
            pool.search(jobs.search_slowly, 1, lambda _: None)
            pending = asyncio.ensure_future(pool.run(jobs._burn, 0.2))
            await asyncio.sleep(0)
        assert not any(is_running(pid) for pid in pids)
        with pytest.raises(WorkerDied):
            await pending
        with pytest.raises(WorkerDied):
            await pool.run(os.getpid)

    play(scene)


def test_an_error_of_the_body_comes_out_as_it_is_and_the_processes_end() -> None:
    async def scene() -> None:
        pids: list[int] = []

        async def fail() -> None:
            async with WorkerPool(1) as pool:
                pids.extend(pool.process_ids)
                raise LookupError

        with pytest.raises(LookupError):
            await fail()
        assert not any(is_running(pid) for pid in pids)

    play(scene)


def test_an_error_of_a_callback_ends_the_body_and_the_processes() -> None:
    def on_chunk(chunk: Chunk[jobs.Found]) -> None:
        raise ZeroDivisionError

    async def scene() -> None:
        pids: list[int] = []

        async def fail() -> None:
            async with WorkerPool(2) as pool:
                pids.extend(pool.process_ids)
                pool.search(jobs.search_slowly, 1, on_chunk)
                await asyncio.Event().wait()

        with pytest.raises(ExceptionGroup) as caught:
            await fail()
        assert isinstance(caught.value.exceptions[0], ZeroDivisionError)
        assert not any(is_running(pid) for pid in pids)

    play(scene)


def test_a_cancelled_body_ends_the_processes() -> None:
    async def scene() -> None:
        pids: list[int] = []
        entered = asyncio.Event()

        async def wait_for_ever() -> None:
            async with WorkerPool(1) as pool:
                pids.extend(pool.process_ids)
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.ensure_future(wait_for_ever())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not any(is_running(pid) for pid in pids)

    play(scene)


def test_a_pool_has_a_sensible_size() -> None:
    for count in (0, -1, 257):
        with pytest.raises(ValueError, match="1 to 256"):
            WorkerPool(count)


PROGRAM = """
import asyncio, sys
from tests.workers import jobs
from workers.processes import WorkerPool
async def main():
    async with WorkerPool(2) as pool:
        await asyncio.gather(pool.run(jobs.describe_process), pool.run(jobs.describe_process))
        if "busy" in sys.argv:
            pool.search(jobs.search_slowly, 1, lambda chunk: None)
            stuck = asyncio.ensure_future(pool.run(jobs._burn, 60.0))
        print(*pool.process_ids, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_orphan_is_left_when_the_program_ends(state: str, ending: signal.Signals) -> None:
    """Killed with no chance to tidy up, even inside a call of a minute; the same for the politer signals."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, state], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
    )
    with program:
        assert program.stdout is not None
        pids = tuple(int(word) for word in program.stdout.readline().split())
        assert len(pids) == 2
        assert all(is_running(pid) for pid in pids)
        program.send_signal(ending)
        program.wait(LIMIT_SECONDS)

    async def scene() -> None:
        async with asyncio.timeout(5):
            await wait_until_gone(pids)

    play(scene)
