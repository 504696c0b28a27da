"""Schedules: every term applied once and in time, qubits late in and early out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.differential.strike_digests import FAMILIES, make_random_problem
from vm.order import compute_live_profile
from vm.schedule import InvalidOrder, Schedule, compile_schedule


def make_case(seed: int, depth: int) -> tuple:
    chance = random.Random(seed)
    problem = make_random_problem(FAMILIES[seed % 4], 3 + seed % 11, chance)
    order = tuple(chance.sample(range(problem.n), problem.n))
    return problem, compile_schedule(problem, order, depth)


def replay(schedule: Schedule) -> list[tuple]:
    """Return (step, labels by position after the introductions) while following the live qubits."""
    rank = {qubit: place for place, qubit in enumerate(schedule.order)}
    live: list[int] = []
    waiting = list(schedule.order)
    seen = []
    for step in schedule.steps:
        count = len(live) + len(step.introduced)
        kept = [position for position in range(count) if position not in step.introduced]
        labels: list[int | None] = [None] * count
        for position, qubit in zip(kept, sorted(live, key=rank.__getitem__, reverse=True), strict=True):
            labels[position] = qubit
        seen.append((step, labels))
        live = list(live)
        for position in step.introduced:
            # the newcomer is the waiting qubit whose rank fits between its neighbours' by position
            fitting = [q for q in waiting if _fits(labels, position, q, rank, step)]
            labels[position] = fitting[0]
            waiting.remove(fitting[0])
            live.append(fitting[0])
        if step.measured:
            live.remove(step.qubit)
    return seen


def _fits(labels, position, qubit, rank, step) -> bool:
    named = dict(step.fields) | {a: x for a, _, _, x, _ in step.couplings}
    named |= {b: y for _, b, _, _, y in step.couplings} | {step.position: step.qubit}
    if position in named:
        return named[position] == qubit
    below = [rank[q] for q in labels[:position] if q is not None]
    above = [rank[q] for q in labels[position + 1 :] if q is not None]
    return all(r > rank[qubit] for r in below) and all(r < rank[qubit] for r in above)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_every_term_is_applied_once_in_each_layer_between_the_mixers_of_its_qubits(seed: int, depth: int):
    problem, schedule = make_case(seed, depth)
    passed = dict.fromkeys(range(problem.n), 0)
    fields: dict[tuple[int, int], int] = {}
    couplings: dict[tuple[int, int, int], int] = {}
    for step, labels in replay(schedule):
        for position, qubit in step.fields:
            assert labels[position] == qubit
            assert passed[qubit] == step.layer - 1
            fields[step.layer, qubit] = fields.get((step.layer, qubit), 0) + 1
        for a, b, weight, x, y in step.couplings:
            assert (labels[a], labels[b]) == (x, y)
            assert passed[x] == passed[y] == step.layer - 1
            key = (step.layer, min(x, y), max(x, y))
            assert (*key[1:], weight) in problem.couplings
            couplings[key] = couplings.get(key, 0) + 1
        assert labels[step.position] == step.qubit
        assert passed[step.qubit] == step.layer - 1
        if step.measured:
            assert step.position == step.live - 1
        passed[step.qubit] += 1
    layers = range(1, depth + 1)
    assert fields == {(layer, q): 1 for layer in layers for q in range(problem.n)}
    assert couplings == {(layer, i, j): 1 for layer in layers for i, j, _ in problem.couplings}
    assert tuple(step.qubit for step in schedule.steps if step.measured) == schedule.order


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_no_more_qubits_are_live_than_their_light_cones_require(seed: int, depth: int):
    problem, schedule = make_case(seed, depth)
    measured = [step.live for step in schedule.steps if step.measured]
    assert tuple(measured) == compute_live_profile(problem, schedule.order, depth)
    assert schedule.live_qubits_max == max(step.live for step in schedule.steps) == max(measured)


def test_after_the_last_sweep_qubits_are_only_mixed_and_measured():
    for seed in range(40):
        _, schedule = make_case(seed, 1 + seed % 3)
        assert schedule.steps[schedule.suffix].sweep
        assert all(
            step.measured and not (step.fields or step.couplings or step.introduced)
            for step in schedule.steps[schedule.suffix + 1 :]
        )


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 1, 2, 2), (0, 1, 2, 4), (0, 1, 2, 3, 4), (-1, 0, 1, 2)])
def test_vm_10_an_order_that_is_no_permutation_is_refused(order):
    problem = make_random_problem("dense", 4, random.Random(1))
    with pytest.raises(InvalidOrder):
        compile_schedule(problem, order, 1)
