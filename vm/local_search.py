"""A classical baseline: steepest 1-flip descent from many random starts.

What it finds in a moment everybody can have for nothing, so no bounty should be paid for less.
"""

from __future__ import annotations

import numpy as np

from vm.problem import IsingProblem, Shots, compute_energies

CELLS_MAX = 1 << 22  # starts times spins held at once


def search_locally(problem: IsingProblem, *, seed: int, starts: int = 512) -> Shots:
    """Return the best bits found, uint8[1, n]; the same for the same seed and number of starts.

    All starts descend side by side: each flips the spin that lowers its energy most, until none does.
    """
    source = np.random.Generator(np.random.PCG64(seed))
    count = max(1, min(starts, CELLS_MAX // problem.n))
    spins = 1 - 2 * source.integers(0, 2, size=(count, problem.n), dtype=np.int64)
    matrix = np.zeros((problem.n, problem.n), dtype=np.int64)
    for i, j, weight in problem.couplings:
        matrix[i, j] = matrix[j, i] = weight
    local = spins @ matrix + np.array(problem.fields, dtype=np.int64)
    rows = np.arange(count)
    while rows.size:
        gains = spins[rows] * local[rows]  # flipping spin i changes the energy by -2 * gain
        chosen = np.argmax(gains, axis=1)
        improving = gains[np.arange(rows.size), chosen] > 0
        rows, chosen = rows[improving], chosen[improving]
        local[rows] -= 2 * spins[rows, chosen][:, None] * matrix[chosen]
        spins[rows, chosen] *= -1
    shots = ((1 - spins) // 2).astype(np.uint8)
    best = int(np.argmin(compute_energies(problem, shots)))
    return shots[best : best + 1]
