"""Random small circuits and observables for the engines, and their linear algebra done again with dense matrices.

Nothing here comes from the engines: gates are full matrices, multiplied one after the other.
"""

from __future__ import annotations

import random
from functools import reduce
from math import pi

import numpy as np
from numpy.typing import NDArray

from vm.engines.angled_circuit import AngledCircuit, set_angles
from vm.pauli import PauliSum, make_pauli_sum
from vm.problem import make_problem
from vm.strike import compile_circuit

Matrix = NDArray[np.complex128]

LETTERS: dict[str, Matrix] = {
    "I": np.array([[1, 0], [0, 1]], np.complex128),
    "X": np.array([[0, 1], [1, 0]], np.complex128),
    "Y": np.array([[0, -1j], [1j, 0]], np.complex128),
    "Z": np.array([[1, 0], [0, -1]], np.complex128),
}


def make_case(number: int, *, qubits_max: int = 7, depth_max: int = 3) -> tuple[AngledCircuit, bytes]:
    """Return a circuit with any angles and dressing, and a seed."""
    chance = random.Random(number)
    n = chance.randint(1, qubits_max)
    pairs = [(i, j) for j in range(n) for i in range(j) if chance.random() < 0.5]
    problem = make_problem(
        n,
        [(i, j, chance.choice([-3, -1, 1, 2, 5])) for i, j in pairs],
        fields=[chance.randint(-3, 3) for _ in range(n)],
        offset=chance.randint(-5, 5),
    )
    depth = chance.randint(1, depth_max)
    circuit = compile_circuit(problem, order=tuple(chance.sample(range(n), n)), depth=depth)

    def turns(count: int) -> list[int]:
        return [chance.randrange(-(2**33), 2**33) for _ in range(count)]

    return set_angles(circuit, turns(depth), turns(depth), fields=turns(n), mixers=turns(n)), chance.randbytes(32)


def make_observable(number: int, n: int, *, letters: str = "IXYZ", terms: int = 6) -> PauliSum:
    """Return a random Pauli sum."""
    chance = random.Random(number)
    return make_pauli_sum(
        n, [(chance.uniform(-2, 2), "".join(chance.choice(letters) for _ in range(n))) for _ in range(terms)]
    )


def make_matrix(string: str) -> Matrix:
    """Return a Pauli string as a matrix, qubit 0 most significant."""
    return reduce(np.kron, [LETTERS[letter] for letter in string], np.ones((1, 1), np.complex128))


def rotate_dense(state: Matrix, string: str, angle: float) -> Matrix:
    """Return exp(-i angle P) applied to a state."""
    return np.cos(angle) * state - 1j * np.sin(angle) * (make_matrix(string) @ state)


def compute_dense_state(circuit: AngledCircuit) -> Matrix:
    """Return the final state of a circuit, with the 16-bit phases that the rules ask for."""
    problem, angles, n = circuit.circuit.problem, circuit.angles, circuit.circuit.problem.n

    def spell(letter: str, *qubits: int) -> str:
        return "".join(letter if q in qubits else "I" for q in range(n))

    def to_radians(angle: int) -> float:
        return 2 * pi * ((angle + 2**15) // 2**16) / 2**16

    state = np.full(2**n, 2.0 ** (-n / 2), np.complex128)
    for gamma, beta in zip(angles.gammas, angles.betas, strict=True):
        for i, j, weight in problem.couplings:
            state = rotate_dense(state, spell("Z", i, j), to_radians(gamma * weight))
        for q in range(n):
            state = rotate_dense(state, spell("Z", q), to_radians(gamma * problem.fields[q]))
            state = rotate_dense(state, spell("Z", q), to_radians(angles.fields[q]))
        for q in range(n):
            state = rotate_dense(state, spell("X", q), -to_radians(beta) - to_radians(angles.mixers[q]))
    return state


def compute_dense_expectation(state: Matrix, hamiltonian: PauliSum) -> float:
    """Return the expectation value in a state."""
    return float(sum(value * np.vdot(state, make_matrix(string) @ state).real for value, string in hamiltonian.terms))
