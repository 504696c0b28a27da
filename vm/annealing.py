"""Simulated annealing: what a classical computer finds for nothing, and the default method of a solver.

Single spins are flipped at random while the temperature falls; each run ends in a local minimum. The same problem, seed
and effort give the same bits on the same machine; floats are used, so no rule of the chain may depend on them: energies
are recomputed as integers.

Source: Kirkpatrick, Gelatt, Vecchi, Science 220, 671 (1983); the range of temperatures is that of dwave-neal.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

from functools import lru_cache
from math import log

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from vm.problem import IsingProblem, compute_energy, pack_shots, unpack_shots

SWEEPS_DEFAULT = 1_000
SWEEPS_FIRST, SWEEPS_MAX = 50, 20_000


class Annealed(msgspec.Struct, frozen=True, kw_only=True):
    """The best solution of a run: its exact energy and its bits, packed."""

    energy: int
    bits: bytes


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """A problem as its spins see it: neighbours of spin i are columns[starts[i]:starts[i + 1]].

    Attributes:
        heat_max: At this temperature the stiffest spin flips every other time.
        heat_min: At this one the softest flips upwards once in a hundred times.
    """

    fields: NDArray[np.int64]
    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    weights: NDArray[np.int64]
    heat_max: float
    heat_min: float


def anneal(
    problem: IsingProblem, *, seed: int, runs: int = 1, sweeps: int = SWEEPS_DEFAULT, start: bytes | None = None
) -> Annealed:
    """Return the best of some runs.

    Args:
        seed: Different seeds give different runs.
        sweeps: Flips tried in a run, for each spin.
        start: Packed bits at which a run begins, cooler than others; None begins anywhere.
    """
    graph = _make_graph(problem)
    source = np.random.Generator(np.random.PCG64(seed))
    best: Annealed | None = None
    heat_max = graph.heat_max if start is None else (graph.heat_max * graph.heat_min) ** 0.5
    heats = np.geomspace(heat_max, graph.heat_min, max(sweeps, 1))
    for _ in range(max(runs, 1)):
        spins = _begin(problem, source, start)
        words = source.integers(1, 2**63, size=1, dtype=np.int64).astype(np.uint64)
        found = np.empty(problem.n, np.int64)
        _anneal_(spins, found, graph.fields, graph.starts, graph.columns, graph.weights, 1.0 / heats, words)
        shot = ((1 - found) // 2).astype(np.uint8).reshape(1, -1)
        energy = compute_energy(problem, shot[0])
        if best is None or energy < best.energy:
            best = Annealed(energy=energy, bits=pack_shots(shot))
    assert best is not None
    return best


def take_turn(problem: IsingProblem, number: int, best: Annealed | None, *, visits: int, seed: int = 0) -> Annealed:
    """Return the best of one turn of a longer search: cooling slower from turn to turn, each third from the best.

    Args:
        number: Of the turn, from 0 on.
        visits: How many spins and couplings to look at, roughly; at least one run is made.
    """
    sweeps = min(SWEEPS_FIRST << min(number // 4, 16), SWEEPS_MAX)
    size = problem.n + 2 * len(problem.couplings)
    start = best.bits if best is not None and number % 3 == 2 else None
    runs = max(1, visits // (sweeps * size))
    sweeps = max(1, min(sweeps, visits // size))
    return anneal(problem, seed=seed * 1_000_003 + number, runs=runs, sweeps=sweeps, start=start)


def _begin(problem: IsingProblem, source: np.random.Generator, start: bytes | None) -> NDArray[np.int64]:
    bits: NDArray[np.int64] = source.integers(0, 2, size=problem.n, dtype=np.int64)
    if start is not None:
        bits = unpack_shots(start, problem.n)[0].astype(np.int64)
    return 1 - 2 * bits


@lru_cache(maxsize=8)
def _make_graph(problem: IsingProblem) -> Graph:
    rows = np.array(problem.couplings, dtype=np.int64).reshape(-1, 3)
    ends = np.concatenate((rows[:, 0], rows[:, 1]))
    others = np.concatenate((rows[:, 1], rows[:, 0]))
    order = np.argsort(ends, kind="stable")
    weights = np.concatenate((rows[:, 2], rows[:, 2]))[order]
    starts = np.zeros(problem.n + 1, np.int64)
    np.cumsum(np.bincount(ends, minlength=problem.n), out=starts[1:])
    fields = np.array(problem.fields, dtype=np.int64)
    stiffness = np.abs(fields)
    np.add.at(stiffness, ends, np.concatenate((np.abs(rows[:, 2]), np.abs(rows[:, 2]))))
    steps = np.concatenate((np.abs(fields[fields != 0]), np.abs(rows[:, 2])))
    smallest = 2.0 * float(steps.min()) if steps.size else 1.0
    largest = 2.0 * float(max(stiffness.max(), 1))
    return Graph(
        fields=fields,
        starts=starts,
        columns=others[order],
        weights=weights,
        heat_max=max(largest, smallest) / log(2.0),
        heat_min=smallest / log(100.0),
    )


@njit(cache=True, fastmath=False)
def _anneal_(spins, found, fields, starts, columns, weights, colds, words):
    """Cool `spins` down in place and leave the best state seen, brought to a local minimum, in `found`.

    Args:
        spins: int64[n], +1 or -1.
        colds: float64[sweep], one over the temperature of each sweep.
        words: uint64[1], the state of the chance, not zero.
    """
    n = spins.size
    local = np.empty(n, np.int64)
    for i in range(n):
        total = fields[i]
        for k in range(starts[i], starts[i + 1]):
            total += weights[k] * spins[columns[k]]
        local[i] = total
    energy = np.int64(0)  # relative to the beginning
    lowest = np.int64(0)
    found[:] = spins
    word = words[0]
    for cold in colds:
        for i in range(n):
            gain = 2 * spins[i] * local[i]  # flipping lowers the energy by this
            if gain < 0:
                word ^= word << np.uint64(13)
                word ^= word >> np.uint64(7)
                word ^= word << np.uint64(17)
                chance = np.float64(word >> np.uint64(11)) * 2.0**-53
                if gain * cold < -40.0 or chance >= np.exp(gain * cold):
                    continue
            elif gain == 0:
                word ^= word << np.uint64(13)
                word ^= word >> np.uint64(7)
                word ^= word << np.uint64(17)
                if word & np.uint64(1024):
                    continue
            spins[i] = -spins[i]
            energy -= gain
            for k in range(starts[i], starts[i + 1]):
                local[columns[k]] += 2 * weights[k] * spins[i]
        if energy < lowest:
            lowest = energy
            found[:] = spins
    _descend_(found, fields, starts, columns, weights)


@njit(cache=True, fastmath=False)
def _descend_(spins, fields, starts, columns, weights):
    """Flip whatever lowers the energy until nothing does."""
    is_moving = True
    while is_moving:
        is_moving = False
        for i in range(spins.size):
            total = fields[i]
            for k in range(starts[i], starts[i + 1]):
                total += weights[k] * spins[columns[k]]
            if spins[i] * total > 0:
                spins[i] = -spins[i]
                is_moving = True
