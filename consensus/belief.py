"""What the chain believes about the best angles of a problem, learnt from verified strikes, in integers.

A belief is a least-squares fit in which old strikes fade. Around the published angles it models the mean energy of a
strike by a level, a slope for each of the 2p angles, and one curvature that all share. Each strike adds its angles and
its energy to the sums; then the means of the next law move to the minimum of the fit, by one width at most. Two weak
priors keep the fit solvable: no slope at the present means, and the curvature of published landscapes.

No history gets it stuck, because two things bound what old strikes can say. Strikes far from the present means weigh
with the square of their distance, so sums that are wide fade fast. And now and then strikes go back to the published
angles, so that a fit in the wrong valley sees what the right one is worth.

Terms:
    anchor: the published angle that displacements are measured from, in parts of it.
    score: mean energy of a strike's shots above the offset, in units of `sqrt(sum J^2 + sum h^2)`, the standard
        deviation of the energy of random bits. It is below 0 where strikes are better than guesses.
    features: the constant 1, the displacement of each angle, and half the sum of their squares.

Every ratio is an integer in parts of ONE. Nothing here fails: `update_belief` is total over what strikes can give.
Why a fit, and not evolution strategies or a belief that problems share: docs/adr/0013-the-chain-fits-a-parabola.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isqrt
from typing import Annotated

import msgspec
from msgspec.structs import replace

from chain.scale_shapes import I64, U16, U32, U64, Limit
from vm.derivation import Angles, compute_angles, expand_seed
from vm.law import BETA_MARGIN, BETA_PERIOD, DEPTH_MAX, GAMMA_MARGIN, GAMMA_PERIOD, AngleLaw, compute_law
from vm.problem import IsingProblem

BITS = 12
ONE = 1 << BITS
# A strike takes a 128th of the old sums away, a 16th where they are wide, a half where it contradicts them.
FADE_SHIFT, WIDE_SHIFT, SURPRISE_SHIFT = 7, 4, 1
SPREAD_SHIFT = 2 * BITS - 4  # sums may spread round the means by 16 squares of a width
HOME_PERIOD, HOME_PERIOD_AT_END = 64, 16
WIDTH_MAX, WIDTH_MIN = ONE >> 4, ONE >> 5  # the published width is a sixteenth of the mean
DISPLACEMENT_MAX = 4 * ONE
RIDGE_MIN = ONE  # above every rounding of the sums, and next to nothing beside one strike
COUNT_MAX = 2**32 - 1
FEATURES_MAX = 2 * DEPTH_MAX + 2
MOMENTS_MAX = FEATURES_MAX * (FEATURES_MAX + 3) // 2


class Belief(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the angles of one problem; gammas first, then betas.

    Attributes:
        anchors: The published angles.
        means: Where the next strikes aim.
        width: Standard deviation of each angle in parts of its mean.
        unit: Standard deviation of the energy of random bits, in parts of ONE.
        score_max: No score is farther from 0.
        offset: The problem's.
        strikes: How many it has learnt from, cut off at 2^32 - 1.
        moments: Faded sums of feature_i * feature_j for i <= j, row by row, then of feature_i * score.
    """

    anchors: Annotated[tuple[U32, ...], Limit(2 * DEPTH_MAX)]
    means: Annotated[tuple[U32, ...], Limit(2 * DEPTH_MAX)]
    width: U16
    unit: U64
    score_max: U32
    offset: I64
    strikes: U32
    moments: Annotated[tuple[I64, ...], Limit(MOMENTS_MAX)]


class _Fit(msgspec.Struct, frozen=True, kw_only=True):
    """The least-squares fit: slope of angle k is slopes[k] / scale, the curvature is curvature / scale."""

    slopes: tuple[int, ...]
    curvature: int
    scale: int


# ---- making


