"""Ising problems: records, their checks, and exact energies.

A problem is `E(s) = offset + sum_i h_i s_i + sum_{i<j} J_ij s_i s_j`, minimised, with `s_i = 1 - 2*bit_i` (spin +1 is
bit 0). Coefficients are integers; an energy is an exact integer, never a float.

Terms:
    spin: +1 or -1; bit: 0 or 1. A shot is `uint8[n]` of bits, qubit 0 first.
    strikeable: small enough coefficients, with greatest common divisor 1, so that the problem may be struck.

Invariants: couplings are sorted by (i, j), i < j, no duplicates, no zeros.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import gcd
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

COEFFICIENT_MAX = 2**20
STRIKE_COEFFICIENT_MAX = 2**12
QUBITS_MAX = 4096

Shots = NDArray[np.uint8]  # axes: shot, qubit


class InvalidProblem(Exception):
    """A problem that breaks a rule of the record."""

    rule: ClassVar[str] = "VM-01"


class CoefficientTooLarge(InvalidProblem):
    """A field, coupling or offset outside its bound."""

    rule: ClassVar[str] = "VM-02"


class CouplingsNotCanonical(InvalidProblem):
    """Couplings that are unsorted, doubled, zero, or name a qubit that does not exist."""

    rule: ClassVar[str] = "VM-03"


class NotStrikeable(InvalidProblem):
    """A valid problem that accepts solutions but no strikes ("bounty only")."""

    rule: ClassVar[str] = "VM-04"


class IsingProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One Ising energy over `n` spins.

    Attributes:
        n: Number of spins, 1..QUBITS_MAX.
        offset: Constant term.
        fields: `h_i`, length n.
        couplings: `(i, j, J_ij)` with i < j, ascending, J != 0.
    """

    n: int
    offset: int
    fields: tuple[int, ...]
    couplings: tuple[tuple[int, int, int], ...]


def make_problem(
    n: int, couplings: Iterable[tuple[int, int, int]], *, fields: Iterable[int] | None = None, offset: int = 0
) -> IsingProblem:
    """Return the canonical problem: couplings merged, sorted and without zeros; checked.

    Raises:
        InvalidProblem: the record breaks a rule after merging.
    """
    merged: dict[tuple[int, int], int] = {}
    for i, j, weight in couplings:
        if i == j:
            raise CouplingsNotCanonical(f"qubit {i} is coupled to itself")
        pair = (i, j) if i < j else (j, i)
        merged[pair] = merged.get(pair, 0) + weight
    problem = IsingProblem(
        n=n,
        offset=offset,
        fields=tuple(fields) if fields is not None else (0,) * n,
        couplings=tuple((i, j, w) for (i, j), w in sorted(merged.items()) if w != 0),
    )
    check_problem(problem)
    return problem


def check_problem(problem: IsingProblem) -> None:
    """Refuse a record that is not a canonical problem.

    Raises:
        InvalidProblem: wrong counts; CoefficientTooLarge; CouplingsNotCanonical.
    """
    # SPEC VM-01: A problem MUST have 1 to 4096 spins and one field for each.
    if not 1 <= problem.n <= QUBITS_MAX:
        raise InvalidProblem(f"a problem has 1..{QUBITS_MAX} spins, not {problem.n}")
    if len(problem.fields) != problem.n:
        raise InvalidProblem(f"{problem.n} spins need as many fields, not {len(problem.fields)}")
    # SPEC VM-02: Every field and coupling MUST have an absolute value of at most 2^20, and the offset of at most 2^50.
    if any(abs(h) > COEFFICIENT_MAX for h in problem.fields) or abs(problem.offset) > 2**50:
        raise CoefficientTooLarge("a field or the offset is out of bounds")
    last = (-1, -1)
    for i, j, weight in problem.couplings:
        # SPEC VM-03: Couplings MUST be sorted by (i, j) with i < j < n, without duplicates and without zeros.
        if not (0 <= i < j < problem.n) or (i, j) <= last or weight == 0:
            raise CouplingsNotCanonical(f"coupling ({i}, {j}, {weight}) is out of order, doubled, zero or out of range")
        if abs(weight) > COEFFICIENT_MAX:
            raise CoefficientTooLarge(f"coupling ({i}, {j}) has the weight {weight}")
        last = (i, j)


