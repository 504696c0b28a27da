"""Gas: an integer that predicts how long a strike runs.

A strike's work is counted from its schedule alone, kind by kind, and each kind has a price. The prices were fitted to
measured times so that time over gas is nearly the same for dense, sparse, small and large problems; one unit is about
a twentieth of a nanosecond on the machine of the fit. Only ratios matter.

Terms:
    registers: how many different registers `shots` shots are expected to hold after k measured bits,
        `shots 2^k / (shots + 2^k)`, rounded up.
"""

from __future__ import annotations

import msgspec

from vm.schedule import Schedule, Step

TILE_BITS = 8
TAIL_BITS = 6
AMPLITUDES_BITS_MAX = 64  # no register is larger; keeps the integers small


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a strike does, counted.

    Attributes:
        uniforms: Numbers drawn.
        factors: Entries of the tables of factors.
        visits: Steps, once for each register.
        weighed: Amplitudes rotated, mixed and weighed by measuring steps before the suffix.
        mixed: Amplitudes mixed by unmeasured steps.
        rotated: Amplitudes rotated by unmeasured steps.
        swept: Amplitudes that a sweep sets or rotates.
        branches: Registers cut in four in the suffix.
        paired: Amplitudes mixed and weighed there.
        columns: Amplitudes copied into columns for the last qubits.
    """

    uniforms: int
    factors: int
    visits: int
    weighed: int
    mixed: int
    rotated: int
    swept: int
    branches: int
    paired: int
    columns: int


PRICES = Work(
    uniforms=200,
    factors=200,
    visits=10200,
    weighed=19,
    mixed=5,
    rotated=14,
    swept=11,
    branches=5000,
    paired=7,
    columns=90,
)
STRIKE_GAS = 140000


def compute_gas(schedule: Schedule, shots: int) -> int:
    """Return the gas of one strike of a schedule."""
    # SPEC VM-14: The gas of a strike MUST be the fixed price plus its counted work times the prices.
    work = count_work(schedule, shots)
    return STRIKE_GAS + sum(int(getattr(work, kind) * getattr(PRICES, kind)) for kind in work.__struct_fields__)


def count_work(schedule: Schedule, shots: int) -> Work:
    """Return the work of one strike of a schedule."""
    counts = dict.fromkeys(Work.__struct_fields__, 0)
    measured = 0
    for step in schedule.steps[: schedule.suffix]:
        registers = expect_registers(shots, measured)
        size = registers << step.live
        counts["visits"] += registers
        counts["factors"] += _count_factors(step)
        if step.measured:
            counts["weighed"] += size
            measured += 1
        else:
            counts["mixed"] += size
            counts["swept" if step.sweep else "rotated"] += size if step.fields else 0
    for kind, count in _count_suffix(schedule.steps[schedule.suffix].live, measured, shots).items():
        counts[kind] += count
    return Work(**{**counts, "uniforms": shots * schedule.n})


def compute_suffix_gas(live: int, measured: int, shots: int) -> int:
    """Return the part of the gas that a suffix takes which begins with `live` qubits after `measured` bits."""
    return sum(int(count * getattr(PRICES, kind)) for kind, count in _count_suffix(live, measured, shots).items())


def expect_registers(shots: int, measured: int) -> int:
    """Return how many different registers the shots are expected to hold after `measured` bits."""
    branches = 1 << min(measured, AMPLITUDES_BITS_MAX)
    return -(-shots * branches // (shots + branches)) if shots > 0 else 1


def _count_suffix(live: int, measured: int, shots: int) -> dict[str, int]:
    counts = {"swept": expect_registers(shots, measured) << live, "branches": 0, "paired": 0}
    while live > TAIL_BITS:
        registers = expect_registers(shots, measured)
        counts["branches"] += registers
        counts["paired"] += registers << live
        measured, live = measured + 2, live - 2
    return {**counts, "columns": shots << live}


def _count_factors(step: Step) -> int:
    """Return the size of a step's table of factors: a tile for each setting of the qubits beyond it."""
    if step.sweep or not step.fields:
        return 0
    positions = {other for _, other, *_ in step.couplings} | (set() if step.measured else {step.position})
    highs = sum(position >= TILE_BITS for position in positions)
    return 1 << (min(step.live - step.measured, TILE_BITS) + highs)
