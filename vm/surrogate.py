"""A quadratic surrogate: a Bayesian linear model of a strike's score as a function of its angles.

The score (lower is better) near the published angles is modelled as `c + g x + x H x / 2`, x the relative displacement
of the 2p angles. The coefficients have a normal belief, kept as a mean and a covariance; an observed score with a known
variance updates both exactly.

Terms:
    coefficients: c, then the slopes g_i, then the curvatures H_ii, then H_ij for i < j.
    features: what multiplies them: 1, x_i, x_i^2 / 2, x_i x_j.

Source: Bishop, Pattern Recognition and Machine Learning (2006), sec. 3.3; Thompson, Biometrika 25, 285 (1933); expected
improvement: Jones, Schonlau and Welch, J. Global Optim. 13, 455 (1998).
"""

from __future__ import annotations

from functools import lru_cache
from math import erf, exp, pi, sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

DESCENT_STEPS = 40
VARIANCE_MIN = 1e-12


class Surrogate(msgspec.Struct, frozen=True, kw_only=True):
    """A normal belief over the coefficients.

    Attributes:
        dimension: Number of angles.
        mean: float64[coefficient].
        covariance: float64[coefficient, coefficient].
        observations: How many scores it has seen.
    """

    dimension: int
    mean: Vector
    covariance: Matrix
    observations: int = 0


class SurrogatePrior(msgspec.Struct, frozen=True, kw_only=True):
    """What is believed before the first strike, in units of the score.

    Attributes:
        level_sd: Of the score at the published angles.
        slope_sd: Of each slope; its mean is 0, because the published angles are nearly best.
        curvature: Mean of each H_ii.
        curvature_sd: Of each H_ij.
    """

    level_sd: float = 1.0
    slope_sd: float = 0.03
    curvature: float = 0.6
    curvature_sd: float = 0.15


def make_surrogate(dimension: int, prior: SurrogatePrior) -> Surrogate:
    """Return the belief before the first strike."""
    pairs = dimension * (dimension - 1) // 2
    mean = np.concatenate([np.zeros(1 + dimension), np.full(dimension, prior.curvature), np.zeros(pairs)])
    deviations = [prior.level_sd] + [prior.slope_sd] * dimension + [prior.curvature_sd] * (dimension + pairs)
    return Surrogate(dimension=dimension, mean=mean, covariance=np.diag(np.square(deviations)))


def observe(surrogate: Surrogate, displacement: Vector, score: float, variance: float) -> Surrogate:
    """Return the belief after a score that was measured with this variance."""
    features = compute_features(displacement)
    spread = surrogate.covariance @ features
    gain = spread / (features @ spread + max(variance, VARIANCE_MIN))
    covariance = surrogate.covariance - np.outer(gain, spread)
    return Surrogate(
        dimension=surrogate.dimension,
        mean=surrogate.mean + gain * (score - features @ surrogate.mean),
        covariance=(covariance + covariance.T) / 2,
        observations=surrogate.observations + 1,
    )


def carry_over(surrogate: Surrogate, prior: SurrogatePrior, *, difference_sd: float) -> Surrogate:
    """Return the belief for another problem: the level is forgotten, the rest widened by how problems differ."""
    mean, covariance = surrogate.mean.copy(), surrogate.covariance.copy()
    mean[0] = 0.0
    covariance[0, :] = covariance[:, 0] = 0.0
    widening = np.full(len(mean), difference_sd**2)
    widening[0] = prior.level_sd**2
    return Surrogate(
        dimension=surrogate.dimension,
        mean=mean,
        covariance=covariance + np.diag(widening),
        observations=surrogate.observations,
    )


def compute_features(displacement: Vector) -> Vector:
    """Return what multiplies the coefficients at a displacement."""
    rows, columns = _list_pairs(len(displacement))
    products = displacement[rows] * displacement[columns]
    return np.concatenate([[1.0], displacement, displacement**2 / 2, products])


def draw_minimum(surrogate: Surrogate, chance: np.random.Generator, *, radius: float) -> Vector:
    """Return Thompson's choice: the minimum of one surface drawn from the belief, within a box."""
    noise = compute_root(surrogate.covariance) @ chance.standard_normal(len(surrogate.mean))
    return find_minimum(surrogate.mean + noise, surrogate.dimension, radius=radius)


def choose_by_improvement(surrogate: Surrogate, candidates: Matrix) -> Vector:
    """Return the candidate (rows) with the largest expected improvement on the lowest mean among them."""
    features = np.array([compute_features(row) for row in candidates])
    means = features @ surrogate.mean
    deviations = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", features, surrogate.covariance, features), 0.0))
    gaps = means.min() - means
    gains = [_expect_improvement(float(gap), float(spread)) for gap, spread in zip(gaps, deviations, strict=True)]
    chosen: Vector = candidates[int(np.argmax(gains))]
    return chosen


def find_minimum(coefficients: Vector, dimension: int, *, radius: float) -> Vector:
    """Return the lowest point of a surface within a box, by descent along one coordinate after another from 0."""
    slopes, hessian = coefficients[1 : 1 + dimension], make_hessian(coefficients, dimension)
    point = np.zeros(dimension)
    for _ in range(DESCENT_STEPS):
        before = point.copy()
        for k in range(dimension):
            rest = slopes[k] + hessian[k] @ point - hessian[k, k] * point[k]
            point[k] = _minimise_parabola(float(rest), float(hessian[k, k]), radius)
        if np.abs(point - before).max() < 1e-6:
            break
    return point


def compute_root(covariance: Matrix) -> Matrix:
    """Return L with `L L^T` the covariance; directions without variance stay zero.

    Column by column, because threaded linear algebra costs milliseconds at this size.
    """
    left = covariance.copy()
    root = np.zeros_like(left)
    for k in range(len(left)):
        if left[k, k] > VARIANCE_MIN:
            column = left[:, k] / sqrt(left[k, k])
            root[k:, k] = column[k:]
            left -= np.outer(column, column)
    return root


def make_hessian(coefficients: Vector, dimension: int) -> Matrix:
    """Return the curvatures as a symmetric matrix."""
    rows, columns = _list_pairs(dimension)
    hessian = np.diag(coefficients[1 + dimension : 1 + 2 * dimension])
    hessian[rows, columns] = hessian[columns, rows] = coefficients[1 + 2 * dimension :]
    return hessian


def _minimise_parabola(slope: float, curvature: float, radius: float) -> float:
    """Return where `slope x + curvature x^2 / 2` is least in [-radius, radius]."""
    if curvature > 0:
        return min(max(-slope / curvature, -radius), radius)
    return -radius if slope > 0 else radius


def _expect_improvement(gain: float, deviation: float) -> float:
    if deviation <= 0:
        return max(gain, 0.0)
    z = gain / deviation
    return gain * (1 + erf(z / sqrt(2))) / 2 + deviation * exp(-z * z / 2) / sqrt(2 * pi)


@lru_cache(maxsize=16)
def _list_pairs(dimension: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    rows, columns = np.triu_indices(dimension, 1)
    return rows, columns
