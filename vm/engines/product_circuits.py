"""Circuits run on matrix product states: a problem's layers, and Pauli rotations."""

from __future__ import annotations

from math import cos, sin

import numpy as np
from numpy.typing import NDArray

from vm.derivation import round_to_phase
from vm.engines.angled_circuit import AngledCircuit
from vm.engines.engine import Runnable
from vm.engines.matrix_product import PAULI, PLUS, ROUNDING_CUTOFF, ZERO, MatrixProduct, make_product
from vm.pauli import list_support
from vm.rotations import RotationCircuit
from vm.trig_table import get_trig_table


def run_product_circuit(circuit: Runnable, *, bond_max: int, cutoff: float = ROUNDING_CUTOFF) -> MatrixProduct:
    """Return the circuit's final state; sites follow the measurement order."""
    if isinstance(circuit, RotationCircuit):
        return _run_rotations(circuit, make_product(circuit.n, ZERO, bond_max=bond_max, cutoff=cutoff))
    return _run_layers(circuit, make_product(circuit.circuit.problem.n, PLUS, bond_max=bond_max, cutoff=cutoff))


def _run_layers(circuit: AngledCircuit, state: MatrixProduct) -> MatrixProduct:
    problem, order, angles = circuit.circuit.problem, circuit.circuit.order, circuit.angles
    table = get_trig_table()
    rank = {q: site for site, q in enumerate(order)}
    later: list[list[tuple[int, int]]] = [[] for _ in order]
    for i, j, weight in problem.couplings:
        first, last = sorted((rank[i], rank[j]))
        later[first].append((last, weight))
    for gamma, beta in zip(angles.gammas, angles.betas, strict=True):
        for site, ends in enumerate(later):
            if ends:
                operators = {last: _make_controlled(round_to_phase(gamma * weight)) for last, weight in ends}
                operators[site] = np.array([[[1, 0], [0, 0]], [[0, 0], [0, 1]]], np.complex128)
                state.apply_string_(operators)
        for site, q in enumerate(order):
            own = round_to_phase(gamma * problem.fields[q]) + round_to_phase(angles.fields[q])
            cosine, sine = table[(round_to_phase(beta) + round_to_phase(angles.mixers[q])) % 2**16]
            mixer = np.array([[cosine, 1j * sine], [1j * sine, cosine]])
            state.apply_site_(site, mixer @ _make_phase(own))
    return state


def _run_rotations(circuit: RotationCircuit, state: MatrixProduct) -> MatrixProduct:
    for angle, string in circuit.rotations:
        sites = list_support(string)
        if len(sites) == 1:
            state.apply_site_(sites[0], cos(angle / 2) * PAULI["I"] - 1j * sin(angle / 2) * PAULI[string[sites[0]]])
        elif sites:
            operators = {site: np.stack([PAULI["I"], PAULI[string[site]]]) for site in sites}
            weights = np.array([cos(angle / 2), -1j * sin(angle / 2)]).reshape(2, 1, 1)
            operators[sites[0]] = operators[sites[0]] * weights
            state.apply_string_(operators)
    return state


def _make_phase(phase: int) -> NDArray[np.complex128]:
    """Return exp(-i phase Z)."""
    cosine, sine = get_trig_table()[phase % 2**16]
    return np.diag([cosine - 1j * sine, cosine + 1j * sine])


def _make_controlled(phase: int) -> NDArray[np.complex128]:
    """Return exp(-i phase z Z) for z = +1 and -1, complex128[m, bit out, bit in]."""
    return np.stack([_make_phase(phase), _make_phase(-phase)])
