"""The Bayesian controller: a posterior over the 2p angles, from strikes alone.

It starts at the published angles, scores each strike by the mean of its lowest shots, updates a quadratic surrogate of
that score, and draws the next angles from its belief: by Thompson sampling, or by expected improvement among random
candidates. What it has learnt on one problem carries over to others of the same degree and depth.

The score is of the lowest shots, not of all: near the optimum of the mean energy, angles a little larger give a worse
mean and more hits (docs/match-strike.md has the figures).

Terms:
    tail: the share of a strike's shots that is scored.
    unit: energies are divided by `sqrt(n (sum J^2 + sum h^2))`, so that problems of all sizes and weights compare.
    radius: the largest relative displacement of an angle.
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import Literal

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from vm.aim import Aim, make_aim
from vm.problem import IsingProblem, Shots
from vm.surrogate import (
    Surrogate,
    SurrogatePrior,
    carry_over,
    choose_by_improvement,
    draw_minimum,
    find_minimum,
    make_surrogate,
    observe,
)

Acquisition = Literal["thompson", "improvement", "mean"]

CANDIDATES = 64


class PosteriorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the controller learns.

    Attributes:
        acquisition: thompson; improvement (expected, among CANDIDATES random points); mean (no exploration).
        tail: Share of the shots scored, in (0, 1].
        radius: Largest relative displacement of an angle.
        difference_sd: How much slopes and curvatures differ from problem to problem of one degree.
        prior: Of the first problem.
    """

    acquisition: Acquisition = "thompson"
    tail: float = 0.25
    radius: float = 0.15
    difference_sd: float = 0.01
    prior: SurrogatePrior = SurrogatePrior()


class PosteriorAngles(msgspec.Struct, frozen=True, kw_only=True):
    """Fires where the belief says."""

    problem: IsingProblem
    depth: int
    settings: PosteriorSettings
    belief: Surrogate

    def aim(self, chance: np.random.Generator) -> Aim:
        """Return the next strike, drawn from the belief."""
        return make_aim(self.problem, self.depth, 1 + self._choose(chance))

    def learn(self, aim: Aim, shots: Shots, energies: NDArray[np.int64]) -> PosteriorAngles:
        """Return the controller with the strike's score in its belief."""
        score, variance = score_strike(self.problem, energies, tail=self.settings.tail)
        return replace(self, belief=observe(self.belief, np.array(aim.point) - 1, score, variance))

    def _choose(self, chance: np.random.Generator) -> NDArray[np.float64]:
        belief, radius = self.belief, self.settings.radius
        match self.settings.acquisition:
            case "thompson":
                return draw_minimum(belief, chance, radius=radius)
            case "improvement":
                best = find_minimum(belief.mean, belief.dimension, radius=radius)
                spread = chance.uniform(-radius, radius, (CANDIDATES, belief.dimension))
                return choose_by_improvement(belief, np.vstack([best, spread]))
            case "mean":
                return find_minimum(belief.mean, belief.dimension, radius=radius)


def make_posterior(problem: IsingProblem, depth: int, settings: PosteriorSettings | None = None) -> PosteriorAngles:
    """Return the controller that has seen nothing yet."""
    chosen = settings or PosteriorSettings()
    belief = make_surrogate(2 * depth, chosen.prior)
    return PosteriorAngles(problem=problem, depth=depth, settings=chosen, belief=belief)


def transfer(controller: PosteriorAngles, problem: IsingProblem) -> PosteriorAngles:
    """Return the controller for another problem, which should be of the same degree, with what was learnt."""
    settings = controller.settings
    belief = carry_over(controller.belief, settings.prior, difference_sd=settings.difference_sd)
    return replace(controller, problem=problem, belief=belief)


def score_strike(problem: IsingProblem, energies: NDArray[np.int64], *, tail: float) -> tuple[float, float]:
    """Return the mean of the lowest energies in units of the problem, and the variance of that estimate.

    The variance of a tail mean is that of its shots plus what the choice of the tail adds.

    Args:
        energies: int64[shot].
        tail: Share of the shots that is scored, in (0, 1].
    """
    unit = compute_unit(problem)
    lowest = np.sort(energies.astype(np.float64)) / unit
    count = max(1, ceil(tail * len(lowest)))
    kept = lowest[:count]
    mean = float(kept.mean())
    edge = (float(kept[-1]) - mean) ** 2 * (1 - count / len(lowest))
    floor = float(lowest.var()) / (4 * len(lowest)) + 1 / unit**2  # few shots may agree by accident
    return mean, (float(kept.var()) + edge) / count + floor


def compute_unit(problem: IsingProblem) -> float:
    """Return the natural scale of the problem's energies; 1 for a problem without coefficients."""
    squares = sum(j * j for _, _, j in problem.couplings) + sum(h * h for h in problem.fields)
    return sqrt(problem.n * squares) if squares else 1.0
