"""The engine `reference`: the whole state vector in plain numpy (`vm.reference`), for small circuits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vm.derivation import Angles, compute_uniforms, expand_seed
from vm.engines.angled_circuit import AngledCircuit
from vm.engines.engine import CircuitTooLarge, Expectation, check_bits, check_hamiltonian, check_shots
from vm.engines.state_vector import ROUNDING, compute_state_expectation
from vm.pauli import PauliSum
from vm.problem import IsingProblem, Shots
from vm.reference import State, compute_state, draw_from_state

REFERENCE_QUBITS_MAX = 20


class ReferenceEngine:
    """Exact, slow and obviously right. Its samples differ from the strike's less than once in 10^12 strikes."""

    name = "reference"
    is_bit_exact = False

    def sample(self, circuit: AngledCircuit, *, shots: int, seed: bytes) -> Shots:
        """See `Engine.sample`."""
        check_shots(shots, seed)
        n, depth = circuit.circuit.problem.n, circuit.circuit.depth
        words = expand_seed(seed, depth=depth, n=n, shots=shots)
        uniforms = compute_uniforms(words[2 * depth + n :], n)
        return draw_from_state(_get_state(circuit), circuit.circuit.order, uniforms)

    def probability(self, circuit: AngledCircuit, bits: Sequence[int] | NDArray[np.uint8]) -> float:
        """See `Engine.probability`."""
        amplitude = _get_state(circuit)[check_bits(circuit, bits)]
        return float(abs(amplitude) ** 2)

    def expectation(self, circuit: AngledCircuit, hamiltonian: PauliSum) -> Expectation:
        """See `Engine.expectation`; exact for every Pauli sum."""
        check_hamiltonian(circuit, hamiltonian)
        value = compute_state_expectation(_get_state(circuit), hamiltonian)
        return Expectation(value=value, error=ROUNDING * hamiltonian.weight, kind="exact")


def _get_state(circuit: AngledCircuit) -> State:
    n = circuit.circuit.problem.n
    if n > REFERENCE_QUBITS_MAX:
        raise CircuitTooLarge(f"the reference holds {REFERENCE_QUBITS_MAX} qubits, not {n}; frontier and mps hold more")
    return _compute_kept_state(circuit.circuit.problem, circuit.angles)


@lru_cache(maxsize=1)
def _compute_kept_state(problem: IsingProblem, angles: Angles) -> State:
    state = compute_state(problem, angles)
    state.flags.writeable = False
    return state
