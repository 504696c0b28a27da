"""Strike ranges: the same however they are cut, wherever they run, whoever dies."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import reduce

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers import jobs
from vm.golden import make_golden_problem
from vm.law import InvalidLaw, compute_law
from vm.problem import compute_energies, unpack_shots
from vm.strike import compile_circuit, run_strike
from workers.processes import WorkerPool
from workers.strike_range import (
    InvalidRange,
    RangeResult,
    StrikeRange,
    compute_strike_seed,
    join_results,
    run_strike_range,
    split_range,
)
from workers.tasks import LocalTasks, TaskKillsWorkers

PROBLEM = make_golden_problem("cubic", 12)
SEED = bytes(range(32))


def make_range(count: int = 40, start: int = 3) -> StrikeRange:
    """A small range, whose shots are kept."""
    return StrikeRange(
        problem=PROBLEM,
        order=tuple(range(12)),
        depth=1,
        law=compute_law(PROBLEM, 1),
        seed=SEED,
        start=start,
        count=count,
        shots=8,
        is_kept=True,
    )


def join(results: list[RangeResult]) -> dict[str, object]:
    """The result of all, without its time."""
    data = msgspec.structs.asdict(reduce(join_results, results))
    return {name: value for name, value in data.items() if name not in ("cpu_seconds", "shots")}


def test_a_range_is_the_strikes_of_its_seeds() -> None:
    whole = make_range()
    result = run_strike_range(whole)
    circuit = compile_circuit(PROBLEM, order=whole.order, depth=1)
    shots = [run_strike(circuit, whole.law, compute_strike_seed(SEED, k), shots=8) for k in range(3, 43)]
    assert (unpack_shots(result.shots, 12) == np.concatenate(shots)).all()
    energies = compute_energies(PROBLEM, np.concatenate(shots))
    assert (result.best_energy, result.energy_sum) == (energies.min(), energies.sum())
    first = int(np.argmin(energies))
    assert result.best_strike == 3 + first // 8
    assert result.best_bits == np.concatenate(shots)[first].tobytes()


@settings(deadline=None, max_examples=15)
@given(st.integers(10**5, 10**7), st.randoms())
def test_how_a_range_is_cut_and_in_which_order_it_comes_back_changes_nothing(task_gas: int, chance) -> None:  # type: ignore[no-untyped-def]
    whole = make_range()
    parts = split_range(whole, task_gas=task_gas)
    assert [part.start for part in parts] == [3 + sum(each.count for each in parts[:k]) for k in range(len(parts))]
    results = [run_strike_range(part) for part in parts]
    kept = b"".join(result.shots for result in results)
    chance.shuffle(results)
    assert kept == run_strike_range(whole).shots
    assert join(results) == join([run_strike_range(whole)])


def test_parts_are_of_equal_gas() -> None:
    counts = [part.count for part in split_range(make_range(1000), task_gas=10**7)]
    assert len(counts) > 10
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"count": 0}, InvalidRange, "1 to 2^40 strikes"),
        ({"start": -1}, InvalidRange, "1 to 2^40 strikes"),
        ({"shots": 0}, InvalidRange, "at least one shot"),
        ({"depth": 2}, InvalidLaw, "does not fit"),
    ],
)
def test_an_impossible_range_is_refused(change: dict[str, int], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        split_range(msgspec.structs.replace(make_range(), **change))
    assert words in str(caught.value)


def test_a_worker_process_that_is_killed_loses_nothing() -> None:
    """Its task runs again in the process that takes its place."""

    async def scene() -> None:
        parts = split_range(make_range(200), task_gas=4 * 10**6)
        assert len(parts) > 8
        results: list[tuple[int, RangeResult]] = []
        deaths: list[object] = []
        async with asyncio.timeout(120), WorkerPool(2, on_death=deaths.append) as pool:

            def on_result(index: int, result: RangeResult) -> None:
                results.append((index, result))
                if len(results) == 2:
                    os.kill(pool.process_ids[0], signal.SIGKILL)

            await LocalTasks(pool).run_tasks(run_strike_range, parts, on_result)
        assert deaths
        assert sorted(index for index, _ in results) == list(range(len(parts)))
        assert join([result for _, result in results]) == join([run_strike_range(make_range(200))])

    asyncio.run(scene())


def test_a_task_that_kills_every_process_ends_the_run_with_a_sentence() -> None:
    async def scene() -> None:
        async with asyncio.timeout(60), WorkerPool(1) as pool:
            with pytest.raises(TaskKillsWorkers, match="3 processes died under task 0"):
                await LocalTasks(pool).run_tasks(jobs.die_at_once, [-9], lambda *_: None)

    asyncio.run(scene())


def test_the_first_error_of_a_task_is_raised_as_it_is() -> None:
    async def scene() -> None:
        async with asyncio.timeout(60), WorkerPool(2) as pool:
            with pytest.raises(KeyError, match="of ours"):
                await LocalTasks(pool).run_tasks(jobs.raise_error, ["of ours"], lambda *_: None)

    asyncio.run(scene())
