"""MaxCut instances of the contest: random ones with brute-forced optima, and public ones with known cuts.

An instance is made from a seed that names its family, size, number and purpose, so that the instances on which methods
are tuned are never those on which they are compared. The energy is `sum w s s`, so cut = (W - energy) / 2.

Terms:
    cubic: random 3-regular graphs, unit weights. gnp: G(n, 1/2), unit weights. weighted: random 3-regular graphs,
        weights 1..7. grid: rectangular grids, weights +-1 (with unit weights a grid is bipartite, and its cut trivial).
"""

from __future__ import annotations

from math import isqrt

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from vm.problem import IsingProblem, make_problem
from vm.refinement import compute_difference, make_neighbours

FAMILIES = ("cubic", "gnp", "weighted", "grid")
WEIGHT_MAX = 7
BRUTE_QUBITS_MAX = 24
PURPOSES = ("tuning", "contest")


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One graph and the energy that counts as a hit.

    Attributes:
        target: The optimal energy, or the best known.
        status: brute force, optimal (published proof), best known (published), or reference (our long search).
    """

    name: str
    family: str
    n: int
    problem: IsingProblem
    target: int
    status: str


def make_instance(family: str, n: int, number: int, *, seed: int, purpose: str) -> Instance:
    """Return a random instance with its brute-forced optimum."""
    problem = make_graph(family, n, number, seed=seed, purpose=purpose)
    return Instance(
        name=f"{family}-{n}-{number}",
        family=family,
        n=n,
        problem=problem,
        target=compute_optimum(problem),
        status="brute force",
    )


def make_graph(family: str, n: int, number: int, *, seed: int, purpose: str) -> IsingProblem:
    """Return a random graph's problem; the same for the same arguments."""
    key = [seed, FAMILIES.index(family), n, number, PURPOSES.index(purpose)]
    chance = np.random.Generator(np.random.PCG64(key))
    match family:
        case "cubic":
            return make_problem(n, [(i, j, 1) for i, j in _draw_cubic_pairs(n, chance)])
        case "weighted":
            pairs = _draw_cubic_pairs(n, chance)
            return make_problem(n, [(i, j, int(chance.integers(1, WEIGHT_MAX + 1))) for i, j in pairs])
        case "gnp":
            pairs = [(i, j) for j in range(n) for i in range(j) if chance.random() < 0.5]
            return make_problem(n, [(i, j, 1) for i, j in pairs])
        case _:
            return make_problem(n, [(i, j, int(2 * chance.integers(2) - 1)) for i, j in _list_grid_pairs(n)])


def compute_optimum(problem: IsingProblem) -> int:
    """Return the least energy, by walking all configurations in Gray code; without fields half of them suffice.

    Raises:
        ValueError: more than BRUTE_QUBITS_MAX spins.
    """
    if problem.n > BRUTE_QUBITS_MAX:
        raise ValueError(f"{problem.n} spins are too many for brute force")
    near = make_neighbours(problem)
    free = problem.n if any(problem.fields) else problem.n - 1
    first = sum(problem.fields) + sum(w for _, _, w in problem.couplings) + problem.offset
    return first + int(_walk_gray(near.starts, near.others, near.weights, near.fields, free))


@njit(cache=True, fastmath=False)
def _walk_gray(
    starts: NDArray[np.int64],
    others: NDArray[np.int64],
    weights: NDArray[np.int64],
    fields: NDArray[np.int64],
    free: int,
) -> int:
    """Return the least energy relative to all spins up."""
    spins = np.ones(fields.size, np.int64)
    energy, least = 0, 0
    for step in range(1, 1 << free):
        spin = 0
        while not (step >> spin) & 1:
            spin += 1
        energy += compute_difference(starts, others, weights, fields, spins, spin)
        spins[spin] = -spins[spin]
        least = min(least, energy)
    return least


def _draw_cubic_pairs(n: int, chance: np.random.Generator) -> list[tuple[int, int]]:
    """Return the edges of a 3-regular graph: random pairings until one has no loop and no double edge."""
    while True:
        ends = chance.permutation(np.repeat(np.arange(n), 3)).reshape(-1, 2)
        pairs = {(int(min(a, b)), int(max(a, b))) for a, b in ends if a != b}
        if 2 * len(pairs) == 3 * n:
            return sorted(pairs)


def _list_grid_pairs(n: int) -> list[tuple[int, int]]:
    """Return the edges of the most square grid of n vertices."""
    rows = next(height for height in range(isqrt(n), 0, -1) if n % height == 0)
    columns = n // rows
    across = [(r * columns + c, r * columns + c + 1) for r in range(rows) for c in range(columns - 1)]
    return sorted(across + [(r * columns + c, (r + 1) * columns + c) for r in range(rows - 1) for c in range(columns)])
