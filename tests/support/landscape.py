"""The exact landscape of a cubic graph without triangles at p = 1, and strikes drawn from it at no cost.

Each edge has the mean `-sin(4 beta) sin(2 gamma) cos(2 gamma)^2`; what shots add is a normal number. There is no
dressing here, which only scales the landscape.

Source: Wang et al., Phys. Rev. A 97, 022304 (2018), arXiv:1706.02998.
"""

from __future__ import annotations

import random
from math import cos, pi, sin, sqrt

from msgspec.structs import replace

from consensus.belief import Belief, compute_drawn_angles, make_first_belief, make_law, update_belief
from vm.derivation import Angles
from vm.law import compute_law
from vm.problem import IsingProblem, make_problem

SPINS, SHOTS = 14, 32
EDGES = 3 * SPINS // 2
SHOT_SD = 0.85  # of an energy, in units of sqrt(edges); measured at the published angles
FINE = 1 << 16  # energies are integers: a finer unit instead of fractions
TURN = 2 * pi / 2**32

Step = tuple[Angles, float]  # what was drawn, and its mean energy


def make_cubic() -> IsingProblem:
    """Return the Heawood graph: cubic, 14 spins, girth 6."""
    ring = [(i, (i + 1) % SPINS) for i in range(SPINS)]
    chords = [(i, (i + 5) % SPINS) for i in range(0, SPINS, 2)]
    return make_problem(SPINS, [(min(pair), max(pair), 1) for pair in (*ring, *chords)])


def compute_mean_energy(gamma: int, beta: int) -> float:
    """Return the mean energy at these angles."""
    turn = 2 * gamma * TURN
    return -EDGES * sin(4 * beta * TURN) * sin(turn) * cos(turn) ** 2


BEST = compute_mean_energy(*(compute_law(make_cubic(), 1).gamma_means + compute_law(make_cubic(), 1).beta_means))


def make_belief(gamma: float = 1.0, beta: float = 1.0, *, is_published_wrong: bool = False) -> Belief:
    """Return a first belief with its means displaced by these factors, in the fine unit.

    Args:
        is_published_wrong: Displace its anchors as well, so that the optimum is not where the published angles are.
    """
    belief = make_first_belief(make_cubic(), 1)
    means = int(belief.anchors[0] * gamma), int(belief.anchors[1] * beta)
    anchors = means if is_published_wrong else belief.anchors
    return replace(belief, means=means, anchors=anchors, unit=belief.unit * FINE)


def draw_strike(belief: Belief, chance: random.Random) -> Step:
    """Return a strike's angles and the energy that it shows: the mean of its shots."""
    angles = compute_drawn_angles(make_law(belief), chance.randbytes(32))
    mean = compute_mean_energy(angles.gammas[0], angles.betas[0])
    return angles, mean + chance.gauss(0, SHOT_SD * sqrt(EDGES / SHOTS))


def learn(belief: Belief, step: Step) -> Belief:
    """Return the belief after a strike."""
    return update_belief(belief, step[0], round(step[1] * FINE) * SHOTS, SHOTS)


def learn_honestly(belief: Belief, strikes: int, chance: random.Random) -> tuple[Belief, list[float]]:
    """Return the belief after so many strikes of its own laws, and what share of the best energy each law reached."""
    shares = []
    for _ in range(strikes):
        angles, energy = draw_strike(belief, chance)
        shares.append(compute_mean_energy(angles.gammas[0], angles.betas[0]) / BEST)
        belief = learn(belief, (angles, energy))
    return belief, shares


def compute_mean(shares: list[float]) -> float:
    """Return the mean."""
    return sum(shares) / len(shares)
