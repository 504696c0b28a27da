"""The whole-state reference: the executable specification, in plain numpy, for at most about 20 qubits.

It follows the definition of a strike word by word and knows nothing of schedules: all qubits at once, every layer in
full, marginal probabilities by summing. Its rounding differs from the engine's in the last bits, so it agrees in
probabilities to 1e-12 and in shots but for less than one strike in 10^12 (tests/vm/test_disagreement.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vm.derivation import Angles, Uniforms, compute_angles, compute_uniforms, expand_seed, round_to_phase
from vm.law import AngleLaw
from vm.problem import IsingProblem, Shots
from vm.trig_table import get_trig_table

State = NDArray[np.complex128]  # axes: one of length 2 for each qubit by label


def run_reference_strike(
    problem: IsingProblem, order: tuple[int, ...], law: AngleLaw, seed: bytes, *, shots: int = 32
) -> Shots:
    """Return the shots of one strike, uint8[shot, qubit by label]."""
    depth = len(law.gamma_means)
    words = expand_seed(seed, depth=depth, n=problem.n, shots=shots)
    state = compute_state(problem, compute_angles(law, words[: 2 * depth + problem.n]))
    return draw_from_state(state, order, compute_uniforms(words[2 * depth + problem.n :], problem.n))


def compute_state(problem: IsingProblem, angles: Angles) -> State:
    """Return the final normalised state of the circuit."""
    table = get_trig_table()
    state: State = np.full((2,) * problem.n, 2.0 ** (-problem.n / 2), dtype=np.complex128)
    for gamma, beta in zip(angles.gammas, angles.betas, strict=True):
        phases = _compute_phases(problem, angles, gamma)
        state = state * (table[phases, 0] - 1j * table[phases, 1])
        for qubit in range(problem.n):
            cosine, sine = table[(round_to_phase(beta) + round_to_phase(angles.mixers[qubit])) % 2**16]
            state = cosine * state + 1j * sine * np.flip(state, axis=qubit)
    return state


def draw_from_state(state: State, order: tuple[int, ...], uniforms: Uniforms) -> Shots:
    """Return one shot for each row of uniforms (columns in measurement order)."""
    probabilities = np.abs(state) ** 2
    shots = np.zeros((len(uniforms), state.ndim), np.uint8)
    for shot, row in enumerate(uniforms):
        left = np.transpose(probabilities, order)
        for rank, qubit in enumerate(order):
            p0, p1 = left[0].sum(), left[1].sum()
            bit = 0 if row[rank] * (p0 + p1) < p0 else 1
            shots[shot, qubit] = bit
            left = left[bit]
    return shots


def _compute_phases(problem: IsingProblem, angles: Angles, gamma: int) -> NDArray[np.int64]:
    """Return the 16-bit phase of every basis state, axes as in State."""
    spins = [np.array([1, -1]).reshape([2 if k == q else 1 for k in range(problem.n)]) for q in range(problem.n)]
    phases = np.zeros((2,) * problem.n, dtype=np.int64)
    for qubit, field in enumerate(problem.fields):
        phases += (round_to_phase(gamma * field) + round_to_phase(angles.fields[qubit])) * spins[qubit]
    for i, j, weight in problem.couplings:
        phases += round_to_phase(gamma * weight) * spins[i] * spins[j]
    return phases % 2**16
