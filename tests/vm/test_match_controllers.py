"""Controllers: the surrogate's arithmetic, what the posterior learns and carries over, and recursion."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vm.aim import make_aim
from vm.controllers import FixedAngles
from vm.engines.frontier import FrontierEngine
from vm.match_strike import Budget, match_strike
from vm.posterior import PosteriorSettings, make_posterior, score_strike, transfer
from vm.problem import compute_energy, make_problem
from vm.recursive import RecursionSettings, make_recursive
from vm.reduction import compose_ties, compute_struck_spins, make_identity, reduce_problem, tie_strongest
from vm.surrogate import (
    SurrogatePrior,
    choose_by_improvement,
    compute_features,
    compute_root,
    draw_minimum,
    find_minimum,
    make_hessian,
    make_surrogate,
    observe,
)

CUBE = make_problem(8, [(i, i ^ (1 << k), 1) for i in range(8) for k in range(3) if i < i ^ (1 << k)])
PETERSEN = make_problem(
    10,
    [(i, (i + 1) % 5, 1) for i in range(5)]
    + [(i, i + 5, 1) for i in range(5)]
    + [(5 + i, 5 + (i + 2) % 5, 1) for i in range(5)],
)
ENGINE = FrontierEngine()


def learn(controller, problem, *, evaluations, seed=1):
    return match_strike(
        problem,
        engine=ENGINE,
        controller=controller,
        budget=Budget(evaluations=evaluations),
        chance=np.random.default_rng(seed),
    ).controller


def test_the_belief_is_the_closed_form_of_bayesian_regression():
    chance = np.random.default_rng(5)
    prior = SurrogatePrior(level_sd=2.0)
    belief = first = make_surrogate(3, prior)
    points, scores = chance.uniform(-0.3, 0.3, (12, 3)), chance.standard_normal(12)
    for point, score in zip(points, scores, strict=True):
        belief = observe(belief, point, float(score), 0.5)
    features = np.array([compute_features(point) for point in points])
    precision = np.linalg.inv(first.covariance) + features.T @ features / 0.5
    mean = np.linalg.solve(precision, np.linalg.solve(first.covariance, first.mean) + features.T @ scores / 0.5)
    np.testing.assert_allclose(belief.mean, mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(belief.covariance, np.linalg.inv(precision), rtol=1e-8, atol=1e-12)
    assert belief.observations == 12


def test_a_root_gives_its_covariance_also_where_a_direction_has_no_variance():
    factor = np.random.default_rng(4).standard_normal((6, 4))
    covariance = factor @ factor.T
    root = compute_root(covariance)
    np.testing.assert_allclose(root @ root.T, covariance, atol=1e-9)


def test_a_surrogate_finds_the_minimum_of_the_surface_it_is_shown():
    chance = np.random.default_rng(2)
    best = np.array([0.1, -0.15])
    belief = make_surrogate(2, SurrogatePrior(slope_sd=1.0, curvature_sd=1.0))
    for _ in range(60):
        point = chance.uniform(-0.3, 0.3, 2)
        belief = observe(belief, point, float(((point - best) ** 2).sum()), 1e-6)
    np.testing.assert_allclose(find_minimum(belief.mean, 2, radius=0.3), best, atol=1e-3)
    np.testing.assert_allclose(make_hessian(belief.mean, 2), 2 * np.eye(2), atol=1e-2)
    drawn = [draw_minimum(belief, chance, radius=0.3) for _ in range(20)]
    np.testing.assert_allclose(np.mean(drawn, axis=0), best, atol=0.01)
    assert choose_by_improvement(belief, np.array([[0.3, 0.3], best, [-0.2, 0.0]])).tolist() == best.tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(0, 10**6))
def test_a_minimum_stays_in_its_box_also_where_the_surface_falls_without_end(dimension, seed):
    chance = np.random.default_rng(seed)
    size = 1 + 2 * dimension + dimension * (dimension - 1) // 2
    point = find_minimum(chance.standard_normal(size), dimension, radius=0.25)
    assert np.abs(point).max() <= 0.25


def test_thompson_draws_spread_less_as_it_learns():
    wide = PosteriorSettings(radius=1.0, prior=SurrogatePrior(slope_sd=0.1))
    controller = make_posterior(PETERSEN, 1, wide)
    learnt = [learn(controller, PETERSEN, evaluations=3200, seed=seed) for seed in range(4)]
    assert {one.belief.observations for one in learnt} == {100}

    def spread(one):
        chance = np.random.default_rng(1)
        return np.std([one.aim(chance).point for _ in range(50)])

    assert np.mean([spread(one) for one in learnt]) < 0.7 * spread(controller)


@pytest.mark.parametrize("acquisition", ["thompson", "improvement", "mean"])
def test_every_acquisition_stays_near_the_published_angles(acquisition):
    controller = make_posterior(PETERSEN, 2, PosteriorSettings(acquisition=acquisition, radius=0.2))
    result = match_strike(
        PETERSEN, engine=ENGINE, controller=controller, budget=Budget(evaluations=320), chance=np.random.default_rng(3)
    )
    for record in result.records:
        assert all(abs(x - 1) <= 0.2 + 1e-12 for x in record.point)


def test_a_strike_is_observed_where_it_was_fired_and_with_its_score():
    controller = make_posterior(PETERSEN, 1)
    shots = np.zeros((4, 10), np.uint8)
    energies = np.array([15, -3, -5, 1])
    point = np.array([1.1, 0.95])
    learnt = controller.learn(make_aim(PETERSEN, 1, point), shots, energies)
    score, variance = score_strike(PETERSEN, energies, tail=controller.settings.tail)
    expected = observe(controller.belief, point - 1, score, variance)
    np.testing.assert_array_equal(learnt.belief.mean, expected.mean)


def test_a_transferred_controller_keeps_slopes_and_forgets_the_level():
    learnt = learn(make_posterior(PETERSEN, 1), PETERSEN, evaluations=1600)
    carried = transfer(learnt, CUBE)
    assert carried.problem == CUBE
    assert carried.belief.mean[0] == 0.0
    np.testing.assert_array_equal(carried.belief.mean[1:], learnt.belief.mean[1:])
    assert np.all(np.diag(carried.belief.covariance)[1:] > np.diag(learnt.belief.covariance)[1:])
    fresh = make_posterior(CUBE, 1).belief.covariance
    assert learnt.belief.covariance[1, 1] < fresh[1, 1]


def test_the_score_is_the_mean_of_the_lowest_shots_in_units_of_the_problem():
    energies = np.array([-6, -2, 0, 4, -6, 2, 8, 10])
    score, variance = score_strike(CUBE, energies, tail=0.25)
    assert score == pytest.approx(-6 / np.sqrt(8 * 12))
    assert variance > 0
    assert score_strike(CUBE, energies, tail=1.0)[0] == pytest.approx(energies.mean() / np.sqrt(96))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_a_reduced_problem_has_the_energies_of_the_original(seed, count):
    chance = np.random.default_rng(seed)
    n = 7
    couplings = [(i, j, int(chance.integers(-4, 5))) for i in range(n) for j in range(i)]
    problem = make_problem(n, couplings, fields=[int(h) for h in chance.integers(-3, 4, n)], offset=11)
    correlations = chance.uniform(-1, 1, (n, n))
    correlations = correlations + correlations.T
    smaller, tie = tie_strongest(problem, correlations, count)
    smallest, inner = tie_strongest(smaller, correlations[: smaller.n, : smaller.n], 2)
    assert smaller.n < n or not problem.couplings
    for one, ties in ((smaller, tie), (smallest, compose_ties(tie, inner))):
        assert reduce_problem(problem, ties) == one
        for spins in list(product((1, -1), repeat=one.n))[:32]:
            whole = np.array(ties.signs) * np.array(spins)[list(ties.parents)]
            bits, all_bits = (np.array((1 - np.array(s)) // 2, np.uint8) for s in (spins, whole))
            assert compute_energy(one, bits) == compute_energy(problem, all_bits)
            assert compute_struck_spins(ties, whole[None, :]).tolist() == [list(spins)]


def test_spins_tie_along_the_strongest_coupling_with_its_sign():
    problem = make_problem(4, [(0, 1, 1), (1, 2, 1), (2, 3, 1)])
    correlations = np.zeros((4, 4))
    correlations[0, 1], correlations[1, 2], correlations[2, 3] = 0.2, -0.9, 0.5
    _, tie = tie_strongest(problem, correlations, 1)
    assert (tie.parents, tie.signs) == ((0, 1, 1, 2), (1, 1, -1, 1))


def test_recursion_strikes_ever_smaller_problems_and_then_begins_anew():
    controller = make_recursive(PETERSEN, 1, RecursionSettings(shots=16, share=0.3, spins_min=4))
    sizes = []
    for seed in range(8):
        sizes.append(controller.problem.n)
        controller = learn(controller, PETERSEN, evaluations=16, seed=seed)
    assert sizes == [10, 7, 4, 10, 7, 4, 10, 7]


def test_recursion_finds_the_cut_and_counts_every_shot():
    result = match_strike(
        PETERSEN,
        engine=ENGINE,
        controller=make_recursive(PETERSEN, 1),
        budget=Budget(evaluations=320),
        chance=np.random.default_rng(1),
    )
    assert result.best_energy == -9  # the largest cut has 12 of 15 edges
    assert result.evaluations == 320
    assert make_identity(3).parents == (0, 1, 2)


def test_a_recursion_of_two_spins_does_not_end_in_nothing():
    pair = make_problem(2, [(0, 1, 1)])
    result = match_strike(
        pair,
        engine=ENGINE,
        controller=make_recursive(pair, 1),
        budget=Budget(evaluations=128),
        chance=np.random.default_rng(1),
    )
    assert result.best_energy == -1


def test_fixed_angles_jitter_only_if_asked():
    chance = np.random.default_rng(1)
    sharp, loose = FixedAngles(problem=CUBE, depth=1), FixedAngles(problem=CUBE, depth=1, jitter=0.1)
    assert sharp.aim(chance) == sharp.aim(chance)
    assert loose.aim(chance) != loose.aim(chance)
