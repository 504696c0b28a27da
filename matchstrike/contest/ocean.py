"""D-Wave's samplers (package dwave-samplers) as rivals: simulated annealing and tabu search in C++.

The annealer's work is known: each read is one start and `sweeps * n` differences; what its kept table saves is not
known, so both counts are the same. A hit counts at the end of its read. Tabu does not say what it did, so only its time
is compared. Building the model is not timed, calling the sampler is.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
from importlib import import_module
from time import process_time
from typing import Protocol

import numpy as np

from matchstrike.contest.instances import Instance
from matchstrike.contest.trace import Mark, Method, Trace
from vm.problem import IsingProblem

READS = 8
TABU_TIMEOUT_MS = 50
TABU_CALLS_MAX = 20


class Datum(Protocol):
    """One sample of a sampler."""

    @property
    def energy(self) -> float:
        """Its energy."""


class SampleSet(Protocol):
    """What a sampler returns."""

    def data(self, fields: list[str], sorted_by: None) -> Iterable[Datum]:
        """Return the samples in the order in which they were read."""


class Sampler(Protocol):
    """What we use of a sampler."""

    def sample(self, model: object, **options: object) -> SampleSet:
        """Return samples of a binary quadratic model."""


def is_installed() -> bool:
    """Return whether the samplers can be imported."""
    try:
        import_module("dwave.samplers")
    except ImportError:
        return False
    return True


def make_ocean_annealing(*, sweeps: int) -> Method:
    """Return SimulatedAnnealingSampler with its own temperatures."""
    run = partial(_run_annealing, sweeps=sweeps)
    return Method(name="dwave-annealing", kind="classical", run=run, setting=f"sweeps={sweeps}")


def make_ocean_tabu() -> Method:
    """Return TabuSampler with its own parameters; it stops at the target."""
    return Method(name="dwave-tabu", kind="classical", run=_run_tabu, is_counted=False)


def _run_annealing(instance: Instance, evaluations_max: int, chance: np.random.Generator, *, sweeps: int) -> Trace:
    sampler, model = _make_sampler("SimulatedAnnealingSampler"), _make_model(instance.problem)
    each = sweeps * instance.n + 1
    started = process_time()
    marks: list[Mark] = []
    reads = 0
    while reads * each < evaluations_max and not (marks and marks[-1].energy <= instance.target):
        count = max(1, min(READS, (evaluations_max - reads * each) // each))
        found = sampler.sample(model, num_reads=count, num_sweeps=sweeps, seed=int(chance.integers(2**31)))
        seconds = process_time() - started
        for datum in found.data(["energy"], sorted_by=None):
            reads += 1
            energy = round(datum.energy)
            if not marks or energy < marks[-1].energy:
                spent = reads * each
                marks.append(Mark(energy=energy, evaluations=spent, recomputed=spent, seconds=seconds))
    spent = reads * each
    return Trace(marks=tuple(marks), evaluations=spent, recomputed=spent, seconds=process_time() - started)


def _run_tabu(instance: Instance, evaluations_max: int, chance: np.random.Generator) -> Trace:
    sampler, model = _make_sampler("TabuSampler"), _make_model(instance.problem)
    threshold = float(instance.target) - _compute_binary_offset(instance.problem)
    started = process_time()
    marks: list[Mark] = []
    for _ in range(TABU_CALLS_MAX):
        found = sampler.sample(
            model,
            num_reads=1,
            timeout=TABU_TIMEOUT_MS,
            energy_threshold=threshold,
            seed=int(chance.integers(2**31)),
        )
        energy = min(round(datum.energy) for datum in found.data(["energy"], sorted_by=None))
        if not marks or energy < marks[-1].energy:
            marks.append(Mark(energy=energy, evaluations=0, recomputed=0, seconds=process_time() - started))
        if energy <= instance.target:
            break
    return Trace(marks=tuple(marks), evaluations=0, recomputed=0, seconds=process_time() - started)


@lru_cache(maxsize=4)
def _make_sampler(name: str) -> Sampler:
    sampler: Sampler = getattr(import_module("dwave.samplers"), name)()
    return sampler


@lru_cache(maxsize=64)
def _make_model(problem: IsingProblem) -> object:
    couplings = {(i, j): float(w) for i, j, w in problem.couplings}
    fields = {spin: float(field) for spin, field in enumerate(problem.fields)}
    model: object = import_module("dimod").BinaryQuadraticModel.from_ising(fields, couplings, float(problem.offset))
    return model


def _compute_binary_offset(problem: IsingProblem) -> int:
    """Return the constant of the energy in bits: tabu's threshold leaves it out."""
    return problem.offset + sum(w for _, _, w in problem.couplings) - sum(problem.fields)
