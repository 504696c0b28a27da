"""Landscapes that are harder to learn than tests.support.landscape: deep circuits, few shots, shallow valleys.

At p = 2 it is the exact one of the cube, cubic with 8 spins, which has a second valley inside the windows.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from math import sqrt

import msgspec
import numpy as np

from consensus.belief import Belief, compute_drawn_angles, compute_window, make_first_belief, make_law, update_belief
from tests.support.landscape import BEST, FINE, SHOT_SD, TURN, compute_mean_energy, make_cubic
from vm.derivation import Angles
from vm.problem import IsingProblem, make_problem

History = Sequence[tuple[tuple[float, ...], float, int]]  # where in the windows, energy over the largest, how often


class Landscape(msgspec.Struct, frozen=True, kw_only=True):
    """What strikes of a problem show.

    Attributes:
        height: What the energies are multiplied by; below 1 it is shallow, as seen through the same noise.
    """

    depth: int
    shots: int
    height: float = 1.0

    @property
    def problem(self) -> IsingProblem:
        """The problem whose landscape it is."""
        return make_cubic() if self.depth == 1 else make_cube()

    def make_belief(self) -> Belief:
        """Return the first belief, in the fine unit."""
        first = make_first_belief(self.problem, self.depth)
        return msgspec.structs.replace(first, unit=first.unit * FINE)

    def compute_share(self, angles: Angles) -> float:
        """Return the mean energy at these angles in parts of what the published ones give."""
        if self.depth == 1:
            return compute_mean_energy(angles.gammas[0], angles.betas[0]) / BEST
        return compute_cube_energy(angles) / compute_cube_energy(_get_published())

    def draw_energy(self, share: float, chance: random.Random) -> float:
        """Return the mean energy of the shots of a strike."""
        published = BEST if self.depth == 1 else compute_cube_energy(_get_published())
        edges = len(self.problem.couplings)
        return self.height * share * published + chance.gauss(0, SHOT_SD * sqrt(edges / self.shots))

    def learn(self, belief: Belief, angles: Angles, energy: float) -> Belief:
        """Return the belief after a strike."""
        return update_belief(belief, angles, round(energy * FINE) * self.shots, self.shots)


def make_cube() -> IsingProblem:
    """Return the cube: cubic, 8 spins, no triangles."""
    edges = [(a, b) for a, b in combinations(range(8), 2) if (a ^ b).bit_count() == 1]
    return make_problem(8, [(a, b, 1) for a, b in edges])


@cache
def _get_published() -> Angles:
    anchors = make_first_belief(make_cube(), 2).anchors
    return Angles(gammas=anchors[:2], betas=anchors[2:], fields=(), mixers=())


@cache
def _list_energies() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    spins = 1 - 2 * (np.arange(256)[:, None] >> np.arange(8) & 1)
    return np.array(sum(spins[:, a] * spins[:, b] for a, b, _ in make_cube().couplings), dtype=np.float64)


def compute_cube_energy(angles: Angles) -> float:
    """Return the cube's mean energy without dressing, from the whole state vector."""
    energies = _list_energies()
    state = np.full(256, 1 / 16, dtype=np.complex128)
    for gamma, beta in zip(angles.gammas, angles.betas, strict=True):
        state = state * np.exp(-1j * gamma * TURN * energies)
        cosine, sine = np.cos(beta * TURN), np.sin(beta * TURN)
        for spin in range(8):
            pairs = state.reshape(-1, 2, 1 << spin)
            state = (cosine * pairs + 1j * sine * pairs[:, ::-1]).reshape(-1)
    return float(np.abs(state) ** 2 @ energies)


def play(land: Landscape, belief: Belief, history: History) -> Belief:
    """Return the belief after strikes at any places of its windows with any energies."""
    largest = len(land.problem.couplings)
    for places, energy, times in history:
        ends = [compute_window(belief, angle) for angle in range(2 * land.depth)]
        aims = tuple(int(low + place * (high - low)) for place, (low, high) in zip(places, ends, strict=True))
        angles = Angles(gammas=aims[: land.depth], betas=aims[land.depth :], fields=(), mixers=())
        for _ in range(times):
            belief = land.learn(belief, angles, energy * largest)
    return belief


def learn_honestly(land: Landscape, belief: Belief, strikes: int, chance: random.Random) -> list[float]:
    """Return what share of the published angles' energy each of so many strikes of its own laws reached."""
    shares = []
    for _ in range(strikes):
        angles = compute_drawn_angles(make_law(belief), chance.randbytes(32))
        shares.append(land.compute_share(angles))
        belief = land.learn(belief, angles, land.draw_energy(shares[-1], chance))
    return shares
