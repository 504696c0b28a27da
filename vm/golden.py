"""Golden strikes: the start-up check that this machine's VM computes what every other one does."""

from __future__ import annotations

import hashlib

from vm.law import compute_law
from vm.problem import IsingProblem, make_problem, pack_shots
from vm.strike import compile_circuit, run_strike
from vm.trig_table import VmDiffers, get_trig_table

# (name, depth, seed byte, BLAKE2b-128 of the packed 32 shots)
GOLDEN_STRIKES: tuple[tuple[str, int, int, str], ...] = ()


def run_self_test() -> None:
    """Re-run the golden strikes.

    Raises:
        VmDiffers: the trigonometric table or a strike differs from the frozen one.
    """
    get_trig_table()
    for name, depth, seed_byte, expected in GOLDEN_STRIKES:
        actual = compute_golden_hash(name, depth, seed_byte)
        # SPEC VM-12: A node MUST refuse to start when its VM does not reproduce the golden strikes.
        if actual != expected:
            raise VmDiffers(f"golden strike {name} p={depth} seed {seed_byte} hashes to {actual}, not {expected}")


def compute_golden_hash(name: str, depth: int, seed_byte: int) -> str:
    """Return the hash of the shots of one golden strike."""
    problem = make_golden_problem(name)
    circuit = compile_circuit(problem, depth=depth)
    shots = run_strike(circuit, compute_law(problem, depth), bytes([seed_byte]) * 32)
    return hashlib.blake2b(pack_shots(shots), digest_size=16).hexdigest()


def make_golden_problem(name: str) -> IsingProblem:
    """Return the problem of a golden strike: dense, ring-of-chords (cubic), grid or weighted."""
    n = 12
    if name == "dense":
        return make_problem(n, [(i, j, 1 if (i * j + i + j) % 3 else -1) for j in range(n) for i in range(j)])
    if name == "cubic":
        return make_problem(n, [*((i, (i + 1) % n, 1) for i in range(n)), *((i, i + n // 2, 1) for i in range(n // 2))])
    if name == "grid":
        across = [(i, i + 1, 1) for i in range(n) if i % 4 != 3]
        return make_problem(n, [*across, *((i, i + 4, 1) for i in range(n - 4))])
    weights = [(i, j, (7 * i + 3 * j) % 15 - 7) for j in range(n) for i in range(j) if (i + 2 * j) % 3 == 0]
    return make_problem(n, weights, fields=[(5 * i) % 7 - 3 for i in range(n)])
