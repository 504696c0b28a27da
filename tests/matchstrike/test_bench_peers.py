"""Our circuit in other simulators' words, and rows that hide no missing or wrong peer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from matchstrike.commands.bench_peers import PeerRow, check_peer, measure_peers
from matchstrike.commands.peer_circuit import (
    PeerCircuit,
    Probabilities,
    compute_own_probabilities,
    make_peer_circuit,
    make_sk_problem,
)
from matchstrike.commands.peer_libraries import PEER_NAMES, PEERS
from vm.law import compute_law
from vm.problem import make_problem

SEED = bytes(range(32))
WEIGHTED = make_problem(5, [(0, 1, 3), (1, 2, -5), (0, 4, 7), (3, 4, 1)], fields=[2, 0, -3, 1, 0])


def simulate_gate_by_gate(circuit: PeerCircuit) -> Probabilities:
    """Return the probabilities by one small matrix per gate, qubit 0 most significant."""
    n = circuit.n
    state = np.full((2,) * n, 2 ** (-n / 2), dtype=np.complex128)

    def apply(matrix: np.ndarray, qubit: int) -> None:
        nonlocal state
        state = np.moveaxis(np.tensordot(matrix, state, axes=(1, qubit)), 0, qubit)

    for layer in circuit.layers:
        for i, j, t in layer.rzz:
            index = np.indices((2,) * n)
            state = state * np.exp(-0.5j * t * (1 - 2 * (index[i] ^ index[j])))
        for qubit, t in enumerate(layer.rz):
            apply(np.diag([np.exp(-0.5j * t), np.exp(0.5j * t)]), qubit)
        for qubit, t in enumerate(layer.rx):
            c, s = np.cos(t / 2), -1j * np.sin(t / 2)
            apply(np.array([[c, s], [s, c]]), qubit)
    probabilities: Probabilities = np.abs(state.reshape(-1)) ** 2
    return probabilities


class Simple:
    """A peer that is right, or wrong by one qubit's sign."""

    package, way = "simple", "api"
    settings: Sequence[object] = (1, 2)

    def __init__(self, *, is_wrong: bool) -> None:
        self.is_wrong = is_wrong

    def compute_probabilities(self, circuit: PeerCircuit, setting: object) -> Probabilities:
        right = simulate_gate_by_gate(circuit)
        return right.reshape(2, -1)[::-1].reshape(-1) if self.is_wrong and setting == 2 else right

    def run(self, circuit: PeerCircuit, setting: object, shots: int) -> None:
        raise AssertionError("a peer that is only checked is not run")


@pytest.mark.parametrize("depth", [1, 2])
def test_the_circuit_told_to_peers_has_our_probabilities(depth: int) -> None:
    for problem in (WEIGHTED, make_sk_problem(6)):
        law = compute_law(problem, depth)
        ours = compute_own_probabilities(problem, law, SEED)
        theirs = simulate_gate_by_gate(make_peer_circuit(problem, law, SEED))
        assert np.abs(ours - theirs).max() < 1e-12
        assert abs(ours.sum() - 1) < 1e-12


def test_a_wrong_peer_is_found_and_not_measured() -> None:
    right = check_peer("simple", "api", partial(Simple, is_wrong=False))
    assert right.status == "ok"
    assert right.peer is not None
    wrong = check_peer("simple", "api", partial(Simple, is_wrong=True))
    assert (wrong.status, wrong.peer, wrong.note) == ("wrong", None, "probabilities differ")


def test_a_peer_that_fails_has_its_reason_told() -> None:
    class Failing(Simple):
        def compute_probabilities(self, circuit: PeerCircuit, setting: object) -> Probabilities:
            raise RuntimeError("no AVX here")

    assert "no AVX here" in check_peer("simple", "api", partial(Failing, is_wrong=False)).note


@pytest.mark.filterwarnings("ignore")  # warnings of foreign libraries, where they are installed
def test_every_peer_has_a_row_installed_or_not() -> None:
    rows = measure_peers(sizes=(6,), shots=4, turns=1)
    assert [(row.package, row.way) for row in rows] == [("matchstrike", "frontier"), *PEER_NAMES]
    assert len(PEERS) == len(PEER_NAMES)
    for row in rows:
        assert row.status in ("ok", "missing"), row
        assert is_figure(row) == (row.status == "ok")
        if row.status == "missing":
            assert "pip install 'matchstrike[peers]'" in row.note


def is_figure(row: PeerRow) -> bool:
    return row.strikes_per_cpu_s is not None and row.ratio is not None
