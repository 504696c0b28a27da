"""The signed votes this node knows, by key: what a block may carry, and what contradicts itself.

Terms:
    conflict: two votes of a key that no honest validator signs both (same target height, or one around the other).

A vote that many validators signed is kept once, with a signature for each of them: 220 bytes a signature, so the pool
takes 7 MB at most from honest validators, and 35 MB where every vote is another one.

Invariants: no more than `keys_max` keys, `key_votes_max` votes a key and `votes_max` in all, the lowest targets go
first; of one key and target height at most two votes, which is what evidence takes. Whoever adds has checked the
signature.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from chain.params import Params
from consensus.finality import Checkpoint, Evidence, SignedVote, Vote, is_slashable

HEIGHT_VOTES_MAX = 2
KEYS_A_VALIDATOR = 4
KEY_VOTES_MAX = 1_024
VOTES_MAX = 32_768
SPARE_CHECKPOINTS = 8


def make_pool(params: Params) -> VotePool:
    """Return a pool that reaches as far back as evidence counts, as far as its bounds allow."""
    window = params.staking.evidence_blocks // params.finality.checkpoint_blocks + SPARE_CHECKPOINTS
    key_votes_max = min(KEY_VOTES_MAX, max(64, window))
    return VotePool(keys_max=KEYS_A_VALIDATOR * params.staking.validators_max, key_votes_max=key_votes_max)


class VotePool:
    """Bounded memory of votes."""

    def __init__(self, *, keys_max: int = 256, key_votes_max: int = 64, votes_max: int = VOTES_MAX) -> None:
        self._keys_max = keys_max
        self._key_votes_max = key_votes_max
        self._votes_max = votes_max
        self._keys: dict[bytes, list[Vote]] = {}
        self._targets: dict[Checkpoint, dict[Vote, dict[bytes, bytes]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def has(self, key: bytes, vote: Vote) -> bool:
        """Return whether a vote is known, whatever the bytes of its signature."""
        return key in self._targets.get(vote.target, {}).get(vote, ())

    def is_open_to(self, key: bytes) -> bool:
        """Return whether a vote of a key that need not be a voter's may be kept: half of the room is for such keys."""
        return key in self._keys or 2 * len(self._keys) < self._keys_max

    def find_conflict(self, signed: SignedVote) -> SignedVote | None:
        """Return a kept vote that is evidence together with this one, the one with the lowest target; None if none."""
        for vote in self._keys.get(signed.key, ()):
            if is_slashable(vote, signed.vote):
                return SignedVote(vote=vote, key=signed.key, signature=self._targets[vote.target][vote][signed.key])
        return None

    def has_room(self, signed: SignedVote) -> bool:
        """Return whether a vote would be kept: its height is not full, and not below all that are kept."""
        votes = self._keys.get(signed.key, [])
        height = signed.vote.target.height
        first = bisect_left(votes, height, key=_get_height)
        if bisect_right(votes, height, key=_get_height) - first >= HEIGHT_VOTES_MAX:
            return False
        return len(votes) < self._key_votes_max or height > votes[0].target.height

    def add(self, signed: SignedVote) -> Evidence | None:
        """Keep a vote whose signature was checked; return a conflict with one that is kept."""
        if self.has(signed.key, signed.vote) or not self.has_room(signed):
            return None
        other = self.find_conflict(signed)
        votes = self._keys.pop(signed.key, [])
        same = self._targets.setdefault(signed.vote.target, {})
        vote = next((kept for kept in same if kept == signed.vote), signed.vote)
        same.setdefault(vote, {})[signed.key] = signed.signature
        votes.insert(bisect_right(votes, vote.target.height, key=_get_height), vote)
        self._keys[signed.key] = votes
        self._count += 1
        self._make_room(signed.key)
        return Evidence(one=other, two=signed) if other is not None else None

    def iterate_target(self, height: int, block_hash: bytes) -> Iterator[SignedVote]:
        """Yield the votes for one checkpoint."""
        for vote, signatures in self._targets.get(Checkpoint(height=height, hash=block_hash), {}).items():
            for key, signature in signatures.items():
                yield SignedVote(vote=vote, key=key, signature=signature)

    def _make_room(self, key: bytes) -> None:
        """Forget what is too much after a vote of this key."""
        if len(self._keys[key]) > self._key_votes_max:
            self._drop_lowest(key)
        while len(self._keys) > self._keys_max:
            oldest = next(iter(self._keys))
            while oldest in self._keys:
                self._drop_lowest(oldest)
        while self._count > self._votes_max:
            self._drop_lowest(max(self._keys, key=lambda name: len(self._keys[name])))

    def _drop_lowest(self, key: bytes) -> None:
        votes = self._keys[key]
        vote = votes.pop(0)
        if not votes:
            del self._keys[key]
        same = self._targets[vote.target]
        del same[vote][key]
        if not same[vote]:
            del same[vote]
        if not same:
            del self._targets[vote.target]
        self._count -= 1


def _get_height(vote: Vote) -> int:
    return vote.target.height
