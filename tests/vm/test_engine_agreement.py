"""All engines say the same as dense matrices, and what the strike says, and refuse what they cannot do."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vm.engine_cases import (
    compute_dense_expectation,
    compute_dense_state,
    make_case,
    make_observable,
    rotate_dense,
)
from vm.engines.angled_circuit import AngledCircuit, InvalidAngles, make_turns, set_angles, set_drawn_angles
from vm.engines.catalogue import ENGINE_NAMES, get_engine
from vm.engines.engine import CircuitTooLarge, InvalidRequest, LibraryMissing
from vm.engines.frontier import FrontierEngine
from vm.engines.mps import MpsEngine
from vm.engines.reference import ReferenceEngine
from vm.law import InvalidLaw, compute_law
from vm.pauli import make_energy_sum, make_pauli_sum
from vm.problem import compute_energies, make_problem
from vm.rotations import make_rotation_circuit
from vm.strike import compile_circuit, run_strike, run_with_angles

ENGINES = (FrontierEngine(), ReferenceEngine(), MpsEngine())


def make_ring(n: int, depth: int = 1) -> AngledCircuit:
    circuit = compile_circuit(make_problem(n, [(i, (i + 1) % n, 1) for i in range(n)]), depth=depth)
    return set_angles(circuit, make_turns([0.4] * depth), make_turns([0.3] * depth))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_all_engines_agree_with_dense_matrices_to_1e_10(number: int):
    circuit, _ = make_case(number)
    n = circuit.circuit.problem.n
    state = compute_dense_state(circuit)
    bits = [random.Random(number).randrange(2) for _ in range(n)]
    expected = abs(state[int("".join(map(str, bits)), 2)]) ** 2
    for engine in ENGINES:
        assert engine.probability(circuit, bits) == pytest.approx(expected, abs=1e-10)
        for observable in (make_observable(number, n), make_energy_sum(circuit.circuit.problem)):
            found = engine.expectation(circuit, observable)
            assert found.value == pytest.approx(compute_dense_expectation(state, observable), abs=1e-10)
            assert found.kind == "exact"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_all_engines_draw_the_same_shots(number: int):
    circuit, seed = make_case(number, qubits_max=9)
    shots = [engine.sample(circuit, shots=40, seed=seed) for engine in ENGINES]
    assert (shots[0] == shots[1]).all()
    assert (shots[0] == shots[2]).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_the_frontiers_samples_are_the_strikes_bit_for_bit(number: int):
    circuit, seed = make_case(number, qubits_max=12)
    compiled = circuit.circuit
    if not (compiled.problem.couplings or any(compiled.problem.fields)):
        return
    law = compute_law(compiled.problem, compiled.depth)
    drawn = set_drawn_angles(compiled, law, seed)
    expected = run_strike(compiled, law, seed, shots=50)
    assert (FrontierEngine().sample(drawn, shots=50, seed=seed) == expected).all()
    assert (FrontierEngine().sample(drawn, shots=7, seed=seed) == expected[:7]).all()


def test_angles_count_modulo_a_turn():
    circuit, seed = make_case(5, qubits_max=9)
    angles = circuit.angles
    moved = set_angles(
        circuit.circuit,
        [gamma - 2**32 for gamma in angles.gammas],
        [beta + 2**33 for beta in angles.betas],
        fields=[field + 2**32 for field in angles.fields],
        mixers=[mixer - 2**34 for mixer in angles.mixers],
    )
    assert moved == circuit
    raw = run_with_angles(circuit.circuit, angles, seed)
    assert (raw == FrontierEngine().sample(moved, shots=32, seed=seed)).all()


def test_a_circuit_without_dressing_has_none():
    circuit = make_ring(4)
    assert circuit.angles.fields == circuit.angles.mixers == (0, 0, 0, 0)
    assert make_turns([0.0, np.pi, -np.pi / 2]) == (0, 2**31, 3 * 2**30)


def test_the_mean_energy_of_many_shots_is_the_expectation():
    circuit, seed = make_case(11)
    energies = compute_energies(circuit.circuit.problem, FrontierEngine().sample(circuit, shots=20000, seed=seed))
    expected = FrontierEngine().expectation(circuit, make_energy_sum(circuit.circuit.problem)).value
    assert abs(energies.mean() - expected) < 5 * energies.std() / 20000**0.5 + 1e-9


def test_light_cones_give_the_energy_of_circuits_that_no_state_vector_holds():
    """A ring of 100 at p = 1: every coupling looks alike, so its energy is ten times that of a ring of 10."""
    small, large = make_ring(10), make_ring(100)
    value = FrontierEngine().expectation(large, make_energy_sum(large.circuit.problem)).value
    assert value == pytest.approx(
        10 * ReferenceEngine().expectation(small, make_energy_sum(small.circuit.problem)).value
    )
    other = MpsEngine().expectation(large, make_energy_sum(large.circuit.problem))
    assert other.kind == "exact"
    assert other.value == pytest.approx(value, abs=1e-9)


def test_a_diagonal_observable_with_too_large_a_cone_is_sampled_and_says_so():
    """The parity of 30 of a ring's qubits at p = 1: 32 of them are in its light cone; mps knows it exactly."""
    ring = make_ring(40)
    parity = make_pauli_sum(40, [(2.0, "Z" * 30 + "I" * 10), (1.0, "ZZ" + "I" * 38)])
    found, exact = FrontierEngine().expectation(ring, parity), MpsEngine().expectation(ring, parity)
    assert (found.kind, exact.kind) == ("sampled", "exact")
    assert 0 < found.error < 0.1
    assert abs(found.value - exact.value) < 4 * found.error


