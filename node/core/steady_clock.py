"""Time that only goes forward, read from a clock that a person or a time server may set."""

from __future__ import annotations

JUMP_MS_MAX = 10_000  # more between two readings was no waiting: the clock was set


class SteadyClock:
    """Milliseconds since it was made: none pass while its clock is set back, few when it is set ahead."""

    def __init__(self, now_ms: int) -> None:
        self._read_ms = now_ms
        self._passed_ms = 0

    def read(self, now_ms: int) -> int:
        """Return how much time has passed."""
        self._passed_ms += min(max(0, now_ms - self._read_ms), JUMP_MS_MAX)
        self._read_ms = now_ms
        return self._passed_ms
