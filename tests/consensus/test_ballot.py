"""Counting: which votes a ballot takes, what they justify and finalise, and how sets move on."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.params import FinalityParams
from consensus.ballot import (
    QUORUM,
    Ballot,
    NoBallot,
    NotVoter,
    Quorum,
    SecondVote,
    Voter,
    VoterSets,
    WrongSource,
    WrongTarget,
    add_vote,
    check_ballot_vote,
    compute_unattended_height,
    count_ballot,
    is_dynasty_ending,
    is_justifying,
    make_ballot,
    make_genesis_status,
    make_vote,
    move_sets,
)
from consensus.finality import (
    BadVoteSignature,
    Checkpoint,
    FinalityStatus,
    InvalidVote,
    SignedVote,
    SourceNotBelow,
    WrongGenesis,
)
from tests.support.runtime_chain import get_key, get_vote_key, sign_vote

GENESIS = b"\x07" * 32
PARAMS = FinalityParams()
NAMES = ("alice", "bob", "charlie")


def make_voter(name: str, stake: int = 10) -> Voter:
    """Return a test account as a voter."""
    return Voter(account=get_key(name), key=get_vote_key(name), stake=stake)


def make_checkpoint(height: int) -> Checkpoint:
    """Return a checkpoint of one chain."""
    return Checkpoint(height=height, hash=bytes((height,)) * 32)


VOTERS = tuple(make_voter(name) for name in NAMES)
SETS = VoterSets(previous=VOTERS, current=VOTERS, next=VOTERS)
START = make_genesis_status(GENESIS, is_attended=True)
JUSTIFIED = replace(START, justified=make_checkpoint(5))
BALLOT = make_ballot(JUSTIFIED, make_checkpoint(10))


def vote_of(name: str, ballot: Ballot = BALLOT) -> SignedVote:
    """Return the vote that a ballot takes."""
    return sign_vote(name, make_vote(ballot, GENESIS))


def with_votes(*names: str, ballot: Ballot = BALLOT) -> Ballot:
    """Return the ballot with votes."""
    for name in names:
        ballot = add_vote(ballot, get_vote_key(name))
    return ballot


def test_a_ballot_takes_the_votes_of_both_sets() -> None:
    sets = VoterSets(previous=VOTERS[:1], current=VOTERS[1:2], next=VOTERS[2:])
    for name in ("alice", "bob"):
        check_ballot_vote(BALLOT, sets, vote_of(name), genesis=GENESIS)


REFUSED = [
    (BALLOT, sign_vote("alice", make_vote(BALLOT, bytes(32))), WrongGenesis),
    (BALLOT, sign_vote("alice", make_vote(replace(BALLOT, source=make_checkpoint(10)), GENESIS)), SourceNotBelow),
    (None, vote_of("alice"), NoBallot),
    (BALLOT, vote_of("alice", replace(BALLOT, target=make_checkpoint(15))), WrongTarget),
    (BALLOT, vote_of("alice", replace(BALLOT, target=Checkpoint(height=10, hash=bytes(32)))), WrongTarget),
    (BALLOT, vote_of("alice", replace(BALLOT, source=Checkpoint(height=0, hash=GENESIS))), WrongSource),
    (BALLOT, vote_of("alice", replace(BALLOT, source=Checkpoint(height=5, hash=bytes(32)))), WrongSource),
    (BALLOT, vote_of("miner"), NotVoter),
    (with_votes("bob", "alice"), vote_of("alice"), SecondVote),
    (BALLOT, replace(vote_of("alice"), signature=vote_of("bob").signature), BadVoteSignature),
]


@pytest.mark.parametrize(("ballot", "signed", "error"), REFUSED)
def test_fin_01_and_fin_09_to_fin_12_other_votes_are_refused(
    ballot: Ballot | None, signed: SignedVote, error: type[InvalidVote]
) -> None:
    """FIN-01, FIN-02, FIN-03, FIN-09, FIN-10, FIN-11, FIN-12: one thing wrong each, and its own error."""
    with pytest.raises(error) as caught:
        check_ballot_vote(ballot, SETS, signed, genesis=GENESIS)
    assert type(caught.value) is error


def test_fin_11_who_joins_next_does_not_vote_yet() -> None:
    """FIN-11"""
    with pytest.raises(NotVoter):
        check_ballot_vote(BALLOT, VoterSets(next=VOTERS, current=VOTERS[:1]), vote_of("bob"), genesis=GENESIS)


@pytest.mark.parametrize(
    ("previous", "current", "voters", "expected"),
    [
        (VOTERS, VOTERS, ("alice", "bob"), True),
        (VOTERS, VOTERS, ("alice",), False),
        (VOTERS[:1], VOTERS[1:], ("bob", "charlie"), False),
        (VOTERS[:1], VOTERS[1:], ("alice",), False),
        (VOTERS[:1], VOTERS[1:], NAMES, True),
        ((), VOTERS, ("alice", "bob"), True),
        (VOTERS, (), NAMES, False),
        ((), (), (), False),
        (VOTERS, VOTERS, ("alice", "miner"), False),
    ],
)
def test_fin_13_both_sets_must_agree(
    previous: tuple[Voter, ...], current: tuple[Voter, ...], voters: tuple[str, ...], expected: bool
) -> None:
    """FIN-13: two thirds of the current and of the previous set; nothing left of the previous demands nothing."""
    assert is_justifying(with_votes(*voters), VoterSets(previous=previous, current=current)) is expected


def test_fin_13_stake_counts_and_not_heads() -> None:
    """FIN-13"""
    voters = (make_voter("alice", 67), make_voter("bob", 16), make_voter("charlie", 17))
    sets = VoterSets(previous=voters, current=voters)
    assert is_justifying(with_votes("alice"), sets)
    assert not is_justifying(with_votes("bob", "charlie"), sets)


def test_the_dials_move_what_they_say() -> None:
    half, one_set = Quorum(numerator=1, denominator=2), Quorum(needs_previous=False)
    four = (*VOTERS, make_voter("miner"))
    assert is_justifying(with_votes("alice", "bob"), VoterSets(previous=four, current=four), half)
    assert not is_justifying(with_votes("alice", "bob"), VoterSets(previous=four, current=four), QUORUM)
    assert is_justifying(with_votes("bob"), VoterSets(previous=VOTERS, current=VOTERS[1:2]), one_set)
    assert Quorum() == QUORUM


def test_fin_14_a_link_to_the_next_checkpoint_makes_its_source_final() -> None:
    """FIN-14: from 5 to 10 makes 5 final, from 5 to 15 justifies 15 and makes nothing final."""
    status = count_ballot(JUSTIFIED, with_votes("alice", "bob"), SETS, PARAMS)
    assert status == FinalityStatus(
        justified=make_checkpoint(10), finalized=make_checkpoint(5), final_height=5, is_attended=True
    )
    far = make_ballot(JUSTIFIED, make_checkpoint(15))
    status = count_ballot(JUSTIFIED, with_votes("alice", "bob", ballot=far), SETS, PARAMS)
    assert (status.justified.height, status.finalized, status.final_height) == (15, START.finalized, 0)


def test_too_few_votes_and_late_ones_change_nothing() -> None:
    assert count_ballot(JUSTIFIED, with_votes("alice"), SETS, PARAMS) is JUSTIFIED
    status = count_ballot(JUSTIFIED, with_votes("alice", "bob"), SETS, PARAMS)
    assert count_ballot(status, with_votes(*NAMES), SETS, PARAMS) is status


def test_fin_15_a_dynasty_ends_with_a_final_checkpoint_above_genesis() -> None:
    """FIN-15: not with genesis, which was final before, and not with a link that leaves one out."""
    ballot = with_votes("alice", "bob")
    assert is_dynasty_ending(count_ballot(JUSTIFIED, ballot, SETS, PARAMS), ballot)
    assert not is_dynasty_ending(JUSTIFIED, with_votes("alice"))
    first = with_votes("alice", "bob", ballot=make_ballot(START, make_checkpoint(5)))
    assert not is_dynasty_ending(count_ballot(START, first, SETS, PARAMS), first)
    far = with_votes("alice", "bob", ballot=make_ballot(JUSTIFIED, make_checkpoint(15)))
    assert not is_dynasty_ending(count_ballot(JUSTIFIED, far, SETS, PARAMS), far)


def test_fin_15_sets_move_on_and_the_largest_stakes_come_next() -> None:
    """FIN-15: ties go by account."""
    sets = VoterSets(previous=VOTERS[:1], current=VOTERS[1:2], next=VOTERS[2:])
    candidates = (make_voter("alice", 10), make_voter("bob", 30), make_voter("charlie", 10), make_voter("miner", 5))
    moved = move_sets(sets, candidates, stake_min=1, validators_max=2)
    first = min(get_key("alice"), get_key("charlie"))
    assert (moved.previous, moved.current) == (sets.current, sets.next)
    assert [voter.account for voter in moved.next] == [get_key("bob"), first]
    backwards = move_sets(sets, candidates[::-1], stake_min=1, validators_max=2)
    assert backwards == moved


def test_fin_16_small_stakes_are_taken_only_when_there_are_no_others() -> None:
    """FIN-16: a set that leaked below the least bond goes on rather than none."""
    candidates = (make_voter("alice", 10), make_voter("bob", 30))
    for least, expected in ((20, ["bob"]), (10, ["bob", "alice"]), (40, ["bob", "alice"])):
        chosen = move_sets(SETS, candidates, stake_min=least, validators_max=9).next
        assert [voter.account for voter in chosen] == [get_key(name) for name in expected]
    assert move_sets(SETS, (), stake_min=1, validators_max=9).next == ()


@pytest.mark.parametrize(("number", "before", "expected"), [(1, 0, 0), (2, 0, 0), (3, 0, 1), (9, 0, 7), (9, 8, 8)])
def test_fin_17_depth_decides_while_nobody_validates(number: int, before: int, expected: int) -> None:
    """FIN-17: and what was final stays so."""
    status = replace(START, final_height=before, is_attended=False)
    assert compute_unattended_height(status, number, PARAMS) == expected
