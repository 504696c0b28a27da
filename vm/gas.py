"""Gas: an integer that predicts how long a strike runs, whatever the machine."""

from __future__ import annotations

from vm.schedule import Schedule


def compute_gas(schedule: Schedule, shots: int) -> int:
    """Return the gas of one strike: a sum over the steps, each for as many registers as are expected alive."""
    registers, total = 1, 0
    for step in schedule.steps:
        total += registers * (2**step.live + 64)
        if step.measured:
            registers = min(2 * registers, shots)
    return total
