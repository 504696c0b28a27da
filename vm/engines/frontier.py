"""The engine `frontier`: the consensus engine with chosen angles; exact, for any circuit whose live qubits it holds.

Samples are the strike's own kernels. Probabilities walk the schedule with the bits given. Expectation values use light
cones: a string's value depends only on the qubits within distance p of those it acts on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vm.engines.amplitude_walk import compute_amplitude
from vm.engines.angled_circuit import AngledCircuit
from vm.engines.engine import CircuitTooLarge, Expectation, check_bits, check_hamiltonian, check_shots
from vm.engines.light_cone import compute_cone_expectation
from vm.pauli import PauliSum
from vm.problem import Shots
from vm.strike import RegisterTooLarge, check_live_qubits, run_with_angles


class FrontierEngine:
    """Exact and bit-exact."""

    name = "frontier"
    is_bit_exact = True

    def sample(self, circuit: AngledCircuit, *, shots: int, seed: bytes) -> Shots:
        """See `Engine.sample`; the shots are those of a strike with these angles and this seed, bit for bit."""
        check_shots(shots, seed)
        _check_size(circuit)
        return run_with_angles(circuit.circuit, circuit.angles, seed, shots=shots)

    def probability(self, circuit: AngledCircuit, bits: Sequence[int] | NDArray[np.uint8]) -> float:
        """See `Engine.probability`."""
        _check_size(circuit)
        return float(abs(compute_amplitude(circuit, check_bits(circuit, bits))) ** 2)

    def expectation(self, circuit: AngledCircuit, hamiltonian: PauliSum) -> Expectation:
        """See `Engine.expectation`."""
        check_hamiltonian(circuit, hamiltonian)
        return compute_cone_expectation(circuit, hamiltonian)


def _check_size(circuit: AngledCircuit) -> None:
    try:
        check_live_qubits(circuit.circuit)
    except RegisterTooLarge as error:
        raise CircuitTooLarge(f"{error}; a better measurement order may need fewer, and mps holds more") from None
