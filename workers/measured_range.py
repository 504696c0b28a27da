"""Strike ranges that say how long their thread ran, and how long it waited for a core that others held.

On a machine that others use, wall time measures them. Linux counts, for each thread, the time that it was ready to run
and had to wait; without that, a window is as long as it would have been with a core for each worker.
"""

from __future__ import annotations

from pathlib import Path
from time import thread_time

import msgspec

from workers.strike_range import RangeResult, StrikeRange, run_strike_range

SCHEDULED = Path("/proc/thread-self/schedstat")  # nanoseconds run, nanoseconds waited, times scheduled


class MeasuredResult(msgspec.Struct, frozen=True, kw_only=True):
    """A range's result.

    Attributes:
        cpu_seconds: That its thread ran.
        waited_seconds: That it was ready and other processes had the cores; 0 where the kernel does not say.
    """

    result: RangeResult
    cpu_seconds: float
    waited_seconds: float


def run_measured(part: StrikeRange) -> MeasuredResult:
    """Run the strikes of a range and measure this thread."""
    began, waited = thread_time(), _read_waited()
    result = run_strike_range(part)
    return MeasuredResult(
        result=result, cpu_seconds=thread_time() - began, waited_seconds=(_read_waited() - waited) / 1e9
    )


def _read_waited() -> int:
    try:
        return int(SCHEDULED.read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
