"""What a peer's behaviour is worth: gossipsub 1.1's score. No I/O here.

    score = sum over topics of weight * (P1 time in mesh + P2 first deliveries + P3 deliveries missing in the mesh
            + P3b failures at leaving it + P4 invalid messages) + P6 peers at one place
            + P7 misbehaviour

P5, the application's opinion, is left out: our application bans by itself. P1 and P2 may raise a score; all others
lower it. Scores of peers that left with a bad one are kept, so that coming back does not wash them. A score is a float
and decides nothing that two nodes must agree on.

Source: libp2p specification, `pubsub/gossipsub/gossipsub-v1.1.md#peer-scoring`.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from network.libp2p.node_key import PeerId

_KEPT_MAX = 1_024
_ZERO = 0.01


class ScoreParams(msgspec.Struct, frozen=True, kw_only=True):
    """Weights, caps and decays (per second); thresholds are the router's.

    Attributes:
        mesh_deliveries_min: Deliveries expected of a mesh peer, decayed; P3 counts only where this is above 0.
        place_peers_max: Peers at one IP address before P6 counts.
        kept_ms: How long a bad score outlives its connection.
    """

    time_in_mesh_weight: float = 0.01
    time_in_mesh_max_s: float = 600.0
    first_weight: float = 0.5
    first_max: float = 40.0
    first_decay: float = 0.99
    mesh_deliveries_weight: float = -0.5
    mesh_deliveries_min: float = 0.0
    mesh_deliveries_decay: float = 0.99
    mesh_grace_ms: int = 30_000
    invalid_weight: float = -20.0
    invalid_decay: float = 0.998
    place_weight: float = -5.0
    place_peers_max: int = 4
    behaviour_weight: float = -10.0
    behaviour_decay: float = 0.99
    behaviour_free: float = 2.0
    kept_ms: int = 600_000


class _TopicStats:
    __slots__ = ("failure", "first", "invalid", "mesh_deliveries", "mesh_since_ms")

    def __init__(self) -> None:
        self.mesh_since_ms: int | None = None
        self.first = self.mesh_deliveries = self.failure = self.invalid = 0.0


class _PeerStats:
    __slots__ = ("behaviour", "left_ms", "place", "topics")

    def __init__(self, place: str | None) -> None:
        self.topics: dict[str, _TopicStats] = {}
        self.behaviour = 0.0
        self.place = place
        self.left_ms: int | None = None


class PeerScores:
    """The scores of all peers."""

    def __init__(self, params: ScoreParams) -> None:
        """Nobody is known."""
        self._params = params
        self._peers: dict[PeerId, _PeerStats] = {}
        self._places: Counter[str] = Counter()
        self._decayed_ms: int | None = None

    def add_peer(self, peer: PeerId, place: str | None) -> None:
        """Begin, or go on, to score a peer; `place` is its IP address where that says something."""
        stats = self._peers.setdefault(peer, _PeerStats(place))
        stats.left_ms, stats.place = None, place
        if place is not None:
            self._places[place] += 1

    def remove_peer(self, peer: PeerId, now_ms: int) -> None:
        """Forget a peer, unless its score is bad."""
        stats = self._peers.get(peer)
        if stats is None or stats.left_ms is not None:
            return
        if stats.place is not None:
            self._places[stats.place] -= 1
            if not self._places[stats.place]:
                del self._places[stats.place]
        for topic in stats.topics:
            self.on_prune(peer, topic, now_ms)
        if self.compute_score(peer, now_ms) >= 0 or len(self._peers) > _KEPT_MAX:
            del self._peers[peer]
        else:
            stats.left_ms = now_ms

    def compute_score(self, peer: PeerId, now_ms: int) -> float:
        """Return the peer's score; 0 for who is not known."""
        stats = self._peers.get(peer)
        if stats is None:
            return 0.0
        params = self._params
        score = 0.0
        for topic in stats.topics.values():
            score += self._score_topic(topic, now_ms)
        if stats.place is not None:
            surplus = self._places[stats.place] - params.place_peers_max
            score += params.place_weight * surplus * surplus if surplus > 0 else 0.0
        excess = stats.behaviour - params.behaviour_free
        return score + (params.behaviour_weight * excess * excess if excess > 0 else 0.0)

    def on_graft(self, peer: PeerId, topic: str, now_ms: int) -> None:
        """The peer is in our mesh from now on."""
        stats = self._find(peer, topic)
        if stats is not None:
            stats.mesh_since_ms, stats.mesh_deliveries = now_ms, 0.0

    def on_prune(self, peer: PeerId, topic: str, now_ms: int) -> None:
        """The peer has left our mesh; what it failed to deliver stays with it."""
        stats = self._find(peer, topic)
        if stats is not None and stats.mesh_since_ms is not None:
            stats.failure += self._compute_deficit(stats, now_ms)
            stats.mesh_since_ms = None

    def on_first_delivery(self, peer: PeerId, topic: str) -> None:
        """The peer was the first to bring a valid message."""
        stats = self._find(peer, topic)
        if stats is not None:
            stats.first = min(stats.first + 1, self._params.first_max)
            self._count_mesh_delivery(stats)

    def on_duplicate(self, peer: PeerId, topic: str) -> None:
        """The peer brought a valid message soon after the first."""
        stats = self._find(peer, topic)
        if stats is not None:
            self._count_mesh_delivery(stats)

    def on_invalid(self, peer: PeerId, topic: str) -> None:
        """The peer brought a message that was rejected."""
        stats = self._find(peer, topic)
        if stats is not None:
            stats.invalid += 1

    def on_misbehaviour(self, peer: PeerId, count: float = 1.0) -> None:
        """The peer broke a promise, or asked again too early."""
        stats = self._peers.get(peer)
        if stats is not None:
            stats.behaviour += count

    def decay(self, now_ms: int) -> None:
        """Let a second's worth of the past fade for each second since the last call, and forget who left long ago."""
        seconds = 0.0 if self._decayed_ms is None else (now_ms - self._decayed_ms) / 1000
        self._decayed_ms = now_ms
        params = self._params
        first, mesh = params.first_decay**seconds, params.mesh_deliveries_decay**seconds
        invalid, behaviour = params.invalid_decay**seconds, params.behaviour_decay**seconds
        for peer, stats in list(self._peers.items()):
            if stats.left_ms is not None and now_ms - stats.left_ms > params.kept_ms:
                del self._peers[peer]
                continue
            stats.behaviour = _fade(stats.behaviour, behaviour)
            for topic in stats.topics.values():
                topic.first, topic.mesh_deliveries = _fade(topic.first, first), _fade(topic.mesh_deliveries, mesh)
                topic.failure, topic.invalid = _fade(topic.failure, mesh), _fade(topic.invalid, invalid)

    def _score_topic(self, topic: _TopicStats, now_ms: int) -> float:
        params = self._params
        score = params.first_weight * topic.first + params.invalid_weight * topic.invalid * topic.invalid
        if topic.mesh_since_ms is not None:
            seconds = min((now_ms - topic.mesh_since_ms) / 1000, params.time_in_mesh_max_s)
            score += params.time_in_mesh_weight * seconds
        return score + params.mesh_deliveries_weight * (self._compute_deficit(topic, now_ms) + topic.failure)

    def _compute_deficit(self, topic: _TopicStats, now_ms: int) -> float:
        params = self._params
        if topic.mesh_since_ms is None or now_ms - topic.mesh_since_ms < params.mesh_grace_ms:
            return 0.0
        missing = params.mesh_deliveries_min - topic.mesh_deliveries
        return missing * missing if missing > 0 else 0.0

    def _count_mesh_delivery(self, stats: _TopicStats) -> None:
        if stats.mesh_since_ms is not None:
            stats.mesh_deliveries = min(stats.mesh_deliveries + 1, 10 * self._params.mesh_deliveries_min + 1)

    def _find(self, peer: PeerId, topic: str) -> _TopicStats | None:
        stats = self._peers.get(peer)
        return None if stats is None else stats.topics.setdefault(topic, _TopicStats())


def _fade(value: float, factor: float) -> float:
    value *= factor
    return value if value > _ZERO else 0.0
