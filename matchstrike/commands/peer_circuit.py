"""A strike's circuit in the words of other simulators: angles in radians, gate by gate, dressing included."""

from __future__ import annotations

import hashlib
from math import pi

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.derivation import compute_angles, expand_seed, round_to_phase
from vm.law import AngleLaw
from vm.problem import IsingProblem, make_problem
from vm.reference import compute_state

RADIANS = 2 * pi / 2**16

Probabilities = NDArray[np.float64]  # index: qubit 0 is the most significant bit


class PeerLayer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer: `RZZ(t)` = exp(-i t/2 ZZ) for each coupling, `RZ(t)` and then `RX(t)` on each qubit by label."""

    rzz: tuple[tuple[int, int, float], ...]
    rz: tuple[float, ...]
    rx: tuple[float, ...]


class PeerCircuit(msgspec.Struct, frozen=True, kw_only=True):
    """The whole circuit after the uniform superposition."""

    n: int
    layers: tuple[PeerLayer, ...]


def make_peer_circuit(problem: IsingProblem, law: AngleLaw, seed: bytes) -> PeerCircuit:
    """Return the circuit of one strike, with the phases that the engine rounds to."""
    depth = len(law.gamma_means)
    angles = compute_angles(law, expand_seed(seed, depth=depth, n=problem.n, shots=0))
    layers = []
    for gamma, beta in zip(angles.gammas, angles.betas, strict=True):
        turns = {weight: 2 * RADIANS * round_to_phase(gamma * weight) for _, _, weight in problem.couplings}
        layers.append(
            PeerLayer(
                rzz=tuple((i, j, turns[weight]) for i, j, weight in problem.couplings),
                rz=tuple(
                    2 * RADIANS * (round_to_phase(gamma * field) + round_to_phase(own))
                    for field, own in zip(problem.fields, angles.fields, strict=True)
                ),
                rx=tuple(-2 * RADIANS * (round_to_phase(beta) + round_to_phase(own)) for own in angles.mixers),
            )
        )
    return PeerCircuit(n=problem.n, layers=tuple(layers))


def compute_own_probabilities(problem: IsingProblem, law: AngleLaw, seed: bytes) -> Probabilities:
    """Return what the executable specification gives for every bit string."""
    words = expand_seed(seed, depth=len(law.gamma_means), n=problem.n, shots=0)
    state = compute_state(problem, compute_angles(law, words))
    probabilities: Probabilities = np.abs(state.reshape(-1)) ** 2
    return probabilities


def make_sk_problem(n: int) -> IsingProblem:
    """Return a Sherrington-Kirkpatrick problem: every pair coupled by +1 or -1."""
    signs = hashlib.shake_128(b"sk").digest(n * n)
    return make_problem(n, [(i, j, 1 - 2 * (signs[i * n + j] & 1)) for i in range(n) for j in range(i + 1, n)])
