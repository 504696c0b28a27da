"""The signed votes this node knows, by key: what a block may carry, and what contradicts itself.

Terms:
    conflict: two votes of a key that no honest validator signs both (same target height, or one around the other).

Invariants: no more than `keys_max` keys and `key_votes_max` votes a key, the lowest targets go first; of one key and
target height at most two votes, which is what evidence takes. Whoever adds has checked the signature.
"""

from __future__ import annotations

from collections.abc import Iterator

from consensus.finality import Evidence, SignedVote, Vote, is_slashable

HEIGHT_VOTES_MAX = 2


class VotePool:
    """Bounded memory of votes."""

    def __init__(self, *, keys_max: int = 256, key_votes_max: int = 64) -> None:
        self._keys_max = keys_max
        self._key_votes_max = key_votes_max
        self._votes: dict[bytes, list[SignedVote]] = {}

    def __len__(self) -> int:
        return sum(len(votes) for votes in self._votes.values())

    def has(self, key: bytes, vote: Vote) -> bool:
        """Return whether a vote is known, whatever the bytes of its signature."""
        return any(kept.vote == vote for kept in self._votes.get(key, ()))

    def contradicts(self, signed: SignedVote) -> bool:
        """Return whether a vote and one that is kept are evidence."""
        return any(is_slashable(kept.vote, signed.vote) for kept in self._votes.get(signed.key, ()))

    def has_room(self, signed: SignedVote) -> bool:
        """Return whether a vote would be kept: its height is not full, and not below all that are kept."""
        votes = self._votes.get(signed.key, [])
        height = signed.vote.target.height
        if sum(kept.vote.target.height == height for kept in votes) >= HEIGHT_VOTES_MAX:
            return False
        return len(votes) < self._key_votes_max or height > votes[0].vote.target.height

    def add(self, signed: SignedVote) -> Evidence | None:
        """Keep a vote whose signature was checked; return a conflict with one that is kept."""
        if self.has(signed.key, signed.vote) or not self.has_room(signed):
            return None
        votes = self._votes.pop(signed.key, [])
        others = [kept for kept in votes if is_slashable(kept.vote, signed.vote)]
        votes.append(signed)
        votes.sort(key=lambda kept: kept.vote.target.height)
        del votes[: -self._key_votes_max]
        self._votes[signed.key] = votes
        while len(self._votes) > self._keys_max:
            del self._votes[next(iter(self._votes))]
        return Evidence(one=others[0], two=signed) if others else None

    def iterate_target(self, height: int, block_hash: bytes) -> Iterator[SignedVote]:
        """Yield the votes for one checkpoint."""
        for votes in self._votes.values():
            for signed in votes:
                if signed.vote.target.height == height and signed.vote.target.hash == block_hash:
                    yield signed
