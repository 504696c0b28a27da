"""The engine's weights to the last bit, against the rules' operations one after the other."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.differential.strike_digests import FAMILIES, make_random_problem
from tests.vm import plain_engine
from tests.vm.plain_engine import PlainStrike
from vm.golden import make_golden_problem
from vm.law import AngleLaw, compute_law
from vm.strike import Circuit, compile_circuit, draw, prepare

UNIT = 2.0**-53


def find_threshold(p0: float, p1: float) -> int:
    """Return the number of uniforms k / 2^53 that give bit 0."""
    low, high = 0, 2**53
    while low < high:
        middle = (low + high) // 2
        if middle * UNIT * (p0 + p1) < p0:
            low = middle + 1
        else:
            high = middle
    return low


def check_walk(circuit: Circuit, law: AngleLaw, seed: bytes, chance: random.Random, *, checked: int = 40) -> int:
    """Follow a random path; the engine must decide like the plain walk on both sides of every threshold."""
    n = circuit.problem.n
    plain = PlainStrike(circuit, law, seed)
    prepared = prepare(circuit, law, seed)
    bits: list[int] = []
    forced = np.zeros(n)
    for rank, (p0, p1) in enumerate(plain.walk(bits)):
        zeros = find_threshold(p0, p1)
        if rank < checked or rank >= n - checked:
            rows = np.tile(forced, (2, 1))
            rows[:, rank] = (max(zeros - 1, 0) * UNIT, min(zeros, 2**53 - 1) * UNIT)
            drawn = draw(prepared, rows)[:, circuit.order[rank]]
            assert drawn.tolist() == [0 if zeros > 0 else 1, 1 if zeros < 2**53 else 0], f"rank {rank}"
        bits.append(0 if chance.random() * (p0 + p1) < p0 else 1)
        forced[rank] = 0.0 if bits[-1] == 0 else 1 - UNIT
    return plain.rescaled


def check_walks(circuit: Circuit, chance: random.Random, count: int) -> None:
    for _ in range(count):
        check_walk(circuit, compute_law(circuit.problem, circuit.depth), chance.randbytes(32), chance)


@pytest.mark.parametrize("number", range(48))
def test_vm_17_vm_18_vm_19_every_decision_is_that_of_the_rules_to_the_last_bit(number: int):
    chance = random.Random(number)
    depth = 1 + number // 4 % 3
    problem = make_random_problem(FAMILIES[number % 4], 3 + number % 11, chance)
    order = tuple(chance.sample(range(problem.n), problem.n))
    circuit = compile_circuit(problem, order=order, depth=depth)
    check_walk(circuit, compute_law(problem, depth), chance.randbytes(32), chance)


@pytest.mark.parametrize(
    ("family", "n", "depth"),
    [
        ("dense", 13, 2),
        ("dense", 14, 1),
        ("dense", 17, 1),
        ("weighted", 15, 1),
        ("cubic", 20, 1),
        ("cubic", 16, 2),
        ("grid", 24, 2),
    ],
)
def test_vm_15_vm_16_vm_21_registers_beyond_a_tile_follow_the_rules_too(family: str, n: int, depth: int):
    problem = make_golden_problem(family, n)
    circuit = compile_circuit(problem, depth=depth)
    check_walks(circuit, random.Random(n), 3)


def test_vm_20_branches_of_a_long_ring_are_rescaled_and_decided_by_the_rules():
    problem = make_golden_problem("ring", 400)
    circuit = compile_circuit(problem, depth=1)
    chance = random.Random(20)
    assert check_walk(circuit, compute_law(problem, 1), bytes(32), chance, checked=30) > 0


@pytest.mark.parametrize("lanes", [1, 128])
def test_vm_18_another_order_of_the_sum_would_be_noticed(monkeypatch, lanes: int):
    def sum_otherwise(values):
        partial = np.zeros(lanes)
        for row in values.reshape(-1, min(lanes, len(values))):
            partial[: len(row)] += row
        return float(np.cumsum(partial)[-1])

    monkeypatch.setattr(plain_engine, "sum_in_lanes", sum_otherwise)
    problem = make_golden_problem("dense", 12)
    circuit = compile_circuit(problem, depth=1)
    chance = random.Random(5)
    with pytest.raises(AssertionError, match="rank"):
        check_walks(circuit, chance, 20)


def test_vm_17_an_amplitude_that_differs_in_its_last_bit_would_be_noticed(monkeypatch):
    rotate = PlainStrike._rotate

    def rotate_otherwise(self, step):
        rotate(self, step)
        self.re = np.nextafter(self.re, 0)

    monkeypatch.setattr(PlainStrike, "_rotate", rotate_otherwise)
    problem = make_golden_problem("cubic", 12)
    circuit = compile_circuit(problem, depth=1)
    chance = random.Random(6)
    with pytest.raises(AssertionError, match="rank"):
        check_walks(circuit, chance, 20)


@pytest.mark.parametrize(
    "choose_otherwise",
    [
        lambda own, live, lower, upper: 0,
        lambda own, live, lower, upper: 2 - own(live, lower, upper),
        lambda own, live, lower, upper: 2 if lower >= 8 else 1 if upper >= min(live, 12, (live + 8) // 2) - 1 else 0,
    ],
    ids=["one rotation for all terms", "groups in another order", "another boundary of cross terms"],
)
def test_vm_21_other_groups_of_a_sweeps_terms_would_be_noticed(monkeypatch, choose_otherwise):
    own = plain_engine.choose_group
    monkeypatch.setattr(
        plain_engine, "choose_group", lambda live, lower, upper: choose_otherwise(own, live, lower, upper)
    )
    problem = make_golden_problem("dense", 12)
    circuit = compile_circuit(problem, depth=1)
    chance = random.Random(7)
    with pytest.raises(AssertionError, match="rank"):
        check_walks(circuit, chance, 20)
