"""`--processes` and `--cluster`: where a command's tasks run, with their progress shown."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from matchstrike.commands.failure import FAILED, UNREACHABLE, CommandFailed
from matchstrike.commands.session import console
from workers.cluster import (
    ClusterFailed,
    InvalidAddress,
    NoWorkers,
    SchedulerLost,
    SchedulerUnreachable,
    check_address,
    open_cluster,
)
from workers.processes import WORKERS_MAX, WorkerPool
from workers.tasks import LocalTasks, TaskKillsWorkers, TaskRunner

A = TypeVar("A")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., object])


def add_place_options(function: F) -> F:
    """Add `--processes` and `--cluster`."""
    processes = click.option(
        "--processes",
        type=click.IntRange(1, WORKERS_MAX),
        is_eager=True,  # known when the cluster's address is checked
        help="Worker processes on this machine [one for each core].",
    )
    cluster = click.option(
        "--cluster",
        envvar="MATCHSTRIKE_CLUSTER",
        metavar="ADDRESS",
        callback=_check_cluster,
        help="Scheduler of a Dask cluster to run on instead, tcp://HOST:PORT (needs matchstrike[cluster]).",
    )
    return processes(cluster(function))


def run_with_progress(
    function: Callable[[A], R],
    arguments: Sequence[A],
    *,
    processes: int | None,
    cluster: str | None,
    title: str,
    on_result: Callable[[int, R], object],
) -> None:
    """Run tasks on this machine or on a cluster, and show how far they are.

    Raises:
        CommandFailed: the cluster fails (3 when nobody answers), or a task kills its workers.
        Exception: what a task raised.
    """

    async def play() -> None:
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}")
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
            row = bar.add_task(f"{title}: starting", total=len(arguments))

            def tell(index: int, result: R) -> None:
                on_result(index, result)
                bar.advance(row)

            async with _open_runner(processes, cluster) as runner:
                where = "cluster" if cluster else "this machine"
                bar.update(row, description=f"{title}, {runner.places} at once on {where}")
                await runner.run_tasks(function, arguments, tell)

    try:
        asyncio.run(play())
    except (SchedulerUnreachable, SchedulerLost, NoWorkers) as error:
        raise CommandFailed(str(error), UNREACHABLE) from error
    except (ClusterFailed, TaskKillsWorkers) as error:
        raise CommandFailed(str(error), FAILED) from error
    except asyncio.CancelledError:  # a signal that ends the process
        raise KeyboardInterrupt from None


@asynccontextmanager
async def _open_runner(processes: int | None, cluster: str | None) -> AsyncIterator[TaskRunner]:
    if cluster is not None:
        async with open_cluster(cluster) as tasks:
            yield tasks
        return
    async with WorkerPool(processes or min(os.cpu_count() or 1, WORKERS_MAX), niceness=0) as pool:
        yield LocalTasks(pool)


def _check_cluster(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Return the address.

    Raises:
        click.BadParameter: it is none.
        click.UsageError: processes of this machine are asked for as well.
    """
    if value is not None:
        if ctx.params.get("processes") is not None:
            raise click.UsageError(
                f"--processes is for this machine, --cluster or MATCHSTRIKE_CLUSTER names {value}: give one of them",
                ctx,
            )
        try:
            check_address(value)
        except InvalidAddress as error:
            raise click.BadParameter(str(error), ctx, param) from error
    return value
