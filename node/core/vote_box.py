"""Votes and evidence on their way into a block: the pool, the conflicts found, and the choice for a template.

Terms:
    news: a vote or evidence that fits the block after the head and that the present template lacks.
    urgent: news that completes two thirds of the stake, so that a checkpoint is justified by the next block.

Invariant: what `choose` returns may stand in the block after the present head, as far as the runtime says beforehand.
"""

from __future__ import annotations

import msgspec

from consensus.ballot import Ballot, VoterSets, is_justifying, make_vote
from consensus.finality import Evidence, SignedVote, Vote
from node.core.effects import Effect
from node.core.importer import Importer
from node.core.offences import Offences
from node.core.vote_pool import make_pool
from node.core.vote_trail import VoteTrail
from node.core.voting import Enclosed, OffenceBook
from runtime.pallets.finality import find_next_ballot
from runtime.queries import get_validator_sets
from runtime.storage import Overlay

REFRESH_MS = 500


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """Which votes the block after a head takes.

    Attributes:
        wanted: The one vote that it takes, under any voter's key; None where it takes none.
        voters: Keys that may vote and have not done so on this chain.
    """

    head_hash: bytes
    sets: VoterSets
    wanted: Vote | None
    voters: frozenset[bytes]


class VoteBox:
    """What this node's next block carries beside extrinsics."""

    def __init__(self, importer: Importer, book: OffenceBook | None = None) -> None:
        self.pool = make_pool(importer.params)
        self.trail = VoteTrail(importer)
        self.offences = Offences(importer, book)
        self._importer = importer
        self._opening: Opening | None = None
        self._has_news = False
        self._is_urgent = False

    def add(self, signed: SignedVote) -> list[Effect]:
        """Keep a vote whose signature and voter were checked; tell everybody of a conflict."""
        if self.pool.has(signed.key, signed.vote):
            return []
        conflict = self.pool.add(signed)
        if self.is_includable(signed):
            self._has_news = True
            self._is_urgent = self._is_urgent or self._completes(signed)
        if conflict is None and signed.key not in self.offences:
            other = self.trail.find_conflict(signed)
            conflict = None if other is None else Evidence(one=other, two=signed)
        return [] if conflict is None else self.add_offence(conflict)

    def add_offence(self, evidence: Evidence) -> list[Effect]:
        """Keep evidence that was checked, and tell everybody."""
        is_known = evidence.one.key in self.offences
        effects = self.offences.add(evidence)
        self._has_news = self._has_news or (not is_known and evidence.one.key in self.offences)
        return effects

    def choose(self) -> Enclosed:
        """Return the votes and the evidence for the block after the head."""
        wanted = self.get_opening().wanted
        found = () if wanted is None else self.pool.iterate_target(wanted.target.height, wanted.target.hash)
        votes = tuple(signed for signed in found if self.is_includable(signed))
        return Enclosed(votes=votes, evidence=self.offences.choose())

    def is_includable(self, signed: SignedVote) -> bool:
        """Return whether the block after the head may carry a vote whose signature was checked."""
        opening = self.get_opening()
        return signed.vote == opening.wanted and signed.key in opening.voters

    def get_opening(self) -> Opening:
        """Return which votes the block after the head takes; read from the state once a head."""
        importer, found = self._importer, self._opening
        if found is not None and found.head_hash == importer.head.hash:
            return found
        view, head, sets = importer.chain.state, importer.head, get_validator_sets(importer.chain.state)
        ballot = find_next_ballot(Overlay(view), head, importer.params)
        keys = frozenset(voter.key for voters in (sets.previous, sets.current) for voter in voters)
        self._opening = Opening(
            head_hash=head.hash,
            sets=sets,
            wanted=None if ballot is None else make_vote(ballot, importer.chain.genesis_hash),
            voters=keys if ballot is None else keys.difference(ballot.voters),
        )
        return self._opening

    def is_refresh_due(self, made_ms: int, now_ms: int) -> bool:
        """Return whether a template made then is worth replacing for what it lacks."""
        # SPEC VOT-09: A template MUST be made anew for new votes, at once when they complete two thirds of the stake.
        return self._is_urgent or (self._has_news and now_ms - made_ms >= REFRESH_MS)

    def on_template(self) -> None:
        """The author has taken what is there."""
        self._has_news = self._is_urgent = False

    def _completes(self, signed: SignedVote) -> bool:
        """Return whether this vote makes two thirds of both sets, counting those that blocks carry already."""
        target, sets = signed.vote.target, self.get_opening().sets
        known = self.pool.iterate_target(target.height, target.hash)
        keys = tuple(kept.key for kept in known if kept.vote == signed.vote)
        ballot = Ballot(source=signed.vote.source, target=target, voters=keys)
        was = msgspec.structs.replace(ballot, voters=tuple(key for key in keys if key != signed.key))
        return is_justifying(ballot, sets) and not is_justifying(was, sets)
