"""What a strike does, counted from its schedule and its number of shots alone; priced in `vm.gas`.

Terms:
    registers: how many different registers `shots` shots are expected to hold after k measured bits; fewer in deeper
        circuits, whose shots agree more.
    run: an unmeasured step and the steps after it that only mix; they are mixed together.
    pass: one way through a register; a run takes one for up to three positions that follow each other downwards.
    tile: the amplitudes that differ in their lowest TILE_BITS positions only; a measuring step handles two at a time,
        one for each bit of its qubit, and tiles without new qubits inside need no gathering.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from vm.schedule import Schedule, Step
from vm.tiles import (
    FACTORS_KEPT_BITS,
    LOW_BITS,
    NARROW,
    NEAR,
    TAIL_BITS,
    TILE_BITS,
    compute_block_bits,
    compute_middle,
    count_factor_bits,
)

SPILLED_BITS, FLOODED_BITS, DROWNED_BITS = 18, 20, 21  # registers of so many qubits leave the caches
MEASURED_MAX = 64  # more bits change nothing; keeps the integers small
DEPTH_MAX = 8
# 2^(16 + k / 16), to the nearest integer
ROOTS = (
    *(65536, 68438, 71468, 74632, 77936, 81386, 84990, 88752),
    *(92682, 96785, 101070, 105545, 110218, 115098, 120194, 125515),
)


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a strike does, counted.

    Attributes:
        uniforms: Numbers drawn.
        visits: Measuring steps, runs and the suffix, once for each register.
        terms: Terms of tables of factors; of those too large to be kept, once for each register (a table that no other
            one has displaced meanwhile is not made again, which is left out).
        factors: Entries of these tables, likewise.
        phases: Entries of a sweep's tables, once for each register; of the suffix once, though those displace it too.
        copied: Amplitudes of branches that wait.
        gathered: Amplitudes into which new qubits come at positions inside a tile.
        moved: Amplitudes into which new qubits come, none of them inside a tile.
        rotated: Amplitudes that sweeps set or rotate and that other phases of unmeasured steps rotate.
        weighed: Amplitudes rotated, mixed and weighed by measuring steps before the suffix.
        parted: Amplitudes mixed and weighed in the suffix, as far as it cuts registers into four.
        mixed: Amplitudes of the passes of runs.
        spilled: Amplitudes read and written where registers have SPILLED_BITS qubits or more.
        flooded: Those of registers of FLOODED_BITS or more, but by mixing, which computes while it waits.
        drowned: All those of registers of DROWNED_BITS or more.
    """

    uniforms: int
    visits: int
    terms: int
    factors: int
    phases: int
    copied: int
    gathered: int
    moved: int
    rotated: int
    weighed: int
    parted: int
    mixed: int
    spilled: int
    flooded: int
    drowned: int


def count_work(schedule: Schedule, shots: int) -> Work:
    """Return the work of one strike of a schedule."""
    steps, depth = schedule.steps, schedule.depth
    counts = dict.fromkeys(Work.__struct_fields__, 0)
    measured = at = 0
    while at < schedule.suffix:
        step = steps[at]
        registers = expect_registers(shots, measured, depth)
        _count_phases(step, registers, counts)
        if step.measured:
            measured += 1
            more = expect_registers(shots, measured, depth) - registers
            _count_measurement(step, registers << step.live, more << (step.live - 1), counts)
            end = at + 1
        else:
            end = _find_run_end(schedule, at)
            if not (at == 0 and step.sweep):
                _count_expansion(step, registers << step.live, counts)
            passes, ways = count_passes([mixed.position for mixed in steps[at:end]], step.live)
            counts["mixed"] += passes * registers << step.live
            _count_traffic(step.live, ways * registers << step.live, counts, is_mixing=True)
        counts["visits"] += registers
        at = end
    step, registers = steps[schedule.suffix], expect_registers(shots, measured, depth)
    if schedule.suffix > 0:
        _count_expansion(step, registers << step.live, counts)
    for kind, count in count_suffix(step.live, measured, shots, depth).items():
        counts[kind] += count
    return Work(**{**counts, "uniforms": shots * schedule.n})


def count_suffix(live: int, measured: int, shots: int, depth: int) -> dict[str, int]:
    """Return the work by kind of a suffix that begins with `live` qubits after `measured` bits, new qubits left out."""
    registers = expect_registers(shots, measured, depth)
    counts = dict.fromkeys(Work.__struct_fields__, 0)
    counts["visits"], counts["phases"], counts["rotated"] = registers, _count_sweep_phases(live), registers << live
    _count_traffic(live, registers << live, counts)
    while live > TAIL_BITS:
        parted = expect_registers(shots, measured, depth) << live
        counts["parted"] += parted
        _count_traffic(live, parted, counts)
        measured, live = measured + 2, live - 2
    return counts


