"""The rules of docs/spec/learning.md, on single strikes and against slow arithmetic."""

from __future__ import annotations

import json
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.scale import codec_of
from consensus.belief import (
    ONE,
    WIDTH_MAX,
    WIDTH_MIN,
    Belief,
    _Fit,
    _make_equations,
    _solve,
    compute_drawn_angles,
    compute_level,
    compute_score,
    compute_window,
    make_first_belief,
    make_law,
    update_belief,
)
from tests.support.golden_belief import PATH, make_vector
from tests.support.landscape import FINE, learn, make_belief, make_cubic
from vm.derivation import Angles, compute_angles, expand_seed
from vm.law import FIXED_ANGLES, InvalidLaw, check_law, compute_law
from vm.problem import make_problem

WEIGHTED = make_problem(5, [(0, 1, 7), (1, 2, -3), (2, 3, 4), (0, 4, -9)], fields=[2, 0, -5, 0, 1], offset=1000)


LAYERS = (("gammas", 0), ("gammas", 1), ("betas", 0), ("betas", 1))


def aim_at(belief: Belief, *factors: float) -> Angles:
    """Return the angles that these factors of the anchors are."""
    drawn = tuple(int(anchor * factor) for anchor, factor in zip(belief.anchors, factors, strict=True))
    depth = len(drawn) // 2
    return Angles(gammas=drawn[:depth], betas=drawn[depth:], fields=(), mixers=())


@pytest.mark.parametrize("depth", [1, 2, 3, 8])
def test_lrn_01_lrn_02_a_first_belief_has_the_published_law(depth: int) -> None:
    for problem in (make_cubic(), WEIGHTED):
        if depth == 8 and problem is WEIGHTED:
            continue
        assert make_law(make_first_belief(problem, depth)) == compute_law(problem, depth)


