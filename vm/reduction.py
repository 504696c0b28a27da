"""Reductions: a smaller problem in which some spins follow others.

Terms:
    correlations: float64[spin, spin], the mean of `s_i s_j` over samples.
    tie: see `vm.aim`: `s_i = signs[i] * t[parents[i]]`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vm.aim import Tie
from vm.problem import IsingProblem, make_problem

Correlations = NDArray[np.float64]


def make_identity(n: int) -> Tie:
    """Return the tie in which every spin is its own."""
    return Tie(parents=tuple(range(n)), signs=(1,) * n)


def compute_struck_spins(tie: Tie, spins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the struck spins, int64[sample, struck], from those of the original that follow them."""
    leaders = np.zeros(max(tie.parents) + 1, np.intp)
    leaders[list(tie.parents)] = range(len(tie.parents))
    struck: NDArray[np.int64] = spins[:, leaders] * np.array(tie.signs)[leaders]
    return struck


def tie_strongest(problem: IsingProblem, correlations: Correlations, count: int) -> tuple[IsingProblem, Tie]:
    """Return the problem after tying coupled spins, the most correlated first; at least two spins stay free.

    Energies do not change: what the tied couplings are worth goes into the offset.

    Args:
        count: Spins to be tied; fewer if the couplings do not allow it.
    """
    parents, signs = list(range(problem.n)), [1] * problem.n
    left = min(count, problem.n - 2)
    for i, j, _ in sorted(problem.couplings, key=lambda term: -abs(float(correlations[term[0], term[1]]))):
        if left <= 0:
            break
        (a, sign_a), (b, sign_b) = _find_root(parents, signs, i), _find_root(parents, signs, j)
        if a != b:
            parents[b] = a
            signs[b] = sign_a * sign_b * (1 if correlations[i, j] >= 0 else -1)
            left -= 1
    roots = [_find_root(parents, signs, spin) for spin in range(problem.n)]
    places = {root: place for place, root in enumerate(sorted({root for root, _ in roots}))}
    tie = Tie(parents=tuple(places[root] for root, _ in roots), signs=tuple(sign for _, sign in roots))
    return reduce_problem(problem, tie), tie


def reduce_problem(problem: IsingProblem, tie: Tie) -> IsingProblem:
    """Return the energy as a function of the struck spins."""
    fields = [0] * (max(tie.parents) + 1)
    for spin, field in enumerate(problem.fields):
        fields[tie.parents[spin]] += tie.signs[spin] * field
    offset = problem.offset
    couplings = []
    for i, j, weight in problem.couplings:
        a, b, value = tie.parents[i], tie.parents[j], weight * tie.signs[i] * tie.signs[j]
        if a == b:
            offset += value
        else:
            couplings.append((a, b, value))
    return make_problem(len(fields), couplings, fields=fields, offset=offset)


def compose_ties(outer: Tie, inner: Tie) -> Tie:
    """Return how original spins follow the inner's struck ones, where `outer` ties them to what `inner` ties."""
    pairs = list(zip(outer.parents, outer.signs, strict=True))
    return Tie(
        parents=tuple(inner.parents[parent] for parent, _ in pairs),
        signs=tuple(sign * inner.signs[parent] for parent, sign in pairs),
    )


def _find_root(parents: list[int], signs: list[int], spin: int) -> tuple[int, int]:
    """Return the free spin that this one follows, and its sign."""
    sign = 1
    while parents[spin] != spin:
        sign *= signs[spin]
        spin = parents[spin]
    return spin, sign
