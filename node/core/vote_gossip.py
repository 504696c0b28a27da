"""Judges the votes that peers bring: pass on, drop, or drop and blame.

Terms:
    stale: for a checkpoint that is final already or below.
    evidence: both votes of an offence in one message, told apart from a vote by its length.
    held: a vote for a block that this node does not know, by a key that it does not know as a voter's; the peer may be
        ahead of us. It is judged again when the block arrives.

Invariants: no more than `HELD_MAX` votes are held, and `HELD_PEER_MAX` of one peer, the oldest are ignored; a peer is
blamed only for what no honest node would pass on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from chain.state_tree import StatePruned
from consensus.finality import (
    BadEvidence,
    BadVote,
    Evidence,
    SignedVote,
    Vote,
    check_signed_vote,
    decode_signed_vote,
    is_checkpoint,
)
from network.port import GossipReceived, JudgeGossip, Peer, Punish
from node.core.branch_states import SideStateMissing
from node.core.effects import Effect
from node.core.importer import Importer
from node.core.offences import EVIDENCE_BYTES, OffenceRefused, decode_evidence
from node.core.vote_box import VoteBox
from runtime.queries import get_validator_sets

BAD_SIGNATURE_POINTS = 50
GARBAGE_POINTS = 25
HELD_MAX = 256
HELD_PEER_MAX = 64
VOTERS_KEPT_MAX = 16
HORIZON_CHECKPOINTS = 4

Opinion: TypeAlias = Literal["accept", "keep", "ignore", "reject", "forged", "hold"]


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A vote, and who brought it."""

    peer: Peer
    message_id: bytes
    signed: SignedVote


