"""Exact expectation values from light cones.

With p layers, the value of a string on the qubits S depends only on the qubits within distance p of S: everything else
cancels against its inverse. So each string is computed in the state of that part of the problem alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vm.derivation import Angles, round_to_phase
from vm.engines.angled_circuit import AngledCircuit
from vm.engines.engine import CircuitTooLarge, Expectation
from vm.engines.register import compute_phases, mix, rotate
from vm.engines.state_vector import ROUNDING, compute_state_expectation
from vm.order import compute_light_cones
from vm.pauli import PauliSum, list_support
from vm.problem import IsingProblem
from vm.reference import State

CONE_QUBITS_MAX = 22


def compute_cone_expectation(circuit: AngledCircuit, hamiltonian: PauliSum) -> Expectation:
    """Return the exact expectation value, cone by cone.

    Raises:
        CircuitTooLarge: a string's light cone has more than CONE_QUBITS_MAX qubits.
    """
    problem, depth = circuit.circuit.problem, circuit.circuit.depth
    balls = compute_light_cones(problem, depth)
    cones: dict[int, list[tuple[float, str]]] = {}
    for value, string in hamiltonian.terms:
        cone = 0
        for qubit in list_support(string):
            cone |= balls[qubit]
        if cone.bit_count() > CONE_QUBITS_MAX:
            raise CircuitTooLarge(
                f"a light cone of {cone.bit_count()} qubits exceeds {CONE_QUBITS_MAX}; mps gives a value with a bound"
            )
        cones.setdefault(cone, []).append((value, string))
    total = 0.0
    for cone, terms in cones.items():
        labels = [q for q in range(problem.n) if cone >> q & 1]
        if not labels:
            total += sum(value for value, _ in terms)
            continue
        state = compute_part_state(problem, circuit.angles, labels)
        inner = [(value, "".join(string[q] for q in labels)) for value, string in terms]
        total += compute_state_expectation(state, PauliSum(n=len(labels), terms=tuple(inner)))
    return Expectation(value=total, error=ROUNDING * hamiltonian.weight, kind="exact")


def compute_part_state(problem: IsingProblem, angles: Angles, labels: Sequence[int]) -> State:
    """Return the state of the qubits `labels` alone, one axis for each in their order."""
    live = len(labels)
    place = {q: live - 1 - rank for rank, q in enumerate(labels)}  # the first label is the most significant bit
    inside = [(place[i], place[j], weight) for i, j, weight in problem.couplings if i in place and j in place]
    register = np.full(1 << live, 2.0 ** (-live / 2), np.complex128)
    for gamma, beta in zip(angles.gammas, angles.betas, strict=True):
        linear = {
            place[q]: round_to_phase(gamma * problem.fields[q]) + round_to_phase(angles.fields[q]) for q in labels
        }
        quadratic = [(a, b, round_to_phase(gamma * weight)) for a, b, weight in inside]
        register = rotate(register, compute_phases(live, linear, quadratic))
        for q in labels:
            register = mix(register, place[q], round_to_phase(beta) + round_to_phase(angles.mixers[q]))
    return register.reshape((2,) * live)
