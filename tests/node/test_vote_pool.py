"""The pool of signed votes: bounded, and no conflict among what it keeps goes unnoticed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.params import Params
from consensus.finality import Checkpoint, SignedVote, Vote, is_slashable
from node.core.vote_pool import VotePool, make_pool

GENESIS = bytes(32)


def make_signed(key: int, source: int, target: int, branch: int = 0, *, signature: int = 0) -> SignedVote:
    """Return a vote with a signature that nobody checks here."""
    vote = Vote(
        genesis=GENESIS,
        source=Checkpoint(height=source, hash=bytes([branch]) * 32),
        target=Checkpoint(height=target, hash=bytes([branch]) * 32),
    )
    return SignedVote(vote=vote, key=bytes([key]) * 32, signature=bytes([signature]) * 64)


def test_the_same_vote_under_another_signature_is_no_second_vote() -> None:
    pool = VotePool()
    assert pool.add(make_signed(1, 0, 5)) is None
    again = make_signed(1, 0, 5, signature=1)
    assert pool.has(again.key, again.vote)
    assert pool.add(again) is None
    assert len(pool) == 1


def test_two_votes_for_one_height_are_evidence_and_a_third_is_not_kept() -> None:
    pool = VotePool()
    first, second, third = (make_signed(1, 0, 5, branch) for branch in range(3))
    assert pool.add(first) is None
    evidence = pool.add(second)
    assert evidence is not None
    assert {evidence.one, evidence.two} == {first, second}
    assert not pool.has_room(third)
    assert pool.add(third) is None
    assert len(pool) == 2


def test_a_vote_around_an_earlier_one_is_evidence_in_either_order() -> None:
    inner, outer = make_signed(1, 5, 10), make_signed(1, 0, 15, 1)
    for one, two in ((inner, outer), (outer, inner)):
        pool = VotePool()
        assert pool.add(one) is None
        assert pool.add(two) is not None


def test_the_votes_of_one_key_say_nothing_about_another() -> None:
    pool = VotePool()
    assert pool.add(make_signed(1, 0, 5)) is None
    assert pool.add(make_signed(2, 0, 5, 1)) is None
    assert [signed.key for signed in pool.iterate_target(5, bytes([1]) * 32)] == [bytes([2]) * 32]


def test_a_pool_keeps_the_newest_votes_and_keys() -> None:
    pool = VotePool(keys_max=3, key_votes_max=4)
    for height in range(5, 50, 5):
        pool.add(make_signed(1, height - 5, height))
    assert len(pool) == 4
    assert not pool.has_room(make_signed(1, 0, 5))
    assert pool.has_room(make_signed(1, 45, 50))
    for key in range(2, 9):
        pool.add(make_signed(key, 0, 5))
    assert len(pool) == 3
    assert not pool.has(bytes([1]) * 32, make_signed(1, 40, 45).vote)


def test_a_pool_keeps_so_many_votes_in_all_and_takes_them_from_who_has_most() -> None:
    pool = VotePool(votes_max=10)
    for height in range(5, 50, 5):
        pool.add(make_signed(1, height - 5, height))
    for key in range(2, 5):
        pool.add(make_signed(key, 0, 5))
    assert len(pool) == 10
    assert not pool.has(bytes([1]) * 32, make_signed(1, 0, 5).vote)
    assert all(pool.has(bytes([key]) * 32, make_signed(key, 0, 5).vote) for key in range(2, 5))
    assert [signed.key[0] for signed in pool.iterate_target(5, bytes(32))] == [2, 3, 4]


def test_a_pool_reaches_back_as_far_as_evidence_counts() -> None:
    """On `local` 60 checkpoints; where the window is longer than the memory, as far as that goes."""
    pool = make_pool(Params())
    for height in range(5, 405, 5):
        pool.add(make_signed(1, height - 5, height))
    assert len(pool) == 68
    params = replace(Params(), staking=replace(Params().staking, evidence_blocks=80_640))
    pool = make_pool(params)
    for height in range(5, 5 * 1_100, 5):
        pool.add(make_signed(1, height - 5, height))
    assert len(pool) == 1_024


def test_keys_that_need_not_vote_get_half_of_the_room() -> None:
    pool = VotePool(keys_max=4)
    for key in (1, 2):
        assert pool.is_open_to(bytes([key]) * 32)
        pool.add(make_signed(key, 0, 5))
    assert not pool.is_open_to(bytes([3]) * 32)
    assert pool.is_open_to(bytes([1]) * 32)


VOTES = st.lists(
    st.builds(
        lambda source, length, branch: make_signed(1, 5 * source, 5 * (source + length), branch),
        st.integers(0, 5),
        st.integers(1, 5),
        st.integers(0, 2),
    ),
    max_size=20,
)


@given(VOTES)
def test_evidence_is_found_exactly_when_a_kept_vote_conflicts(votes: list[SignedVote]) -> None:
    pool = VotePool()
    kept: list[SignedVote] = []
    for signed in votes:
        is_new = not pool.has(signed.key, signed.vote) and pool.has_room(signed)
        evidence = pool.add(signed)
        conflicts = [other for other in kept if is_slashable(other.vote, signed.vote)]
        assert (evidence is not None) == (is_new and bool(conflicts))
        if evidence is not None:
            assert is_slashable(evidence.one.vote, evidence.two.vote)
        if is_new:
            kept.append(signed)
    assert len(pool) == len(kept)
    heights = [signed.vote.target.height for signed in kept]
    assert all(heights.count(height) <= 2 for height in heights)
