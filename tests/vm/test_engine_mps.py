"""What an MPS cuts off is bounded, and the bound holds; quimb says the same where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vm.engine_cases import compute_dense_expectation, compute_dense_state, make_case, make_observable
from vm.engines.angled_circuit import AngledCircuit, make_turns, set_angles
from vm.engines.catalogue import get_engine
from vm.engines.engine import InvalidRequest, LibraryMissing
from vm.engines.matrix_product import MatrixProduct, compute_norm
from vm.engines.mps import MpsEngine
from vm.engines.product_circuits import run_product_circuit
from vm.engines.quimb_mps import QuimbEngine
from vm.pauli import make_energy_sum
from vm.problem import make_problem
from vm.reference import State, compute_state
from vm.strike import compile_circuit


def make_grid(rows: int, columns: int, depth: int, *, scale: float = 1.0) -> AngledCircuit:
    """Return a grid's circuit, sites row by row."""
    across = [(r * columns + c, r * columns + c + 1, 1) for r in range(rows) for c in range(columns - 1)]
    down = [(r * columns + c, r * columns + c + columns, 1) for r in range(rows - 1) for c in range(columns)]
    circuit = compile_circuit(make_problem(rows * columns, across + down), depth=depth)
    return set_angles(circuit, make_turns([0.5 * scale] * depth), make_turns([0.4] * depth))


def expand(state: MatrixProduct, order: tuple[int, ...]) -> State:
    """Return the whole state, one axis for each qubit by label, not normalised."""
    whole = np.ones((1, 1), np.complex128)
    for tensor in state.tensors:
        whole = np.tensordot(whole, tensor, axes=1).reshape(-1, tensor.shape[2])
    return np.transpose(whole.reshape((2,) * len(order)), np.argsort(order))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_the_bounds_of_a_cut_state_hold(number: int, bond_max: int):
    """Distance, fidelity, a probability, every expectation: none is farther off than the engine says."""
    circuit, _ = make_case(number, qubits_max=8)
    engine = MpsEngine(bond_max=bond_max)
    state = run_product_circuit(circuit, bond_max=bond_max)
    exact = compute_state(circuit.circuit.problem, circuit.angles)
    cut = expand(state, circuit.circuit.order)
    overlap = abs(np.vdot(exact, cut)) / np.linalg.norm(cut)
    bound = engine.truncation(circuit)
    phase = np.vdot(cut, exact) / abs(np.vdot(cut, exact)) if overlap > 1e-9 else 1
    assert np.linalg.norm(exact - phase * cut) <= bound.lost + 1e-10
    assert np.sqrt(max(0.0, 1 - overlap**2)) <= bound.trace_distance_max + 2e-7
    assert overlap**2 >= bound.fidelity_min - 1e-10
    assert np.linalg.norm(cut) ** 2 == pytest.approx(1 - state.weight_lost, abs=1e-10)
    bits = [number >> q & 1 for q in range(circuit.circuit.problem.n)]
    difference = engine.probability(circuit, bits) - abs(exact[tuple(bits)]) ** 2
    assert abs(difference) <= bound.trace_distance_max + 1e-10
    observable = make_observable(number, circuit.circuit.problem.n)
    found = engine.expectation(circuit, observable)
    assert abs(found.value - compute_dense_expectation(compute_dense_state(circuit), observable)) <= found.error


@pytest.mark.parametrize(("bond_max", "least", "most"), [(4, 1e-2, 0.5), (8, 1e-3, 0.05), (16, 0.0, 1e-10)])
def test_bounds_are_not_vacuous_where_little_is_cut(bond_max: int, least: float, most: float):
    """Four columns at p = 1, a tenth of the usual gamma: a bond of 16 holds everything, 8 nearly."""
    bound = MpsEngine(bond_max=bond_max).truncation(make_grid(4, 4, 1, scale=0.1))
    assert least <= bound.trace_distance_max <= most
    assert bound.is_exact == (most <= 1e-10)


def test_more_bonds_never_bound_worse_here():
    circuit = make_grid(3, 4, 2, scale=0.4)
    bounds = [MpsEngine(bond_max=bond).truncation(circuit).trace_distance_max for bond in (2, 4, 8, 16, 32, 64)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] < 1e-10


def test_a_cutoff_counts_as_lost_too():
    circuit = make_grid(4, 4, 2)
    rough = MpsEngine(cutoff=1e-3).truncation(circuit)
    whole = MpsEngine().truncation(circuit)
    assert 1e-4 < rough.lost < 0.5
    assert whole.lost < 1e-10
    assert rough.bond_dimension < whole.bond_dimension
    assert rough.size_bytes < whole.size_bytes


def test_the_exact_bond_of_one_layer_is_two_to_the_matching_across_the_cut():
    """A grid of four columns, row by row: four couplings cross a row's end, none shares a qubit with another."""
    assert MpsEngine().truncation(make_grid(8, 4, 1)).bond_dimension == 16


def test_every_tensor_but_the_centre_is_orthonormal():
    state = run_product_circuit(make_grid(3, 4, 2), bond_max=8)
    state.move_centre_(5)
    for site, tensor in enumerate(state.tensors):
        left, _, right = tensor.shape
        if site < 5:
            matrix = tensor.reshape(-1, right)
            assert np.allclose(matrix.conj().T @ matrix, np.eye(right))
        elif site > 5:
            matrix = tensor.reshape(left, -1)
            assert np.allclose(matrix @ matrix.conj().T, np.eye(left))
    assert compute_norm(state) ** 2 == pytest.approx(1 - state.weight_lost)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"bond_max": 0}, r"1\.\.16384, not 0"),
        ({"bond_max": 2**15}, "not 32768"),
        ({"cutoff": 0.0}, "at least 1e-14 and below 1, not 0.0"),
        ({"cutoff": 1.0}, "below 1, not 1.0"),
        ({"cutoff": float("nan")}, "not nan"),
    ],
)
def test_options_out_of_bounds_are_refused(options, sentence: str):
    with pytest.raises(InvalidRequest, match=sentence):
        MpsEngine(**options)


def test_a_missing_quimb_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "quimb.tensor", None)
    with pytest.raises(LibraryMissing, match=r"pip install 'matchstrike\[tensor\]'"):
        get_engine("quimb")


@pytest.mark.filterwarnings("ignore")  # of a foreign library
@pytest.mark.parametrize("number", range(4))
def test_quimb_says_the_same(number: int):
    pytest.importorskip("quimb.tensor", reason="needs the extra [tensor]")
    circuit, seed = make_case(number, qubits_max=6, depth_max=2)
    n = circuit.circuit.problem.n
    ours, theirs = MpsEngine(), QuimbEngine()
    bits = [number >> q & 1 for q in range(n)]
    assert theirs.probability(circuit, bits) == pytest.approx(ours.probability(circuit, bits), abs=1e-10)
    for observable in (make_observable(number, n), make_energy_sum(circuit.circuit.problem)):
        found = theirs.expectation(circuit, observable)
        assert found.value == pytest.approx(ours.expectation(circuit, observable).value, abs=1e-10)
        assert found.kind == "estimated"
    shots = theirs.sample(circuit, shots=5, seed=seed)
    assert shots.shape == (5, n)
    assert all(ours.probability(circuit, shot) > 1e-12 for shot in shots)