def test_lrn_01_every_published_law_is_a_first_belief() -> None:
    for degree, depth in FIXED_ANGLES:
        ring = {(i, (i + step) % 24) for i in range(24) for step in range(1, degree // 2 + 1)}
        half = {(i, i + 12) for i in range(12)} if degree % 2 else set[tuple[int, int]]()
        pairs = {(min(pair), max(pair)) for pair in ring | half}
        problem = make_problem(24, [(i, j, 1) for i, j in sorted(pairs)])
        assert make_law(make_first_belief(problem, depth)) == compute_law(problem, depth)


def test_lrn_01_a_problem_without_a_published_law_has_no_belief() -> None:
    with pytest.raises(InvalidLaw):
        make_first_belief(make_problem(3, []), 1)


def test_lrn_03_the_unit_is_the_standard_deviation_of_random_bits() -> None:
    energies = [
        sum(j * (1 - 2 * (bits >> a & 1)) * (1 - 2 * (bits >> b & 1)) for a, b, j in WEIGHTED.couplings)
        + sum(h * (1 - 2 * (bits >> i & 1)) for i, h in enumerate(WEIGHTED.fields))
        for bits in range(32)
    ]
    assert abs(make_first_belief(WEIGHTED, 1).unit / ONE - (sum(e * e for e in energies) / 32) ** 0.5) < 1e-3


def test_lrn_04_a_score_is_relative_to_offset_and_unit_and_cut_off() -> None:
    belief = make_first_belief(WEIGHTED, 1)
    unit = belief.unit / ONE
    assert compute_score(belief, 2000, 2) == 0
    assert abs(compute_score(belief, 3015, 3) / ONE - 5 / unit) < 1 / ONE
    assert compute_score(belief, -(2**62), 1) == -belief.score_max
    assert belief.score_max == (31 << 24) // belief.unit
    assert compute_score(belief, 1031, 1) == belief.score_max


def test_lrn_05_lrn_06_a_strike_adds_its_products_and_the_old_ones_fade() -> None:
    belief = make_belief()
    first = learn(belief, (aim_at(belief, 1.25, 0.5), -5.0))
    score = compute_score(belief, -5 * FINE, 1)
    features = (4096, 1024, -2048, (1024**2 + 2048**2) >> 13)
    products = [features[i] * features[j] for i in range(4) for j in range(i, 4)] + [f * score for f in features]
    assert all(abs(a - b) <= 2 * 4096 for a, b in zip(first.moments, products, strict=True))  # anchors are not even
    near = learn(belief, (aim_at(belief, 1.05, 0.96), -5.0))
    second = learn(near, (aim_at(belief, 1.0, 1.0), -5.0))
    assert second.moments[0] == 4096**2 - 4096**2 // 128 + 4096**2
    assert second.moments[4] == near.moments[4] - (near.moments[4] + 64 >> 7)
    assert second.strikes == 2
    far = learn(belief, (aim_at(belief, 9.0, 0.001), -5.0))
    assert far.moments[1] == 4 * 4096**2, "displacements are cut off"


def test_lrn_07_a_contradiction_takes_half_of_the_memory() -> None:
    belief = make_belief()
    for _ in range(50):
        belief = learn(belief, (aim_at(belief, 1.0, 1.0), -8.0))
    calm, shock = (learn(belief, (aim_at(belief, 1.0, 1.0), energy)) for energy in (-6.5, 0.0))
    assert calm.moments[0] > 40 * ONE * ONE
    assert shock.moments[0] < 23 * ONE * ONE
    assert compute_level(shock) > compute_level(calm)


@pytest.mark.parametrize("angle", [0, 1, 2, 3])
def test_lrn_07_lrn_23_sums_from_far_away_fade_fast(angle: int) -> None:
    """Strikes five widths off one angle's mean are far, three widths are not; seen from another mean it turns round."""
    belief = make_first_belief(make_cubic(), 2)
    for widths, shift in ((3, 7), (5, 4), (-3, 7), (-5, 4)):
        factors = [1.0] * 4
        factors[angle] += widths / 16
        seen = update_belief(belief, aim_at(belief, *factors), -200, 32)
        at_home = aim_at(belief, *([1.0] * 4))
        after = update_belief(replace(seen, means=belief.means, width=WIDTH_MAX), at_home, -200, 32)
        assert after.moments[0] == ONE * ONE - (ONE * ONE >> shift) + ONE * ONE
        moved = replace(seen, means=tuple(getattr(aim_at(belief, *factors), name)[i] for name, i in LAYERS))
        after = update_belief(replace(moved, width=WIDTH_MAX), at_home, -200, 32)
        assert after.moments[0] == ONE * ONE - (ONE * ONE >> 7) + ONE * ONE, "the means are where the strike was"


def test_lrn_02_lrn_22_strikes_go_home_now_and_then() -> None:
    belief = make_belief(1.2, 0.9)
    away = replace(belief, width=WIDTH_MIN)
    home = [n for n in range(200) if make_law(replace(away, strikes=n)) == make_law(make_belief())]
    assert home == [32, 96, 160]
    assert make_law(away).gamma_means == away.means[:1]
    low, high = compute_window(belief, 1)
    for end in (low, high):
        stuck = replace(away, means=(belief.means[0], end))
        home = [n for n in range(64) if make_law(replace(stuck, strikes=n)) == make_law(make_belief())]
        assert home == [8, 24, 40, 56]


def test_lrn_08_lrn_09_lrn_11_lrn_12_means_move_to_the_minimum_of_the_fit() -> None:
    """Least squares with the two priors, in fractions, gives the same means."""
    chance = random.Random(3)
    belief = make_belief(1.2, 0.9)
    for _ in range(40):
        angles = compute_drawn_angles(make_law(belief), chance.randbytes(32))
        before, belief = belief, learn(belief, (angles, chance.gauss(-6, 1)))
    noise, level = Fraction(1024), Fraction(compute_level(belief))
    depth = max(-level, 2 * noise)
    ridge = noise**2 / depth**2 * 16
    places = [Fraction(mean - anchor, anchor) for mean, anchor in zip(before.means, before.anchors, strict=True)]
    rows = _read_sums(belief)
    for k, place in enumerate(places, start=1):
        rows[k][k] += ridge
        rows[k][3] += ridge * place
        rows[3][k] += ridge * place
        rows[3][3] += ridge * place**2
    rows[3][3] += ridge / 4
    rows[3][4] += ridge / 4 * 2 * depth / ONE
    solution = _eliminate(rows)
    curvature = min(max(solution[3], depth / ONE), 4 * depth / ONE)
    for k in (1, 2):
        best = before.anchors[k - 1] * (1 - solution[k] / curvature)
        step = before.means[k - 1] * before.width >> 12
        moved = min(max(best, before.means[k - 1] - step), before.means[k - 1] + step)
        assert abs(belief.means[k - 1] / moved - 1) < Fraction(1, 500)


def _read_sums(belief: Belief) -> list[list[Fraction]]:
    sums = iter(Fraction(moment, ONE * ONE) for moment in belief.moments)
    rows = [[Fraction(0)] * 5 for _ in range(4)]
    for i in range(4):
        for j in range(i, 4):
            rows[i][j] = rows[j][i] = next(sums)
    for row in rows:
        row[4] = next(sums)
    return rows


def _eliminate(rows: list[list[Fraction]]) -> list[Fraction]:
    for i, above in enumerate(rows):
        rows[i] = [value / above[i] for value in above]
        for k, row in enumerate(rows):
            if k != i:
                rows[k] = [value - row[i] * head for value, head in zip(row, rows[i], strict=True)]
    return [row[-1] for row in rows]


@given(st.lists(st.lists(st.integers(-50, 50), min_size=4, max_size=4), min_size=4, max_size=4), st.integers(1, 9))
def test_lrn_10_equations_are_solved_exactly_or_not_at_all(factors: list[list[int]], ridge: int) -> None:
    """L L^T + ridge has a solution, which fractions confirm."""
    rows = [
        [sum(a * b for a, b in zip(left, right, strict=True)) + ridge * (i == j) for j, right in enumerate(factors)]
        + [i + 1]
        for i, left in enumerate(factors)
    ]
    expected = _eliminate([[Fraction(value) for value in row] for row in rows])
    fit = _solve([row[:] for row in rows])
    assert fit is not None
    assert [Fraction(slope, fit.scale) for slope in fit.slopes] == expected[1:3]
    assert Fraction(fit.curvature, fit.scale) == expected[3]


def test_lrn_10_without_a_solution_nothing_moves() -> None:
    assert _solve([[1, 2, 0, 1], [2, 4, 0, 1], [0, 0, 1, 1]]) is None
    assert _solve([[0, 1], [1, 0]]) is None
    belief = make_belief(1.2, 0.8)
    broken = replace(belief, moments=(0, *([-(2**50)] * (len(belief.moments) - 1))))
    after = learn(broken, (aim_at(belief, 1.0, 1.0), -8.0))
    assert (after.means, after.width) == (broken.means, broken.width)


def test_lrn_12_one_strike_moves_a_mean_by_a_width_at_most() -> None:
    chance = random.Random(5)
    belief = make_belief()
    for _ in range(300):
        angles = aim_at(belief, chance.uniform(0.2, 3), chance.uniform(0.2, 3))
        after = learn(belief, (angles, chance.choice((-21.0, 21.0, -8.0))))
        for old, new in zip(belief.means, after.means, strict=True):
            assert abs(new - old) <= old * belief.width >> 12
        belief = after


def test_lrn_13_windows_are_inside_the_bounds_of_a_law() -> None:
    for depth in (1, 4, 8):
        belief = make_first_belief(make_cubic(), depth)
        for end in (0, 1):
            means = tuple(compute_window(belief, angle)[end] for angle in range(2 * depth))
            check_law(make_law(replace(belief, means=means, width=WIDTH_MAX)))
    heavy = make_first_belief(make_problem(2, [(0, 1, 2**20)]), 1)
    assert compute_window(heavy, 0)[0] == 256


def test_lrn_14_the_width_falls_where_energies_are_sure_and_never_leaves_its_bounds() -> None:
    chance = random.Random(6)
    sure, unsure = make_belief(), make_belief()
    sure = replace(sure, unit=sure.unit // 20, score_max=20 * sure.score_max)  # as on a large problem
    for _ in range(100):
        angles = compute_drawn_angles(make_law(sure), chance.randbytes(32))
        sure, unsure = learn(sure, (angles, -8.0)), learn(unsure, (angles, 0.1))
    assert (sure.width, unsure.width) == (WIDTH_MIN, WIDTH_MAX)


def test_drawn_angles_are_those_that_the_strike_drew() -> None:
    law, seed = compute_law(make_cubic(), 2), bytes(range(32))
    whole = compute_angles(law, expand_seed(seed, depth=2, n=14, shots=3))
    drawn = compute_drawn_angles(law, seed)
    assert (drawn.gammas, drawn.betas) == (whole.gammas, whole.betas)


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(0, 2**31))
def test_a_belief_survives_the_codec(strikes: int, seed: int) -> None:
    chance = random.Random(seed)
    belief = make_first_belief(make_cubic(), 3)
    for _ in range(strikes % 7):
        angles = compute_drawn_angles(make_law(belief), chance.randbytes(32))
        belief = update_belief(belief, angles, chance.randint(-84, 84), 4)
    codec = codec_of(Belief)
    assert codec.decode(codec.encode(belief)) == belief


def test_frozen_histories_give_frozen_beliefs() -> None:
    """The worked examples of docs/spec/learning.md."""
    assert json.loads(PATH.read_text()) == json.loads(json.dumps(make_vector()))


def test_a_fit_without_strikes_is_the_expected_one() -> None:
    """Only the ridges speak: no slope at the means, the expected curvature."""
    belief = replace(make_belief(), moments=(ONE * ONE, *([0] * 13)))
    fit = _solve(_make_equations(belief, ONE * ONE, 2 * ONE))
    assert fit is not None
    assert fit.slopes == (0, 0)
    assert fit.curvature == 2 * fit.scale
    assert isinstance(fit, _Fit)
