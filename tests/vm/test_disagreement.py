"""How often a strike of the engine differs from the whole-state reference: bounded exactly, then counted.

Both decide a bit by one uniform u: it is 0 for the uniforms k / 2^53 with k below a threshold, which is about
2^53 p0 / (p0 + p1) with the probabilities that the side has computed. The uniforms are independent, so after the same
earlier bits the two sides decide otherwise with a probability of |threshold - threshold'| / 2^53. A strike differs
only if some bit is the first that does, hence with at most the sum of these probabilities over its shots and qubits.
Fewer than 1 in 10^6 cannot be seen by counting strikes; the sum can be computed for each.

The thresholds of the reference are computed from its state. Those of the engine are bracketed by running it: uniforms
at growing distances on both sides of the reference's threshold, until both decisions are as they must be.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.differential.strike_digests import FAMILIES, make_random_problem
from tests.vm.test_rounding import UNIT, find_threshold
from vm.derivation import compute_angles, compute_uniforms, expand_seed
from vm.law import AngleLaw, compute_law
from vm.problem import Shots
from vm.reference import State, compute_state, run_reference_strike
from vm.strike import SHOTS_DEFAULT, Circuit, compile_circuit, draw, prepare, run_strike

DISTANCES = tuple(2**k for k in (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 28, 32, 36, 40))
DIFFERING_MAX = 1e-6  # per strike


def make_case(number: int, n: int, depth: int) -> tuple[Circuit, AngleLaw, bytes]:
    chance = random.Random(1000 + number)
    problem = make_random_problem(FAMILIES[number % 4], n, chance)
    order = tuple(chance.sample(range(problem.n), problem.n))
    return compile_circuit(problem, order=order, depth=depth), compute_law(problem, depth), chance.randbytes(32)


def compute_reference_state(circuit: Circuit, law: AngleLaw, seed: bytes) -> State:
    words = expand_seed(seed, depth=circuit.depth, n=circuit.problem.n, shots=0)
    return compute_state(circuit.problem, compute_angles(law, words))


def find_reference_thresholds(state: State, order: tuple[int, ...], shots: Shots) -> dict[tuple[int, ...], int]:
    """Return the threshold after each row of bits (in measurement order) that some shot begins with."""
    thresholds: dict[tuple[int, ...], int] = {}
    probabilities = np.transpose(np.abs(state) ** 2, order)
    for bits in shots[:, list(order)].tolist():
        left = probabilities
        for rank, bit in enumerate(bits):
            if tuple(bits[:rank]) not in thresholds:
                thresholds[tuple(bits[:rank])] = find_threshold(left[0].sum(), left[1].sum())
            left = left[bit]
    return thresholds


def bound_differing(circuit: Circuit, law: AngleLaw, seed: bytes, state: State) -> float:
    """Return an upper bound of the expected number of bits of a strike that are the first to differ.

    For each node that the strike visits, the engine decides the uniforms at 0, 1, 3, ... units of 2^-53 on both sides
    of the reference's threshold; the first distance at which both decisions are the reference's bounds the difference.
    """
    n, order = circuit.problem.n, circuit.order
    shots = run_strike(circuit, law, seed)
    words = expand_seed(seed, depth=circuit.depth, n=n, shots=SHOTS_DEFAULT)
    uniforms = compute_uniforms(words[2 * circuit.depth + n :], n)
    thresholds = find_reference_thresholds(state, order, shots)
    steps = np.array(DISTANCES)
    prepared = prepare(circuit, law, seed)
    total = 0
    for rank in range(n):
        zeros = np.array([thresholds[tuple(bits)] for bits in shots[:, list(order[:rank])].tolist()])[:, None]
        below, above = np.maximum(zeros - steps, -1), np.minimum(zeros + steps - 1, 2**53)
        tried = np.concatenate((below, above), axis=1)  # uniforms in units, [shot, distance]
        rows = np.repeat(uniforms, tried.shape[1], axis=0)
        rows[:, rank] = np.clip(tried.reshape(-1), 0, 2**53 - 1) * UNIT
        drawn = draw(prepared, rows)[:, order[rank]].reshape(tried.shape)
        drawn[tried < 0], drawn[tried >= 2**53] = 0, 1  # beyond all uniforms there is nothing to differ
        right = (drawn[:, : len(steps)] == 0) & (drawn[:, len(steps) :] == 1)
        assert right[:, -1].all(), f"rank {rank}: the engine's probability is nowhere near the reference's"
        total += int((steps[right.argmax(axis=1)] - 1).sum())
    return total * UNIT


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("number", range(8))
def test_vm_12_a_strike_differs_from_the_reference_with_a_probability_far_below_1e_6(number: int, depth: int):
    """Required is fewer than 1 strike in 10^6, a bound of 1e-6; it is about 3e-14."""
    circuit, law, _ = make_case(number, (9, 12, 9, 14, 8, 14, 12, 10)[number], depth)
    for k in range(8):
        seed = bytes([number, depth, k] + 29 * [0])
        assert bound_differing(circuit, law, seed, compute_reference_state(circuit, law, seed)) < DIFFERING_MAX / 10**6


@pytest.mark.parametrize(("number", "depth"), [(0, 1), (1, 2), (2, 3), (3, 1)])
def test_vm_12_a_reference_that_is_off_by_1e_6_would_be_noticed(number: int, depth: int):
    """The same bound, of a state with amplitudes larger by one part in 10^6 where the first qubit measured is 1."""
    circuit, law, seed = make_case(number, 10, depth)
    state = compute_reference_state(circuit, law, seed)
    np.moveaxis(state, circuit.order[0], 0)[1] *= 1 + 1e-6
    assert bound_differing(circuit, law, seed, state) > DIFFERING_MAX


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_vm_12_not_one_of_many_strikes_differs_from_the_reference(part: int):
    """20,000 strikes in all."""
    differing = 0
    for number in range(2500 * part, 2500 * (part + 1)):
        circuit, law, seed = make_case(number, 3 + number // 4 % 12, 1 + number % 3)
        expected = run_reference_strike(circuit.problem, circuit.order, law, seed)
        differing += int((run_strike(circuit, law, seed) != expected).any())
    assert differing == 0
