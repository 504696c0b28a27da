"""Gas: an integer that predicts how long a strike runs.

A strike's work is counted from its schedule alone, kind by kind (`vm.work`), and each kind has a price. The prices were
fitted to measured times so that time over gas is nearly the same for dense, sparse, small and large problems
(docs/gas.md); one unit is about a twentieth of a nanosecond on the machine of the fit. Only ratios matter.
"""

from __future__ import annotations

from collections.abc import Mapping

from vm.schedule import Schedule
from vm.work import Work, count_suffix, count_work

PRICES = Work(
    uniforms=1200,
    visits=11_500,
    terms=3000,
    factors=13,
    phases=31,
    copied=47,
    gathered=20,
    moved=5,
    rotated=4,
    weighed=6,
    parted=7,
    mixed=8,
    spilled=1,
    flooded=8,
    drowned=7,
)
STRIKE_GAS = 12_500


def compute_gas(schedule: Schedule, shots: int) -> int:
    """Return the gas of one strike of a schedule."""
    # SPEC VM-14: The gas of a strike MUST be the fixed price plus its counted work times the prices.
    work = count_work(schedule, shots)
    return STRIKE_GAS + _price({kind: getattr(work, kind) for kind in work.__struct_fields__})


def compute_suffix_gas(live: int, measured: int, shots: int) -> int:
    """Return the gas that a suffix at depth 1 takes which begins with `live` qubits after `measured` bits.

    What new qubits cost that come in with it is left out.
    """
    return _price(count_suffix(live, measured, shots, 1))


def _price(counts: Mapping[str, int]) -> int:
    return sum(int(count * getattr(PRICES, kind)) for kind, count in counts.items())