def check_strikeable(problem: IsingProblem) -> None:
    """Refuse a problem that is "bounty only" for its coefficients (its gas is judged elsewhere).

    Raises:
        NotStrikeable: a coefficient above 2^12, a greatest common divisor other than 1, or no coefficient at all.
    """
    divisor = 0
    for value in (*problem.fields, *(w for _, _, w in problem.couplings)):
        # SPEC VM-04: A problem MAY be struck only if |coefficient| <= 2^12 and the gcd of its coefficients is 1.
        if abs(value) > STRIKE_COEFFICIENT_MAX:
            raise NotStrikeable(f"coefficient {value} exceeds {STRIKE_COEFFICIENT_MAX}")
        divisor = gcd(divisor, value)
    if divisor != 1:
        raise NotStrikeable(f"the coefficients have the greatest common divisor {divisor}, not 1")


def compute_energy(problem: IsingProblem, bits: bytes | NDArray[np.uint8]) -> int:
    """Return the exact energy of one shot.

    Args:
        bits: n values 0 or 1, qubit 0 first.
    """
    shot = np.frombuffer(bits, dtype=np.uint8) if isinstance(bits, bytes) else bits
    return int(compute_energies(problem, shot.reshape(1, -1))[0])


def compute_energies(problem: IsingProblem, shots: Shots) -> NDArray[np.int64]:
    """Return the exact energies, int64[shot].

    The bounds of VM-02 keep every sum below 2^63: at most 2^23 couplings of 2^20 and an offset of 2^50.

    Raises:
        InvalidProblem: shots of another shape than [shot, n].
    """
    if shots.ndim != 2 or shots.shape[1] != problem.n:
        raise InvalidProblem(f"shots of shape {shots.shape} do not fit {problem.n} spins")
    rows, columns, weights, fields = _coupling_arrays(problem)
    spins = 1 - 2 * shots.astype(np.int64)
    energies: NDArray[np.int64] = spins @ fields + (spins[:, rows] * spins[:, columns]) @ weights + problem.offset
    return energies


def sum_energies(problem: IsingProblem, shots: Shots) -> int:
    """Return the exact sum of the energies of these shots, far sooner than each of them.

    Eight shots share a byte of each spin; two spins disagree in as many shots as the bytes' difference has ones.
    """
    rows, columns, weights, fields = _coupling_arrays(problem)
    spins, count = np.packbits(shots, axis=0), len(shots)
    apart = np.bitwise_count(spins[:, rows] ^ spins[:, columns]).sum(axis=0, dtype=np.int64)
    down = np.bitwise_count(spins).sum(axis=0, dtype=np.int64)
    return int(weights @ (count - 2 * apart) + fields @ (count - 2 * down)) + count * problem.offset


def pack_shots(shots: Shots) -> bytes:
    """Return the shots as bytes: each shot padded to whole bytes, qubit i at bit i%8 of byte i//8."""
    return np.packbits(shots, axis=1, bitorder="little").tobytes()


def unpack_shots(data: bytes, n: int) -> Shots:
    """Return the shots in `data`, uint8[shot, n].

    Raises:
        InvalidProblem: not whole shots, or padding bits that are not zero.
    """
    width = (n + 7) // 8
    if len(data) % width:
        raise InvalidProblem(f"{len(data)} bytes are not whole shots of {width} bytes")
    rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, width)
    bits = np.unpackbits(rows, axis=1, bitorder="little")
    if bits[:, n:].any():
        raise InvalidProblem("padding bits of a shot are not zero")
    return np.ascontiguousarray(bits[:, :n])


@lru_cache(maxsize=64)
def _coupling_arrays(
    problem: IsingProblem,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    table = np.array(problem.couplings, dtype=np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2], np.array(problem.fields, dtype=np.int64)
