"""Measurement orders: the live profile is the engine's, the search finds orders of little gas and is repeatable."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vm.formats import read_problem
from vm.gas import PRICES, STRIKE_GAS, make_tariff
from vm.golden import make_golden_problem
from vm.order import (
    OrderProgress,
    anneal_order,
    compute_live_profile,
    compute_order_cost,
    make_light_cone_arrays,
    search_order,
)
from vm.order_prices import make_cost_prices, make_gas_prices
from vm.order_search import compute_cost
from vm.problem import IsingProblem, make_problem
from vm.schedule import InvalidOrder, compile_schedule
from vm.work import count_work, list_most_registers

GRAPHS = Path(__file__).parents[1] / "vectors" / "graphs"


def read_graph(name: str) -> IsingProblem:
    return read_problem((GRAPHS / name).read_bytes(), name=name).problem


def compute_order_gas(problem: IsingProblem, order: tuple[int, ...], depth: int) -> int:
    return make_tariff(compile_schedule(problem, order, depth), 32).limit


def make_grid(rows: int, columns: int) -> IsingProblem:
    across = [(r * columns + c, r * columns + c + 1, 1) for r in range(rows) for c in range(columns - 1)]
    down = [(r * columns + c, (r + 1) * columns + c, 1) for r in range(rows - 1) for c in range(columns)]
    return make_problem(rows * columns, across + down)


PROBLEMS = st.integers(1, 9).flatmap(
    lambda n: st.tuples(
        st.lists(
            st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda pair: pair[0] != pair[1]),
            max_size=12,
        ).map(lambda pairs: make_problem(n, [(i, j, 1) for i, j in pairs], fields=[1] * n)),
        st.permutations(range(n)).map(tuple),
        st.integers(1, 3),
    )
)


@settings(deadline=None)  # the first call compiles
@given(PROBLEMS)
def test_the_live_profile_is_that_of_the_compiled_schedule(case: tuple[IsingProblem, tuple[int, ...], int]) -> None:
    problem, order, depth = case
    schedule = compile_schedule(problem, order, depth)
    measured = tuple(step.live for step in schedule.steps if step.measured)
    assert compute_live_profile(problem, order, depth) == measured
    assert max(measured) == schedule.live_qubits_max
    assert compute_order_cost(problem, order, depth) == sum(2**live for live in measured)


@settings(deadline=None)  # the first call compiles
@given(PROBLEMS, st.integers(0, 2**64))
def test_the_search_returns_a_permutation_never_worse_than_the_labels(
    case: tuple[IsingProblem, tuple[int, ...], int], seed: int
) -> None:
    problem, _, depth = case
    order = anneal_order(problem, depth, seed=seed, effort=1)
    labels = tuple(range(problem.n))
    assert compute_order_gas(problem, order, depth) <= compute_order_gas(problem, labels, depth)


def test_the_search_finds_the_order_of_least_gas_of_a_small_graph() -> None:
    problem = make_problem(7, [(0, 3, 1), (3, 5, 1), (5, 1, 1), (1, 6, 1), (6, 2, 1), (2, 4, 1), (0, 6, 1)])
    found = compute_order_gas(problem, anneal_order(problem, 1, seed=5), 1)
    assert found == min(compute_order_gas(problem, order, 1) for order in permutations(range(7)))


@settings(deadline=None)
@given(PROBLEMS)
def test_the_prices_of_the_search_are_the_cost_and_at_depth_1_about_the_gas(
    case: tuple[IsingProblem, tuple[int, ...], int],
) -> None:
    problem, order, _ = case
    starts, members = make_light_cone_arrays(problem, 1)
    as_array = np.array(order, np.int32)
    assert compute_cost(as_array, starts, members, make_cost_prices(problem.n)) == compute_order_cost(problem, order, 1)
    work = count_work(compile_schedule(problem, order, 1), 32).sum_up(list_most_registers(problem.n, 32))
    tables = work.terms * PRICES.terms + work.factors * PRICES.factors
    entries = PRICES.gathered * (work.gathered + work.moved)  # the suffix's are among them and left out
    left_out = STRIKE_GAS + work.uniforms * PRICES.uniforms + tables
    priced = compute_cost(as_array, starts, members, make_gas_prices(problem.n, 1, 32))
    gathered = PRICES.gathered * work.weighed  # what the search takes every step to introduce
    gas = compute_order_gas(problem, order, 1) - left_out
    assert gas - entries <= priced <= gas + gathered


def test_the_chain_would_take_the_found_order_of_a_ring_or_grid_for_the_one_of_least_cost() -> None:
    """The runtime compares gas; with few live qubits an early sweep saves more than a low order cost."""
    for problem, depth in ((make_golden_problem("ring", 60), 1), (make_golden_problem("grid", 28), 1)):
        labels = tuple(range(problem.n))
        order = anneal_order(problem, depth, seed=1, effort=20)
        assert compute_order_cost(problem, order, depth) > compute_order_cost(problem, labels, depth)
        assert compute_order_gas(problem, order, depth) < 0.96 * compute_order_gas(problem, labels, depth)


def test_orders_that_cannot_be_struck_are_compared_by_cost() -> None:
    """With even weights nothing can be struck; on a ring three qubits are live at best."""
    problem = make_problem(10, [(i, (i + 3) % 10, 2) for i in range(10)])
    seen = list(search_order(problem, 1, seed=3, effort=20))
    assert {progress.gas for progress in seen} == {0}
    assert seen[-1].cost == 8 * 2**3 + 2**2 + 2**1


@pytest.mark.parametrize(("name", "live", "gas"), [("cubic60.txt", 12, 62_500_000), ("cubic100.txt", 15, 380_000_000)])
def test_few_qubits_are_live_on_random_cubic_graphs(name: str, live: int, gas: int) -> None:
    problem = read_graph(name)
    order = anneal_order(problem, 1, seed=1)
    assert max(compute_live_profile(problem, order, 1)) <= live
    assert compute_order_gas(problem, order, 1) <= gas


def test_a_grid_needs_one_row_and_one_more_qubit() -> None:
    problem = make_grid(10, 10)
    order = anneal_order(problem, 1, seed=0, effort=10)
    assert max(compute_live_profile(problem, order, 1)) == 11


def test_the_same_seed_gives_the_same_order_and_progress() -> None:
    problem = read_graph("cubic60.txt")
    seen: list[OrderProgress] = []
    order = anneal_order(problem, 1, seed=7, effort=4, on_progress=seen.append)
    assert seen == list(search_order(problem, 1, seed=7, effort=4))
    assert order == seen[-1].order
    assert [progress.done for progress in seen] == list(range(seen[-1].total + 1))
    gas = [progress.gas for progress in seen]
    assert gas == sorted(gas, reverse=True)
    assert gas[-1] < gas[0]
    assert gas[-1] == compute_order_gas(problem, order, 1)
    assert order != anneal_order(problem, 1, seed=8, effort=4)


def test_no_effort_returns_the_best_start() -> None:
    progress = list(search_order(make_grid(4, 4), 1, seed=0, effort=0))
    assert len(progress) == 1
    assert progress[0].live_qubits_max <= 5


def test_vm_10_an_order_must_name_every_qubit_once() -> None:
    with pytest.raises(InvalidOrder):
        compute_live_profile(make_grid(2, 2), (0, 1, 2, 2), 1)


@pytest.mark.parametrize(("depth", "effort"), [(0, 1), (1, -1), (1, 10**7)])
def test_a_depth_or_effort_out_of_bounds_is_refused(depth: int, effort: int) -> None:
    with pytest.raises(ValueError, match="effort in 0"):
        anneal_order(make_grid(2, 2), depth, seed=0, effort=effort)
