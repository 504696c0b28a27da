"""The engine `frontier`: the consensus engine with chosen angles; exact, for any circuit whose live qubits it holds.

Samples are the strike's own kernels. Probabilities walk the schedule with the bits given. Expectation values use light
cones: a string's value depends only on the qubits within distance p of those it acts on. Where a cone is too large, the
mean of the first 4,096 shots of the seed zero stands in, with its standard error.
"""

from __future__ import annotations

from vm.engines.amplitude_walk import compute_amplitude
from vm.engines.angled_circuit import AngledCircuit
from vm.engines.engine import (
    Bits,
    CircuitTooLarge,
    Expectation,
    InvalidRequest,
    Runnable,
    check_bits,
    check_hamiltonian,
    check_shots,
)
from vm.engines.light_cone import compute_cone_expectation
from vm.pauli import PauliSum, compute_diagonal_values
from vm.problem import Shots
from vm.strike import RegisterTooLarge, check_live_qubits, run_with_angles

SHOTS_SAMPLED = 4096


class FrontierEngine:
    """Exact and bit-exact."""

    name = "frontier"
    is_bit_exact = True

    def sample(self, circuit: Runnable, *, shots: int, seed: bytes) -> Shots:
        """See `Engine.sample`; the shots are those of a strike with these angles and this seed, bit for bit."""
        check_shots(shots, seed)
        angled = _check_circuit(circuit)
        return run_with_angles(angled.circuit, angled.angles, seed, shots=shots)

    def probability(self, circuit: Runnable, bits: Bits) -> float:
        """See `Engine.probability`."""
        angled = _check_circuit(circuit)
        return float(abs(compute_amplitude(angled, check_bits(circuit, bits))) ** 2)

    def expectation(self, circuit: Runnable, hamiltonian: PauliSum) -> Expectation:
        """See `Engine.expectation`: exact, or for diagonal observables with too large a light cone, sampled."""
        check_hamiltonian(circuit, hamiltonian)
        angled = _check_kind(circuit)
        try:
            return compute_cone_expectation(angled, hamiltonian)
        except CircuitTooLarge:
            if not hamiltonian.is_diagonal:
                raise
        shots = self.sample(circuit, shots=SHOTS_SAMPLED, seed=bytes(32))
        values = compute_diagonal_values(hamiltonian, shots)
        error = float(values.std(ddof=1)) / SHOTS_SAMPLED**0.5
        return Expectation(value=float(values.mean()), error=error, kind="sampled")


def _check_circuit(circuit: Runnable) -> AngledCircuit:
    angled = _check_kind(circuit)
    try:
        check_live_qubits(angled.circuit)
    except RegisterTooLarge as error:
        raise CircuitTooLarge(f"{error}; a better measurement order may need fewer, and mps holds more") from None
    return angled


def _check_kind(circuit: Runnable) -> AngledCircuit:
    if isinstance(circuit, AngledCircuit):
        return circuit
    raise InvalidRequest("frontier runs the circuits of problems; reference and mps run any rotations")
