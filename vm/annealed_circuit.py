"""Circuits with a measurement order found here: for whoever strikes problems of his own, not the chain's.

The order depends on which spins are coupled and not on the coefficients, so problems that differ in these share it.
"""

from __future__ import annotations

from functools import lru_cache

from vm.order import anneal_order
from vm.problem import IsingProblem, make_problem
from vm.strike import Circuit, compile_circuit

EFFORT = 8  # a tenth of a second at 100 qubits; a millisecond at 20
ORDER_SEED = 0


@lru_cache(maxsize=256)
def make_annealed_circuit(problem: IsingProblem, depth: int) -> Circuit:
    """Return the problem's circuit with an annealed measurement order; kept, because controllers ask again."""
    pairs = tuple((i, j) for i, j, _ in problem.couplings)
    return compile_circuit(problem, order=_find_order(problem.n, pairs, depth), depth=depth)


@lru_cache(maxsize=256)
def _find_order(n: int, pairs: tuple[tuple[int, int], ...], depth: int) -> tuple[int, ...]:
    return anneal_order(make_problem(n, [(i, j, 1) for i, j in pairs]), depth, seed=ORDER_SEED, effort=EFFORT)
