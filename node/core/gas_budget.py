"""How much gas may go into tickets that peers bring by gossip: in all, for strangers together, and for each peer.

Invariant: strangers cannot use up what peers known to be good need, nor one peer what the others need.
"""

from __future__ import annotations

from network.rates import Rate, TokenBucket
from node.core.desk_limits import DeskLimits
from node.core.peer_table import PeerState


class GasBudget:
    """Token buckets over gas."""

    def __init__(self, limits: DeskLimits, *, ticket_gas_max: int, now_ms: int) -> None:
        self._rate = limits.gas_per_second
        self._share = limits.gas_share
        self._burst = max(limits.gas_per_second, 4 * ticket_gas_max)
        self._all = self._make(1, now_ms)
        self._strangers = self._make(self._share, now_ms)

    def make_bucket(self, now_ms: int) -> TokenBucket:
        """Return the bucket of a new peer."""
        return self._make(self._share, now_ms)

    def spend(self, state: PeerState, gas: int, now_ms: int) -> bool:
        """Take the gas of a ticket out; return False, and take nothing, if there is not enough."""
        # SPEC SYN-06: The gas of tickets run for gossip MUST stay within a budget in all, a part of it for each peer,
        # and a part for all peers together that have not brought anything good.
        buckets = self._list(state)
        if not all(bucket.has(gas, now_ms) for bucket in buckets):
            return False
        for bucket in buckets:
            bucket.spend(gas)
        return True

    def refund(self, state: PeerState, gas: int) -> None:
        """Put back the gas of a ticket that was not run after all."""
        for bucket in self._list(state):
            bucket.refund(gas)

    def _list(self, state: PeerState) -> list[TokenBucket]:
        return [self._all, state.gas] + ([self._strangers] if state.good == 0 else [])

    def _make(self, share: int, now_ms: int) -> TokenBucket:
        return TokenBucket(Rate(per_s=self._rate // share, burst=self._burst // share), now_ms)
