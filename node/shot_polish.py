"""Makes a measured shot better by hand: steepest 1-flip descent, run in a worker process.

A solution may come from any method, and the bounty pays for energy; the strikes give starts that are good already.
"""

from __future__ import annotations

import msgspec
import numpy as np

from vm.problem import IsingProblem, compute_energy, pack_shots, unpack_shots


class PolishedShot(msgspec.Struct, frozen=True, kw_only=True):
    """A local minimum: its energy and its bits, packed."""

    energy: int
    bits: bytes


def polish_shot(problem: IsingProblem, bits: bytes) -> PolishedShot:
    """Return the local minimum that single flips lead to, the largest gain first, the lowest spin among equals."""
    shot = unpack_shots(bits, problem.n)
    spins = [1 - 2 * int(bit) for bit in shot[0]]
    neighbours: list[list[tuple[int, int]]] = [[] for _ in range(problem.n)]
    local = np.array(problem.fields, dtype=np.int64)
    for i, j, weight in problem.couplings:
        neighbours[i].append((j, weight))
        neighbours[j].append((i, weight))
        local[i] += weight * spins[j]
        local[j] += weight * spins[i]
    signs = np.array(spins, dtype=np.int64)
    while True:
        gains = signs * local  # flipping spin i changes the energy by -2 * gain
        chosen = int(np.argmax(gains))
        if gains[chosen] <= 0:
            break
        for other, weight in neighbours[chosen]:
            local[other] -= 2 * weight * int(signs[chosen])
        signs[chosen] *= -1
    polished = ((1 - signs) // 2).astype(np.uint8).reshape(1, -1)
    return PolishedShot(energy=compute_energy(problem, polished[0]), bits=pack_shots(polished))
