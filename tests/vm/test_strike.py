"""The engine against the whole-state reference, and what it refuses."""

from __future__ import annotations

import pickle
import random

import msgspec
import numpy as np
import pytest

from tests.differential.strike_digests import FAMILIES, make_random_problem
from vm.derivation import compute_angles, compute_uniforms, expand_seed
from vm.law import InvalidLaw, compute_law
from vm.problem import compute_energies, make_problem
from vm.reference import compute_state, run_reference_strike
from vm.strike import Prepared, RegisterTooLarge, compile_circuit, draw, prepare, run_strike

ALMOST_ONE = 1 - 2.0**-53


def make_case(number: int, n: int, depth: int):
    chance = random.Random(number)
    problem = make_random_problem(FAMILIES[number % 4], n, chance)
    order = tuple(chance.sample(range(problem.n), problem.n))
    return compile_circuit(problem, order=order, depth=depth), compute_law(problem, depth), chance.randbytes(32)


def measure_probability(prepared: Prepared, bits: list[int], rank: int) -> float:
    """Return the engine's probability that the qubit of `rank` is 0 after the bits before it, by bisecting uniforms."""
    low, high = 0.0, 1.0
    uniforms = np.zeros((512, prepared.circuit.problem.n))
    uniforms[:, :rank] = [ALMOST_ONE if bit else 0.0 for bit in bits[:rank]]
    label = prepared.circuit.order[rank]
    for _ in range(6):
        uniforms[:, rank] = np.linspace(low, high, 512) * ALMOST_ONE
        shots = draw(prepared, uniforms)
        assert (shots[:, list(prepared.circuit.order[:rank])] == bits[:rank]).all()
        zeros = int((shots[:, label] == 0).sum())
        if zeros in (0, 512):
            return float(uniforms[max(zeros - 1, 0), rank])
        low, high = uniforms[zeros - 1, rank], uniforms[zeros, rank]
    return float(low)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("number", range(8))
def test_vm_12_marginal_probabilities_agree_with_the_reference_to_1e_12(number: int, depth: int):
    circuit, law, seed = make_case(number, 4 + number, depth)
    n = circuit.problem.n
    prepared = prepare(circuit, law, seed)
    state = compute_state(circuit.problem, compute_angles(law, expand_seed(seed, depth=depth, n=n, shots=0)))
    probabilities = np.transpose(np.abs(state) ** 2, circuit.order)
    bits = [random.Random(number).randrange(2) for _ in range(n)]
    for rank in range(n):
        p0, p1 = probabilities[0].sum(), probabilities[1].sum()
        bit = bits[rank] = bits[rank] if 1e-3 < p0 / (p0 + p1) < 0.999 else int(p1 > p0)
        assert measure_probability(prepared, bits, rank) == pytest.approx(p0 / (p0 + p1), abs=1e-12)
        probabilities = probabilities[bit]


@pytest.mark.parametrize("number", range(24))
def test_shots_equal_those_of_the_reference(number: int):
    circuit, law, seed = make_case(number, 3 + number % 10, 1 + number % 3)
    expected = run_reference_strike(circuit.problem, circuit.order, law, seed, shots=40)
    assert (run_strike(circuit, law, seed, shots=40) == expected).all()


@pytest.mark.parametrize(("n", "depth"), [(1, 1), (2, 1), (2, 3), (3, 2)])
def test_tiny_circuits_run(n: int, depth: int):
    problem = make_problem(n, [(i, i + 1, 1) for i in range(n - 1)], fields=[1] * n)
    law = compute_law(problem, depth)
    circuit = compile_circuit(problem, depth=depth)
    expected = run_reference_strike(problem, circuit.order, law, bytes(32), shots=50)
    assert (run_strike(circuit, law, bytes(32), shots=50) == expected).all()


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5, 6, 7), (0, 4, 1, 5, 2, 6, 7, 3)])
def test_problems_in_several_parts_and_lone_qubits_run(order, depth: int):
    problem = make_problem(8, [(0, 1, 1), (1, 2, 2), (0, 2, 1), (4, 5, 3), (5, 6, -1)], fields=[0, 0, 1, 2, 0, 0, 0, 0])
    circuit, law = compile_circuit(problem, order=order, depth=depth), compute_law(problem, depth)
    expected = run_reference_strike(problem, order, law, bytes(32), shots=200)
    assert (run_strike(circuit, law, bytes(32), shots=200) == expected).all()


@pytest.mark.parametrize("number", range(8))
def test_drawing_from_a_prepared_strike_gives_the_shots_of_the_strike(number: int):
    circuit, law, seed = make_case(number, 11, 1 + number % 2)
    n = circuit.problem.n
    words = expand_seed(seed, depth=circuit.depth, n=n, shots=70)
    uniforms = compute_uniforms(words[2 * circuit.depth + n :], n)
    prepared = prepare(circuit, law, seed)
    shots = run_strike(circuit, law, seed, shots=70)
    assert (draw(prepared, uniforms) == shots).all()
    assert (draw(prepared, uniforms[30:40]) == shots[30:40]).all()
    assert draw(prepared, uniforms[:0]).shape == (0, n)


def test_fewer_shots_are_a_prefix_of_more():
    circuit, law, seed = make_case(1, 12, 1)
    many = run_strike(circuit, law, seed, shots=100)
    for count in (0, 1, 31, 32, 33, 64):
        assert (run_strike(circuit, law, seed, shots=count) == many[:count]).all()


def test_a_long_ring_neither_overflows_nor_underflows():
    n = 3000
    problem = make_problem(n, [(i, (i + 1) % n, 1) for i in range(n)])
    energies = compute_energies(
        problem, run_strike(compile_circuit(problem, depth=1), compute_law(problem, 1), bytes(32))
    )
    assert -0.8 * n < energies.min() <= energies.max() < -0.4 * n  # at best -n/2 on average for p = 1


def test_vm_11_a_circuit_with_too_many_live_qubits_is_refused():
    problem = make_problem(27, [(i, j, 1) for j in range(27) for i in range(j)])
    circuit = compile_circuit(problem, depth=1)
    assert circuit.schedule.live_qubits_max == 27
    with pytest.raises(RegisterTooLarge, match="27"):
        run_strike(circuit, compute_law(problem, 1), bytes(32))


def test_a_law_of_another_depth_is_refused():
    circuit, law, seed = make_case(0, 5, 2)
    with pytest.raises(InvalidLaw, match="depth 1"):
        run_strike(circuit, compute_law(circuit.problem, 1), seed)
    with pytest.raises(InvalidLaw):
        run_strike(circuit, msgspec.structs.replace(law, field_width=-1), seed)


def test_a_circuit_survives_pickling():
    circuit, law, seed = make_case(2, 9, 1)
    shots = run_strike(circuit, law, seed)
    copy = pickle.loads(pickle.dumps(circuit))
    assert copy == circuit
    assert (run_strike(copy, law, seed) == shots).all()
