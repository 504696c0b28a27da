"""Measurement orders: how many qubits are live while one measures as one goes, and finding orders that keep few.

A qubit is measured as early as its place in the order allows; to measure it, every qubit within distance `depth` of
it (its light cone) must have been introduced, each as late as possible. So at step k the live qubits are those in the
light cones of the first k + 1 measured ones, less the k already gone.

Terms:
    live profile: the number of live qubits at each step, the one about to be measured included.
    order cost: the sum of 2^live over the steps, an integer.
    better: of two orders that can be struck, the one of less gas; an order that can be struck is better than one that
        cannot; and of two that cannot, the one of lower order cost.
    effort: elementary steps of the search, in millions for 100 qubits or more, about 8 ms each; fewer qubits get fewer
        by the square. The result depends on problem, depth, seed and effort only, on every machine.

Source: qubit reuse, DeCross et al., PRX 13, 041057 (2023), arXiv:2210.08039.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from vm.gas import make_tariff
from vm.order_prices import make_cost_prices, make_gas_prices
from vm.order_search import anneal_, compute_cost, make_best_start, make_state
from vm.problem import IsingProblem, NotStrikeable, check_strikeable
from vm.schedule import check_order, compile_schedule
from vm.strike import LIVE_QUBITS_MAX, SHOTS_DEFAULT

EFFORT_DEFAULT = 200
EFFORT_MAX = 10**6
RESTARTS = 4
ROUNDS = 10
HEAT = 0.2
QUBITS_COUNTED = 100


class OrderProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The best order after `done` of `total` rounds.

    Attributes:
        gas: The gas limit of a strike of the usual number of shots; 0 if there can be none.
        cost: The order cost.
    """

    done: int
    total: int
    order: tuple[int, ...]
    gas: int
    cost: int
    live_qubits_max: int


def anneal_order(
    problem: IsingProblem,
    depth: int,
    *,
    seed: int,
    effort: int = EFFORT_DEFAULT,
    on_progress: Callable[[OrderProgress], None] | None = None,
) -> tuple[int, ...]:
    """Return a measurement order of little gas, the same for the same seed and effort.

    Raises:
        ValueError: depth below 1 or effort outside 0..EFFORT_MAX.
    """
    order: tuple[int, ...] = ()
    for progress in search_order(problem, depth, seed=seed, effort=effort):
        order = progress.order
        if on_progress is not None:
            on_progress(progress)
    return order


def search_order(
    problem: IsingProblem, depth: int, *, seed: int, effort: int = EFFORT_DEFAULT
) -> Iterator[OrderProgress]:
    """Yield the best order so far: first the best sensible start, then after every round of annealing.

    Annealing follows prices that are quick to sum; which order is better is then decided by its compiled schedule.

    Raises:
        ValueError: depth below 1 or effort outside 0..EFFORT_MAX.
    """
    if depth < 1 or not 0 <= effort <= EFFORT_MAX:
        raise ValueError(f"an order needs depth >= 1 and effort in 0..{EFFORT_MAX}, not {depth} and {effort}")
    n = problem.n
    starts, members = make_light_cone_arrays(problem, depth)
    state = make_state(seed)
    gas_prices, cost_prices = make_gas_prices(n, depth, SHOTS_DEFAULT), make_cost_prices(n)
    best = _rate_order(problem, depth, range(n))
    for prices in (gas_prices, cost_prices):
        best = _get_better(best, _rate_order(problem, depth, make_best_start(starts, members, prices, state).tolist()))
    yield best
    work = effort * 10**6 * min(n, QUBITS_COUNTED) ** 2 // (QUBITS_COUNTED**2 * RESTARTS * ROUNDS)
    # where every light cone is everything, all orders have one cost, and at depth 1 one gas
    is_decided = len(members) == n**2 and (depth == 1 or n > LIVE_QUBITS_MAX)
    for restart in range(0 if is_decided or work == 0 else RESTARTS):
        prices = cost_prices if restart == RESTARTS - 1 else gas_prices
        order = make_best_start(starts, members, prices, state)
        least = np.inf
        for number in range(ROUNDS):
            left = 1 - number / (ROUNDS - 1)
            anneal_(order, starts, members, prices, state, HEAT * left * left, work)
            cost = compute_cost(order, starts, members, prices)
            if cost < least:
                least = cost
                best = _get_better(best, _rate_order(problem, depth, order.tolist()))
            best = replace(best, done=restart * ROUNDS + number + 1)
            yield best


def compute_live_profile(problem: IsingProblem, order: Sequence[int], depth: int) -> tuple[int, ...]:
    """Return how many qubits are live at each step of an order, the measured one included.

    Raises:
        InvalidOrder: the order does not name every qubit once.
    """
    check_order(tuple(order), problem.n)
    cones = compute_light_cones(problem, depth)
    introduced, profile = 0, []
    for step, qubit in enumerate(order):
        introduced |= cones[qubit]
        profile.append(introduced.bit_count() - step)
    return tuple(profile)


def compute_order_cost(problem: IsingProblem, order: Sequence[int], depth: int) -> int:
    """Return the exact cost of an order: the sum of 2^live over its steps.

    Raises:
        InvalidOrder: the order does not name every qubit once.
    """
    return sum(1 << live for live in compute_live_profile(problem, order, depth))


@lru_cache(maxsize=16)
def compute_light_cones(problem: IsingProblem, depth: int) -> tuple[int, ...]:
    """Return, for each qubit, the qubits within distance `depth` of it, itself included, as the bits of an integer."""
    neighbours: list[list[int]] = [[] for _ in range(problem.n)]
    for i, j, _ in problem.couplings:
        neighbours[i].append(j)
        neighbours[j].append(i)
    cones = [1 << qubit for qubit in range(problem.n)]
    for _ in range(depth):
        wider = list(cones)
        for qubit, near in enumerate(neighbours):
            for other in near:
                wider[qubit] |= cones[other]
        if wider == cones:
            break
        cones = wider
    return tuple(cones)


def make_light_cone_arrays(problem: IsingProblem, depth: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the light cones as one list of members and where each qubit's part of it starts."""
    rows = []
    width = (problem.n + 7) // 8
    for cone in compute_light_cones(problem, depth):
        bits = np.unpackbits(np.frombuffer(cone.to_bytes(width, "little"), dtype=np.uint8), bitorder="little")
        rows.append(np.flatnonzero(bits).astype(np.int32))
    starts = np.zeros(problem.n + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=starts[1:])
    return starts, np.concatenate(rows)


def _rate_order(problem: IsingProblem, depth: int, order: Sequence[int]) -> OrderProgress:
    found = tuple(order)
    profile = compute_live_profile(problem, found, depth)
    gas = 0
    if max(profile) <= LIVE_QUBITS_MAX and _is_strikeable(problem):  # the hopeless is not compiled
        gas = make_tariff(compile_schedule(problem, found, depth), SHOTS_DEFAULT).limit
    return OrderProgress(
        done=0,
        total=RESTARTS * ROUNDS,
        order=found,
        gas=gas,
        cost=sum(1 << live for live in profile),
        live_qubits_max=max(profile),
    )


def _get_better(old: OrderProgress, new: OrderProgress) -> OrderProgress:
    if old.gas > 0 or new.gas > 0:
        return new if new.gas > 0 and (old.gas == 0 or new.gas < old.gas) else old
    return new if new.cost < old.cost else old


def _is_strikeable(problem: IsingProblem) -> bool:
    try:
        check_strikeable(problem)
    except NotStrikeable:
        return False
    return True
