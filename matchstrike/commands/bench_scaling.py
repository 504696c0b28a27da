"""`matchstrike bench scaling`: strikes a second in one process, in several, and on a Dask cluster of as many.

Terms:
    round: the same work once in each place, one after the other, so that all places see the same machine.
    free second: a second of wall time, less what the workers waited, on average, for cores that other programs held.
        The waits are the kernel's own count (Linux). Whatever the workers waited for us stays in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import reduce
from importlib.util import find_spec
from statistics import median
from time import perf_counter

import click
import msgspec

from matchstrike.commands.failure import FAILED, CommandFailed
from matchstrike.commands.peer_circuit import make_sk_problem
from matchstrike.commands.session import console, emit, output_option
from vm.law import DEPTH_MAX, compute_law
from workers.cluster import ClusterFailed, ClusterLibraryMissing, open_cluster
from workers.measured_range import MeasuredResult, run_measured
from workers.own_cluster import start_own_cluster
from workers.processes import WorkerPool
from workers.strike_range import TASK_GAS, StrikeRange, check_range, join_results
from workers.tasks import LocalTasks, TaskRunner

QUBITS_MAX = 20
START_SECONDS = 120.0


class ScalingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One place; the medians of its rounds.

    Attributes:
        strikes_per_s: By the wall clock, other programs included.
        strikes_per_cpu_s: By the CPU time of the threads that ran them.
        strikes_per_free_s: See above.
        waited_share: Of the workers' time, spent waiting for other programs.
        times_one: Strikes per free second, relative to one process: the median of the rounds' quotients.
        times_one_wall: The same by the wall clock.
    """

    place: str
    processes: int
    strikes: int
    strikes_per_s: float
    strikes_per_cpu_s: float
    strikes_per_free_s: float
    waited_share: float
    times_one: float
    times_one_wall: float


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One place in one round."""

    strikes: int
    fingerprint: int
    wall_s: float
    cpu_s: float
    waited_s: float
    free_s: float


@click.command("scaling")
@click.option("--qubits", type=click.IntRange(4, QUBITS_MAX), default=14, show_default=True, help="Of an `sk` problem.")
@click.option("--depth", type=click.IntRange(1, DEPTH_MAX), default=2, show_default=True, help="Layers of the circuit.")
@click.option("--processes", type=click.IntRange(2, 64), default=2, show_default=True, help="To compare one with.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Of all places in turn.")
@click.option("--tasks", type=click.IntRange(1), default=3, show_default=True, help="For each process and round.")
@click.option("--dask", "is_dask", is_flag=True, help="Also on a Dask cluster of as many processes, started here.")
@output_option
def bench_scaling(qubits: int, depth: int, processes: int, rounds: int, tasks: int, is_dask: bool, output: str) -> None:
    """Compare one worker process with several, and with a Dask cluster on this machine, in alternating windows.

    A task takes about a second and a half. Every place runs the same strikes; that they agree is checked.
    """
    problem = make_sk_problem(qubits)
    whole = StrikeRange(
        problem=problem,
        order=tuple(range(qubits)),
        depth=depth,
        law=compute_law(problem, depth),
        seed=bytes(32),
        start=0,
        count=1,
    )
    count = max(1, TASK_GAS // check_range(whole))
    parts = [msgspec.structs.replace(whole, start=k * count, count=count) for k in range(tasks * processes)]
    try:
        rows = asyncio.run(_measure(parts, processes, rounds, is_dask))
    except ClusterFailed as error:
        raise CommandFailed(str(error), FAILED) from error
    head = {"n": qubits, "p": depth, "shots": whole.shots, "rounds": rounds, "strikes_per_task": count}
    emit({**head, "rows": msgspec.to_builtins(rows)}, "\n".join(_format_rows(rows)), output)


async def _measure(parts: Sequence[StrikeRange], processes: int, rounds: int, is_dask: bool) -> list[ScalingRow]:
    async with AsyncExitStack() as stack:
        places: dict[str, TaskRunner] = {}
        for count in (1, processes):
            pool = await stack.enter_async_context(WorkerPool(count, niceness=0))
            places[f"processes {count}"] = LocalTasks(pool)
        if is_dask:
            places[f"dask {processes}"] = await stack.enter_async_context(_open_own_cluster(processes))
        sizes = {name: runner.places for name, runner in places.items()}  # a cluster tells while it is connected
        windows: dict[str, list[Window]] = {name: [] for name in places}
        with console.status("warming up") as status:
            for runner in places.values():
                await _run_window(runner, [msgspec.structs.replace(parts[0], count=1)] * runner.places)
            for turn in range(rounds):
                for name, runner in places.items():
                    status.update(f"round {turn + 1} of {rounds}: {name}")
                    windows[name].append(await _run_window(runner, parts))
    if len({window.fingerprint for each in windows.values() for window in each}) != 1:
        raise CommandFailed("the places disagree about the same strikes", FAILED)
    ones = windows["processes 1"]
    return [_make_row(name, sizes[name], rows, ones) for name, rows in windows.items()]


@asynccontextmanager
async def _open_own_cluster(processes: int) -> AsyncIterator[TaskRunner]:
    if find_spec("distributed") is None:
        raise ClusterLibraryMissing("dask is missing; install it with: pip install 'matchstrike[cluster]'")
    with start_own_cluster(workers=processes) as own:
        async with open_cluster(own.address, connect_seconds=START_SECONDS) as tasks:
            await tasks.wait_for_places(processes)
            yield tasks


async def _run_window(runner: TaskRunner, parts: Sequence[StrikeRange]) -> Window:
    results: list[MeasuredResult] = []
    began = perf_counter()
    await runner.run_tasks(run_measured, parts, lambda _, result: results.append(result))
    wall_s = perf_counter() - began
    joined = reduce(join_results, [each.result for each in results])
    waited_s = sum(each.waited_seconds for each in results)
    return Window(
        strikes=joined.count,
        fingerprint=joined.fingerprint,
        wall_s=wall_s,
        cpu_s=sum(each.cpu_seconds for each in results),
        waited_s=waited_s,
        free_s=max(wall_s - waited_s / runner.places, 1e-9),
    )


def _make_row(name: str, processes: int, windows: Sequence[Window], ones: Sequence[Window]) -> ScalingRow:
    def take(compute: Callable[[Window], float]) -> float:
        return median(compute(window) for window in windows)

    def relate(compute: Callable[[Window], float]) -> float:
        return median(compute(one) / compute(window) for window, one in zip(windows, ones, strict=True))

    return ScalingRow(
        place=name,
        processes=processes,
        strikes=sum(window.strikes for window in windows),
        strikes_per_s=take(lambda each: each.strikes / each.wall_s),
        strikes_per_cpu_s=take(lambda each: each.strikes / each.cpu_s),
        strikes_per_free_s=take(lambda each: each.strikes / each.free_s),
        waited_share=take(lambda each: each.waited_s / processes / each.wall_s),
        times_one=relate(lambda each: each.free_s),
        times_one_wall=relate(lambda each: each.wall_s),
    )


def _format_rows(rows: Sequence[ScalingRow]) -> list[str]:
    lines = [
        f"{'place':<14}{'strikes/s':>11}{'per CPU s':>11}{'per free s':>12}{'waited':>8}{'times one':>11}{'by wall':>9}"
    ]
    lines += [
        f"{row.place:<14}{row.strikes_per_s:>11.0f}{row.strikes_per_cpu_s:>11.0f}{row.strikes_per_free_s:>12.0f}"
        f"{row.waited_share:>8.0%}{row.times_one:>11.2f}{row.times_one_wall:>9.2f}"
        for row in rows
    ]
    return lines
