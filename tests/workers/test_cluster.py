"""Strike ranges and sliced contractions on a real Dask cluster; what fails is told in a sentence."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from functools import reduce

import pytest

from tests.workers.test_strike_range import join, make_range
from workers import cluster
from workers.cluster import (
    ClusterDiffers,
    ClusterLibraryMissing,
    InvalidAddress,
    NoWorkers,
    SchedulerLost,
    SchedulerUnreachable,
    check_address,
    open_cluster,
)
from workers.own_cluster import start_own_cluster
from workers.strike_range import RangeResult, join_results, run_strike_range, split_range

LIMIT_SECONDS = 240


@pytest.mark.parametrize(
    "address", ["", "here", "tcp://", "tcp://host", "tcp://host:port", "http://h:1", "tcp://h:99999"]
)
def test_an_address_that_no_scheduler_can_have_is_refused(address: str) -> None:
    with pytest.raises(InvalidAddress, match="write tcp://HOST:PORT"):
        check_address(address)


def test_without_dask_the_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> object:
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(cluster, "import_module", refuse)

    async def scene() -> None:
        async with open_cluster("tcp://127.0.0.1:1"):
            raise AssertionError

    with pytest.raises(ClusterLibraryMissing, match=r"pip install 'matchstrike\[cluster\]'"):
        asyncio.run(scene())


def test_where_nobody_listens_the_sentence_says_how_to_start_a_scheduler() -> None:
    pytest.importorskip("distributed", reason="needs the extra [cluster]")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused

        async def scene() -> None:
            async with open_cluster(f"tcp://127.0.0.1:{taken.getsockname()[1]}", connect_seconds=0.5):
                raise AssertionError

        with pytest.raises(SchedulerUnreachable, match="dask scheduler"):
            asyncio.run(scene())


@pytest.mark.slow
def test_a_killed_worker_loses_no_result_and_no_correctness() -> None:
    """Killed by its process number in the midst of a run; then the second one, and a new one comes; then the end."""
    pytest.importorskip("distributed", reason="needs the extra [cluster]")
    whole = make_range(400)
    parts = split_range(whole, task_gas=4 * 10**6)
    results: list[tuple[int, RangeResult]] = []

    with start_own_cluster(workers=2) as own:

        def on_result(index: int, result: RangeResult) -> None:
            results.append((index, result))
            if len(results) == 3:
                own.processes[1].kill()

        async def scene() -> None:
            async with asyncio.timeout(LIMIT_SECONDS), open_cluster(own.address, connect_seconds=60) as tasks:
                await tasks.wait_for_places(2)
                await tasks.run_tasks(run_strike_range, parts, on_result)

        asyncio.run(scene())
        assert own.processes[1].wait(10) == -9
        assert own.processes[2].poll() is None
    assert sorted(index for index, _ in results) == list(range(len(parts)))
    by_place = [result for _, result in sorted(results, key=lambda row: row[0])]
    assert b"".join(result.shots for result in by_place) == run_strike_range(whole).shots
    assert join([reduce(join_results, by_place)]) == join([run_strike_range(whole)])


class LonelyClient:
    """A client whose scheduler is gone, before it has noticed."""

    status = "running"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def scheduler_info(self) -> dict[str, int]:
        return {"total_threads": 1}

    def submit(self, *_: object, **__: object) -> LonelyClient:
        return self

    def __await__(self) -> Iterator[None]:
        yield
        raise self._error

    def release(self) -> None:
        pass


def test_a_lost_scheduler_is_told_whichever_way_the_client_hears_of_it() -> None:
    """With a task that ends because its connection closed, or because the client cancelled it."""
    distributed = pytest.importorskip("distributed", reason="needs the extra [cluster]")
    ways = (
        distributed.comm.CommClosedError("in TCP"),
        distributed.client.FutureCancelledError("key", "scheduler-connection-lost"),
    )
    for error in ways:
        tasks = cluster.ClusterTasks(LonelyClient(error), workers_seconds=60)
        with pytest.raises(SchedulerLost, match="start it again"):
            asyncio.run(tasks.run_tasks(os.path.basename, ["a"], lambda *_: None))


@pytest.mark.slow
def test_a_scheduler_that_goes_away_and_workers_that_never_come_are_told() -> None:
    pytest.importorskip("distributed", reason="needs the extra [cluster]")
    parts = split_range(make_range(4000), task_gas=4 * 10**6)
    with start_own_cluster(workers=0) as own:

        async def wait_for_workers() -> None:
            async with open_cluster(own.address, connect_seconds=60, workers_seconds=2):
                raise AssertionError

        with pytest.raises(NoWorkers, match="dask worker"):
            asyncio.run(wait_for_workers())
    with start_own_cluster(workers=1) as own:

        async def lose_scheduler() -> None:
            async with asyncio.timeout(LIMIT_SECONDS), open_cluster(own.address, connect_seconds=60) as tasks:
                await tasks.run_tasks(run_strike_range, parts, lambda *_: own.scheduler.kill())

        with pytest.raises(SchedulerLost, match="start it again"):
            asyncio.run(lose_scheduler())


@pytest.mark.slow
def test_a_worker_with_another_code_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="needs the extra [cluster]")
    monkeypatch.setattr(cluster, "compute_code_digest", lambda: "0123456789abcdef")
    with start_own_cluster(workers=1) as own:

        async def scene() -> None:
            async with asyncio.timeout(LIMIT_SECONDS), open_cluster(own.address, connect_seconds=60) as tasks:
                await tasks.run_tasks(os.path.basename, ["a"], lambda *_: None)

        with pytest.raises(ClusterDiffers, match="another version of Matchstrike"):
            asyncio.run(scene())
