"""The votes that the node's own chain carries, looked up where a vote might contradict them.

A node remembers the votes of the last while (`node.core.vote_pool`), and after a restart reads those above the final
block again. Its chain remembers all that were included; so a vote for a final height, or around one, is compared with
what its key has signed here.

Terms:
    trail: the votes of a ballot, read from the bodies of the blocks that may carry them.

Invariants: a look-up reads at most `SPAN_MAX` ballots on either side of a vote's target, all final;
`BALLOTS_KEPT_MAX` ballots are remembered, and the blocks read for others stay within `READING`.
"""

from __future__ import annotations

from itertools import islice

from consensus.finality import SignedVote, Vote, is_slashable
from network.rates import Rate, TokenBucket
from node.core.importer import Importer
from node.core.voting import list_included_votes

SPAN_MAX = 16
BALLOTS_KEPT_MAX = 64
READING = Rate(per_s=500, burst=4_000)


class VoteTrail:
    """Looks votes up."""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer
        self._step = importer.params.finality.checkpoint_blocks
        self._kept: dict[bytes, dict[bytes, SignedVote]] = {}
        self._reading = TokenBucket(READING, 0)
        self._now_ms = 0

    def on_tick(self, now_ms: int) -> None:
        """Note the time, by which what may be read comes back."""
        self._now_ms = now_ms

    def find_conflict(self, signed: SignedVote) -> SignedVote | None:
        """Return a vote of the node's chain that is evidence together with this one, None if none was found."""
        for height in self._list_heights(signed.vote):
            other = self._read_ballot(height).get(signed.key)
            if other is not None and is_slashable(other.vote, signed.vote):
                return other
        return None

    def _list_heights(self, vote: Vote) -> list[int]:
        """Return the checkpoints whose ballots may hold a contradiction: its own, those in its link, those above it."""
        source, target, final = vote.source.height, vote.target.height, self._importer.final.number
        within = range(min(target - self._step, final - final % self._step), source, -self._step)
        above = range(target + self._step, final + 1, self._step)
        own = [target] if target <= final else []
        return [*own, *islice(within, SPAN_MAX), *islice(above, SPAN_MAX)]

    def _read_ballot(self, height: int) -> dict[bytes, SignedVote]:
        """Return the votes for the checkpoint of a height, by key."""
        importer, found = self._importer, dict[bytes, SignedVote]()
        checkpoint = importer.chain.get_hash(height)
        if checkpoint is None:
            return found
        if checkpoint in self._kept:
            return self._kept[checkpoint]
        if not self._reading.has(self._step, self._now_ms):
            return found
        self._reading.spend(self._step)
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