def test_probabilities_of_a_long_ring_are_those_of_its_mps():
    circuit = make_ring(60, 2)
    for bits in FrontierEngine().sample(circuit, shots=3, seed=bytes(32)):
        frontier = FrontierEngine().probability(circuit, bits)
        assert frontier > 0
        assert MpsEngine().probability(circuit, bits) == pytest.approx(frontier, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_any_rotations_agree_with_dense_matrices(number: int):
    """The door for variational circuits: reference and mps run them."""
    chance = random.Random(number)
    n = chance.randint(1, 6)
    steps = [(chance.uniform(-7, 7), "".join(chance.choice("IXYZ") for _ in range(n))) for _ in range(8)]
    circuit = make_rotation_circuit(n, steps)
    state = np.eye(1, 2**n, dtype=np.complex128)[0]
    for angle, string in steps:
        state = rotate_dense(state, string, angle / 2)
    observable = make_observable(number, n)
    bits = [chance.randrange(2) for _ in range(n)]
    samples = []
    for engine in ENGINES[1:]:
        expected = compute_dense_expectation(state, observable)
        assert engine.expectation(circuit, observable).value == pytest.approx(expected, abs=1e-10)
        probability = abs(state[int("".join(map(str, bits)), 2)]) ** 2
        assert engine.probability(circuit, bits) == pytest.approx(probability, abs=1e-10)
        samples.append(engine.sample(circuit, shots=20, seed=bytes(32)))
    assert (samples[0] == samples[1]).all()


def test_a_variational_search_finds_the_ground_state_of_hydrogen():
    """One angle, a double excitation; H2 at 0.735 A in two qubits (parity map) has the ground state -1.857275."""
    hydrogen = make_pauli_sum(
        2,
        [
            (-1.05237325, "II"),
            (0.39793742, "IZ"),
            (-0.39793742, "ZI"),
            (-0.01128010, "ZZ"),
            (0.18093120, "XX"),
        ],
    )

    def compute_energy(angle: float) -> float:
        return MpsEngine().expectation(make_rotation_circuit(2, [(np.pi, "IX"), (angle, "YX")]), hydrogen).value

    # E(t) = a + b cos t + c sin t, so three values give the minimum
    zero, quarter, half = (compute_energy(angle) for angle in (0.0, np.pi / 2, np.pi))
    middle = (zero + half) / 2
    best = compute_energy(np.arctan2(middle - quarter, middle - zero))
    assert best == pytest.approx(middle - np.hypot(zero - middle, quarter - middle), abs=1e-10)
    assert best == pytest.approx(-1.857275, abs=1e-5)


BAD_ANGLES = {
    "too few gammas": ([1], [1, 1], {}, "2 gammas, not 1"),
    "too many betas": ([1, 1], [1, 1, 1], {}, "2 betas, not 3"),
    "fields for other qubits": ([1, 1], [1, 1], {"fields": [0] * 3}, "4 own fields, not 3"),
    "mixers for other qubits": ([1, 1], [1, 1], {"mixers": [0] * 5}, "4 own mixers, not 5"),
    "radians": ([0.5, 0.5], [1, 1], {}, "make_turns converts radians"),
}


@pytest.mark.parametrize("name", BAD_ANGLES)
def test_angles_that_do_not_fit_are_refused(name: str):
    gammas, betas, dressing, sentence = BAD_ANGLES[name]
    circuit = compile_circuit(make_problem(4, [(0, 1, 1)]), depth=2)
    with pytest.raises(InvalidAngles, match=sentence):
        set_angles(circuit, gammas, betas, **dressing)


def test_an_angle_that_is_no_number_is_refused():
    with pytest.raises(InvalidAngles, match="finite"):
        make_turns([float("nan")])
    with pytest.raises(InvalidAngles, match=r"1\.\.8 layers, not 9"):
        make_ring(4, 9)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_requests_that_do_not_fit_are_refused(engine):
    circuit = make_ring(4)
    with pytest.raises(InvalidRequest, match="shots at a time, not -1"):
        engine.sample(circuit, shots=-1, seed=bytes(32))
    with pytest.raises(InvalidRequest, match="32 bytes, not 31"):
        engine.sample(circuit, shots=1, seed=bytes(31))
    with pytest.raises(InvalidRequest, match="4 values 0 or 1"):
        engine.probability(circuit, [0, 1, 0])
    with pytest.raises(InvalidRequest, match="4 values 0 or 1"):
        engine.probability(circuit, [0, 1, 0, 2])
    with pytest.raises(InvalidRequest, match="an observable on 5 qubits"):
        engine.expectation(circuit, make_pauli_sum(5, [(1, "ZZZZZ")]))
    assert engine.sample(circuit, shots=0, seed=bytes(32)).shape == (0, 4)


def test_circuits_that_are_too_large_are_refused_with_a_way_out():
    dense = make_problem(27, [(i, j, 1) for j in range(27) for i in range(j)])
    circuit = set_angles(compile_circuit(dense, depth=1), [1], [1])
    with pytest.raises(CircuitTooLarge, match=r"27 live qubits exceed 26; a better measurement order .* mps"):
        FrontierEngine().sample(circuit, shots=1, seed=bytes(32))
    with pytest.raises(CircuitTooLarge, match="27 live qubits"):
        FrontierEngine().probability(circuit, [0] * 27)
    with pytest.raises(CircuitTooLarge, match="27 live qubits"):
        FrontierEngine().expectation(circuit, make_energy_sum(dense))
    with pytest.raises(CircuitTooLarge, match="light cone of 27 qubits exceeds 22; mps"):
        FrontierEngine().expectation(circuit, make_pauli_sum(27, [(1, "X" * 27)]))
    with pytest.raises(CircuitTooLarge, match="holds 20 qubits, not 27; frontier and mps"):
        ReferenceEngine().probability(circuit, [0] * 27)


def test_the_frontier_runs_no_rotations_and_says_who_does():
    with pytest.raises(InvalidRequest, match="reference and mps run any rotations"):
        FrontierEngine().sample(make_rotation_circuit(1, []), shots=1, seed=bytes(32))


def test_run_with_angles_wants_an_angle_for_each_layer_and_qubit():
    circuit, seed = make_case(3)
    other, _ = make_case(8)
    with pytest.raises(InvalidLaw):
        run_with_angles(other.circuit, circuit.angles, seed)


def test_engines_are_found_by_name():
    for name in ENGINE_NAMES:
        try:
            assert get_engine(name).name == name
        except LibraryMissing:
            assert name == "quimb"
    assert [get_engine(name).is_bit_exact for name in ENGINE_NAMES[:3]] == [True, False, False]
    with pytest.raises(InvalidRequest, match="no engine 'qpu'; there are frontier, reference, mps, quimb"):
        get_engine("qpu")


def test_refusals_survive_a_process_pool():
    for error in (CircuitTooLarge("a"), InvalidRequest("b"), LibraryMissing("c"), InvalidAngles("d")):
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
