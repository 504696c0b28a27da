"""Pauli strings on a whole state vector: expectation values, and circuits of rotations.

A Pauli string turns the basis state x into `i^y (-1)^|x & z| |x ^ f>`, where f marks its X and Y, z its Y and Z, and y
counts its Y.
"""

from __future__ import annotations

from math import cos, sin

import numpy as np

from vm.pauli import PauliSum, list_support
from vm.reference import State
from vm.rotations import RotationCircuit

ROUNDING = 1e-12  # of an expectation value, for each unit of the observable's weight; see tests/vm/test_engine_*.py


def compute_state_expectation(state: State, hamiltonian: PauliSum) -> float:
    """Return the expectation value in a normalised state with one axis for each qubit."""
    probabilities = np.abs(state) ** 2
    total = 0.0
    for value, string in hamiltonian.terms:
        if "X" in string or "Y" in string:
            total += value * float(np.vdot(state, apply_string(state, string)).real)
        else:
            support = list_support(string)
            rest = tuple(q for q in range(state.ndim) if q not in support)
            marginal = probabilities.sum(axis=rest).reshape((2,) * len(support))
            for _ in support:
                marginal = marginal[0] - marginal[1]
            total += value * float(marginal)
    return total


def compute_rotated_state(circuit: RotationCircuit) -> State:
    """Return the state of a circuit of rotations."""
    state: State = np.zeros((2,) * circuit.n, np.complex128)
    state[(0,) * circuit.n] = 1
    for angle, string in circuit.rotations:
        state = cos(angle / 2) * state - 1j * sin(angle / 2) * apply_string(state, string)
    return state


def apply_string(state: State, string: str) -> State:
    """Return the state with a Pauli string applied."""
    flipped = tuple(q for q, letter in enumerate(string) if letter in "XY")
    signed = state
    for q, letter in enumerate(string):
        if letter in "YZ":
            signs = np.array([1.0, -1.0]).reshape([2 if k == q else 1 for k in range(state.ndim)])
            signed = signed * signs
    turned: State = 1j ** string.count("Y") * np.flip(signed, axis=flipped)
    return turned
