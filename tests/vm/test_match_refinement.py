"""Refinements: exact energies, honest counts, local minima."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vm.problem import compute_energy, make_problem
from vm.refinement import refine_none, refine_one_flip, refine_tabu


@st.composite
def struck_problems(draw):
    n = draw(st.integers(2, 9))
    pairs = [(i, j) for i in range(n) for j in range(i)]
    weights = draw(st.lists(st.integers(-5, 5), min_size=len(pairs), max_size=len(pairs)))
    fields = draw(st.lists(st.integers(-5, 5), min_size=n, max_size=n))
    shot = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), np.uint8)
    problem = make_problem(n, [(i, j, w) for (i, j), w in zip(pairs, weights, strict=True)], fields=fields, offset=3)
    return problem, shot


@settings(max_examples=60, deadline=None)
@given(struck_problems(), st.sampled_from([refine_one_flip, refine_tabu]), st.none() | st.integers(0, 60))
def test_a_refined_energy_is_exact_no_higher_and_within_the_evaluations_left(drawn, refinement, left):
    problem, shot = drawn
    energy = compute_energy(problem, shot)
    refined = refinement(problem, shot, energy, left)
    assert refined.energy == compute_energy(problem, refined.bits) <= energy
    assert left is None or refined.evaluations <= left


@settings(max_examples=60, deadline=None)
@given(struck_problems())
def test_no_single_flip_improves_what_one_flip_refinement_returns(drawn):
    problem, shot = drawn
    refined = refine_one_flip(problem, shot, compute_energy(problem, shot), None)
    bits = np.frombuffer(refined.bits, np.uint8)
    for spin in range(problem.n):
        flipped = bits.copy()
        flipped[spin] ^= 1
        assert compute_energy(problem, flipped) >= refined.energy
    assert refined.evaluations >= problem.n - 1  # it has looked at every other spin since the last flip


def test_each_difference_looked_at_is_one_evaluation():
    chain = make_problem(4, [(0, 1, 1), (1, 2, 1), (2, 3, 1)])
    settled = refine_one_flip(chain, np.array([0, 1, 0, 1], np.uint8), -3, None)
    assert (settled.evaluations, settled.energy) == (4, -3)
    one_away = refine_one_flip(chain, np.array([1, 1, 0, 1], np.uint8), -1, None)
    assert (one_away.evaluations, one_away.energy) == (4, -3)  # the first flip, then the three others


def test_tabu_leaves_a_local_minimum_that_one_flip_cannot():
    pair = [(0, 1, -3), (1, 2, 2), (2, 3, -3)]
    trap = make_problem(4, pair)
    stuck = np.array([0, 0, 0, 0], np.uint8)
    energy = compute_energy(trap, stuck)
    assert refine_one_flip(trap, stuck, energy, None).energy == energy == -4
    assert refine_tabu(trap, stuck, energy, None).energy == -8


@pytest.mark.parametrize("left", [None, 0])
def test_no_refinement_costs_nothing(left):
    chain = make_problem(2, [(0, 1, 1)])
    refined = refine_none(chain, np.array([0, 0], np.uint8), 1, left)
    assert (refined.bits, refined.energy, refined.evaluations) == (b"\0\0", 1, 0)
