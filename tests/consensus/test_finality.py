"""Votes: what they mean in bytes, which two of them one key must not sign, and what an honest key signs."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.ed25519 import sign
from chain.params import FinalityParams
from consensus.finality import (
    TAG_VOTE,
    BadEvidence,
    BadVote,
    BadVoteSignature,
    Checkpoint,
    Evidence,
    LastVote,
    SignedVote,
    SourceNotBelow,
    Vote,
    check_evidence,
    check_signed_vote,
    compute_vote_message,
    decode_signed_vote,
    encode_signed_vote,
    is_checkpoint,
    is_safe_vote,
    is_slashable,
    is_supermajority,
    make_last_vote,
)
from tests.support.runtime_chain import get_vote_seed, sign_vote

GENESIS = bytes(31) + b"\x01"
heights = st.integers(0, 12)


def make_vote(source: int, target: int, *, branch: int = 0, genesis: bytes = GENESIS) -> Vote:
    """Return a vote between two heights; blocks of one height and branch have one hash."""
    return Vote(
        genesis=genesis,
        source=Checkpoint(height=source, hash=bytes((branch, source)) * 16),
        target=Checkpoint(height=target, hash=bytes((branch, target)) * 16),
    )


votes = st.builds(make_vote, heights, heights, branch=st.integers(0, 2)).filter(
    lambda vote: vote.source.height < vote.target.height
)


def test_fin_03_what_is_signed_is_tag_and_scale() -> None:
    """FIN-03: genesis, then each checkpoint as a height of four bytes and a hash."""
    vote = make_vote(5, 10)
    expected = TAG_VOTE + GENESIS + b"\x05\0\0\0" + b"\0\x05" * 16 + b"\x0a\0\0\0" + b"\0\x0a" * 16
    assert compute_vote_message(vote) == expected
    signed = sign_vote("alice", vote)
    assert signed.signature == sign(get_vote_seed("alice"), expected)
    check_signed_vote(signed)
    assert len(encode_signed_vote(signed)) == 200
    assert decode_signed_vote(encode_signed_vote(signed)) == signed


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"signature": bytes(64)}, BadVoteSignature),
        ({"vote": make_vote(5, 15)}, BadVoteSignature),
        ({"vote": make_vote(5, 10, genesis=bytes(32))}, BadVoteSignature),
        ({"key": bytes(32)}, BadVoteSignature),
        ({"vote": make_vote(10, 10)}, SourceNotBelow),
        ({"vote": make_vote(11, 10)}, SourceNotBelow),
    ],
)
def test_fin_02_and_fin_03_a_changed_vote_is_refused(change: dict[str, object], error: type[BadVote]) -> None:
    """FIN-02, FIN-03: every field counts."""
    signed = replace(sign_vote("alice", make_vote(5, 10)), **change)
    with pytest.raises(error) as caught:
        check_signed_vote(signed)
    assert type(pickle.loads(pickle.dumps(caught.value))) is error


@pytest.mark.parametrize("data", [b"", bytes(199), bytes(201)])
def test_bytes_of_another_length_are_no_vote(data: bytes) -> None:
    with pytest.raises(BadVote):
        decode_signed_vote(data)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ((5, 10), (5, 10), False),
        ((0, 10), (5, 10), True),
        ((0, 20), (5, 10), True),
        ((5, 10), (0, 20), True),
        ((5, 20), (5, 10), False),
        ((0, 10), (5, 15), False),
        ((0, 5), (5, 10), False),
        ((0, 5), (10, 15), False),
    ],
)
def test_fin_04_same_height_and_surrounding(one: tuple[int, int], two: tuple[int, int], expected: bool) -> None:
    """FIN-04: links may follow or overlap, but not share a target height or lie around each other."""
    assert is_slashable(make_vote(*one), make_vote(*two)) is expected


def test_fin_04_two_blocks_of_one_height_conflict_and_two_signatures_of_one_vote_do_not() -> None:
    """FIN-04: the values count."""
    assert is_slashable(make_vote(5, 10), make_vote(5, 10, branch=1))
    assert is_slashable(make_vote(5, 10), replace(make_vote(5, 10), source=Checkpoint(height=5, hash=bytes(32))))
    assert not is_slashable(make_vote(5, 10), make_vote(5, 10))


@given(votes, votes)
def test_fin_04_order_does_not_matter(one: Vote, two: Vote) -> None:
    assert is_slashable(one, two) is is_slashable(two, one)
    assert not is_slashable(one, one)


@given(st.lists(votes, max_size=30), st.sets(st.integers(0, 29)))
def test_fin_06_a_key_that_signs_what_is_safe_never_breaks_fin_04(offered: list[Vote], crashes: set[int]) -> None:
    """FIN-06: whatever it is offered, in any order, and wherever it stops between storing and signing."""
    stored: LastVote | None = None
    signed: list[Vote] = []
    for index, vote in enumerate(offered):
        if not is_safe_vote(stored, vote):
            continue
        stored = make_last_vote(vote)
        if index not in crashes:
            signed.append(vote)
    assert not any(is_slashable(one, two) for one in signed for two in signed)


@given(st.lists(votes, min_size=2, max_size=30))
def test_fin_06_without_the_store_it_would(offered: list[Vote]) -> None:
    """The rule above is not true of anything: two different votes for one height are offered here."""
    offered.append(replace(offered[0], source=Checkpoint(height=offered[0].source.height, hash=b"\xff" * 32)))
    assert any(is_slashable(one, two) for one in offered for two in offered)


def test_fin_06_the_same_vote_is_not_signed_twice_and_sources_do_not_fall() -> None:
    """FIN-06: at the edges."""
    last = make_last_vote(make_vote(5, 10))
    assert not is_safe_vote(last, make_vote(5, 10))
    assert is_safe_vote(last, make_vote(5, 15))
    assert not is_safe_vote(last, make_vote(4, 15))
    assert not is_safe_vote(last, make_vote(9, 10))
    assert is_safe_vote(None, make_vote(0, 5))


def make_evidence(one: SignedVote, two: SignedVote) -> Evidence:
    """Return two votes as evidence."""
    return Evidence(one=one, two=two)


def test_fin_05_two_signatures_prove_a_violation() -> None:
    """FIN-05: in either order."""
    one, two = sign_vote("alice", make_vote(5, 10)), sign_vote("alice", make_vote(5, 10, branch=1))
    check_evidence(make_evidence(one, two))
    check_evidence(make_evidence(two, one))


@pytest.mark.parametrize(
    ("one", "two", "error"),
    [
        (("alice", make_vote(5, 10)), ("bob", make_vote(5, 10, branch=1)), BadEvidence),
        (("alice", make_vote(5, 10)), ("alice", make_vote(5, 10)), BadEvidence),
        (("alice", make_vote(5, 10)), ("alice", make_vote(10, 15)), BadEvidence),
        (("alice", make_vote(5, 10)), ("alice", make_vote(5, 10, genesis=bytes(32))), BadEvidence),
        (("alice", make_vote(5, 10)), ("alice", make_vote(10, 10)), SourceNotBelow),
    ],
)
def test_fin_05_other_pairs_prove_nothing(one: tuple[str, Vote], two: tuple[str, Vote], error: type[Exception]) -> None:
    """FIN-05: one key, one chain, a violation, two well-formed votes."""
    with pytest.raises(error):
        check_evidence(make_evidence(sign_vote(*one), sign_vote(*two)))


@pytest.mark.parametrize("which", ["one", "two"])
def test_fin_05_a_forged_signature_proves_nothing(which: str) -> None:
    """FIN-05: otherwise anybody could be slashed."""
    evidence = make_evidence(sign_vote("alice", make_vote(5, 10)), sign_vote("alice", make_vote(5, 10, branch=1)))
    forged = replace(getattr(evidence, which), signature=sign_vote("bob", make_vote(5, 10)).signature)
    with pytest.raises(BadVoteSignature):
        check_evidence(replace(evidence, **{which: forged}))


def test_fin_07_checkpoints_are_multiples() -> None:
    """FIN-07: genesis is one."""
    assert [height for height in range(12) if is_checkpoint(height, FinalityParams())] == [0, 5, 10]


@pytest.mark.parametrize(
    ("stake", "total", "expected"),
    [(2, 3, True), (1, 3, False), (0, 0, False), (66, 100, False), (67, 100, True), (2 * 10**30, 3 * 10**30, True)],
)
def test_fin_08_two_thirds_exactly_suffice(stake: int, total: int, expected: bool) -> None:
    """FIN-08: in integers; nothing of nothing is no majority."""
    assert is_supermajority(stake, total) is expected
    assert not is_supermajority(2 * 10**30 - 1, 3 * 10**30)
