"""Classical rivals, each as one compiled loop that counts what it looks at.

All stop at the target, restart from random configurations, and keep two counts: looked (each difference looked at, and
each start's energy) and recomputed (n differences at a start, and after a flip those of the spin and its neighbours).

Terms:
    first: descent that flips whatever lowers the energy, in random order. steepest: the best flip of each round.
"""

from __future__ import annotations

from functools import partial
from time import process_time

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matchstrike.contest.instances import Instance
from matchstrike.contest.trace import Mark, Method, Trace, trace_draws
from vm.refinement import Neighbours, compute_difference, make_neighbours

MARKS_MAX = 1 << 14
UNIFORM_CHUNK = 256

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Arrays = tuple[Integers, Integers, Integers, Integers]


def make_uniform() -> Method:
    """Return uniform sampling: every configuration is one evaluation."""
    return Method(name="uniform", kind="chance", run=run_uniform)


def make_greedy(*, steepest: bool) -> Method:
    """Return 1-flip descent with random restarts."""
    setting = "steepest" if steepest else "first"
    return Method(name="greedy", kind="classical", run=partial(_run_greedy, steepest=steepest), setting=setting)


def make_annealing(*, sweeps: int, hot: float, cold: float) -> Method:
    """Return simulated annealing with restarts: Metropolis sweeps, temperatures falling geometrically.

    Args:
        hot, cold: First and last temperature in units of what a flip usually changes, twice the root mean square
            field of a spin.
    """
    run = partial(_run_annealing, sweeps=sweeps, hot=hot, cold=cold)
    return Method(name="annealing", kind="classical", run=run, setting=f"sweeps={sweeps} hot={hot} cold={cold}")


def make_tabu(*, tenure: float, moves: int) -> Method:
    """Return tabu search with restarts.

    Args:
        tenure: Moves for which a flipped spin rests, as a share of n.
        moves: From one random start, in units of n.
    """
    run = partial(_run_tabu, tenure=tenure, moves=moves)
    return Method(name="tabu", kind="classical", run=run, setting=f"tenure={tenure} moves={moves}")


def run_uniform(instance: Instance, evaluations_max: int, chance: np.random.Generator) -> Trace:
    """Return the trace of uniform samples."""

    def draw(count: int) -> NDArray[np.uint8]:
        return chance.integers(0, 2, (count, instance.n), dtype=np.uint8)

    return trace_draws(instance, evaluations_max, draw, chunk=UNIFORM_CHUNK, started=process_time())


def _run_greedy(instance: Instance, evaluations_max: int, chance: np.random.Generator, *, steepest: bool) -> Trace:
    near = make_neighbours(instance.problem)
    marks, counts = _make_books(instance, evaluations_max)
    started = process_time()
    _descend(_list_arrays(near), steepest, chance, marks, counts)
    return _make_trace(instance, marks, counts, process_time() - started)


def _run_annealing(
    instance: Instance, evaluations_max: int, chance: np.random.Generator, *, sweeps: int, hot: float, cold: float
) -> Trace:
    near = make_neighbours(instance.problem)
    marks, counts = _make_books(instance, evaluations_max)
    field = np.sqrt(np.sum(near.weights.astype(np.float64) ** 2) / instance.n)
    temperatures = 2 * field * np.geomspace(hot, cold, sweeps)
    started = process_time()
    _anneal(_list_arrays(near), temperatures, chance, marks, counts)
    return _make_trace(instance, marks, counts, process_time() - started)


def _run_tabu(
    instance: Instance, evaluations_max: int, chance: np.random.Generator, *, tenure: float, moves: int
) -> Trace:
    near = make_neighbours(instance.problem)
    marks, counts = _make_books(instance, evaluations_max)
    rest = max(1, round(tenure * instance.n))
    started = process_time()
    _walk_tabu(_list_arrays(near), rest, moves * instance.n, chance, marks, counts)
    return _make_trace(instance, marks, counts, process_time() - started)


def _make_books(instance: Instance, evaluations_max: int) -> tuple[Integers, Integers]:
    """Return marks (energy, looked, recomputed) and counts (marks, looked, recomputed, limit, target)."""
    target = instance.target - instance.problem.offset
    return np.zeros((MARKS_MAX, 3), np.int64), np.array([0, 0, 0, evaluations_max, target], np.int64)


def _make_trace(instance: Instance, marks: Integers, counts: Integers, seconds: float) -> Trace:
    share = seconds / max(1, int(counts[1]))
    found = tuple(
        Mark(
            energy=int(energy) + instance.problem.offset,
            evaluations=int(looked),
            recomputed=int(recomputed),
            seconds=share * int(looked),
        )
        for energy, looked, recomputed in marks[: counts[0]]
    )
    return Trace(marks=found, evaluations=int(counts[1]), recomputed=int(counts[2]), seconds=seconds)


def _list_arrays(near: Neighbours) -> Arrays:
    return near.starts, near.others, near.weights, near.fields


