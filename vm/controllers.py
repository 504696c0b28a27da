"""Controllers that do not learn: the published angles, and random ones to compare with."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.aim import Aim, make_aim
from vm.law import BETA_MARGIN, BETA_PERIOD, GAMMA_MARGIN, GAMMA_PERIOD
from vm.problem import IsingProblem, Shots


class FixedAngles(msgspec.Struct, frozen=True, kw_only=True):
    """Fires at the published angles, each moved by a relative jitter (standard deviation, 0 for none)."""

    problem: IsingProblem
    depth: int
    jitter: float = 0.0

    def aim(self, chance: np.random.Generator) -> Aim:
        """Return a strike at the published angles."""
        return make_aim(self.problem, self.depth, 1 + self.jitter * chance.standard_normal(2 * self.depth))

    def learn(self, aim: Aim, shots: Shots, energies: NDArray[np.int64]) -> FixedAngles:
        """Return itself."""
        return self


class RandomAngles(msgspec.Struct, frozen=True, kw_only=True):
    """Fires at angles drawn evenly from their whole periods, fresh ones for each strike."""

    problem: IsingProblem
    depth: int

    def aim(self, chance: np.random.Generator) -> Aim:
        """Return a strike at random angles."""
        gammas = chance.integers(GAMMA_MARGIN, GAMMA_PERIOD - GAMMA_MARGIN, size=self.depth)
        betas = chance.integers(BETA_MARGIN, BETA_PERIOD - BETA_MARGIN, size=self.depth)
        return Aim(
            problem=self.problem,
            gammas=tuple(int(gamma) for gamma in gammas),
            betas=tuple(int(beta) for beta in betas),
            point=(),
        )

    def learn(self, aim: Aim, shots: Shots, energies: NDArray[np.int64]) -> RandomAngles:
        """Return itself."""
        return self
