"""Gas: an integer that says how much a strike did, in proportion to the time that it takes.

A strike's work is counted along its schedule, kind by kind (`vm.work`), and each kind has a price. The prices were
fitted to measured times so that time over gas is nearly the same for dense, sparse, small and large problems
(docs/gas.md); one unit is about a twentieth of a nanosecond on the machine of the fit. Only ratios matter.

Terms:
    gas limit: the most that a strike can use, known from its schedule.
    gas used: what a strike did use, known from its schedule and its shots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from vm.schedule import Schedule
from vm.work import Work, count_sweep_phases, count_work, list_most_registers, list_suffix_work

PRICES = Work(
    uniforms=980,
    measurements=12_000,
    runs=14_500,
    suffixes=26_000,
    terms=480,
    factors=14,
    phases=32,
    copied=23,
    gathered=18,
    moved=3,
    rotated=8,
    swept=17,
    weighed=10,
    parted=4,
    mixed=6,
    crowded=56,
    flooded=20,
    streamed=4,
    drowned=8,
)
STRIKE_GAS = 68_000
_PRICES: dict[str, int] = msgspec.structs.asdict(PRICES)


class Tariff(msgspec.Struct, frozen=True, kw_only=True):
    """What strikes of one schedule cost.

    Attributes:
        once: Whatever the shots do.
        each: Entry k: one more register after k measured bits, k = 0 to n.
        limit: The gas limit.
    """

    once: int
    each: tuple[int, ...]
    limit: int


def make_tariff(schedule: Schedule, shots: int) -> Tariff:
    """Return what strikes of a schedule with so many shots cost."""
    sheet = count_work(schedule, shots)
    once, each = STRIKE_GAS + _price(sheet.once), tuple(map(_price, sheet.each))
    # SPEC VM-14: The gas limit of a strike MUST be the fixed price plus its counted work times the prices, with the
    # most registers that its shots can have.
    limit = once + _multiply(each, list_most_registers(schedule.n, shots))
    return Tariff(once=once, each=each, limit=limit)


def compute_gas_used(tariff: Tariff, registers: Sequence[int]) -> int:
    """Return the gas used by a strike whose shots had so many registers (`vm.work.count_registers`)."""
    # SPEC VM-22: The gas used by a strike MUST be the same with the registers that its shots had, at most the limit.
    return min(tariff.limit, tariff.once + _multiply(tariff.each, registers))


def compute_suffix_gas(live: int, registers: Sequence[int]) -> int:
    """Return the gas of a suffix that begins with `live` qubits, what new qubits cost left out.

    Args:
        registers: From its begin on, after each measured bit.
    """
    gas = _PRICES["phases"] * count_sweep_phases(live)
    for later, kind, count in list_suffix_work(live):
        gas += registers[later] * count * _PRICES[kind]
    return gas


def _price(counts: Mapping[str, int]) -> int:
    return sum(count * _PRICES[kind] for kind, count in counts.items())


def _multiply(each: Sequence[int], registers: Sequence[int]) -> int:
    return sum(gas * count for gas, count in zip(each, registers, strict=True))
