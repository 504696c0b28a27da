"""The best shot of many strikes, found quickly; its energy is then computed exactly.

Only a miner's search uses this. Sums of products below 2^53 are exact in binary64 in any order, and a strikeable
problem's energies stay below 2^36, so even the ranking is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.problem import IsingProblem, Shots, compute_energies, compute_energy, pack_shots

DENSE_SPINS_MAX = 256
BLOCK_SHOTS = 1024

Matrix = NDArray[np.float64]  # axes: qubit, qubit


class BestShot(msgspec.Struct, frozen=True, kw_only=True):
    """The shot of the lowest energy, packed, and that energy."""

    energy: int
    shot: bytes


def find_best_shot(problem: IsingProblem, strikes: Sequence[Shots]) -> BestShot | None:
    """Return the first shot of the lowest energy; None if there are no shots."""
    if not strikes:
        return None
    shots = np.concatenate(strikes)
    best: BestShot | None = None
    for begin in range(0, len(shots), BLOCK_SHOTS):
        block = shots[begin : begin + BLOCK_SHOTS]
        row = int(np.argmin(_rank_energies(problem, block)))
        energy = compute_energy(problem, block[row])
        if best is None or energy < best.energy:
            best = BestShot(energy=energy, shot=pack_shots(block[row : row + 1]))
    return best


def _rank_energies(problem: IsingProblem, shots: Shots) -> NDArray[np.float64] | NDArray[np.int64]:
    """Return energies but for the offset and the order of summation."""
    if problem.n > DENSE_SPINS_MAX:
        return compute_energies(problem, shots)
    spins = 1.0 - 2.0 * shots
    couplings, fields = _dense_couplings(problem)
    ranks: NDArray[np.float64] = np.einsum("si,si->s", spins @ couplings + fields, spins)
    return ranks


@lru_cache(maxsize=4)
def _dense_couplings(problem: IsingProblem) -> tuple[Matrix, NDArray[np.float64]]:
    couplings = np.zeros((problem.n, problem.n))
    for i, j, weight in problem.couplings:
        couplings[i, j] = weight
    return couplings, np.array(problem.fields, dtype=np.float64)
