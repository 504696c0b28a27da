"""A state over processes: the reference's state, bit for bit; what it moves; what happens when a process dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from tests.workers.test_processes import is_running
from vm.engines.angled_circuit import AngledCircuit, set_drawn_angles
from vm.engines.engine import CircuitTooLarge, Engine, InvalidRequest
from vm.engines.reference import ReferenceEngine
from vm.golden import make_golden_problem
from vm.law import compute_law
from vm.pauli import PauliSum
from vm.reference import compute_state, run_reference_strike
from vm.strike import compile_circuit
from workers.sharded_register import ShardedRegister, ShardLost

SEED = bytes(range(32))
CASES = [("cubic", 12, 1), ("weighted", 11, 2), ("grid", 9, 3), ("dense", 4, 3)]


def make_circuit(family: str, n: int, depth: int, *, order: tuple[int, ...] | None = None) -> AngledCircuit:
    """A golden problem's circuit with drawn angles and dressing."""
    problem = make_golden_problem(family, n)
    return set_drawn_angles(compile_circuit(problem, order=order, depth=depth), compute_law(problem, depth), SEED)


@pytest.fixture(scope="module", params=[2, 4])
def register(request: pytest.FixtureRequest) -> Iterator[ShardedRegister]:
    """Two and four processes."""
    with ShardedRegister(request.param) as made:
        yield made


@pytest.mark.parametrize(("family", "n", "depth"), CASES)
def test_the_state_is_the_references_bit_for_bit(register: ShardedRegister, family: str, n: int, depth: int) -> None:
    circuit = make_circuit(family, n, depth)
    expected = compute_state(circuit.circuit.problem, circuit.angles)
    state = register.gather_state(circuit)
    assert np.array_equal(state.view(np.float64), expected.view(np.float64))
    bits = [q % 2 for q in range(n)]
    assert register.compute_amplitude(circuit, bits) == expected[tuple(bits)]
    assert register.probability(circuit, bits) == ReferenceEngine().probability(circuit, bits)


@pytest.mark.parametrize(("family", "n", "depth"), CASES)
def test_what_is_moved_is_counted(register: ShardedRegister, family: str, n: int, depth: int) -> None:
    """Once in the first layer, twice in each further one, all that leaves a shard."""
    traffic = register.run_circuit(make_circuit(family, n, depth))
    assert traffic.exchanges == 2 * depth - 1
    assert traffic.bytes_sent == traffic.exchanges * (16 * 2**n - 16 * 2**n // register.shards)


def test_shots_and_values_are_the_references(register: ShardedRegister) -> None:
    order = (3, 11, 0, 7, 1, 2, 10, 9, 4, 5, 6, 8)
    circuit = make_circuit("cubic", 12, 2, order=order)
    engine: Engine = register
    expected = run_reference_strike(circuit.circuit.problem, order, compute_law(circuit.circuit.problem, 2), SEED)
    assert np.array_equal(engine.sample(circuit, shots=32, seed=SEED), expected)
    assert engine.sample(circuit, shots=0, seed=SEED).shape == (0, 12)
    terms = ((1.5, "Z" * 2 + "I" * 10), (-0.5, "I" * 11 + "Z"), (2.0, "I" * 12), (1.0, "Z" * 12))
    observable = PauliSum(n=12, terms=terms)
    value = engine.expectation(circuit, observable)
    assert value.value == pytest.approx(ReferenceEngine().expectation(circuit, observable).value, abs=1e-12)
    with pytest.raises(InvalidRequest, match="diagonal"):
        engine.expectation(circuit, PauliSum(n=12, terms=((1.0, "X" * 12),)))


def test_what_cannot_be_is_refused(register: ShardedRegister) -> None:
    for shards in (0, 1, 3, 128):
        with pytest.raises(InvalidRequest, match="2, 4, 8"):
            ShardedRegister(shards)
    with pytest.raises(CircuitTooLarge, match="GiB"):
        register.run_circuit(make_circuit("grid", 50, 1))
    if register.shards == 4:
        with pytest.raises(CircuitTooLarge, match="at least 4 qubits"):
            register.run_circuit(make_circuit("dense", 3, 1))


def test_a_process_that_dies_is_told_and_leaves_no_other() -> None:
    with ShardedRegister(4) as register:
        pids = register.process_ids
        os.kill(pids[2], signal.SIGKILL)
        with pytest.raises(ShardLost, match="run the circuit again"):
            register.run_circuit(make_circuit("cubic", 12, 1))
    assert not any(is_running(pid) for pid in pids)
