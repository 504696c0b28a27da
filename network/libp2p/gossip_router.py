"""gossipsub 1.1 as a machine: what happened goes in, what is to be sent and delivered comes out. No I/O here.

Terms:
    mesh: for each topic the few peers with whom full messages are exchanged at once.
    heartbeat: once a second the mesh is mended and ids are offered to peers outside it (IHAVE), who ask (IWANT).
    backoff: after a PRUNE neither side grafts the other for a while.
    verdict: ACCEPT forwards, IGNORE drops, REJECT drops and counts against whoever brought the message.

Invariants: no message is forwarded before its verdict; every collection is bounded.

Source: libp2p specification, `pubsub/gossipsub/gossipsub-v1.0.md` and `-v1.1.md`; docs/spec/network.md.
"""

from __future__ import annotations

from random import Random

from network.libp2p.gossip_event import Deliver, Effect, Forward, GossipParams, SendRpc, Verdict
from network.libp2p.gossip_score import PeerScores
from network.libp2p.gossip_wire import GossipMessage, MessageId, Prune, Rpc, compute_message_id
from network.libp2p.message_cache import MessageCache, SeenIds
from network.libp2p.node_key import PeerId
from network.libp2p.protocol_error import LocalProtocolError


class _Peer:
    __slots__ = ("asked", "ihave_frames", "is_outbound", "iwant_bytes", "topics")

    def __init__(self, *, is_outbound: bool) -> None:
        self.is_outbound = is_outbound
        self.topics: set[str] = set()
        self.ihave_frames = self.asked = self.iwant_bytes = 0


class _Pending:
    __slots__ = ("message", "senders")

    def __init__(self, message: GossipMessage, source: PeerId) -> None:
        self.message = message
        self.senders = [source]


