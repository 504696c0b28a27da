"""The peers that are connected, and what each of them has said and done.

Terms:
    claim: (justified height, work) of a peer's best chain as its status says; nothing until the blocks are here.
    good: how many proven headers and imported blocks a peer brought.
    resting: a peer that failed us is asked after all others for a while.
    patience: how long a peer's answer is waited for before another one is asked too; far peers get more of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from network.messages import Status
from network.port import Peer
from network.rates import Rate, TokenBucket

FAILURES_COUNTED_MAX = 12
PAUSE_MS = 1_000
PATIENCE_MS_MAX = 6_000  # with which an answer on a link of 2 s one way, which takes 4 s, is waited for
REST_MS_MAX = 120_000  # a rest that ends later was begun before the clock was set back

Rank: TypeAlias = tuple[int, int]


class PeerState:
    """One connected peer."""

    def __init__(self, peer: Peer, *, is_outbound: bool, now_ms: int, gas: TokenBucket, served: TokenBucket) -> None:
        self.peer = peer
        self.is_outbound = is_outbound
        self.since_ms = now_ms
        self.gas = gas
        self.served = served
        self.status: Status | None = None
        self.status_ms = now_ms
        self._ranked: Status | None = None
        self._rank: Rank = (0, 0)
        self.statuses = TokenBucket(Rate(per_s=4, burst=20), now_ms)
        self.is_claim_void = False
        self.hint_number: int | None = None
        self.good = 0
        self.failures = 0
        self.failed_ms = 0
        self.rests_until_ms = 0
        self.answer_ms = 0
        self.grave_points = 0
        self.is_leaving = False

    @property
    def claim(self) -> Rank:
        """What its status claims, (0, 0) without one or when the claim turned out empty."""
        status = self.status
        if status is None or self.is_claim_void:
            return (0, 0)
        if self._ranked is not status:  # asked for at every event, and long numbers take their time
            self._ranked, self._rank = status, (status.justified_height, int.from_bytes(status.work, "big"))
        return self._rank

    @property
    def best_number(self) -> int:
        """Height of the best block it claims."""
        return 0 if self.status is None or self.is_claim_void else self.status.best_number

    def has_block(self, number: int) -> bool:
        """Return whether it claims a chain that reaches this height."""
        return not self.is_leaving and self.best_number >= number

    def note_answer(self, took_ms: int) -> None:
        """Note how long an answer took: a slower one counts at once, quicker ones by halves."""
        self.answer_ms = max(took_ms, (self.answer_ms + took_ms) // 2, 0)  # below 0 when the clock was set back

    def rest(self, now_ms: int, rest_ms: int) -> None:
        """Leave it alone for a while, longer with each failure in a row."""
        self.failures += 1
        self.failed_ms = now_ms
        self.rests_until_ms = now_ms + rest_ms * min(FAILURES_COUNTED_MAX, self.failures)

    def step_aside(self, now_ms: int, rest_ms: int) -> None:
        """Let others be asked before it for a while; what it brings meanwhile does not end that."""
        # SPEC SYN-20: A peer that made a node ask for headers and has none, or fewer than it claims, MUST be asked
        # after others for 5 s, whatever it brings meanwhile.
        until_ms = now_ms + rest_ms
        self.rests_until_ms = max(until_ms, self.rests_until_ms) if self.is_resting(now_ms) else until_ms

    def is_resting(self, now_ms: int) -> bool:
        """Return whether others are asked before it."""
        return 0 < self.rests_until_ms - now_ms <= REST_MS_MAX

    def is_askable(self, now_ms: int) -> bool:
        """Return whether it may be asked if nobody else can be."""
        is_paused = 0 <= now_ms - self.failed_ms < PAUSE_MS
        return not self.is_leaving and not (is_paused and self.is_resting(now_ms))

    def reward(self) -> None:
        """Note that it brought something good."""
        self.good += 1
        self.failures = 0


class PeerTable:
    """Connected peers by id, in the order of their connections."""

    def __init__(self) -> None:
        self._peers: dict[Peer, PeerState] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[PeerState]:
        return iter(list(self._peers.values()))

    def add(self, state: PeerState) -> None:
        """Note a new connection; a peer that was here begins anew."""
        self._peers[state.peer] = state

    def remove(self, peer: Peer) -> None:
        """Forget a peer."""
        self._peers.pop(peer, None)

    def get(self, peer: Peer) -> PeerState | None:
        """Return a connected peer."""
        return self._peers.get(peer)

    def compute_patience_ms(self, peer: Peer, least_ms: int) -> int:
        """Return after what time without a peer's answer another one is asked."""
        state = self._peers.get(peer)
        return least_ms if state is None else max(least_ms, min(state.answer_ms * 3 // 2, PATIENCE_MS_MAX))

    def compute_best_seen(self) -> int | None:
        """Return the median of the heights that peers claim, so that one liar moves it little; None without any.

        Peers that failed lately to bring what they claim do not count.
        """
        heights = sorted(
            state.best_number for state in self._peers.values() if state.status is not None and not state.failures
        )
        return heights[len(heights) // 2] if heights else None
