"""Amplitudes by contraction: right, and the same bits however the slices are grouped."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest

from matchstrike.commands.bench_vm import make_cubic_problem
from vm.amplitude_network import AmplitudeNetwork, list_network_variables, make_amplitude_network
from vm.engines.angled_circuit import AngledCircuit, set_drawn_angles
from vm.golden import make_golden_problem
from vm.law import compute_law
from vm.problem import IsingProblem
from vm.reference import compute_state
from vm.strike import compile_circuit
from workers.contraction import (
    ContractionPlan,
    ContractionRefused,
    check_plan,
    describe_arithmetic,
    find_plan,
    run_slices,
    split_slices,
    sum_slices,
)


def make_circuit(problem: IsingProblem, depth: int) -> AngledCircuit:
    """A circuit with drawn angles and their dressing."""
    return set_drawn_angles(compile_circuit(problem, depth=depth), compute_law(problem, depth), bytes([depth]) * 32)


def sum_paths(network: AmplitudeNetwork, count: int) -> complex:
    """The definition: over all settings of all variables."""
    total = np.ones((2,) * count, np.complex128)
    for variables, factor in zip(network.variables, network.factors, strict=True):
        shape = [2 if k in variables else 1 for k in range(count)]
        ordered = np.transpose(factor, np.argsort(variables)) if len(variables) > 1 else factor
        total = total * ordered.reshape(shape)
    return complex(total.sum())


@pytest.mark.parametrize(
    ("family", "n", "depth"), [("weighted", 5, 1), ("weighted", 5, 3), ("cubic", 4, 2), ("dense", 3, 3)]
)
def test_the_sum_over_all_paths_is_the_amplitude(family: str, n: int, depth: int) -> None:
    circuit = make_circuit(make_golden_problem(family, n), depth)
    state = compute_state(circuit.circuit.problem, circuit.angles)
    for word in range(2**n):
        bits = [word >> q & 1 for q in range(n)]
        value = sum_paths(make_amplitude_network(circuit, bits), n * depth)
        assert value == pytest.approx(complex(state[tuple(bits)]), abs=1e-14)


def test_the_variables_depend_on_couplings_and_depth_alone() -> None:
    problem = make_golden_problem("weighted", 6)
    network = make_amplitude_network(make_circuit(problem, 2), [0] * 6)
    assert network.variables == list_network_variables(6, [(i, j) for i, j, _ in problem.couplings], 2)
    assert [len(each) for each in network.variables] == [factor.ndim for factor in network.factors]


@pytest.fixture(scope="module")
def plan() -> ContractionPlan:
    """Of cubic graphs of 12 vertices at depth 3."""
    pytest.importorskip("cotengra", reason="needs the extra [cluster]")
    pytest.importorskip("threadpoolctl", reason="needs the extra [cluster]")
    return find_plan(make_cubic_problem(12, random.Random(1)), 3, size_bits=5, effort=1)


def test_slices_add_up_to_the_amplitude_in_any_grouping(plan: ContractionPlan) -> None:
    circuit = make_circuit(make_cubic_problem(12, random.Random(1)), 3)
    bits = [random.Random(7).randrange(2) for _ in range(12)]
    network = make_amplitude_network(circuit, bits)
    (whole,) = split_slices(plan, network)
    serial = sum_slices([run_slices(whole)])
    groups = [msgspec.structs.replace(whole, start=start, count=4) for start in range(0, plan.slices, 4)]
    random.Random(3).shuffle(groups)
    assert plan.slices >= 8
    assert sum_slices([run_slices(group) for group in groups]) == serial
    state = compute_state(circuit.circuit.problem, circuit.angles)
    assert serial == pytest.approx(complex(state[tuple(bits)]), abs=1e-14)


def test_a_plan_is_found_again_and_survives_its_file(plan: ContractionPlan) -> None:
    problem = make_cubic_problem(12, random.Random(1))
    assert find_plan(problem, 3, size_bits=5, effort=1) == plan
    read = msgspec.json.decode(msgspec.json.encode(plan), type=ContractionPlan)
    assert read == plan
    check_plan(read, problem, 3)


def test_a_plan_of_other_circuits_or_with_a_broken_tree_is_refused(plan: ContractionPlan) -> None:
    problem = make_cubic_problem(12, random.Random(1))
    for other, depth in ((problem, 2), (make_cubic_problem(12, random.Random(2)), 3)):
        with pytest.raises(ContractionRefused, match="and not for these"):
            check_plan(plan, other, depth)
    for change in ({"path": plan.path[:-1]}, {"path": ((0, 0), *plan.path[1:])}, {"sliced": (99,)}):
        with pytest.raises(ContractionRefused, match="tree"):
            check_plan(msgspec.structs.replace(plan, **change), problem, 3)


def test_a_machine_that_rounds_differently_is_refused(plan: ContractionPlan) -> None:
    network = make_amplitude_network(make_circuit(make_cubic_problem(12, random.Random(1)), 3), [0] * 12)
    (whole,) = split_slices(plan, network)
    assert describe_arithmetic() == whole.arithmetic
    with pytest.raises(ContractionRefused, match="a worker computes with numpy"):
        run_slices(msgspec.structs.replace(whole, arithmetic="an abacus"))
