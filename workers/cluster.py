"""An operator's own Dask cluster as a runner of tasks. dask comes with the extra `[cluster]` and is imported here only.

The scheduler runs lost tasks again by itself. This side watches for what it cannot mend: a scheduler that is gone, no
worker left for a minute, a task that kills worker after worker, and workers whose code is another one.

Dask runs whatever reaches its scheduler's port: keep that port on a network of the operator's own, or use Dask's TLS.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import CancelledError as FutureCancelled
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TypeVar, cast
from urllib.parse import urlsplit

from workers.cluster_task import VersionsDiffer, compute_code_digest, run_named_task
from workers.tasks import TaskKillsWorkers, run_side_by_side

SCHEMES = ("tcp", "tls", "ucx", "ws", "wss")
CONNECT_SECONDS = 10.0
WORKERS_SECONDS = 60.0  # without any worker, before giving up
WATCH_SECONDS = 1.0
TASKS_PER_PLACE = 4  # given to the scheduler at once; so results and memory stay bounded
TASKS_MORE = 16  # for places that join later
SCHEDULER_LOST = "the scheduler went away; start it again and repeat the command"

A = TypeVar("A")
R = TypeVar("R")


class ClusterFailed(Exception):
    """A cluster that cannot be used; the sentence says why and what to do."""


class ClusterLibraryMissing(ClusterFailed):
    """dask.distributed is not installed."""


class InvalidAddress(ClusterFailed):
    """An address that no scheduler can have."""


class SchedulerUnreachable(ClusterFailed):
    """No scheduler answers there."""


class SchedulerLost(ClusterFailed):
    """The scheduler went away with tasks unfinished."""


class NoWorkers(ClusterFailed):
    """The scheduler has no workers."""


class ClusterDiffers(ClusterFailed):
    """A worker, or the scheduler, does not have this Matchstrike."""


class ClusterTasks:
    """Runs tasks on a cluster; made by `open_cluster`."""

    def __init__(self, client, *, workers_seconds: float) -> None:  # type: ignore[no-untyped-def]
        self._client = client
        self._workers_seconds = workers_seconds
        self._digest = compute_code_digest()

    @property
    def places(self) -> int:
        """See `workers.tasks.TaskRunner`: the threads of all workers, as far as they are known now."""
        return int(self._client.scheduler_info()["total_threads"])  # asked for every two seconds

    async def wait_for_places(self, count: int) -> None:
        """Return when there are so many workers.

        Raises:
            NoWorkers: not soon enough.
        """
        try:
            await self._client.wait_for_workers(count, timeout=self._workers_seconds)
        except TimeoutError:
            raise NoWorkers(
                f"the scheduler at {self._client.scheduler.address} has fewer than {count} workers; start some with: "
                f"dask worker {self._client.scheduler.address} --nworkers {count} --nthreads 1 --no-dashboard"
            ) from None

    async def run_tasks(
        self, function: Callable[[A], R], arguments: Sequence[A], on_result: Callable[[int, R], object]
    ) -> None:
        """See `workers.tasks.TaskRunner`.

        Raises:
            ClusterFailed: the scheduler or all workers are gone, or have another code.
            TaskKillsWorkers: as there.
        """
        name = f"{function.__module__}:{function.__qualname__}"

        async def run_one(index: int, argument: A) -> None:
            on_result(index, cast("R", await self._run(name, argument, index)))

        count = min(len(arguments), TASKS_PER_PLACE * self.places + TASKS_MORE)
        work = asyncio.create_task(run_side_by_side(enumerate(arguments), run_one, count))
        watch = asyncio.create_task(self._watch())
        try:
            await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                watch.result()  # raises
            work.result()
        finally:
            for task in (work, watch):
                task.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)

    async def _run(self, name: str, argument: object, index: int) -> object:
        distributed = import_module("distributed")
        packed = pickle.dumps(argument, protocol=pickle.HIGHEST_PROTOCOL)
        future = self._client.submit(run_named_task, self._digest, name, packed, pure=False)
        try:
            return pickle.loads(await future)
        except VersionsDiffer as error:
            raise ClusterDiffers(f"a worker of the cluster has another version of Matchstrike: {error}") from None
        except (distributed.comm.CommClosedError, FutureCancelled):  # either may come before its status tells
            raise SchedulerLost(SCHEDULER_LOST) from None
        except distributed.KilledWorker as error:
            raise TaskKillsWorkers(f"workers died under task {index} again and again: {error}") from None
        except ModuleNotFoundError as error:
            raise ClusterDiffers(
                f"the cluster cannot load the task: {error}; scheduler and workers need Matchstrike installed"
            ) from None
        finally:
            future.release()

    async def _watch(self) -> None:
        """Raise when the cluster is gone; never return."""
        alone = 0.0
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self._client.status != "running":
                raise SchedulerLost(SCHEDULER_LOST)
            alone = 0.0 if self.places else alone + WATCH_SECONDS
            if alone >= self._workers_seconds:
                raise NoWorkers(f"the cluster has had no workers for {alone:.0f} s; start some and repeat the command")


@asynccontextmanager
async def open_cluster(
    address: str, *, connect_seconds: float | None = None, workers_seconds: float = WORKERS_SECONDS
) -> AsyncIterator[ClusterTasks]:
    """Connect to a scheduler, `tcp://HOST:PORT`, for the time of an `async with`.

    Args:
        connect_seconds: How long to try; CONNECT_SECONDS when None.
        workers_seconds: How long to wait for a first worker, and when all are lost.

    Raises:
        ClusterFailed: no dask here, no scheduler there, no workers.
    """
    check_address(address)
    connect_seconds = CONNECT_SECONDS if connect_seconds is None else connect_seconds
    try:
        distributed, dask = import_module("distributed"), import_module("dask")
    except ImportError as error:
        raise ClusterLibraryMissing(f"{error}; install it with: pip install 'matchstrike[cluster]'") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what goes wrong is told once, by us
    with dask.config.set({"distributed.comm.timeouts.connect": connect_seconds}):
        try:
            client = await distributed.Client(
                address, asynchronous=True, timeout=connect_seconds, set_as_default=False, name="matchstrike"
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise SchedulerUnreachable(
                f"no scheduler answers at {address} ({str(error).splitlines()[0] if str(error) else 'timed out'}); "
                "start one with: dask scheduler --host 127.0.0.1 --no-dashboard"
            ) from None
        try:
            tasks = ClusterTasks(client, workers_seconds=workers_seconds)
            await tasks.wait_for_places(1)
            yield tasks
        finally:
            await client.close(timeout=2)


def check_address(address: str) -> None:
    """Refuse an address that no scheduler can have.

    Raises:
        InvalidAddress: not SCHEME://HOST:PORT.
    """
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in SCHEMES and bool(parts.hostname) and bool(parts.port)
    except ValueError:  # a port that is none
        is_address = False
    if not is_address:
        raise InvalidAddress(f"{address!r} is no scheduler's address; write tcp://HOST:PORT")