def make_first_belief(problem: IsingProblem, depth: int) -> Belief:
    """Return the belief that has seen nothing: its law is the published one.

    Raises:
        InvalidLaw: no published angles for this depth, or a problem without coefficients.
    """
    law = compute_law(problem, depth)
    anchors = law.gamma_means + law.beta_means
    squares = sum(j * j for _, _, j in problem.couplings) + sum(h * h for h in problem.fields)
    largest = sum(abs(j) for _, _, j in problem.couplings) + sum(map(abs, problem.fields))
    # SPEC LRN-03: The unit MUST be floor(sqrt(2^24 * (sum J^2 + sum h^2))), the largest score floor(2^24 * (sum |J| +
    # sum |h|) / unit).
    unit = isqrt(squares << 2 * BITS)
    # SPEC LRN-01: A first belief MUST have the means of the published law as anchors and as means, a width of 2^8, and
    # no strikes.
    return Belief(
        anchors=anchors,
        means=anchors,
        width=WIDTH_MAX,
        unit=unit,
        score_max=(largest << 2 * BITS) // unit,
        offset=problem.offset,
        strikes=0,
        moments=(0,) * ((len(anchors) + 2) * (len(anchors) + 5) // 2),
    )


def make_law(belief: Belief) -> AngleLaw:
    """Return the law that the next strikes draw their angles from; vm.law.check_law accepts it."""
    # SPEC LRN-02: The law of a belief MUST have its means, the widths max(1, mean * width >> 12), and the published
    # dressing; at home, the anchors for the means and 2^8 for the width.
    means, width = (belief.anchors, WIDTH_MAX) if is_at_home(belief) else (belief.means, belief.width)
    depth, widths = len(means) // 2, tuple(max(1, mean * width >> BITS) for mean in means)
    return AngleLaw(
        gamma_means=means[:depth], gamma_widths=widths[:depth], beta_means=means[depth:], beta_widths=widths[depth:]
    )


def is_at_home(belief: Belief) -> bool:
    """Tell whether the next strikes try the published angles again."""
    ends = (compute_window(belief, angle) for angle in range(len(belief.means)))
    is_at_end = any(mean in window for mean, window in zip(belief.means, ends, strict=True))
    # SPEC LRN-22: A belief MUST be at home where its strikes leave the rest 32 when divided by 64, and where they leave
    # the rest 8 when divided by 16 while a mean is at an end of its window.
    period = HOME_PERIOD_AT_END if is_at_end else HOME_PERIOD
    return belief.strikes % period == period // 2


# ---- learning from a strike


def compute_drawn_angles(law: AngleLaw, seed: bytes) -> Angles:
    """Return the angles of the layers that a strike drew from its seed; its dressing is left out."""
    return compute_angles(law, expand_seed(seed, depth=len(law.gamma_means), n=0, shots=0))


def update_belief(belief: Belief, angles: Angles, energy: int, shots: int) -> Belief:
    """Return the belief after one strike that was verified.

    Args:
        angles: What the strike drew, from whichever law.
        energy: The sum of the energies of its shots.
        shots: How many; at least one.
    """
    return update_by_many(belief, ((angles, energy),), shots)


def update_by_many(belief: Belief, strikes: Sequence[tuple[Angles, int]], shots: int) -> Belief:
    """Return the belief after some strikes that were verified together, of so many shots each."""
    noise = _compute_noise(shots)
    for angles, energy in strikes:
        belief = _add_strike(belief, angles, compute_score(belief, energy, shots), noise)
    # SPEC LRN-15: Strikes that a block verifies together MUST be added one after the other before the means move once.
    return _move(belief, noise)


def _add_strike(belief: Belief, angles: Angles, score: int, noise: int) -> Belief:
    level = compute_level(belief)
    # SPEC LRN-07: The fade f MUST be 1 for a score farther from the level than the larger of 4 * noise and
    # |level| >> 2, else 4 where the sums are wide, else 7.
    shift = WIDE_SHIFT if _is_wide(belief) else FADE_SHIFT
    if abs(score - level) > max(4 * noise, abs(level) >> 2):
        shift = SURPRISE_SHIFT
    features = _compute_features(belief, angles)
    products = (*_list_products(features), *(feature * score for feature in features))
    # SPEC LRN-06: Each sum MUST become sum - (sum + 2^(f-1) >> f) + product, with the products of this strike.
    moments = tuple(
        old - (old + (1 << shift - 1) >> shift) + new for old, new in zip(belief.moments, products, strict=True)
    )
    return replace(belief, moments=moments, strikes=min(belief.strikes + 1, COUNT_MAX))


def _is_wide(belief: Belief) -> bool:
    """Tell whether strikes far from the present means dominate the sums: old ones, or planted ones."""
    weight, places = belief.moments[0], compute_places(belief)
    at = 0
    for angle, (place, mean, anchor) in enumerate(zip(places, belief.means, belief.anchors, strict=True), start=1):
        at += len(places) + 3 - angle  # the next row's first sum
        # SPEC LRN-23: Sums MUST be wide where for any angle (sum of its squares - (2 * place * its sum >> 12) +
        # (place^2 * weight >> 24)) << 20 is above reach^2 * weight, where weight is the first of the sums and reach
        # floor(mean * width / anchor).
        spread = belief.moments[at] - (2 * place * belief.moments[angle] >> BITS) + (place * place * weight >> 2 * BITS)
        reach = mean * belief.width // anchor
        if spread << SPREAD_SHIFT > reach * reach * weight:
            return True
    return False


def compute_places(belief: Belief) -> tuple[int, ...]:
    """Return how far each mean is from its anchor, in parts of it."""
    return tuple((mean - anchor << BITS) // anchor for mean, anchor in zip(belief.means, belief.anchors, strict=True))


def compute_score(belief: Belief, energy: int, shots: int) -> int:
    """Return the score in parts of ONE of shots with this sum of energies."""
    # SPEC LRN-04: A score MUST be floor(2^24 * (sum of energies - shots * offset) / (shots * unit)), cut off at the
    # largest score.
    score = (energy - shots * belief.offset << 2 * BITS) // (shots * belief.unit)
    return min(max(score, -belief.score_max), belief.score_max)


def compute_level(belief: Belief) -> int:
    """Return the discounted mean of the scores in parts of ONE; 0 before any strike."""
    weight, total = belief.moments[0], belief.moments[_count_products(belief)]
    return (total << BITS) // weight if weight else 0


def compute_window(belief: Belief, angle: int) -> tuple[int, int]:
    """Return the smallest and the largest mean of an angle."""
    anchor = belief.anchors[angle]
    # SPEC LRN-13: A gamma's mean MUST stay between half and twice its anchor, a beta's between half and three halves of
    # it, and both within the bounds of a law.
    if angle < len(belief.anchors) // 2:
        return max(anchor >> 1, GAMMA_MARGIN), min(2 * anchor, GAMMA_PERIOD - GAMMA_MARGIN)
    return max(anchor >> 1, BETA_MARGIN), min(anchor + (anchor >> 1), BETA_PERIOD - BETA_MARGIN)


def _compute_noise(shots: int) -> int:
    """Return about the standard deviation of the score of one strike."""
    return max(5 * ONE // (4 * isqrt(shots)), 1)


def _compute_features(belief: Belief, angles: Angles) -> tuple[int, ...]:
    # SPEC LRN-05: The features of a strike MUST be 2^12, each floor(2^12 * (angle - anchor) / anchor), at most 2^14
    # off 0, and the sum of the squares of these >> 13.
    displacements = tuple(
        min(max((angle - anchor << BITS) // anchor, -DISPLACEMENT_MAX), DISPLACEMENT_MAX)
        for angle, anchor in zip(angles.gammas + angles.betas, belief.anchors, strict=True)
    )
    return (ONE, *displacements, sum(x * x for x in displacements) >> BITS + 1)


def _list_products(features: tuple[int, ...]) -> Iterator[int]:
    return (left * right for i, left in enumerate(features) for right in features[i:])


def _count_products(belief: Belief) -> int:
    features = len(belief.anchors) + 2
    return features * (features + 1) // 2


# ---- moving to the minimum


def _move(belief: Belief, noise: int) -> Belief:
    """Return the belief with its means moved towards the minimum of the fit, and the width that suits it."""
    # SPEC LRN-08: The depth of the landscape MUST be the larger of -level and 2 * noise; the curvature expected is
    # twice the depth, and the ridge max(2^12, floor(2^28 * noise^2 / depth^2)).
    depth = max(-compute_level(belief), 2 * noise)
    ridge = max((noise * noise << 28) // (depth * depth), RIDGE_MIN)
    fit = _solve(_make_equations(belief, ridge, 2 * depth))
    # SPEC LRN-10: Equations without a solution, which have a pivot that is not above 0, MUST leave means and width.
    if fit is None:
        return belief
    # SPEC LRN-11: The curvature MUST be cut off at half and at twice the expected one.
    curvature = min(max((fit.curvature << BITS) // fit.scale, depth), 4 * depth)
    means = tuple(_move_mean(belief, angle, fit, curvature) for angle in range(len(belief.means)))
    # SPEC LRN-14: The width MUST become floor(sqrt(floor(2^19 * noise / curvature))), at least 2^7 and at most 2^8.
    width = isqrt((noise << 19) // curvature)
    return replace(belief, means=means, width=min(max(width, WIDTH_MIN), WIDTH_MAX))


def _move_mean(belief: Belief, angle: int, fit: _Fit, curvature: int) -> int:
    anchor, mean = belief.anchors[angle], belief.means[angle]
    # SPEC LRN-12: Each mean MUST move to anchor - floor(2^12 * anchor * slope / curvature), but by its width at most
    # and not out of its window.
    best = anchor - (anchor * fit.slopes[angle] << BITS) // (fit.scale * curvature)
    step = max(1, mean * belief.width >> BITS)
    low, high = compute_window(belief, angle)
    return min(max(best, mean - step, low), mean + step, high)


def _make_equations(belief: Belief, ridge: int, expected: int) -> list[list[int]]:
    """Return the normal equations, one row for each feature, the right side last."""
    last = len(belief.means) + 1
    sums = iter(belief.moments)
    rows = [[0] * (last + 2) for _ in range(last + 1)]
    for i in range(last + 1):
        for j in range(i, last + 1):
            rows[i][j] = rows[j][i] = next(sums)
    for row, total in zip(rows, sums, strict=True):
        row[-1] = total
    # SPEC LRN-09: The normal equations MUST have ridge added at each angle, ridge * place >> 12 between each angle and
    # the curvature, ridge * place^2 >> 24 for each angle and ridge >> 2 at the curvature, and (ridge >> 2) * expected
    # >> 12 at its right side, where place is floor(2^12 * (mean - anchor) / anchor).
    for k, place in enumerate(compute_places(belief), start=1):
        rows[k][k] += ridge
        rows[k][last] += ridge * place >> BITS
        rows[last][k] += ridge * place >> BITS
        rows[last][last] += ridge * place * place >> 2 * BITS
    rows[last][last] += ridge >> 2
    rows[last][-1] += (ridge >> 2) * expected >> BITS
    return rows


def _solve(rows: list[list[int]]) -> _Fit | None:
    """Return the exact solution, None where a pivot is not above 0.

    Source: Bareiss, Math. Comp. 22, 565 (1968): no division leaves a rest.
    """
    previous = 1
    for pivot, above in enumerate(rows):
        head = above[pivot]
        if head <= 0:
            return None
        for other, row in enumerate(rows):
            if other != pivot:
                factor = row[pivot]
                row[:] = [(head * left - factor * right) // previous for left, right in zip(row, above, strict=True)]
        previous = head
    return _Fit(slopes=tuple(row[-1] for row in rows[1:-1]), curvature=rows[-1][-1], scale=previous)
