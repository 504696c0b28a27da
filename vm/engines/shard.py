"""A part of a whole state vector: what one of 2^k processes does to its own amplitudes.

The operations on each amplitude, and their order, are those of `vm.reference.compute_state`, so the parts together are
that state, bit for bit. Only whole layouts are exchanged, by the caller.

Terms:
    shard: the amplitudes in which k qubits, the global ones, have the bits of the shard's rank (the first label is the
        most significant bit); the other qubits are local, and index the shard's amplitudes, the first label highest.
    layout: which qubits are global: the first k labels (`FIRST`) or the last k (`LAST`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from vm.derivation import Angles, round_to_phase
from vm.engines.register import Register, compute_phases, rotate
from vm.problem import IsingProblem
from vm.trig_table import get_trig_table

FIRST, LAST = "first", "last"
BLOCK_BITS = 16


class ShardPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a state a shard is: its rank among 2^k, and the number n of all qubits, at least 2 k."""

    n: int
    k: int
    rank: int

    @property
    def live(self) -> int:
        """Number of local qubits."""
        return self.n - self.k

    def list_global(self, layout: str) -> range:
        """Return the labels of the global qubits."""
        return range(self.k) if layout == FIRST else range(self.n - self.k, self.n)

    def list_local(self, layout: str) -> range:
        """Return the labels of the local qubits, the most significant first."""
        return range(self.k, self.n) if layout == FIRST else range(self.n - self.k)

    def get_fixed_bits(self, layout: str) -> dict[int, int]:
        """Return the bits that the global qubits have here."""
        return {q: self.rank >> (self.k - 1 - row) & 1 for row, q in enumerate(self.list_global(layout))}


def make_shard(place: ShardPlace) -> Register:
    """Return the shard of the state in which all bit strings are equally likely."""
    shard: Register = np.full(1 << place.live, 2.0 ** (-place.n / 2), np.complex128)
    return shard


def rotate_shard_(
    shard: Register, place: ShardPlace, layout: str, problem: IsingProblem, angles: Angles, *, layer: int
) -> None:
    """Apply a layer's phases in place, block by block; `layer` counts from 0."""
    gamma, bits = angles.gammas[layer], place.get_fixed_bits(layout)
    fields = {q: round_to_phase(gamma * h) + round_to_phase(angles.fields[q]) for q, h in enumerate(problem.fields)}
    couplings = [(i, j, round_to_phase(gamma * weight)) for i, j, weight in problem.couplings]
    local = place.list_local(layout)
    width = min(BLOCK_BITS, place.live)
    upper, lower = local[: place.live - width], local[place.live - width :]
    positions = {q: width - 1 - row for row, q in enumerate(lower)}
    inner = [(positions[i], positions[j], phase) for i, j, phase in couplings if i in positions and j in positions]
    for block in range(1 << len(upper)):
        here = bits | {q: block >> (len(upper) - 1 - row) & 1 for row, q in enumerate(upper)}
        spins = {q: 1 - 2 * bit for q, bit in here.items()}
        linear = {positions[q]: fields[q] for q in lower}
        constant = sum(fields[q] * spin for q, spin in spins.items())
        for i, j, phase in couplings:
            if i in spins and j in spins:
                constant += phase * spins[i] * spins[j]
            elif i in spins:
                linear[positions[j]] += phase * spins[i]
            elif j in spins:
                linear[positions[i]] += phase * spins[j]
        part = slice(block << width, (block + 1) << width)
        shard[part] = rotate(shard[part], compute_phases(width, linear, inner) + constant)


def mix_shard_(
    shard: Register, place: ShardPlace, layout: str, angles: Angles, qubits: Sequence[int], *, layer: int
) -> None:
    """Apply a layer's mixers of some local qubits in place, in their order; `layer` counts from 0."""
    beta = round_to_phase(angles.betas[layer])
    for q in qubits:
        cosine, sine = get_trig_table()[(beta + round_to_phase(angles.mixers[q])) % 2**16]
        position = place.list_local(layout)[-1] - q
        rows = shard.reshape(-1, 2, 1 << position)
        rows_each, columns_each = max(1, 1 << BLOCK_BITS >> position), min(1 << BLOCK_BITS, 1 << position)
        for row in range(0, len(rows), rows_each):
            for column in range(0, 1 << position, columns_each):
                pair = rows[row : row + rows_each, :, column : column + columns_each]
                pair[...] = cosine * pair + 1j * sine * pair[:, ::-1]
