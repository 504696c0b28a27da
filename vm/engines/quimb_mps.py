"""The engine `quimb`: the same circuit in quimb's `CircuitMPS`, to compare with and to go on from with quimb's tools.

quimb comes with the extra `[tensor]` and is imported when the engine is made, which takes seconds. It swaps distant
qubits together, gate by gate, and estimates its fidelity instead of bounding it, so errors are only estimated.
"""

from __future__ import annotations

from importlib import import_module
from math import pi, sqrt

import numpy as np

from vm.derivation import round_to_phase
from vm.engines.angled_circuit import AngledCircuit
from vm.engines.engine import (
    Bits,
    Expectation,
    InvalidRequest,
    LibraryMissing,
    Runnable,
    check_bits,
    check_hamiltonian,
    check_shots,
    get_order,
)
from vm.engines.matrix_product import BOND_LIMIT, PAULI
from vm.pauli import PauliSum, list_support
from vm.problem import Shots

RADIANS = 2 * pi / 2**16
CUTOFF_DEFAULT = 1e-12
PATHS = "greedy"  # a chain needs no better path; the default searches for one


class QuimbEngine:
    """quimb's matrix product state of bounded bond dimension; sites follow the measurement order."""

    name = "quimb"
    is_bit_exact = False

    def __init__(self, *, bond_max: int = 256, cutoff: float = CUTOFF_DEFAULT) -> None:
        if not 1 <= bond_max <= BOND_LIMIT:
            raise InvalidRequest(f"a bond dimension is 1..{BOND_LIMIT}, not {bond_max}")
        try:
            self._tensors = import_module("quimb.tensor")
        except ImportError as error:
            raise LibraryMissing(f"{error}; install it with: pip install 'matchstrike[tensor]'") from None
        self.bond_max = bond_max
        self.cutoff = cutoff

    def sample(self, circuit: Runnable, *, shots: int, seed: bytes) -> Shots:
        """See `Engine.sample`; quimb draws them, so they are other shots than the other engines'."""
        check_shots(shots, seed)
        made = self.make_circuit(circuit)
        rows = made.sample(shots, seed=int.from_bytes(seed[:8], "little"))
        by_site = np.array([[int(bit) for bit in row] for row in rows], np.uint8).reshape(shots, made.N)
        result = np.empty_like(by_site)
        result[:, list(get_order(circuit))] = by_site
        return result

    def probability(self, circuit: Runnable, bits: Bits) -> float:
        """See `Engine.probability`."""
        values = check_bits(circuit, bits)
        word = "".join(str(values[q]) for q in get_order(circuit))
        amplitude = self.make_circuit(circuit).amplitude(word, optimize=PATHS)
        return abs(complex(amplitude)) ** 2

    def expectation(self, circuit: Runnable, hamiltonian: PauliSum) -> Expectation:
        """See `Engine.expectation`."""
        check_hamiltonian(circuit, hamiltonian)
        made = self.make_circuit(circuit)
        rank = {q: site for site, q in enumerate(get_order(circuit))}
        ket = made.psi
        norm = float(np.real((ket.H & ket).contract(optimize=PATHS)))
        value = 0.0
        for coefficient, string in hamiltonian.terms:
            turned = ket
            for q in list_support(string):
                turned = turned.gate(PAULI[string[q]], rank[q], contract=True)
            value += coefficient * float(np.real((ket.H & turned).contract(optimize=PATHS))) / norm
        missed = max(0.0, 1 - float(made.fidelity_estimate()))
        return Expectation(value=value, error=2 * sqrt(missed) * hamiltonian.weight, kind="estimated")

    def make_circuit(self, circuit: Runnable):  # type: ignore[no-untyped-def]
        """Return quimb's `CircuitMPS` with all gates applied, sites in the measurement order.

        Raises:
            InvalidRequest: a circuit of rotations.
        """
        if not isinstance(circuit, AngledCircuit):
            raise InvalidRequest("quimb runs the circuits of problems; reference and mps run any rotations")
        problem, order, angles = circuit.circuit.problem, circuit.circuit.order, circuit.angles
        rank = {q: site for site, q in enumerate(order)}
        made = self._tensors.CircuitMPS(problem.n, max_bond=self.bond_max, cutoff=self.cutoff)
        for site in range(problem.n):
            made.h(site)
        for gamma, beta in zip(angles.gammas, angles.betas, strict=True):
            for first, last, weight in sorted((*sorted((rank[i], rank[j])), w) for i, j, w in problem.couplings):
                made.rzz(2 * RADIANS * round_to_phase(gamma * weight), first, last)
            for site, q in enumerate(order):
                own = round_to_phase(gamma * problem.fields[q]) + round_to_phase(angles.fields[q])
                made.rz(2 * RADIANS * own, site)
                made.rx(-2 * RADIANS * (round_to_phase(beta) + round_to_phase(angles.mixers[q])), site)
        return made
