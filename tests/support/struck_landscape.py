"""Mean energies of real strikes, the best that any law gives, and a problem whose published angles are wrong.

Genesis has no belief to displace. But published angles go by a problem's degree and the root mean square of its
coefficients, and a ring whose couplings are 5 and 1 by turns looks to them like a graph of degree 3: gamma is 30 % too
small, and its strikes reach some 90 % of the best mean energy.
"""

from __future__ import annotations

import random

import numpy as np
from msgspec.structs import replace

from vm.law import AngleLaw, compute_law
from vm.problem import IsingProblem, make_problem, sum_energies
from vm.strike import Circuit, compile_circuit, run_strike

SHOTS = 32
GRID = np.linspace(0.75, 1.25, 7)
HEAVY = 5


def measure(circuit: Circuit, law: AngleLaw, strikes: int) -> float:
    """Return the mean energy of strikes under a law; the seeds are always the same."""
    chance = random.Random(77)
    total = sum(
        sum_energies(circuit.problem, run_strike(circuit, law, chance.randbytes(32), shots=SHOTS))
        for _ in range(strikes)
    )
    return total / (strikes * SHOTS)


def search_grid(circuit: Circuit, published: AngleLaw, strikes: int) -> float:
    """Return the optimum under the same dressing: the minimum of a parabola through a grid of sharp angles."""
    rows, energies = [], []
    for x in GRID:
        for y in GRID:
            gamma, beta = int(published.gamma_means[0] * x), int(published.beta_means[0] * y)
            law = AngleLaw(gamma_means=(gamma,), gamma_widths=(1,), beta_means=(beta,), beta_widths=(1,))
            rows.append((1, x, y, x * x, x * y, y * y))
            energies.append(measure(circuit, law, strikes))
    c = np.linalg.lstsq(np.array(rows), np.array(energies), rcond=None)[0]
    x, y = np.linalg.solve([[2 * c[3], c[4]], [c[4], 2 * c[5]]], [-c[1], -c[2]])
    return float(c @ (1, x, y, x * x, x * y, y * y))


def make_skewed_ring(spins: int) -> IsingProblem:
    """Return a ring, of an even number of spins, of couplings 5 and 1 by turns.

    The last coupling is -1, so that not all can be content: no bits reach `compute_skewed_target`.
    """
    path = [(i, i + 1, HEAVY if i % 2 == 0 else 1) for i in range(spins - 1)]
    return make_problem(spins, sorted([*path, (0, spins - 1, -1)]))


def compute_skewed_target(problem: IsingProblem) -> int:
    """Return the lowest target energy that may be posted for a skewed ring; the ring's own lowest one is 2 above it."""
    return -sum(abs(j) for _, _, j in problem.couplings)


def compare_skewed(problem: IsingProblem, laws: list[AngleLaw]) -> tuple[float, float]:
    """Return which part of the optimum strikes on a skewed ring reach under the published law, and under some laws."""
    circuit, published = compile_circuit(problem, order=tuple(range(problem.n)), depth=1), compute_law(problem, 1)
    best = search_grid(circuit, replace(published, gamma_means=(published.gamma_means[0] * 7 // 5,)), 400)
    ended = sum(measure(circuit, law, 40) for law in laws) / len(laws)
    return measure(circuit, published, 800) / best, ended / best
