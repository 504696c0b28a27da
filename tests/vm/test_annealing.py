"""Simulated annealing: local minima, repeatable, as good as exhaustive search on small problems."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vm.annealing import anneal
from vm.local_search import search_locally
from vm.problem import IsingProblem, compute_energies, compute_energy, make_problem, pack_shots, unpack_shots


def make_glass(n: int, seed: int) -> IsingProblem:
    """Return a spin glass: all couplings plus or minus one."""
    source = np.random.Generator(np.random.PCG64(seed))
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    signs = 1 - 2 * source.integers(0, 2, size=len(pairs))
    return make_problem(n, [(i, j, int(sign)) for (i, j), sign in zip(pairs, signs, strict=True)])


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_comes_back_is_a_local_minimum_with_its_exact_energy(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 9))
    weights = st.integers(-3, 3) | st.sampled_from((2**20, -(2**20)))
    fields = tuple(data.draw(weights) for _ in range(n))
    couplings = tuple((i, j, w) for i in range(n) for j in range(i + 1, n) if (w := data.draw(weights)))
    problem = make_problem(n, couplings=couplings, fields=fields, offset=-7)
    start = pack_shots(np.array([[data.draw(st.integers(0, 1)) for _ in range(n)]], dtype=np.uint8))
    found = anneal(
        problem, seed=data.draw(st.integers(0, 99)), sweeps=20, start=data.draw(st.sampled_from((None, start)))
    )
    shot = unpack_shots(found.bits, n)[0]
    assert found.energy == compute_energy(problem, shot)
    for spin in range(n):
        flipped = shot.copy()
        flipped[spin] ^= 1
        assert compute_energy(problem, flipped) >= found.energy


@pytest.mark.parametrize("seed", range(4))
def test_the_optimum_of_a_small_glass_is_found(seed: int) -> None:
    problem = make_glass(12, seed)
    everything = np.array(list(product((0, 1), repeat=12)), dtype=np.uint8)
    optimum = int(compute_energies(problem, everything).min())
    assert anneal(problem, seed=seed, runs=20, sweeps=100).energy == optimum


def test_a_glass_of_eighty_spins_is_annealed_deeper_than_descent_finds() -> None:
    problem = make_glass(80, 7)
    descent = compute_energy(problem, search_locally(problem, seed=1, starts=64)[0])
    assert anneal(problem, seed=1, runs=4).energy < descent


def test_the_same_seed_gives_the_same_bits() -> None:
    problem = make_glass(30, 3)
    runs = [anneal(problem, seed=seed, sweeps=50) for seed in (5, 5, 6)]
    assert runs[0] == runs[1]
    assert runs[0].bits != runs[2].bits or runs[0].energy == runs[2].energy


def test_a_start_that_is_the_optimum_stays() -> None:
    problem = make_glass(20, 1)
    best = anneal(problem, seed=1, runs=20)
    assert anneal(problem, seed=2, sweeps=30, start=best.bits).energy <= best.energy


def test_problems_without_couplings_or_fields_are_annealed_too() -> None:
    assert anneal(make_problem(3, []), seed=1).energy == 0
    assert anneal(make_problem(2, [], fields=(5, -4)), seed=1).energy == -9
