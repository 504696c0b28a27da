"""Strike ranges: strikes `start` to `start + count - 1` of a problem, all from one seed, cut into tasks.

Strike k of a range has the seed `blake2b-256("matchstrike/strike range/1\\0" + seed + k)`, k as u64 little-endian: any
one of them can be run again alone. What a range gives does not depend on how it is cut, where its parts run, or in
which order they come back.

Terms:
    fingerprint: the sum modulo 2^256 of `blake2b-256(k + packed shots)` of all strikes. Two runs of a range agree in
        every bit if their fingerprints agree; it finds differences, and is no defence against who makes them.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from time import process_time

import msgspec
import numpy as np

from vm.golden import run_self_test
from vm.law import AngleLaw
from vm.problem import IsingProblem, compute_energies, pack_shots
from vm.strike import SHOTS_DEFAULT, Circuit, compile_circuit, get_gas_limit, run_strike

TAG = b"matchstrike/strike range/1\x00"
TASK_GAS = 3 * 10**10  # about 1.5 s: below a second the way to a cluster and back would show
STRIKES_MAX = 2**40
FINGERPRINT_BITS = 256


class InvalidRange(Exception):
    """A range that no strikes can be run of."""


class StrikeRange(msgspec.Struct, frozen=True, kw_only=True):
    """Some strikes of a problem.

    Attributes:
        problem, order, depth: The circuit, compiled where it runs.
        law: Where the angles are drawn from.
        seed: 32 bytes, of the whole range.
        start, count: Which strikes.
        shots: Of each strike.
        is_kept: Whether the shots come back.
    """

    problem: IsingProblem
    order: tuple[int, ...]
    depth: int
    law: AngleLaw
    seed: bytes
    start: int
    count: int
    shots: int = SHOTS_DEFAULT
    is_kept: bool = False


class RangeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What strikes gave.

    Attributes:
        start, count: Which strikes.
        best_energy: The lowest, of the shot `best_bits` (a byte a qubit) of strike `best_strike`; the first of equals.
        energy_sum: Of all shots.
        fingerprint: See above.
        shots: Packed as `vm.problem.pack_shots` does, strike after strike, if they were asked for.
        cpu_seconds: Spent by the process that ran them.
    """

    start: int
    count: int
    best_energy: int
    best_strike: int
    best_bits: bytes
    energy_sum: int
    fingerprint: int
    shots: bytes
    cpu_seconds: float


def compute_strike_seed(seed: bytes, index: int) -> bytes:
    """Return the seed of one strike of a range."""
    return blake2b(TAG + seed + index.to_bytes(8, "little"), digest_size=32).digest()


def split_range(whole: StrikeRange, *, task_gas: int = TASK_GAS) -> list[StrikeRange]:
    """Return the range in parts of about `task_gas` each, of nearly equal length.

    Raises:
        InvalidRange, RegisterTooLarge, InvalidLaw: as `check_range`.
    """
    gas = check_range(whole)
    parts = -(-whole.count * gas // task_gas)
    ends = [whole.count * part // parts for part in range(parts + 1)]
    return [
        msgspec.structs.replace(whole, start=whole.start + begin, count=end - begin)
        for begin, end in pairwise(ends)
        if end > begin
    ]


def check_range(whole: StrikeRange) -> int:
    """Return the gas of one strike of a range that can be run.

    Raises:
        InvalidRange: no strikes, too many, or no shots.
        RegisterTooLarge, InvalidLaw: as `vm.strike.run_strike`.
    """
    if not 1 <= whole.count <= STRIKES_MAX or not 0 <= whole.start <= STRIKES_MAX:
        raise InvalidRange(f"a range has 1 to 2^40 strikes and starts below 2^40, not {whole.count} from {whole.start}")
    if whole.shots < 1:
        raise InvalidRange(f"a strike of a range has at least one shot, not {whole.shots}")
    circuit = get_circuit(whole.problem, whole.order, whole.depth)
    run_strike(circuit, whole.law, whole.seed, shots=0)
    return get_gas_limit(circuit, whole.shots)


def run_strike_range(part: StrikeRange) -> RangeResult:
    """Run the strikes of a range, or of a part of it.

    Raises:
        RegisterTooLarge, InvalidLaw: as `run_strike`.
        vm.golden.VmDiffers: this machine's strikes are not everybody's.
    """
    _test_once()
    began = process_time()
    circuit = get_circuit(part.problem, part.order, part.depth)
    best: tuple[int, int, bytes] | None = None
    energy_sum = fingerprint = 0
    kept: list[bytes] = []
    for index in range(part.start, part.start + part.count):
        shots = run_strike(circuit, part.law, compute_strike_seed(part.seed, index), shots=part.shots)
        energies = compute_energies(part.problem, shots)
        lowest = int(np.argmin(energies))
        if best is None or energies[lowest] < best[0]:
            best = int(energies[lowest]), index, shots[lowest].tobytes()
        energy_sum += int(energies.sum())
        packed = pack_shots(shots)
        digest = blake2b(index.to_bytes(8, "little") + packed, digest_size=32).digest()
        fingerprint += int.from_bytes(digest, "little")
        if part.is_kept:
            kept.append(packed)
    assert best is not None, "split_range makes no empty part"
    return RangeResult(
        start=part.start,
        count=part.count,
        best_energy=best[0],
        best_strike=best[1],
        best_bits=best[2],
        energy_sum=energy_sum,
        fingerprint=fingerprint % 2**FINGERPRINT_BITS,
        shots=b"".join(kept),
        cpu_seconds=process_time() - began,
    )


def join_results(one: RangeResult, other: RangeResult) -> RangeResult:
    """Return the result of both; their shots are left out, because they need not be neighbours."""
    better = min(one, other, key=lambda result: (result.best_energy, result.best_strike))
    return RangeResult(
        start=min(one.start, other.start),
        count=one.count + other.count,
        best_energy=better.best_energy,
        best_strike=better.best_strike,
        best_bits=better.best_bits,
        energy_sum=one.energy_sum + other.energy_sum,
        fingerprint=(one.fingerprint + other.fingerprint) % 2**FINGERPRINT_BITS,
        shots=b"",
        cpu_seconds=one.cpu_seconds + other.cpu_seconds,
    )


@lru_cache(maxsize=8)
def get_circuit(problem: IsingProblem, order: tuple[int, ...], depth: int) -> Circuit:
    """Return the compiled circuit, kept for the next part."""
    return compile_circuit(problem, order=order, depth=depth)


@lru_cache(maxsize=1)
def _test_once() -> None:
    run_self_test()