@lru_cache(maxsize=1 << 14)
def expect_registers(shots: int, measured: int, depth: int) -> int:
    """Return how many different registers the shots are expected to hold after `measured` bits.

    Shots that fall into b equally likely branches are in about 2 s b / (2 b + s) of them. A measured bit doubles the
    branches less the deeper the circuit is, because its outcomes agree more.
    """
    measured = min(measured, MEASURED_MAX)
    doublings, part = divmod(measured * (16 - min(depth, DEPTH_MAX)), 16)
    branches, many = ROOTS[part] << doublings, shots << 16  # in units of 2^-16
    filled = min(branches, -(-2 * many * branches // (2 * branches + many)))
    return max(1, min(-(-filled >> 16), 1 << measured))


def count_passes(positions: Sequence[int], live: int) -> tuple[int, int]:
    """Return the passes of a run (see `vm.mix_kernels`), and how often memory is gone through.

    The first passes go through the whole register one by one; all others go through it together, block by block.
    """
    bits = compute_block_bits(live)
    far = len(positions)
    while far > 0 and positions[far - 1] < bits:
        far -= 1
    ways = _count_chains(positions[:far])
    return ways + _count_chains(positions[far:]), ways + (far < len(positions))


def _find_run_end(schedule: Schedule, at: int) -> int:
    """Return the step after the run that begins at a step."""
    end = at + 1
    while end < schedule.suffix:
        step = schedule.steps[end]
        if step.measured or step.fields or step.introduced:
            break
        end += 1
    return end


def _count_phases(step: Step, registers: int, counts: dict[str, int]) -> None:
    if not step.fields:
        return
    if step.sweep:
        counts["phases"] += registers * _count_sweep_phases(step.live)
    else:
        bits = count_factor_bits(step)
        times = 1 if bits <= FACTORS_KEPT_BITS else registers
        counts["terms"] += times * (len(step.couplings) + 1)
        counts["factors"] += times << bits
    if not step.measured:
        counts["rotated"] += registers << step.live
        _count_traffic(step.live, registers << step.live, counts)


def _count_sweep_phases(live: int) -> int:
    low, middle = min(live, LOW_BITS), compute_middle(live)
    return (1 << middle) + (1 << (low + live - middle)) + (1 << (live - low))


def _count_expansion(step: Step, size: int, counts: dict[str, int]) -> None:
    """Count the amplitudes into which a run or the suffix brings new qubits before it begins."""
    if step.introduced:
        counts[_get_entry(step, step.live)] += size
        _count_traffic(step.live, size, counts)


def _get_entry(step: Step, live: int) -> str:
    """Return the kind of work that a step's new qubits make of a register, or half, of `live` qubits."""
    is_inside = any(position < min(live, TILE_BITS) for position in step.introduced)
    return "gathered" if is_inside else "moved"


def _count_measurement(step: Step, size: int, copied: int, counts: dict[str, int]) -> None:
    counts["weighed"] += size
    counts["copied"] += copied
    if step.introduced:
        counts[_get_entry(step, step.live - 1)] += size
    _count_traffic(step.live, size + copied, counts)


def _count_chains(positions: Sequence[int]) -> int:
    """Return in how many passes these positions are mixed, as `vm.mix_kernels.mix_list_` does it."""
    passes = k = 0
    while k < len(positions):
        position, chain = positions[k], 1
        while chain < 3 and k + chain < len(positions) and positions[k + chain] == position - chain:
            chain += 1
        is_near = chain == 3 and position in (NEAR, NEAR - 3)
        if not is_near and position >= NARROW:
            chain = min(chain, position - NEAR if position > NEAR else position - NARROW + 1)
        elif not is_near:
            chain = min(chain, 1 + position % 2)
        passes += 1
        k += chain
    return passes


def _count_traffic(live: int, amplitudes: int, counts: dict[str, int], *, is_mixing: bool = False) -> None:
    if live >= SPILLED_BITS:
        counts["spilled"] += amplitudes
    if live >= FLOODED_BITS and not is_mixing:
        counts["flooded"] += amplitudes
    if live >= DROWNED_BITS:
        counts["drowned"] += amplitudes
