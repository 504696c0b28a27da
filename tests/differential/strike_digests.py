"""Run a batch of strikes and print one digest: started by the differential tests in processes with other settings.

Usage: python strike_digests.py COUNT QUBITS_MAX
"""

from __future__ import annotations

import hashlib
import random
import sys

from vm.law import compute_law
from vm.problem import IsingProblem, make_problem
from vm.strike import compile_circuit, run_strike

FAMILIES = ("dense", "cubic", "grid", "weighted")


def make_random_problem(family: str, n: int, chance: random.Random) -> IsingProblem:
    """Return a random problem of about n qubits."""
    if family == "dense":
        return make_problem(n, [(i, j, chance.choice((-1, 1))) for j in range(n) for i in range(j)])
    if family == "cubic":
        n += n % 2
        ring = [(i, (i + 1) % n, 1) for i in range(n)]
        free = chance.sample(range(n), n)
        return make_problem(n, [*ring, *((a, b, 1) for a, b in zip(free[::2], free[1::2], strict=True))])
    if family == "grid":
        width = max(2, n // 3)
        down = [(i, i + width, 1) for i in range(2 * width)]
        return make_problem(3 * width, [*down, *((i, i + 1, 1) for i in range(3 * width - 1) if (i + 1) % width)])
    weights = [w for w in range(-9, 10) if w]
    couplings = [
        (i, j, chance.choice(weights)) for j in range(n) for i in range(j) if chance.random() < 0.4 or i == j - 1
    ]
    return make_problem(n, couplings, fields=[chance.randrange(-4, 5) for _ in range(n)])


def compute_digest(count: int, qubits_max: int) -> str:
    """Return the digest of `count` strikes over all families, depths 1 to 3 and sizes 3..qubits_max."""
    chance = random.Random(2026)
    digest = hashlib.blake2b(digest_size=16)
    for number in range(count):
        depth = 1 + number // len(FAMILIES) % 3
        # small ones often, large ones now and then: plain Python needs seconds for a strike of 2^12 amplitudes
        n = 3 + int((qubits_max - 2) * chance.random() ** 1.5)
        problem = make_random_problem(FAMILIES[number % len(FAMILIES)], n, chance)
        order = tuple(chance.sample(range(problem.n), problem.n))
        circuit = compile_circuit(problem, order=order, depth=depth)
        shots = chance.choice((1, 2, 5, 33))
        digest.update(run_strike(circuit, compute_law(problem, depth), chance.randbytes(32), shots=shots).tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    print(compute_digest(int(sys.argv[1]), int(sys.argv[2])))
