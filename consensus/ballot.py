"""Counting votes: sets of voters, the ballot on one checkpoint, and what becomes justified and final.

Pure functions on records, one chain at a time. The finality pallet stores the records and calls these functions; a test
drives the same functions on many competing chains.

Terms:
    voter: an account with the key and the stake that it votes with.
    dynasty: the time between two finalised checkpoints. Its sets are `previous` (the set of the dynasty before),
        `current` and `next`; each dynasty moves them on, and takes the candidates of that moment as the next one.
    ballot: the votes for one target, taken from the blocks between it and the next checkpoint.
    quorum: how much of which sets a link needs. A chain uses `QUORUM` and nothing else.

Invariants: sets do not change between a checkpoint and the next one, except that stake is slashed; so a target is
judged by the sets in the state after it, which its hash commits to. A link needs both the previous and the current set:
of any two chains that share a finalised checkpoint one set counts on both, so that a third of it breaks FIN-04 before
they disagree.

Source: Buterin, Griffith, arXiv:1710.09437, section 4.1 (dynamic validator sets).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from chain.params import FinalityParams
from chain.scale_shapes import H256, U128, AccountId
from consensus.finality import (
    Checkpoint,
    FinalityStatus,
    InvalidVote,
    SignedVote,
    Vote,
    WrongGenesis,
    check_signed_vote,
    check_vote_shape,
    is_supermajority,
)

# ---- records


class Voter(msgspec.Struct, frozen=True, kw_only=True):
    """Who votes, with which key and how much stake."""

    account: AccountId
    key: H256
    stake: U128


Voters = tuple[Voter, ...]


class VoterSets(msgspec.Struct, frozen=True, kw_only=True):
    """The sets of a dynasty, each by falling stake, then by account.

    Attributes:
        previous: The set that was current in the dynasty before.
        current: The set of this dynasty.
        next: The set of the next one.
    """

    previous: tuple[Voter, ...] = ()
    current: tuple[Voter, ...] = ()
    next: tuple[Voter, ...] = ()


class Ballot(msgspec.Struct, frozen=True, kw_only=True):
    """The votes for the newest checkpoint.

    Attributes:
        source: The checkpoint that was the highest justified one in the state after the target.
        voters: Keys whose votes were included, in the order of the chain.
        rewarded: Planck issued for these votes, the includers' share included.
    """

    source: Checkpoint
    target: Checkpoint
    voters: tuple[H256, ...] = ()
    rewarded: U128 = 0


class Quorum(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a link count; other values than the defaults exist to show why the defaults are needed."""

    numerator: int = 2
    denominator: int = 3
    needs_previous: bool = True


QUORUM = Quorum()

# ---- errors


class NoBallot(InvalidVote):
    """A vote in a block that takes none."""

    rule: ClassVar[str] = "FIN-09"


class WrongTarget(InvalidVote):
    """A vote for another checkpoint than the newest one of the chain."""

    rule: ClassVar[str] = "FIN-09"


class WrongSource(InvalidVote):
    """A vote from another checkpoint than the highest justified one."""

    rule: ClassVar[str] = "FIN-10"


class NotVoter(InvalidVote):
    """A vote of a key that is in neither set."""

    rule: ClassVar[str] = "FIN-11"


class SecondVote(InvalidVote):
    """A vote of a key whose vote for this target is on the chain."""

    rule: ClassVar[str] = "FIN-12"


# ---- votes


def make_genesis_status(genesis: bytes, *, is_attended: bool) -> FinalityStatus:
    """Return where every chain begins: block 0 is justified and final."""
    checkpoint = Checkpoint(height=0, hash=genesis)
    return FinalityStatus(justified=checkpoint, finalized=checkpoint, final_height=0, is_attended=is_attended)


def make_ballot(status: FinalityStatus, target: Checkpoint) -> Ballot:
    """Return the empty ballot on a checkpoint, from the status in the state after it."""
    return Ballot(source=status.justified, target=target)


def make_vote(ballot: Ballot, genesis: bytes) -> Vote:
    """Return the one vote that this ballot takes."""
    return Vote(genesis=genesis, source=ballot.source, target=ballot.target)