class VoteGossip:
    """The verdicts on the topic `votes`."""

    def __init__(self, importer: Importer, box: VoteBox, take: Callable[[SignedVote], list[Effect]]) -> None:
        """Begin with nothing held.

        Args:
            box: Says what is known, and what there is room for; gets all evidence that is accepted.
            take: Gets every vote that is accepted.
        """
        self._importer = importer
        self._box = box
        self._pool = box.pool
        self._take = take
        self._held: dict[bytes, Arrival] = {}
        self._voters: dict[bytes, frozenset[bytes]] = {}

    def on_gossip(self, event: GossipReceived) -> list[Effect]:
        """Judge a message; without a verdict among the effects it waits for its target."""
        # SPEC VOT-05: A gossiped vote MUST be rejected that is malformed, of another chain, badly signed, or by a key
        # that may not vote, for its target or as VOT-11 has it.
        if len(event.data) == EVIDENCE_BYTES:
            return self._on_evidence(event)
        try:
            signed = decode_signed_vote(event.data)
        except BadVote as error:
            rejection = JudgeGossip(message_id=event.message_id, verdict="reject")
            return [rejection, Punish(peer=event.peer, points=GARBAGE_POINTS, reason=f"sent what is no vote: {error}")]
        return self._act(Arrival(peer=event.peer, message_id=event.message_id, signed=signed))

    def _on_evidence(self, event: GossipReceived) -> list[Effect]:
        try:
            evidence = decode_evidence(event.data)
            self._box.offences.check(evidence)
        except OffenceRefused:
            return [JudgeGossip(message_id=event.message_id, verdict="ignore")]
        except (BadEvidence, BadVote) as error:
            rejection = JudgeGossip(message_id=event.message_id, verdict="reject")
            reason = f"sent what is no evidence: {error}"
            return [rejection, Punish(peer=event.peer, points=BAD_SIGNATURE_POINTS, reason=reason)]
        return [JudgeGossip(message_id=event.message_id, verdict="accept"), *self._box.add_offence(evidence)]

    def on_found(self, signed: SignedVote) -> list[Effect]:
        """Take a vote that nobody vouches for, but its signature; whoever brought it is not blamed."""
        if not self._is_formed(signed.vote) or self._pool.has(signed.key, signed.vote):
            return []
        return self._take(signed) if self._judge_stale(signed) in ("accept", "keep") else []

    def on_block(self, block_hash: bytes) -> list[Effect]:
        """Judge the votes again that waited for a block."""
        waiting = [item for item, arrival in self._held.items() if arrival.signed.vote.target.hash == block_hash]
        effects: list[Effect] = []
        for message_id in waiting:
            effects += self._act(self._held.pop(message_id))
        return effects

    def _act(self, arrival: Arrival) -> list[Effect]:
        opinion = self._judge(arrival.signed)
        match opinion:
            case "hold":
                return self._hold(arrival)
            case "accept":
                return [JudgeGossip(message_id=arrival.message_id, verdict="accept"), *self._take(arrival.signed)]
            case "keep":
                return [JudgeGossip(message_id=arrival.message_id, verdict="ignore"), *self._take(arrival.signed)]
            case "forged":
                rejection = JudgeGossip(message_id=arrival.message_id, verdict="reject")
                reason = "sent a vote with a wrong signature"
                return [rejection, Punish(peer=arrival.peer, points=BAD_SIGNATURE_POINTS, reason=reason)]
            case _:
                return [JudgeGossip(message_id=arrival.message_id, verdict=opinion)]

    def _judge(self, signed: SignedVote) -> Opinion:
        vote, blocks = signed.vote, self._importer.blocks
        target, known = vote.target, vote.target.hash in blocks
        if not self._is_formed(vote):
            return "reject"
        # SPEC VOT-06: A gossiped vote MUST be ignored, without blame, that is known, too far ahead, or stale and no
        # contradiction of a known one.
        step = self._importer.params.finality.checkpoint_blocks
        horizon = self._importer.head.number + HORIZON_CHECKPOINTS * step
        if target.height > horizon or self._pool.has(signed.key, vote):
            return "ignore"
        if target.height <= self._importer.final.number:
            return self._judge_stale(signed)
        if known and blocks.get(target.hash).number != target.height:
            return self._judge_stranger(signed)
        voters = self._find_voters(target.hash if known else self._importer.head.hash)
        if voters is None:
            return "ignore"
        if signed.key not in voters:
            # SPEC VOT-07: A vote by an unknown key for an unknown block MUST be held in bounded memory and judged when
            # the block arrives.
            return self._judge_stranger(signed) if known else "hold"
        return self._judge_signature(signed)

    def _is_formed(self, vote: Vote) -> bool:
        """Say whether a vote is a link between checkpoints of this chain."""
        finality, source, target = self._importer.params.finality, vote.source.height, vote.target.height
        is_between = is_checkpoint(target, finality) and is_checkpoint(source, finality) and source < target
        return is_between and vote.genesis == self._importer.chain.genesis_hash

    def _judge_stale(self, signed: SignedVote) -> Opinion:
        """Judge a vote that no block can take any more: it may still be half of an offence."""
        key, offences = signed.key, self._box.offences
        standing = offences.find_standing(Evidence(one=signed, two=signed))
        if key in offences or standing != "open":
            return "ignore"
        opinion = self._judge_signature(signed)
        # SPEC VOT-15: A stale vote of a known key MUST be compared with the votes that the node has seen and with those
        # in its chain, and kept for a later comparison.
        if opinion != "accept" or self._pool.find_conflict(signed) or self._box.trail.find_conflict(signed):
            return opinion
        return "keep" if self._pool.is_open_to(key) else "ignore"

    def _judge_stranger(self, signed: SignedVote) -> Opinion:
        """Judge a vote that cannot count for its target, which nodes that lack the target cannot see."""
        self._find_voters(self._importer.head.hash)
        # SPEC VOT-11: A vote that cannot count for a known block MUST be ignored, without blame, if its key may vote
        # elsewhere on the chain, as nodes without the block pass it on.
        return "ignore" if any(signed.key in voters for voters in self._voters.values()) else "reject"

    def _judge_signature(self, signed: SignedVote) -> Opinion:
        if not self._pool.has_room(signed):
            return "ignore"
        try:
            check_signed_vote(signed)
        except BadVote:
            return "forged"
        return "accept"

    def _find_voters(self, block_hash: bytes) -> frozenset[bytes] | None:
        """Return the keys that may vote for a block, None if its state is out of reach."""
        found = self._voters.get(block_hash)
        if found is None:
            try:
                sets = get_validator_sets(self._importer.states.get_view(block_hash))
            except (StatePruned, SideStateMissing):
                return None
            found = frozenset(member.key for members in (sets.previous, sets.current) for member in members)
            self._voters[block_hash] = found
            if len(self._voters) > VOTERS_KEPT_MAX:
                del self._voters[next(iter(self._voters))]
        return found

    def _hold(self, arrival: Arrival) -> list[Effect]:
        """Let a vote wait; the oldest gives way, of the same peer if that has its share already."""
        own = [message_id for message_id, other in self._held.items() if other.peer == arrival.peer]
        self._held[arrival.message_id] = arrival
        if len(own) >= HELD_PEER_MAX:
            oldest = own[0]
        elif len(self._held) > HELD_MAX:
            oldest = next(iter(self._held))
        else:
            return []
        del self._held[oldest]
        return [JudgeGossip(message_id=oldest, verdict="ignore")]
