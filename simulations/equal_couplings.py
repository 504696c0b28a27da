"""The shortcut that a planted problem opens: all couplings 1, so that the circuit is a sum of few product states.

The phase separator depends on the number of ones alone, of which there are n + 1; by Fourier transform it is a sum of
n + 1 product rotations, which dressing and own mixers only turn. The overlaps of the product states form a circulant
matrix, so the chance of a next bit takes one transform of n + 1 numbers instead of a pass over 2^n amplitudes. Every
shot is the engine's: the chances agree to rounding.
"""

from __future__ import annotations

from math import comb, log2

import numpy as np
from numpy.typing import NDArray

from vm.derivation import compute_angles, compute_uniforms, expand_seed, round_to_phase
from vm.law import AngleLaw
from vm.problem import IsingProblem, Shots, make_problem

TURN = 2**16


def make_equal_problem(n: int) -> IsingProblem:
    """Return the problem with every coupling 1."""
    return make_problem(n, [(i, j, 1) for i in range(n) for j in range(i + 1, n)])


def count_multiplications(n: int, shots: int) -> int:
    """Return the complex multiplications of `strike_equal`: per bit, two branches, each with a transform."""
    size = n + 1
    return round(shots * n * 2 * size * (log2(size) + 3))


def strike_equal(n: int, law: AngleLaw, seed: bytes, *, shots: int) -> Shots:
    """Return the shots of one strike of `make_equal_problem(n)` at depth 1, measured in the order of the labels."""
    words = expand_seed(seed, depth=1, n=n, shots=shots)
    angles = compute_angles(law, words[: 2 + n])
    uniforms = compute_uniforms(words[2 + n :], n)
    weights = _make_weights(n, round_to_phase(angles.gammas[0]))
    own = [
        _make_qubit(n, round_to_phase(angles.fields[q]), _mixer(angles.betas[0], angles.mixers[q])) for q in range(n)
    ]
    counts = [np.array([comb(left, t) / 2.0**left for t in range(left + 1)]) for left in range(n)]
    result = np.empty((shots, n), np.uint8)
    for shot in range(shots):
        state = weights
        for q in range(n):
            branches = [state * own[q][bit] for bit in (0, 1)]
            left = counts[n - 1 - q]
            p0, p1 = (float((left * np.abs(np.fft.fft(branch)[: len(left)]) ** 2).sum()) for branch in branches)
            bit = 0 if uniforms[shot, q] * (p0 + p1) < p0 else 1
            result[shot, q] = bit
            state = branches[bit] / np.sqrt((p0, p1)[bit])
    return result


def _make_weights(n: int, gamma: int) -> NDArray[np.complex128]:
    """Return the weight of each product state: the transform of the phases over the number of zeros."""
    zeros = np.arange(n + 1)
    phases = gamma * (((2 * zeros - n) ** 2 - n) // 2) % TURN
    weights: NDArray[np.complex128] = np.fft.ifft(np.exp(-2j * np.pi * phases / TURN))
    return weights


def _make_qubit(n: int, field: int, mixer: int) -> NDArray[np.complex128]:
    """Return a qubit's amplitudes in every product state, complex[bit, state]."""
    own, angle = 2 * np.pi * field / TURN, 2 * np.pi * mixer / TURN
    turns = np.exp(-2j * np.pi * np.arange(n + 1) / (n + 1))  # on a zero bit
    zero, one = np.exp(-1j * own) * turns / np.sqrt(2), np.full(n + 1, np.exp(1j * own) / np.sqrt(2))
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([cosine * zero + 1j * sine * one, cosine * one + 1j * sine * zero])


def _mixer(beta: int, own: int) -> int:
    return (round_to_phase(beta) + round_to_phase(own)) % TURN