class GossipRouter:
    """One node's gossip.

    Attributes:
        mesh: The peers of each topic that we take part in.
        scores: What the peers' behaviour is worth.
    """

    def __init__(self, params: GossipParams, chance: Random) -> None:
        """Chance comes from outside: a seed repeats a history."""
        self._params = params
        self._chance = chance
        self._peers: dict[PeerId, _Peer] = {}
        self._backoff: dict[tuple[str, PeerId], int] = {}
        self._promises: dict[MessageId, tuple[PeerId, int]] = {}
        self._pending: dict[MessageId, _Pending] = {}
        self._seen = SeenIds(params.seen_ms, params.seen_max)
        self._cache = MessageCache(
            windows=params.windows,
            gossip_windows=params.gossip_windows,
            bytes_max=params.cache_bytes_max,
            sends_max=params.iwant_sends_max,
        )
        self._beats = 0
        self.mesh: dict[str, set[PeerId]] = {}
        self.scores = PeerScores(params.score)

    # -- peers and topics

    def add_peer(self, peer: PeerId, *, is_outbound: bool, place: str | None) -> list[Effect]:
        """A peer speaks gossipsub; tell it our topics."""
        self._peers[peer] = _Peer(is_outbound=is_outbound)
        self.scores.add_peer(peer, place)
        if not self.mesh:
            return []
        return [SendRpc(peer, Rpc(subscriptions=tuple((topic, True) for topic in self.mesh)))]

    def remove_peer(self, peer: PeerId, now_ms: int) -> None:
        """A peer is gone."""
        if self._peers.pop(peer, None) is None:
            return
        for members in self.mesh.values():
            members.discard(peer)
        self.scores.remove_peer(peer, now_ms)

    def subscribe(self, topic: str, now_ms: int) -> list[Effect]:
        """Take part in a topic."""
        if topic in self.mesh:
            return []
        self.mesh[topic] = set()
        effects: list[Effect] = [SendRpc(peer, Rpc(subscriptions=((topic, True),))) for peer in self._peers]
        chosen = self._choose(topic, self._params.degree, now_ms)
        return effects + [self._graft(peer, topic, now_ms) for peer in chosen]

    def unsubscribe(self, topic: str, now_ms: int) -> list[Effect]:
        """Leave a topic."""
        members = self.mesh.get(topic, set())
        effects: list[Effect] = [self._prune(peer, topic, now_ms) for peer in list(members)]
        if self.mesh.pop(topic, None) is not None:
            effects += [SendRpc(peer, Rpc(subscriptions=((topic, False),))) for peer in self._peers]
        return effects

    def list_topic_peers(self, topic: str) -> list[PeerId]:
        """Return the peers that want a topic."""
        return [peer for peer, state in self._peers.items() if topic in state.topics]

    # -- messages

    def publish(self, topic: str, data: bytes, now_ms: int) -> list[Effect]:
        """Send a message of ours to everybody who wants it, or to a mesh's worth of them.

        A message that is published again goes out again: peers that know it drop it, those that came since do not.

        Raises:
            LocalProtocolError: larger than a message may be.
        """
        if len(data) > self._params.message_bytes_max:
            raise LocalProtocolError(f"a message of {len(data)} bytes, above {self._params.message_bytes_max}")
        message = GossipMessage(topic, data)
        message_id = compute_message_id(topic, data)
        self._seen.add(message_id, now_ms)
        self._cache.put(message_id, message)
        params = self._params
        able = [p for p in self.list_topic_peers(topic) if self._score(p, now_ms) >= params.publish_score]
        members = self.mesh.get(topic, set())
        if not params.floods_own:
            rest = [peer for peer in able if peer not in members]
            lacking = max(0, params.degree - len(members))
            able = [*members, *self._chance.sample(rest, min(lacking, len(rest)))]
        return [Forward(tuple(able), message)] if able else []

    def on_rpc(self, peer: PeerId, rpc: Rpc, now_ms: int) -> list[Effect]:
        """A peer's frame arrived."""
        state = self._peers.get(peer)
        if state is None:
            return []
        self._on_subscriptions(peer, state, rpc)
        # SPEC NET-22: A peer whose score is below the accept threshold MUST be heard in nothing but its subscriptions.
        if self._score(peer, now_ms) < self._params.accept_score:
            return []
        effects: list[Effect] = []
        for message in rpc.messages:
            effects += self._on_message(peer, message, now_ms)
        if rpc.graft:
            effects += self._on_graft(peer, rpc.graft, now_ms)
        for prune in rpc.prune:
            self._on_prune(peer, prune, now_ms)
        if rpc.ihave:
            effects += self._on_ihave(peer, state, rpc, now_ms)
        if rpc.iwant:
            effects += self._on_iwant(peer, state, rpc, now_ms)
        return effects

    def on_verdict(self, message_id: MessageId, verdict: Verdict, now_ms: int) -> list[Effect]:
        """The application has judged a delivered message."""
        pending = self._pending.pop(message_id, None)
        if pending is None:
            return []
        message, senders = pending.message, pending.senders
        # SPEC NET-23: A message MUST be forwarded only after the verdict ACCEPT; REJECT MUST lower the score of every
        # peer that brought it, IGNORE of none.
        if verdict is Verdict.REJECT:
            for peer in senders:
                self.scores.on_invalid(peer, message.topic)
            return []
        if verdict is Verdict.IGNORE:
            return []
        self.scores.on_first_delivery(senders[0], message.topic)
        for peer in senders[1:]:
            self.scores.on_duplicate(peer, message.topic)
        self._cache.put(message_id, message)
        targets = tuple(peer for peer in self.mesh.get(message.topic, ()) if peer not in senders)
        return [Forward(targets, message)] if targets else []

    # -- once a second

    def heartbeat(self, now_ms: int) -> list[Effect]:
        """Mend the meshes, offer ids, let scores fade."""
        self._beats += 1
        self.scores.decay(now_ms)
        self._seen.forget_old(now_ms)
        self._backoff = {key: until for key, until in self._backoff.items() if until > now_ms}
        self._check_promises(now_ms)
        for state in self._peers.values():
            state.ihave_frames = state.asked = state.iwant_bytes = 0
        effects: list[Effect] = []
        for topic in self.mesh:
            effects += self._mend(topic, now_ms)
            effects += self._offer(topic, now_ms)
        self._cache.shift()
        return effects

    def _mend(self, topic: str, now_ms: int) -> list[Effect]:
        params, members = self._params, self.mesh[topic]
        scores = {peer: self._score(peer, now_ms) for peer in members}
        effects: list[Effect] = [self._prune(peer, topic, now_ms) for peer in list(members) if scores[peer] < 0]
        if len(members) < params.degree_low:
            chosen = self._choose(topic, params.degree - len(members), now_ms)
            effects += [self._graft(peer, topic, now_ms) for peer in chosen]
        elif len(members) > params.degree_high:
            effects += [self._prune(peer, topic, now_ms) for peer in self._choose_surplus(members, scores)]
        outbound = sum(self._peers[peer].is_outbound for peer in members)
        if params.degree_low <= len(members) and outbound < params.degree_outbound:
            chosen = self._choose(topic, params.degree_outbound - outbound, now_ms, is_outbound=True)
            effects += [self._graft(peer, topic, now_ms) for peer in chosen]
        if self._beats % 60 == 0 and len(members) > 1:
            median = sorted(self._score(peer, now_ms) for peer in members)[len(members) // 2]
            if median < params.graft_median:
                better = self._choose(topic, 2, now_ms, score_min=median)
                effects += [self._graft(peer, topic, now_ms) for peer in better]
        return effects

    def _choose_surplus(self, members: set[PeerId], scores: dict[PeerId, float]) -> list[PeerId]:
        """Return who leaves: all but the best few and a random rest, with enough of those that we dialled."""
        params = self._params
        ranked = list(members)
        self._chance.shuffle(ranked)
        ranked.sort(key=lambda peer: -scores.get(peer, 0.0))
        tail = ranked[params.degree_score :]
        self._chance.shuffle(tail)
        kept = ranked[: params.degree_score] + tail[: params.degree - params.degree_score]
        lacking = params.degree_outbound - sum(self._peers[peer].is_outbound for peer in kept)
        spare = [peer for peer in members if peer not in kept and self._peers[peer].is_outbound]
        if lacking > 0 and spare:
            moved = spare[:lacking]
            inbound = [peer for peer in kept[params.degree_score :] if not self._peers[peer].is_outbound]
            for out, new in zip(inbound, moved, strict=False):
                kept[kept.index(out)] = new
        return [peer for peer in members if peer not in kept]

    def _offer(self, topic: str, now_ms: int) -> list[Effect]:
        ids = self._cache.list_ids(topic)
        if not ids:
            return []
        params, members = self._params, self.mesh[topic]
        able = [p for p in self.list_topic_peers(topic) if p not in members]
        able = [peer for peer in able if self._score(peer, now_ms) >= params.gossip_score]
        count = min(len(able), max(params.degree_lazy, len(able) // 4))
        offered = tuple(ids[: params.ihave_ids_max])
        return [SendRpc(peer, Rpc(ihave=((topic, offered),))) for peer in self._chance.sample(able, count)]

    def _check_promises(self, now_ms: int) -> None:
        for message_id, (peer, until) in list(self._promises.items()):
            if until <= now_ms:
                del self._promises[message_id]
                self.scores.on_misbehaviour(peer)

    # -- what a peer's frame holds

    def _on_subscriptions(self, peer: PeerId, state: _Peer, rpc: Rpc) -> None:
        for topic, wanted in rpc.subscriptions:
            if not wanted:
                state.topics.discard(topic)
                self.mesh.get(topic, set()).discard(peer)
            elif len(state.topics) < self._params.peer_topics_max:
                state.topics.add(topic)

    def _on_message(self, peer: PeerId, message: GossipMessage, now_ms: int) -> list[Effect]:
        if message.topic not in self.mesh:
            return []
        message_id = compute_message_id(message.topic, message.data)
        self._promises.pop(message_id, None)
        if len(message.data) > self._params.message_bytes_max:
            self.scores.on_invalid(peer, message.topic)
            return []
        if not self._seen.add(message_id, now_ms):
            pending = self._pending.get(message_id)
            if pending is not None and peer not in pending.senders:
                pending.senders.append(peer)
            elif pending is None:
                self.scores.on_duplicate(peer, message.topic)
            return []
        self._pending[message_id] = _Pending(message, peer)
        if len(self._pending) > self._params.pending_max:
            del self._pending[next(iter(self._pending))]  # counts as IGNORE
        return [Deliver(message_id, message, peer)]

    def _on_graft(self, peer: PeerId, topics: tuple[str, ...], now_ms: int) -> list[Effect]:
        effects: list[Effect] = []
        for topic in topics:
            members = self.mesh.get(topic)
            if members is None or peer in members:
                continue
            is_early = self._backoff.get((topic, peer), 0) > now_ms
            is_full = len(members) >= self._params.degree_high and not self._peers[peer].is_outbound
            if is_early:
                self.scores.on_misbehaviour(peer)
            if is_early or is_full or self._score(peer, now_ms) < 0:
                effects.append(self._prune(peer, topic, now_ms))
                continue
            self._peers[peer].topics.add(topic)
            members.add(peer)
            self.scores.on_graft(peer, topic, now_ms)
        return effects

    def _on_prune(self, peer: PeerId, prune: Prune, now_ms: int) -> None:
        members = self.mesh.get(prune.topic)
        if members is None:
            return
        if peer in members:
            members.discard(peer)
            self.scores.on_prune(peer, prune.topic, now_ms)
        wait_ms = min(prune.backoff_s * 1000, 60 * self._params.backoff_ms) or self._params.backoff_ms
        self._set_backoff(prune.topic, peer, max(self._backoff.get((prune.topic, peer), 0), now_ms + wait_ms))

    def _on_ihave(self, peer: PeerId, state: _Peer, rpc: Rpc, now_ms: int) -> list[Effect]:
        state.ihave_frames += 1
        if state.ihave_frames > self._params.ihave_frames_max:
            return []
        if self._score(peer, now_ms) < self._params.gossip_score:
            return []
        room = self._params.ihave_ids_max - state.asked
        wanted = [
            message_id
            for topic, ids in rpc.ihave
            if topic in self.mesh
            for message_id in ids
            if message_id not in self._seen and message_id not in self._promises
        ]
        wanted = list(dict.fromkeys(wanted))[: max(0, room)]
        if not wanted:
            return []
        state.asked += len(wanted)
        self._chance.shuffle(wanted)
        self._promises[wanted[0]] = (peer, now_ms + self._params.promise_ms)  # one stands for all
        return [SendRpc(peer, Rpc(iwant=tuple(wanted)))]

    def _on_iwant(self, peer: PeerId, state: _Peer, rpc: Rpc, now_ms: int) -> list[Effect]:
        if self._score(peer, now_ms) < self._params.gossip_score:
            return []
        effects: list[Effect] = []
        for message_id in dict.fromkeys(rpc.iwant):
            if state.iwant_bytes > self._params.iwant_bytes_max:
                break
            message = self._cache.take_for(message_id, peer)
            if message is not None:
                state.iwant_bytes += len(message.data)
                effects.append(Forward((peer,), message))
        return effects

    # -- the mesh

    def _choose(
        self, topic: str, count: int, now_ms: int, *, is_outbound: bool = False, score_min: float = 0.0
    ) -> list[PeerId]:
        """Return random peers that may be grafted."""
        members = self.mesh[topic]
        able = [
            peer
            for peer in self.list_topic_peers(topic)
            if peer not in members
            and self._backoff.get((topic, peer), 0) <= now_ms
            and self._score(peer, now_ms) >= score_min
            and (self._peers[peer].is_outbound or not is_outbound)
        ]
        return self._chance.sample(able, min(max(count, 0), len(able)))

    def _graft(self, peer: PeerId, topic: str, now_ms: int) -> Effect:
        self.mesh[topic].add(peer)
        self.scores.on_graft(peer, topic, now_ms)
        return SendRpc(peer, Rpc(graft=(topic,)))

    def _prune(self, peer: PeerId, topic: str, now_ms: int) -> Effect:
        self.mesh[topic].discard(peer)
        self.scores.on_prune(peer, topic, now_ms)
        self._set_backoff(topic, peer, now_ms + self._params.backoff_ms)
        return SendRpc(peer, Rpc(prune=(Prune(topic, self._params.backoff_ms // 1000),)))

    def _set_backoff(self, topic: str, peer: PeerId, until_ms: int) -> None:
        self._backoff[(topic, peer)] = until_ms
        if len(self._backoff) > self._params.backoffs_max:
            del self._backoff[next(iter(self._backoff))]

    def _score(self, peer: PeerId, now_ms: int) -> float:
        return self.scores.compute_score(peer, now_ms)
