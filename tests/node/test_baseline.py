"""The free baseline: what is annealed, for how long, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from node.baseline import Baseline, Timed, take_timed_turn
from node.core.events import BestShotFound
from node.core.problem_choice import BASELINES_KEPT_MAX, SolutionBook
from runtime.pallets.problems import cancel, post
from runtime.storage import Overlay
from tests.support.runtime_chain import RuntimeChain, make_ring, post_arguments
from tests.support.solving import add
from vm.problem import compute_energy, unpack_shots
from workers.processes import WorkerDied


class HereAndNow:
    """Workers that run a function at once; a turn is said to take a second."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.deaths = 0

    async def run(self, function: Callable[..., Timed], *arguments: object) -> Timed:
        """Run it here."""
        if self.deaths:
            self.deaths -= 1
            raise WorkerDied(0, 1)
        self.calls.append(len(arguments[0].couplings))
        return Timed(found=function(*arguments).found, seconds=1.0)


def make_chain() -> RuntimeChain:
    """Return a chain with rings of six and eight."""
    chain = RuntimeChain()
    for n in (6, 8):
        add(chain, chain.sign("alice", post, *post_arguments(make_ring(n), target_energy=-n)))
    return chain


def make_baseline(chain: RuntimeChain, seconds: float = 2.0) -> tuple[Baseline, SolutionBook, list[BestShotFound]]:
    """Return a baseline, the book it writes to, and what it tells."""
    book, told = SolutionBook(), list[BestShotFound]()
    return Baseline(lambda: Overlay(chain.view), book, told.append, seconds_max=seconds), book, told


def test_each_open_problem_is_annealed_for_its_time_in_turn() -> None:
    chain, workers = make_chain(), HereAndNow()
    baseline, book, told = make_baseline(chain)
    spent = [asyncio.run(baseline.take_turn(workers)) for _ in range(5)]
    assert spent == [1.0, 1.0, 1.0, 1.0, None]
    assert sorted(workers.calls[:2]) == sorted(workers.calls[2:]) == [6, 8]
    assert (book.get_baseline(0), book.get_baseline(1)) == (-6, -8)
    assert [(event.problem_id, event.energy) for event in told] == [(0, -6), (1, -8)], "only what is better is told"
    for event, n in zip(told, (6, 8), strict=True):
        assert compute_energy(make_ring(n), unpack_shots(event.bits, n)[0]) == event.energy


def test_closed_problems_are_left_alone() -> None:
    chain, workers = make_chain(), HereAndNow()
    add(chain, chain.sign("alice", cancel, 1))
    baseline, _, _ = make_baseline(chain, seconds=1.0)
    assert [asyncio.run(baseline.take_turn(workers)) for _ in range(2)] == [1.0, None]
    assert workers.calls == [6]


def test_a_problem_of_the_same_number_on_another_branch_is_annealed_anew() -> None:
    chain, workers = make_chain(), HereAndNow()
    baseline, _, _ = make_baseline(chain, seconds=1.0)
    asyncio.run(baseline.take_turn(workers))
    other = RuntimeChain()
    add(other, other.sign("bob", post, *post_arguments(make_ring(4), target_energy=-4)))
    chain.view = other.view
    assert asyncio.run(baseline.take_turn(workers)) == 1.0
    assert workers.calls == [6, 4]


def test_a_worker_that_dies_costs_a_pause() -> None:
    chain, workers = make_chain(), HereAndNow()
    workers.deaths = 1
    baseline, book, _ = make_baseline(chain)
    assert asyncio.run(baseline.take_turn(workers)) is not None
    assert book.get_baseline(0) is None
    asyncio.run(baseline.take_turn(workers))
    assert book.get_baseline(0) == -6


def test_a_turn_is_timed_and_goes_on_from_the_best() -> None:
    timed = take_timed_turn(make_ring(6), 0, None)
    assert timed.found.energy == -6
    assert timed.seconds > 0
    assert take_timed_turn(make_ring(6), 2, timed.found).found.energy == -6


def test_so_many_baselines_are_kept() -> None:
    book = SolutionBook()
    for number in range(BASELINES_KEPT_MAX + 1):
        book.note_baseline(number, -number)
    assert book.get_baseline(0) is None
    assert book.get_baseline(BASELINES_KEPT_MAX) == -BASELINES_KEPT_MAX
