"""Refinements: what is done to a shot after it is measured, and what that took.

Terms:
    evaluation: an energy difference of one flip that is looked at. It is counted also where it was only read again from
        a table, so that no method looks cheaper than it is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from vm.problem import IsingProblem

TABU_TENURE_SHIFT = 2  # a flipped spin rests for n / 4 moves, at least one
TABU_MOVES_PER_SPIN = 2
UNLIMITED = 2**62

Integers = NDArray[np.int64]
Bits = NDArray[np.uint8]


class Refined(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration at least as good as the shot, and the evaluations that it took."""

    bits: bytes
    energy: int
    evaluations: int


class Refinement(Protocol):
    """Improves one shot."""

    def __call__(self, problem: IsingProblem, shot: Bits, energy: int, evaluations_max: int | None) -> Refined:
        """Return the refined shot, within the evaluations that are left (None: no limit)."""


class Neighbours(msgspec.Struct, frozen=True, kw_only=True):
    """A problem's couplings by spin: those of spin i are `starts[i]:starts[i + 1]` of others and weights."""

    starts: Integers
    others: Integers
    weights: Integers
    fields: Integers


def refine_none(problem: IsingProblem, shot: Bits, energy: int, evaluations_max: int | None) -> Refined:
    """Return the shot as it is."""
    return Refined(bits=shot.tobytes(), energy=energy, evaluations=0)


def refine_one_flip(problem: IsingProblem, shot: Bits, energy: int, evaluations_max: int | None) -> Refined:
    """Return the local minimum reached by flipping, spin after spin by label, whatever lowers the energy."""
    near = make_neighbours(problem)
    spins = 1 - 2 * shot.astype(np.int64)
    gained, spent = descend_(near.starts, near.others, near.weights, near.fields, spins, _limit(evaluations_max))
    return Refined(bits=_to_bits(spins), energy=energy + int(gained), evaluations=int(spent))


def refine_tabu(problem: IsingProblem, shot: Bits, energy: int, evaluations_max: int | None) -> Refined:
    """Return the best configuration of a tabu walk of 2n moves: each the best flip of a spin that does not rest."""
    near = make_neighbours(problem)
    spins = 1 - 2 * shot.astype(np.int64)
    moves, tenure = TABU_MOVES_PER_SPIN * problem.n, max(1, problem.n >> TABU_TENURE_SHIFT)
    arrays = (near.starts, near.others, near.weights, near.fields)
    gained, spent = walk_tabu_(*arrays, spins, moves, tenure, _limit(evaluations_max))
    return Refined(bits=_to_bits(spins), energy=energy + int(gained), evaluations=int(spent))


@lru_cache(maxsize=64)
def make_neighbours(problem: IsingProblem) -> Neighbours:
    """Return the couplings by spin."""
    rows: list[list[tuple[int, int]]] = [[] for _ in range(problem.n)]
    for i, j, weight in problem.couplings:
        rows[i].append((j, weight))
        rows[j].append((i, weight))
    flat = np.array([pair for row in rows for pair in row], dtype=np.int64).reshape(-1, 2)
    return Neighbours(
        starts=np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
        others=np.ascontiguousarray(flat[:, 0]),
        weights=np.ascontiguousarray(flat[:, 1]),
        fields=np.array(problem.fields, dtype=np.int64),
    )


@njit(cache=True, fastmath=False)
def compute_difference(
    starts: Integers, others: Integers, weights: Integers, fields: Integers, spins: Integers, spin: int
) -> int:
    """Return what flipping one spin adds to the energy."""
    local = fields[spin]
    for k in range(starts[spin], starts[spin + 1]):
        local += weights[k] * spins[others[k]]
    return int(-2 * spins[spin] * local)


@njit(cache=True, fastmath=False)
def descend_(
    starts: Integers, others: Integers, weights: Integers, fields: Integers, spins: Integers, evaluations_max: int
) -> tuple[int, int]:
    """Flip in place what lowers the energy until n spins in a row do not; return what was added, and evaluations."""
    n = spins.size
    added, spent, idle, spin = 0, 0, 0, 0
    while idle < n and spent < evaluations_max:
        difference = compute_difference(starts, others, weights, fields, spins, spin)
        spent += 1
        idle += 1
        if difference < 0:
            spins[spin] = -spins[spin]
            added += difference
            idle = 1  # the spin that was just flipped need not be looked at again
        spin = spin + 1 if spin + 1 < n else 0
    return added, spent


@njit(cache=True, fastmath=False)
def walk_tabu_(
    starts: Integers,
    others: Integers,
    weights: Integers,
    fields: Integers,
    spins: Integers,
    moves: int,
    tenure: int,
    evaluations_max: int,
) -> tuple[int, int]:
    """Walk in place and end at the best configuration met; return what was added, and evaluations.

    A resting spin is flipped all the same where that gives the best configuration so far.
    """
    n = spins.size
    rests = np.zeros(n, np.int64)
    best_spins = spins.copy()
    added, best, spent = 0, 0, 0
    for move in range(1, moves + 1):
        if spent + n > evaluations_max:
            break
        chosen, least = -1, 0
        for spin in range(n):
            difference = compute_difference(starts, others, weights, fields, spins, spin)
            is_free = rests[spin] < move or added + difference < best
            if is_free and (chosen < 0 or difference < least):
                chosen, least = spin, difference
        spent += n
        if chosen < 0:
            continue
        spins[chosen] = -spins[chosen]
        added += least
        rests[chosen] = move + tenure
        if added < best:
            best = added
            best_spins[:] = spins
    spins[:] = best_spins
    return best, spent


def _limit(evaluations_max: int | None) -> int:
    return UNLIMITED if evaluations_max is None else max(0, evaluations_max)


def _to_bits(spins: Integers) -> bytes:
    return ((1 - spins) // 2).astype(np.uint8).tobytes()
