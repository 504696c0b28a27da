"""A token bucket: how much may be spent, refilled with time."""

from __future__ import annotations


class TokenBucket:
    """Tokens up to a burst, so many more each second."""

    def __init__(self, *, per_second: int, burst: int, now_ms: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._level_milli = burst * 1000
        self._at_ms = now_ms

    def has(self, amount: int, now_ms: int) -> bool:
        """Return whether an amount may be spent; more than the burst may be when the bucket is full."""
        self._refill(now_ms)
        return self._level_milli >= min(amount, self._burst) * 1000

    def spend(self, amount: int) -> None:
        """Take an amount out, below zero if need be."""
        self._level_milli -= amount * 1000

    def refund(self, amount: int) -> None:
        """Put back what was spent in vain."""
        self._level_milli = min(self._burst * 1000, self._level_milli + amount * 1000)

    def _refill(self, now_ms: int) -> None:
        passed_ms = max(0, now_ms - self._at_ms)
        # SPEC SYN-21: A clock that is set back MUST NOT keep a node from serving, telling and asking its peers.
        self._at_ms = now_ms
        self._level_milli = min(self._burst * 1000, self._level_milli + passed_ms * self._per_second)
