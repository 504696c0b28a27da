"""The engine `reference`: the whole state vector in plain numpy (`vm.reference`), for small circuits."""

from __future__ import annotations

from functools import lru_cache

from vm.derivation import Angles
from vm.engines.engine import (
    Bits,
    CircuitTooLarge,
    Expectation,
    Runnable,
    check_bits,
    check_hamiltonian,
    check_shots,
    count_qubits,
    draw_uniforms,
    get_order,
)
from vm.engines.state_vector import ROUNDING, compute_rotated_state, compute_state_expectation
from vm.pauli import PauliSum
from vm.problem import IsingProblem, Shots
from vm.reference import State, compute_state, draw_from_state
from vm.rotations import RotationCircuit

REFERENCE_QUBITS_MAX = 20


class ReferenceEngine:
    """Exact, slow and obviously right. Its samples differ from the strike's less than once in 10^12 strikes."""

    name = "reference"
    is_bit_exact = False

    def sample(self, circuit: Runnable, *, shots: int, seed: bytes) -> Shots:
        """See `Engine.sample`."""
        check_shots(shots, seed)
        state = _get_state(circuit)
        return draw_from_state(state, get_order(circuit), draw_uniforms(circuit, shots, seed))

    def probability(self, circuit: Runnable, bits: Bits) -> float:
        """See `Engine.probability`."""
        amplitude = _get_state(circuit)[check_bits(circuit, bits)]
        return float(abs(amplitude) ** 2)

    def expectation(self, circuit: Runnable, hamiltonian: PauliSum) -> Expectation:
        """See `Engine.expectation`; exact for every Pauli sum."""
        check_hamiltonian(circuit, hamiltonian)
        value = compute_state_expectation(_get_state(circuit), hamiltonian)
        return Expectation(value=value, error=ROUNDING * hamiltonian.weight, kind="exact")


def _get_state(circuit: Runnable) -> State:
    n = count_qubits(circuit)
    if n > REFERENCE_QUBITS_MAX:
        raise CircuitTooLarge(f"the reference holds {REFERENCE_QUBITS_MAX} qubits, not {n}; frontier and mps hold more")
    if isinstance(circuit, RotationCircuit):
        return _compute_kept_rotations(circuit)
    return _compute_kept_state(circuit.circuit.problem, circuit.angles)


@lru_cache(maxsize=1)
def _compute_kept_state(problem: IsingProblem, angles: Angles) -> State:
    state = compute_state(problem, angles)
    state.flags.writeable = False
    return state


@lru_cache(maxsize=1)
def _compute_kept_rotations(circuit: RotationCircuit) -> State:
    state = compute_rotated_state(circuit)
    state.flags.writeable = False
    return state
