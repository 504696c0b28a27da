"""Gas: an integer that predicts how long a strike runs.

A strike's work is counted from its schedule alone, kind by kind, and each kind has a price. The prices were fitted to
measured times so that time over gas is nearly the same for dense, sparse, small and large problems (docs/gas.md); one
unit is about a twentieth of a nanosecond on the machine of the fit. Only ratios matter.

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

import msgspec

from vm.schedule import Schedule, Step

TILE_BITS = 8
BLOCK_BITS = 12  # positions below are mixed block by block
NARROW = 6  # positions below have rows too short for vectors
SPILLED_BITS, FLOODED_BITS = 18, 20  # registers of so many qubits leave the caches
AMPLITUDES_BITS_MAX = 64  # no register is larger; keeps the integers small
DEPTH_PRICED = 8
RAISED_PASSES = 2  # bringing new qubits in above a tile moves a register: beyond the caches so many passes more


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a strike does, counted.

    Attributes:
        uniforms: Numbers drawn.
        visits: Measuring steps, runs and the suffix, once for each register.
        couplings: Terms of the tables of factors.
        copied: Amplitudes of branches that wait.
        expanded: Amplitudes of registers that runs begin with new qubits.
        gathered: Amplitudes into which a measuring step brings new qubits at positions inside a tile.
        raised: Amplitudes into which a measuring step brings new qubits, none of them inside a tile.
        turned: Amplitudes that a sweep sets or rotates.
        rotated: Amplitudes that other phases of unmeasured steps rotate.
        weighed: Amplitudes rotated, mixed and weighed by measuring steps before the suffix.
        narrow: Amplitudes of passes that touch a position below NARROW.
        wide: Amplitudes of other passes.
        spilled: Amplitudes read and written where registers have SPILLED_BITS qubits or more.
        flooded: The same from FLOODED_BITS on, which are not among the spilled.
    """

    uniforms: int
    visits: int
    couplings: int
    copied: int
    expanded: int
    gathered: int
    raised: int
    turned: int
    rotated: int
    weighed: int
    narrow: int
    wide: int
    spilled: int
    flooded: int


PRICES = Work(
    uniforms=1340,
    visits=13290,
    couplings=3707,
    copied=37,
    expanded=23,
    gathered=32,
    raised=9,
    turned=39,
    rotated=9,
    weighed=4,
    narrow=9,
    wide=1,
    spilled=2,
    flooded=5,
)
STRIKE_GAS = 67674


def compute_gas(schedule: Schedule, shots: int) -> int:
    """Return the gas of one strike of a schedule."""
    # SPEC VM-14: The gas of a strike MUST be the fixed price plus its counted work times the prices.
    work = count_work(schedule, shots)
    return STRIKE_GAS + sum(int(getattr(work, kind) * getattr(PRICES, kind)) for kind in work.__struct_fields__)


def count_work(schedule: Schedule, shots: int) -> Work:
    """Return the work of one strike of a schedule."""
    steps, depth = schedule.steps, schedule.depth
    counts = dict.fromkeys(Work.__struct_fields__, 0)
    measured = at = 0
    while at < schedule.suffix:
        step = steps[at]
        registers = expect_registers(shots, measured, depth)
        _count_phases(step, registers << step.live, counts)
        if step.measured:
            measured += 1
            copied = (expect_registers(shots, measured, depth) - registers) << (step.live - 1)
            _count_measurement(step, registers << step.live, copied, counts)
            end = at + 1
        else:
            end = _find_run_end(schedule, at)
            if step.introduced and not (at == 0 and step.sweep):
                counts["expanded"] += registers << step.live
                _count_traffic(step.live, registers << step.live, counts)
            _count_run([mixed.position for mixed in steps[at:end]], step.live, registers << step.live, counts)
        counts["visits"] += registers
        at = end
    for kind, count in _count_suffix(steps[schedule.suffix].live, measured, shots, depth).items():
        counts[kind] += count
    return Work(**{**counts, "uniforms": shots * schedule.n})


def compute_suffix_gas(live: int, measured: int, shots: int) -> int:
    """Return the gas that a suffix at depth 1 takes which begins with `live` qubits after `measured` bits."""
    return sum(int(count * getattr(PRICES, kind)) for kind, count in _count_suffix(live, measured, shots, 1).items())


def expect_registers(shots: int, measured: int, depth: int) -> int:
    """Return how many different registers the shots are expected to hold after `measured` bits."""
    branches = 1 << min(measured, AMPLITUDES_BITS_MAX)
    if shots == 0:
        return 1
    share = 21 - min(depth, DEPTH_PRICED)
    return max(1, min(branches, -(-shots * branches * share // (20 * (shots + branches)))))


def _find_run_end(schedule: Schedule, at: int) -> int:
    """Return the step after the run that begins at a step."""
    end = at + 1
    while end < schedule.suffix:
        step = schedule.steps[end]
        if step.measured or step.fields or step.introduced:
            break
        end += 1
    return end


def _count_phases(step: Step, size: int, counts: dict[str, int]) -> None:
    if not step.fields:
        return
    if not step.sweep:
        counts["couplings"] += len(step.couplings) + 1
    if not step.measured:
        counts["turned" if step.sweep else "rotated"] += size
        _count_traffic(step.live, size, counts)


def _count_measurement(step: Step, size: int, copied: int, counts: dict[str, int]) -> None:
    counts["weighed"] += size
    counts["copied"] += copied
    if any(position < min(step.live - 1, TILE_BITS) for position in step.introduced):
        counts["gathered"] += size
    elif step.introduced:
        counts["raised"] += size
        _count_traffic(step.live, RAISED_PASSES * size, counts)
    _count_traffic(step.live, size + copied, counts)


def _count_run(positions: Sequence[int], live: int, size: int, counts: dict[str, int]) -> None:
    passes = _list_passes(positions)
    narrow = sum(lowest < NARROW for lowest in passes)
    far = len(_list_passes([position for position in positions if position >= BLOCK_BITS]))
    counts["narrow"] += narrow * size
    counts["wide"] += (len(passes) - narrow) * size
    _count_traffic(live, (far + any(position < BLOCK_BITS for position in positions)) * size, counts)


def _list_passes(positions: Sequence[int]) -> list[int]:
    """Return the lowest position of each pass."""
    lowest: list[int] = []
    length = 0
    for position in positions:
        if lowest and length < 3 and position == lowest[-1] - 1:
            lowest[-1] = position
            length += 1
        else:
            lowest.append(position)
            length = 1
    return lowest


def _count_traffic(live: int, amplitudes: int, counts: dict[str, int]) -> None:
    if live >= FLOODED_BITS:
        counts["flooded"] += amplitudes
    elif live >= SPILLED_BITS:
        counts["spilled"] += amplitudes


def _count_suffix(live: int, measured: int, shots: int, depth: int) -> dict[str, int]:
    registers = expect_registers(shots, measured, depth)
    counts = {"visits": registers, "turned": registers << live, "spilled": 0, "flooded": 0}
    _count_traffic(live, registers << live, counts)
    while live >= SPILLED_BITS:
        _count_traffic(live, expect_registers(shots, measured, depth) << live, counts)
        measured, live = measured + 2, live - 2
    return counts
