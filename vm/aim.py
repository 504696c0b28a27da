"""Aims: what the next strike fires at - a problem, its angles, and how its shots become shots of the original.

Most aims name the original problem. One that is reduced (spins tied together) or biased (fields added) says how its
spins stand for the original ones; energies are always those of the original.

Terms:
    point: the 2p angles of a strike as gammas, then betas, each in units of its published value.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.law import BETA_MARGIN, BETA_PERIOD, GAMMA_MARGIN, GAMMA_PERIOD, compute_law
from vm.problem import IsingProblem, Shots

Point = NDArray[np.float64]  # axis: gammas of the layers, then betas; 1.0 is the published angle


class Tie(msgspec.Struct, frozen=True, kw_only=True):
    """How original spins follow those that are struck: `s_i = signs[i] * t[parents[i]]`."""

    parents: tuple[int, ...]
    signs: tuple[int, ...]


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """One strike to be fired.

    Attributes:
        problem: What is struck; without a tie it has the spins of the original.
        gammas: One per layer, in units of 2^-32 turn.
        betas: One per layer.
        point: The same relative to the published ones.
        tie: How original spins follow the struck ones; None where they are the same.
    """

    problem: IsingProblem
    gammas: tuple[int, ...]
    betas: tuple[int, ...]
    point: tuple[float, ...]
    tie: Tie | None = None


def lift_shots(aim: Aim, shots: Shots) -> Shots:
    """Return shots of the original problem."""
    if aim.tie is None:
        return shots
    flips = np.array([sign < 0 for sign in aim.tie.signs], dtype=np.uint8)
    return np.ascontiguousarray(shots[:, list(aim.tie.parents)] ^ flips)


def make_aim(problem: IsingProblem, depth: int, point: Point | None = None, *, tie: Tie | None = None) -> Aim:
    """Return the aim at a point (without one, at the published angles), clamped to the windows of a law.

    Raises:
        InvalidLaw: no published angles for this depth, or a problem without coefficients.
    """
    published = compute_law(problem, depth)
    chosen = np.ones(2 * depth) if point is None else point
    means = (*published.gamma_means, *published.beta_means)
    angles = [round(float(x) * mean) for x, mean in zip(chosen, means, strict=True)]
    return Aim(
        problem=problem,
        gammas=tuple(min(max(angle, GAMMA_MARGIN), GAMMA_PERIOD - GAMMA_MARGIN) for angle in angles[:depth]),
        betas=tuple(min(max(angle, BETA_MARGIN), BETA_PERIOD - BETA_MARGIN) for angle in angles[depth:]),
        point=tuple(float(x) for x in chosen),
        tie=tie,
    )
