"""How much a peer may send: token buckets. The time is an argument. No I/O here.

Terms:
    bucket: holds tokens up to a burst; they come back at a fixed rate, and what a peer does costs some.

Source: docs/spec/network.md.
"""

from __future__ import annotations

import msgspec


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A sustained rate and what may come at once."""

    per_s: float
    burst: float


class PeerRates(msgspec.Struct, frozen=True, kw_only=True):
    """What one peer may send.

    Attributes:
        messages: Notices, requests, streams and messages in gossip.
        bytes: Everything but answers that we asked for.
        inventory: Hashes of extrinsics; above it the reader waits, for an honest pool may be large.
        headers, votes: New messages of the topics that this peer brings first.
        exchanges: Requests for addresses.
    """

    messages: Rate = Rate(per_s=200, burst=1_000)
    bytes: Rate = Rate(per_s=16_777_216, burst=67_108_864)
    inventory: Rate = Rate(per_s=500, burst=1_024)
    headers: Rate = Rate(per_s=10, burst=60)
    votes: Rate = Rate(per_s=50, burst=500)
    exchanges: Rate = Rate(per_s=1 / 60, burst=1)


class TokenBucket:
    """Tokens of one kind, of one peer or of all."""

    __slots__ = ("_at_ms", "_rate", "_tokens")

    def __init__(self, rate: Rate, now_ms: int) -> None:
        """Full at first."""
        self._rate = rate
        self._tokens = rate.burst
        self._at_ms = now_ms

    def take(self, count: float, now_ms: int) -> float:
        """Take tokens, as many as there are; return how many were lacking."""
        self._refill(now_ms)
        lacking = max(0.0, count - self._tokens)
        self._tokens = max(0.0, self._tokens - count)
        return lacking

    def has(self, count: float, now_ms: int) -> bool:
        """Return whether there are so many; for more than the burst a full bucket is enough."""
        self._refill(now_ms)
        return self._tokens >= min(count, self._rate.burst)

    def spend(self, count: float) -> None:
        """Take tokens out, below zero if need be."""
        self._tokens -= count

    def borrow(self, count: float, now_ms: int) -> int:
        """Take tokens even where there are none; return how many milliseconds to wait until the debt is paid."""
        self._refill(now_ms)
        self._tokens -= count
        return max(0, int(-self._tokens / self._rate.per_s * 1000))

    def give(self, count: float) -> None:
        """Put tokens in, beyond the burst if need be: something was asked for."""
        self._tokens += count

    def refund(self, count: float) -> None:
        """Put back what was spent in vain, up to the burst."""
        self._tokens = min(self._rate.burst, self._tokens + count)

    def _refill(self, now_ms: int) -> None:
        passed = max(0, now_ms - self._at_ms)
        # SPEC SYN-21: A clock that is set back MUST NOT keep a node from serving, telling and asking its peers.
        self._at_ms = now_ms
        if self._tokens < self._rate.burst:
            self._tokens = min(self._rate.burst, self._tokens + passed * self._rate.per_s / 1000)
