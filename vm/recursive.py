"""Recursive match-strike: tie the spins that agree in the samples, strike the smaller problem, and so on.

Each level fires at the published angles of its reduced problem until it has `shots` samples, then ties a share of the
spins along the couplings whose samples agree most. When few spins are left it begins anew with the whole problem.
Every shot, lifted to the original, counts as one evaluation: nothing is solved on the side.

Source: recursive QAOA, Bravyi, Kliesch, Koenig and Tang, Phys. Rev. Lett. 125, 260505 (2020), arXiv:1910.08980; they
compute correlations exactly and tie one spin a level, here they come from samples and several are tied.
"""

from __future__ import annotations

from math import ceil

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from vm.aim import Aim, Tie, make_aim
from vm.problem import IsingProblem, Shots
from vm.reduction import compose_ties, compute_struck_spins, make_identity, tie_strongest


class RecursionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the problem is reduced.

    Attributes:
        shots: Samples of a level before spins are tied.
        share: Of the spins, tied at a level; at least one.
        spins_min: With as few spins left the recursion begins anew.
    """

    shots: int = 32
    share: float = 0.2
    spins_min: int = 6


class RecursiveAngles(msgspec.Struct, frozen=True, kw_only=True):
    """Fires at the published angles of an ever smaller problem.

    Attributes:
        original: The problem to be solved.
        problem: What is struck at this level.
        tie: How the original's spins follow its.
        sums: Sum of `s_i s_j` over the level's samples, int64[spin, spin]; None before the first.
        samples: Their number.
    """

    original: IsingProblem
    depth: int
    settings: RecursionSettings
    problem: IsingProblem
    tie: Tie
    sums: NDArray[np.int64] | None = None
    samples: int = 0

    def aim(self, chance: np.random.Generator) -> Aim:
        """Return a strike of the reduced problem."""
        return make_aim(self.problem, self.depth, tie=self.tie)

    def learn(self, aim: Aim, shots: Shots, energies: NDArray[np.int64]) -> RecursiveAngles:
        """Return the controller with these samples, one level down if they are enough."""
        spins = compute_struck_spins(self.tie, 1 - 2 * shots.astype(np.int64))
        products = spins.T @ spins
        sums = products if self.sums is None else self.sums + products
        samples = self.samples + len(shots)
        if samples < self.settings.shots:
            return replace(self, sums=sums, samples=samples)
        return self._descend(sums / samples)

    def _descend(self, correlations: NDArray[np.float64]) -> RecursiveAngles:
        n = self.problem.n
        if n > max(2, self.settings.spins_min):
            problem, tie = tie_strongest(self.problem, correlations, ceil(self.settings.share * n))
            if any(problem.fields) or problem.couplings:
                return replace(self, problem=problem, tie=compose_ties(self.tie, tie), sums=None, samples=0)
        return make_recursive(self.original, self.depth, self.settings)


def make_recursive(problem: IsingProblem, depth: int, settings: RecursionSettings | None = None) -> RecursiveAngles:
    """Return the controller at its first level."""
    return RecursiveAngles(
        original=problem,
        depth=depth,
        settings=settings or RecursionSettings(),
        problem=problem,
        tie=make_identity(problem.n),
    )