def check_ballot_vote(ballot: Ballot | None, sets: VoterSets, signed: SignedVote, *, genesis: bytes) -> None:
    """Refuse a vote that may not be in the next block, from cheap to dear.

    Args:
        ballot: None where the next block takes no votes.

    Raises:
        InvalidVote: WrongGenesis, BadVote, NoBallot, WrongTarget, WrongSource, NotVoter, SecondVote.
    """
    vote = signed.vote
    # SPEC FIN-01: A vote MUST name the hash of its chain's block 0.
    if vote.genesis != genesis:
        raise WrongGenesis(f"the vote is for the chain 0x{vote.genesis.hex()}, this one is 0x{genesis.hex()}")
    check_vote_shape(vote)
    # SPEC FIN-09: A vote MUST be in a block between its target and the next checkpoint, these two excluded.
    if ballot is None:
        raise NoBallot("no checkpoint takes votes in this block")
    if vote.target != ballot.target:
        raise WrongTarget(f"the vote is for {_show(vote.target)}, this block takes votes for {_show(ballot.target)}")
    # SPEC FIN-10: A vote's source MUST be the highest checkpoint that is justified in the state after its target.
    if vote.source != ballot.source:
        raise WrongSource(f"the vote is from {_show(vote.source)}, justified is {_show(ballot.source)}")
    # SPEC FIN-11: A vote's key MUST be in the previous or the current set of its target, and not slashed since.
    if not is_voter(sets, signed.key):
        raise NotVoter(f"the key 0x{signed.key.hex()} is in neither set")
    # SPEC FIN-12: A chain MUST NOT carry two votes of one key for one target.
    if signed.key in ballot.voters:
        raise SecondVote(f"the vote of 0x{signed.key.hex()} for the checkpoint {vote.target.height} is on the chain")
    check_signed_vote(signed)


def is_voter(sets: VoterSets, key: bytes) -> bool:
    """Say whether a key's votes count now."""
    return any(voter.key == key for voters in (sets.current, sets.previous) for voter in voters)


def add_vote(ballot: Ballot, key: bytes, *, reward: int = 0) -> Ballot:
    """Return the ballot with one more vote."""
    return replace(ballot, voters=(*ballot.voters, key), rewarded=ballot.rewarded + reward)


# ---- what votes do


def is_justifying(ballot: Ballot, sets: VoterSets, quorum: Quorum = QUORUM) -> bool:
    """Say whether the link of a ballot has enough of the sets' stake."""
    # SPEC FIN-13: A target MUST be justified by the block in whose state the voters for it have a supermajority of the
    # current set and, unless nothing of it is left, of the previous set.
    if not _has_quorum(ballot, sets.current, quorum):
        return False
    has_previous = quorum.needs_previous and compute_stake(sets.previous) > 0
    return not has_previous or _has_quorum(ballot, sets.previous, quorum)


def _has_quorum(ballot: Ballot, voters: Voters, quorum: Quorum) -> bool:
    keys = set(ballot.voters)
    total, stake = compute_stake(voters), compute_stake(voter for voter in voters if voter.key in keys)
    if quorum is QUORUM:
        return is_supermajority(stake, total)
    return total > 0 and quorum.denominator * stake >= quorum.numerator * total


def compute_stake(voters: Iterable[Voter]) -> int:
    """Return the sum of stakes."""
    return sum(voter.stake for voter in voters)


def count_ballot(
    status: FinalityStatus, ballot: Ballot, sets: VoterSets, params: FinalityParams, quorum: Quorum = QUORUM
) -> FinalityStatus:
    """Return the status after the votes of a ballot; the same record when they change nothing."""
    if status.justified == ballot.target or not is_justifying(ballot, sets, quorum):
        return status
    finalized, final_height = status.finalized, status.final_height
    # SPEC FIN-14: The source of a justified link MUST be final if the link's target is the next checkpoint after it.
    if ballot.source.height + params.checkpoint_blocks == ballot.target.height:
        finalized, final_height = ballot.source, max(final_height, ballot.source.height)
    return replace(status, justified=ballot.target, finalized=finalized, final_height=final_height)


def is_dynasty_ending(status: FinalityStatus, ballot: Ballot) -> bool:
    """Say whether a ballot that ends now has finalised its source, above genesis."""
    return status.finalized == ballot.source and status.justified == ballot.target and ballot.source.height > 0


def move_sets(sets: VoterSets, candidates: Voters, *, stake_min: int, validators_max: int) -> VoterSets:
    """Return the sets of the next dynasty.

    Args:
        candidates: Who stands now, in any order.
        stake_min: With less nobody is chosen, unless nobody has as much.
    """
    # SPEC FIN-15: A dynasty MUST end with the ballot that finalises a checkpoint above block 0: the current set becomes
    # the previous one, the next set the current one, and the candidates with the most stake the next one.
    # SPEC FIN-16: Candidates with less than bond_min_planck MUST NOT be taken, unless no candidate has as much.
    rich = tuple(voter for voter in candidates if voter.stake >= stake_min)
    chosen = sort_voters(rich or candidates)[:validators_max]
    return VoterSets(previous=sets.current, current=sets.next, next=chosen)


def sort_voters(voters: Iterable[Voter]) -> Voters:
    """Return voters by falling stake, then by account."""
    return tuple(sorted(voters, key=lambda voter: (-voter.stake, voter.account)))


def compute_unattended_height(status: FinalityStatus, number: int, params: FinalityParams) -> int:
    """Return the highest final height in the state of block `number` while nobody validates."""
    # SPEC FIN-17: While the current set has no stake, a block MUST be final when unattended_depth blocks stand on it.
    return max(status.final_height, number - params.unattended_depth)


def _show(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.height} 0x{checkpoint.hash.hex()}"
