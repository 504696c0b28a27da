"""The votes that the node's own chain carries, looked up where a vote might contradict them.

A node remembers the votes of the last while (`node.core.vote_pool`). Its chain remembers all that were included, over
restarts too; so a vote for a checkpoint of long ago is compared with what its key has signed here.

Terms:
    trail: the votes of a ballot, read from the bodies of the blocks that may carry them.

Invariant: a look-up reads at most `SPAN_MAX` ballots on either side of a vote's target; `BALLOTS_KEPT_MAX` of those
that cannot change any more are remembered.
"""

from __future__ import annotations

from itertools import islice

from consensus.finality import SignedVote, Vote, is_slashable
from node.core.importer import Importer
from node.core.voting import list_included_votes

SPAN_MAX = 16
BALLOTS_KEPT_MAX = 64


class VoteTrail:
    """Looks votes up."""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer
        self._step = importer.params.finality.checkpoint_blocks
        self._kept: dict[bytes, dict[bytes, SignedVote]] = {}

    def find_conflict(self, signed: SignedVote) -> SignedVote | None:
        """Return a vote of the node's chain that is evidence together with this one, None if none was found."""
        for height in self._list_heights(signed.vote):
            other = self._read_ballot(height).get(signed.key)
            if other is not None and is_slashable(other.vote, signed.vote):
                return other
        return None

    def _list_heights(self, vote: Vote) -> list[int]:
        """Return the checkpoints whose ballots may hold a contradiction: its own, those in its link, those above it."""
        source, target, head = vote.source.height, vote.target.height, self._importer.head.number
        within = range(min(target - self._step, head - head % self._step), source, -self._step)
        above = range(target + self._step, head + 1, self._step)
        own = [target] if target <= head else []
        return [*own, *islice(within, SPAN_MAX), *islice(above, SPAN_MAX)]

    def _read_ballot(self, height: int) -> dict[bytes, SignedVote]:
        """Return the votes for the checkpoint of a height, by key."""
        importer, found = self._importer, dict[bytes, SignedVote]()
        checkpoint = importer.chain.get_hash(height)
        if checkpoint is None:
            return found
        if checkpoint in self._kept:
            return self._kept[checkpoint]
        last = height + self._step - 1
        for number in range(height + 1, min(last, importer.head.number) + 1):
            body = importer.chain.get_body(importer.chain.get_hash(number) or b"")
            for signed in list_included_votes(body or ()):
                if signed.vote.target.hash == checkpoint:
                    found[signed.key] = signed
        if last <= importer.final.number:
            self._kept[checkpoint] = found
            if len(self._kept) > BALLOTS_KEPT_MAX:
                del self._kept[next(iter(self._kept))]
        return found
