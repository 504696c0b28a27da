"""Guessing the core's shots instead of running its strikes: how far a predictor gets.

The uniforms of a strike are public: they follow from its seed. The predictor is also given, for nothing, every qubit's
marginal probability in that strike, and compares the uniform with it as if the qubits were independent. Each wrong bit
costs about a factor e, so dozens of wrong bits put guessing out of reach.
"""

from __future__ import annotations

import numpy as np
import pytest

from consensus.core_problem import compute_core_seed, get_core_law, make_core_circuit
from vm.derivation import compute_uniforms, expand_seed
from vm.strike import run_strike

SHOTS = 32
SHOTS_FOR_MARGINALS = 4096


def count_wrong_bits(n: int, strikes: int, *, epoch: int) -> float:
    """Return the mean number of bits of 32 shots that the marginals' predictor gets wrong."""
    circuit = make_core_circuit(compute_core_seed(b"\x5e" * 32, epoch, bytes(32)), n)
    law = get_core_law(n)
    wrong = 0
    for k in range(strikes):
        seed = (1000 * epoch + k).to_bytes(32, "little")
        shots = run_strike(circuit, law, seed, shots=SHOTS_FOR_MARGINALS)
        uniforms = compute_uniforms(expand_seed(seed, depth=1, n=n, shots=SHOTS)[2 + n :], n)
        guessed = uniforms >= 1 - shots.mean(axis=0)  # the core is measured in the order of its labels
        wrong += int((shots[:SHOTS] != guessed).sum())
    return wrong / strikes


def test_a_predictor_from_marginals_gets_dozens_of_448_bits_wrong() -> None:
    """One epoch, 14 spins."""
    assert 50 < count_wrong_bits(14, 40, epoch=0) < 90


@pytest.mark.slow
def test_a_predictor_from_marginals_over_many_epochs() -> None:
    """The mean over epochs, and no epoch that is easy."""
    means = [count_wrong_bits(14, 40, epoch=epoch) for epoch in range(20)]
    print([round(mean, 1) for mean in means])
    assert 55 < float(np.mean(means)) < 85
    assert min(means) > 45
