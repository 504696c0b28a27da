"""Amplitudes as tensor networks: one amplitude of a circuit as a sum over paths.

A path gives each qubit a bit before each mixer: variable `layer * n + qubit`, layers from 0. The amplitude of a bit
string is the sum over all paths of a product of small factors: one for each coupling and layer, its phase, and one for
each qubit and layer, its field's phase times its mixer's entry from the bit before to the bit after (after the last
layer, the string's). No factor joins more than two variables, and which variables they join depends on the couplings
and the depth alone, so one contraction tree serves all angles and all strings.

Unlike the engines' amplitudes, which share a phase, these are those of `vm.reference.compute_state`, but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.derivation import round_to_phase
from vm.engines.angled_circuit import AngledCircuit
from vm.engines.engine import check_bits
from vm.trig_table import get_trig_table

Factor = NDArray[np.complex128]  # one axis of length 2 for each variable
SIGNS = np.array([1, -1])
PARALLEL = np.array([[1, -1], [-1, 1]])


class AmplitudeNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A sum over binary variables of a product of factors.

    Attributes:
        variables: Of each factor, in the order of its axes.
        factors: complex128, made in the same order.
    """

    variables: tuple[tuple[int, ...], ...]
    factors: tuple[Factor, ...]


def list_network_variables(n: int, pairs: Sequence[tuple[int, int]], depth: int) -> tuple[tuple[int, ...], ...]:
    """Return the variables of each factor of a circuit's amplitudes; `pairs` are the coupled qubits."""
    result: list[tuple[int, ...]] = []
    for layer in range(depth):
        first = layer * n
        result += [(first + i, first + j) for i, j in pairs]
        result += [(first + q, first + n + q) if layer + 1 < depth else (first + q,) for q in range(n)]
    return tuple(result)


def make_amplitude_network(circuit: AngledCircuit, bits: Sequence[int]) -> AmplitudeNetwork:
    """Return the network of the amplitude of a bit string (by label).

    Raises:
        InvalidRequest: bits that do not fit the circuit.
    """
    values = check_bits(circuit, bits)
    problem, angles, depth = circuit.circuit.problem, circuit.angles, circuit.circuit.depth
    factors: list[Factor] = []
    for layer, (gamma, beta) in enumerate(zip(angles.gammas, angles.betas, strict=True)):
        factors += [_turn(round_to_phase(gamma * weight), PARALLEL) for _, _, weight in problem.couplings]
        for q in range(problem.n):
            own = round_to_phase(gamma * problem.fields[q]) + round_to_phase(angles.fields[q])
            cosine, sine = get_trig_table()[(round_to_phase(beta) + round_to_phase(angles.mixers[q])) % 2**16]
            mixer = np.array([[cosine, 1j * sine], [1j * sine, cosine]]) * _turn(own, SIGNS)[:, None]
            if layer == 0:
                mixer = mixer * 2**-0.5
            factors.append(mixer if layer + 1 < depth else np.ascontiguousarray(mixer[:, values[q]]))
    pairs = [(i, j) for i, j, _ in problem.couplings]
    return AmplitudeNetwork(variables=list_network_variables(problem.n, pairs, depth), factors=tuple(factors))


def _turn(phase: int, spins: NDArray[np.int64]) -> Factor:
    """Return exp(-i phase spin) for each product of spins."""
    pairs = get_trig_table()[phase * spins % 2**16]
    turned: Factor = pairs[..., 0] - 1j * pairs[..., 1]
    return turned