@njit(cache=True, fastmath=False)
def _start(arrays: Arrays, chance: np.random.Generator, spins: Integers, counts: Integers) -> int:
    """Fill `spins` by chance, count the start, and return its energy without the offset."""
    starts, others, weights, fields = arrays
    energy = 0
    for spin in range(spins.size):
        spins[spin] = 2 * (chance.random() < 0.5) - 1
    for spin in range(spins.size):
        energy += fields[spin] * spins[spin]
        for k in range(starts[spin], starts[spin + 1]):
            if others[k] < spin:
                energy += weights[k] * spins[spin] * spins[others[k]]
    counts[1] += 1
    counts[2] += 1 + spins.size
    return energy


@njit(cache=True, fastmath=False)
def _note(energy: int, marks: Integers, counts: Integers) -> bool:
    """Mark an improvement within the limit; return whether to stop."""
    count = counts[0]
    if counts[1] > counts[3]:
        return True
    if count == 0 or energy < marks[count - 1, 0]:
        place = min(count, marks.shape[0] - 1)
        marks[place, 0], marks[place, 1], marks[place, 2] = energy, counts[1], counts[2]
        counts[0] = place + 1
    return bool(energy <= counts[4] or counts[1] >= counts[3])


@njit(cache=True, fastmath=False)
def _descend(arrays: Arrays, steepest: bool, chance: np.random.Generator, marks: Integers, counts: Integers) -> None:
    starts, others, weights, fields = arrays
    n = fields.size
    spins, visit = np.empty(n, np.int64), np.arange(n)
    while True:
        energy = _start(arrays, chance, spins, counts)
        if _note(energy, marks, counts):
            return
        for place in range(n - 1, 0, -1):
            other = int(chance.random() * (place + 1))
            visit[place], visit[other] = visit[other], visit[place]
        idle, place = 0, 0
        while idle < n:
            chosen, least = -1, 0
            if steepest:
                for turn in range(n):
                    difference = compute_difference(starts, others, weights, fields, spins, int(visit[turn]))
                    if difference < least:
                        chosen, least = int(visit[turn]), difference
                counts[1] += n
                idle = n
            else:
                least = compute_difference(starts, others, weights, fields, spins, int(visit[place]))
                chosen = int(visit[place]) if least < 0 else -1
                counts[1] += 1
                idle += 1
                place = place + 1 if place + 1 < n else 0
            if chosen >= 0:
                spins[chosen] = -spins[chosen]
                energy += least
                counts[2] += 1 + starts[chosen + 1] - starts[chosen]
                idle = 0 if steepest else 1
                if _note(energy, marks, counts):
                    return
            elif counts[1] >= counts[3]:
                return


@njit(cache=True, fastmath=False)
def _anneal(
    arrays: Arrays, temperatures: Floats, chance: np.random.Generator, marks: Integers, counts: Integers
) -> None:
    starts, others, weights, fields = arrays
    n = fields.size
    spins = np.empty(n, np.int64)
    while True:
        energy = _start(arrays, chance, spins, counts)
        if _note(energy, marks, counts):
            return
        for temperature in temperatures:
            for spin in range(n):
                difference = compute_difference(starts, others, weights, fields, spins, spin)
                counts[1] += 1
                if difference <= 0 or chance.random() < np.exp(-difference / temperature):
                    spins[spin] = -spins[spin]
                    energy += difference
                    counts[2] += 1 + starts[spin + 1] - starts[spin]
                    if _note(energy, marks, counts):
                        return
                elif counts[1] >= counts[3]:
                    return


@njit(cache=True, fastmath=False)
def _walk_tabu(
    arrays: Arrays, rest: int, moves: int, chance: np.random.Generator, marks: Integers, counts: Integers
) -> None:
    starts, others, weights, fields = arrays
    n = fields.size
    spins = np.empty(n, np.int64)
    differences, rests = np.empty(n, np.int64), np.empty(n, np.int64)
    while True:
        energy = _start(arrays, chance, spins, counts)
        best = energy
        if _note(energy, marks, counts):
            return
        rests[:] = 0
        for spin in range(n):
            differences[spin] = compute_difference(starts, others, weights, fields, spins, spin)
        for move in range(1, moves + 1):
            chosen, least = -1, 0
            for spin in range(n):
                is_free = rests[spin] < move or energy + differences[spin] < best
                if is_free and (chosen < 0 or differences[spin] < least):
                    chosen, least = spin, differences[spin]
            counts[1] += n
            if chosen < 0:
                continue
            for k in range(starts[chosen], starts[chosen + 1]):
                differences[others[k]] += 4 * weights[k] * spins[chosen] * spins[others[k]]
            spins[chosen] = -spins[chosen]
            differences[chosen] = -differences[chosen]
            energy += least
            best = min(best, energy)
            rests[chosen] = move + rest + int(chance.random() * 2)
            counts[2] += 1 + starts[chosen + 1] - starts[chosen]
            if _note(energy, marks, counts):
                return
