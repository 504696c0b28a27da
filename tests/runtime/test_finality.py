"""Votes in blocks: what they make final, what they earn, what absence and violations cost."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.params import UNIT_PLANCK, Params
from consensus.ballot import NoBallot, NotVoter, SecondVote, WrongSource, WrongTarget
from consensus.finality import Checkpoint, Evidence, InvalidVote, SignedVote, Vote, WrongGenesis, is_slashable
from runtime.block_execution import decode_call
from runtime.dispatch import InvariantBroken
from runtime.executive import AuthorSolution, InvalidExtrinsicInBlock
from runtime.issuance import compute_validators_share
from runtime.pallets.finality import BALLOT, STATUS, Finalized, Justified, Voted, compute_pot, vote
from runtime.pallets.problems import post
from runtime.pallets.staking import bond, validate
from runtime.problem_events import BountyPaid
from runtime.queries import find_vote_duty, get_finality, get_validator_sets, is_voter
from runtime.runtime import check_invariants
from runtime.staking_state import DYNASTY, KEY_OWNERS, LEDGERS, SETS, DynastyStarted, Leaked, Slashed
from runtime.storage import Overlay
from runtime.validity import BadMandatory, MandatoryValidation
from tests.support.runtime_chain import (
    RuntimeChain,
    get_events,
    get_key,
    get_vote_key,
    make_ring,
    post_arguments,
    sign_vote,
)

VALIDATORS = {"alice": 300 * UNIT_PLANCK, "bob": 300 * UNIT_PLANCK, "charlie": 300 * UNIT_PLANCK}
ALL = tuple(VALIDATORS)


def make_chain(*, validators: dict[str, int] | None = None, **changes: int) -> RuntimeChain:
    """Return a chain with three validators; changes are of the finality params."""
    tiny = Params.tiny()
    params = replace(tiny, finality=replace(tiny.finality, **changes))
    return RuntimeChain(params, validators=VALIDATORS if validators is None else validators)


def to_height(chain: RuntimeChain, height: int) -> RuntimeChain:
    """Add empty blocks up to a height."""
    chain.add_blocks(height - chain.head.number)
    return chain


def get_state(chain: RuntimeChain) -> tuple[int, int, int]:
    """Return the heights of justified, finalised and final."""
    status = get_finality(chain.view)
    return status.justified.height, status.finalized.height, status.final_height


def report(chain: RuntimeChain, name: str) -> Evidence:
    """Return two votes of an account for one height."""
    one = Vote(
        genesis=chain.genesis_hash,
        source=Checkpoint(height=0, hash=chain.genesis_hash),
        target=Checkpoint(height=5, hash=b"\x01" * 32),
    )
    two = replace(one, target=Checkpoint(height=5, hash=b"\x02" * 32))
    return Evidence(one=sign_vote(name, one), two=sign_vote(name, two))


# ---- the way to final


def test_fin_13_and_fin_14_two_checkpoints_in_a_row_make_the_first_final() -> None:
    """FIN-13, FIN-14: justified with the second vote of three, final with the next checkpoint's."""
    chain = to_height(make_chain(), 5)
    assert get_state(chain) == (0, 0, 0)
    votes = chain.make_votes(*ALL)
    assert [event.checkpoint.height for event in get_events(chain.add_block(votes=votes[:1]), Justified)] == []
    outcome = chain.add_block(votes=votes[1:])
    assert get_events(outcome, Justified) == [Justified(checkpoint=Checkpoint(height=5, hash=chain.hashes[5]))]
    assert outcome.finality == get_finality(chain.view)
    assert get_state(chain) == (5, 0, 0)
    to_height(chain, 10)
    outcome = chain.add_block(votes=chain.make_votes("bob", "charlie"))
    assert get_events(outcome, Finalized) == [Finalized(checkpoint=Checkpoint(height=5, hash=chain.hashes[5]))]
    assert get_state(chain) == (10, 5, 5)


def test_a_checkpoint_left_out_delays_what_is_final() -> None:
    """FIN-14: 5 justified, 10 not; 15 is justified from 5 and makes nothing final, 20 makes 15 final."""
    chain = to_height(make_chain(), 5)
    chain.add_round(*ALL)
    chain.add_round("alice")
    assert get_state(chain) == (5, 0, 0)
    chain.add_round(*ALL)
    assert get_state(chain) == (15, 0, 0)
    chain.add_round(*ALL)
    assert get_state(chain) == (20, 15, 15)


def test_a_lone_validator_finalises_alone() -> None:
    """As development chains do."""
    chain = to_height(make_chain(validators={"alice": 300 * UNIT_PLANCK}), 5)
    for _ in range(3):
        chain.add_round("alice")
    assert get_state(chain) == (15, 10, 10)


def test_block_0_is_justified_with_its_hash_from_block_1_on() -> None:
    chain = make_chain()
    assert get_finality(chain.view).justified.hash == bytes(32)
    chain.add_block()
    assert get_finality(chain.view).justified == Checkpoint(height=0, hash=chain.genesis_hash)
    assert get_finality(chain.view).is_attended


def test_prb_16_a_bounty_waits_for_the_votes() -> None:
    """PRB-16: solved in block 2, so final with checkpoint 5; votes in block 11 pay in block 11."""
    chain = make_chain()
    chain.add_block(chain.sign("alice", post, *post_arguments(make_ring())))
    chain.add_block(solution=AuthorSolution(problem_id=0, energy=-6, bits=b"\x15"))
    to_height(chain, 5)
    outcomes = chain.add_round(*ALL)
    assert chain.head.number == 10
    assert not any(get_events(outcome, BountyPaid) for outcome in outcomes)
    outcome = chain.add_block(votes=chain.make_votes(*ALL))
    assert len(get_events(outcome, BountyPaid)) == 1


# ---- which votes a block takes


def test_fin_09_votes_are_taken_between_two_checkpoints() -> None:
    """FIN-09: from the first block after the target to the last one before the next checkpoint."""
    chain = to_height(make_chain(), 4)
    assert find_vote_duty(chain.view, chain.head, chain.params) is None
    to_height(chain, 5)
    votes = chain.make_votes(*ALL)
    for height in (6, 7, 8, 9):
        early = chain.fork()
        early.add_blocks(height - 6)
        early.runtime.check_vote(early.view, early.head, votes[0])
        early.add_block(votes=votes)
        assert get_state(early)[0] == 5
    to_height(chain, 9)
    assert find_vote_duty(chain.view, chain.head, chain.params) is None
    assert_refused(chain, votes[0], NoBallot)
    to_height(chain, 11)
    assert_refused(chain, votes[0], WrongTarget)


def assert_refused(chain: RuntimeChain, signed: SignedVote, error: type[InvalidVote]) -> None:
    """Assert that the next block may not carry a vote, for the same reason by both ways."""
    with pytest.raises(error) as caught:
        chain.runtime.check_vote(chain.view, chain.head, signed)
    assert type(caught.value) is error
    with pytest.raises(InvalidExtrinsicInBlock, match=f"VoteRefused: {error.__name__}"):
        chain.make_block(votes=[signed])


def test_fin_01_and_fin_09_to_fin_12_a_wrong_vote_makes_its_block_invalid() -> None:
    """FIN-01, FIN-09, FIN-10, FIN-11, FIN-12: and the pool of votes refuses it with the same class."""
    chain = to_height(make_chain(), 5)
    chain.add_round(*ALL)
    chain.add_block(votes=chain.make_votes("bob"))
    (good,) = chain.make_votes("alice")
    duty = good.vote
    chain.runtime.check_vote(chain.view, chain.head, good)
    assert_refused(chain, sign_vote("alice", replace(duty, genesis=bytes(32))), WrongGenesis)
    assert_refused(chain, sign_vote("alice", replace(duty, target=Checkpoint(height=10, hash=bytes(32)))), WrongTarget)
    start = Checkpoint(height=0, hash=chain.genesis_hash)
    assert_refused(chain, sign_vote("alice", replace(duty, source=start)), WrongSource)
    assert_refused(chain, sign_vote("miner", duty), NotVoter)
    assert_refused(chain, sign_vote("bob", duty), SecondVote)
    with pytest.raises(InvalidExtrinsicInBlock, match="SecondVote"):
        chain.make_block(votes=[good, good])


def test_a_refused_vote_changes_nothing_and_nobody_may_sign_the_call() -> None:
    chain = to_height(make_chain(), 5)
    execution = chain.start()
    before = execution.env.state.changes()
    inherents = chain.runtime.make_inherents(
        chain.view,
        chain.head,
        timestamp_ms=chain.next_time_ms,
        votes=[sign_vote("miner", chain.make_votes("bob")[0].vote)],
    )
    with pytest.raises(BadMandatory, match="NotVoter"):
        execution.apply_extrinsic(inherents[-1])
    assert execution.env.state.changes() == before
    with pytest.raises(MandatoryValidation):
        execution.apply_extrinsic(chain.sign("alice", vote, chain.make_votes("alice")[0]))
    assert decode_call(inherents[-1])[1].pallet == "Finality"


def test_votes_are_due_at_their_depth_only() -> None:
    """And the duty is the vote that the next block takes."""
    chain = to_height(make_chain(vote_depth=2), 5)
    duties = []
    for _ in range(5):
        duties.append(find_vote_duty(chain.view, chain.head, chain.params))
        chain.add_block()
    assert [duty is not None for duty in duties] == [False, False, True, True, False]
    assert duties[2] == duties[3]
    assert duties[2].target == Checkpoint(height=5, hash=chain.hashes[5])
    assert is_voter(chain.view, get_vote_key("alice"))
    assert not is_voter(chain.view, get_vote_key("miner"))


# ---- rewards


def test_fin_20_votes_share_the_pot_and_the_includer_gets_a_cut() -> None:
    """FIN-20: a third each, an eighth of it to the author; what the third would have earned is not issued."""
    chain = to_height(make_chain(), 5)
    pot = compute_pot(chain.params, 5)
    assert pot == 5 * compute_validators_share(chain.params.money, 5) == 10 * UNIT_PLANCK
    votes = chain.make_votes("alice", "bob")
    empty = chain.fork()
    empty.add_block()
    before = {name: chain.get_free(name) for name in ALL}
    outcome = chain.add_block(votes=votes)
    share = pot // 6 * 2
    cut = share // 8
    for name in ("alice", "bob"):
        assert chain.get_free(name) - before[name] == share - cut
    assert chain.get_free("charlie") == before["charlie"]
    assert chain.get_free("miner") == empty.get_free("miner") + 2 * cut
    assert chain.get_issuance() == empty.get_issuance() + 2 * share
    assert [event.reward for event in get_events(outcome, Voted)] == [share, share]
    assert BALLOT.get(chain.state).rewarded == 2 * share


def test_fin_20_late_votes_for_a_justified_checkpoint_earn_too() -> None:
    """FIN-20: so nobody gains by holding back the votes of others once two thirds are in."""
    chain = to_height(make_chain(), 5)
    chain.add_block(votes=chain.make_votes("alice", "bob"))
    outcome = chain.add_block(votes=chain.make_votes("charlie"))
    assert get_events(outcome, Voted)[0].reward > 0
    assert not get_events(outcome, Justified)


# ---- leak


def test_fin_22_absent_validators_leak_until_the_present_are_two_thirds() -> None:
    """FIN-22: one of two is away; the loss grows with time, is burnt, and ends when something is final."""
    chain = to_height(
        make_chain(validators={"alice": 400 * UNIT_PLANCK, "bob": 400 * UNIT_PLANCK}, leak_quotient=64), 5
    )
    leaks: list[tuple[int, int]] = []
    while get_state(chain)[1] == 0:
        for outcome in chain.add_round("alice"):
            leaks += [(chain.head.number // 5 - 1, event.amount) for event in get_events(outcome, Leaked)]
        assert chain.head.number < 200
    assert [count for count, _ in leaks] == list(range(5, 5 + len(leaks)))
    expected, stake = [], 400 * UNIT_PLANCK
    for count, _ in leaks:
        expected.append(stake * count // 64)
        stake -= expected[-1]
    assert [amount for _, amount in leaks] == expected
    assert LEDGERS.get(chain.state, get_key("bob")).active == stake
    assert chain.get_reserved("bob") == stake
    assert LEDGERS.get(chain.state, get_key("alice")).active == 400 * UNIT_PLANCK
    assert 2 * stake <= 400 * UNIT_PLANCK
    for outcome in chain.add_round("alice"):
        assert not get_events(outcome, Leaked)


def test_fin_22_a_set_that_leaks_away_leaves_an_unattended_chain() -> None:
    """FIN-22, FIN-17: nobody ever votes; in the end depth decides again, and the final height does not fall."""
    chain = to_height(make_chain(validators={"bob": 400 * UNIT_PLANCK}, leak_quotient=8), 5)
    while STATUS.get(chain.state).is_attended:
        assert get_state(chain) == (0, 0, 0)
        chain.add_block()
        assert chain.head.number < 60
    assert LEDGERS.find(chain.state, get_key("bob")) is None
    assert get_state(chain)[2] == chain.head.number - 2
    assert chain.get_reserved("bob") == 0


def test_fin_22_a_leak_counts_from_what_depth_made_final() -> None:
    """FIN-22: a chain that was unattended for long does not begin with a leak."""
    chain = to_height(make_chain(validators={}), 100)
    chain.add_block(chain.sign("alice", bond, 300 * UNIT_PLANCK))
    chain.add_block(chain.sign("alice", validate, get_vote_key("alice")))
    to_height(chain, 110)
    assert (get_finality(chain.view).is_attended, get_state(chain)) == (True, (0, 0, 107))
    outcomes = [chain.add_block() for _ in range(35)]
    leaks = [111 + index for index, outcome in enumerate(outcomes) if get_events(outcome, Leaked)]
    assert leaks == [140, 145]  # at the end of the ballots on 135 and on 140


def test_fin_22_a_partition_that_outlasts_the_leak_ends_with_two_final_chains() -> None:
    """FIN-22: the known price of going on: nobody broke a rule, and each side leaked the other away."""
    names = ("alice", "bob", "charlie", "miner")
    root = to_height(make_chain(validators=dict.fromkeys(names, 300 * UNIT_PLANCK), leak_quotient=32), 5)
    sides = {("alice", "bob"): root.fork(), ("charlie", "miner"): root.fork()}
    signed: dict[str, list[Vote]] = {name: [] for name in names}
    for members, side in sides.items():
        side.add_block(author=members[0])
        while get_state(side)[2] == 0:
            duty = find_vote_duty(side.view, side.head, side.params)
            if duty is not None and side.head.number % 5 == 0:
                for name in members:
                    signed[name].append(duty)
            side.add_round(*members)
            assert side.head.number < 200
    left, right = (get_finality(side.view).finalized for side in sides.values())
    assert left.height > 5 * (root.params.finality.leak_after_checkpoints + 1)
    assert left.hash != right.hash
    assert not any(is_slashable(one, two) for votes in signed.values() for one in votes for two in votes)


# ---- evidence


def test_stk_12_and_stk_13_evidence_takes_everything() -> None:
    """STK-12, STK-13: a twentieth to the author, the rest burnt; the votes of the slashed count no more."""
    chain = to_height(make_chain(), 10)
    votes = chain.make_votes(*ALL)
    chain.add_block(votes=votes[:1])
    empty = chain.fork()
    empty.add_block()
    stake = VALIDATORS["alice"]
    outcome = chain.add_block(evidence=[report(chain, "alice")])
    (event,) = get_events(outcome, Slashed)
    assert (event.stash, event.amount, event.finder_share) == (get_key("alice"), stake, stake // 20)
    assert chain.get_issuance() == empty.get_issuance() - stake + stake // 20
    assert chain.get_free("miner") == empty.get_free("miner") + stake // 20
    assert chain.get_reserved("alice") == 0
    sets = get_validator_sets(chain.view)
    assert all(len(voters) == 2 for voters in (sets.previous, sets.current, sets.next))
    assert KEY_OWNERS.get(chain.state, get_vote_key("alice")).is_slashed
    chain.add_block(votes=[votes[1]])
    assert get_state(chain)[0] == 0
    chain.add_block(votes=[votes[2]])
    assert get_state(chain)[0] == 10


def test_a_slash_can_complete_a_supermajority() -> None:
    """Two of four voted; without the third, who is slashed, they are two of three."""
    names = ("alice", "bob", "charlie", "miner")
    chain = to_height(make_chain(validators=dict.fromkeys(names, 300 * UNIT_PLANCK)), 5)
    chain.add_block(votes=chain.make_votes("alice", "bob"))
    assert get_state(chain)[0] == 0
    outcome = chain.add_block(evidence=[report(chain, "charlie")])
    assert get_events(outcome, Justified)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda chain, evidence: replace(evidence, two=evidence.one), "may both be signed"),
        (lambda chain, evidence: replace(evidence, two=replace(evidence.two, signature=bytes(64))), "BadVoteSignature"),
        (lambda chain, evidence: _elsewhere(evidence), "another chain"),
        (lambda chain, evidence: report(chain, "miner"), "not known"),
        (lambda chain, evidence: report(chain, "bob"), "slashed before"),
    ],
)
def test_fin_18_and_fin_19_bad_evidence_makes_its_block_invalid(change: object, words: str) -> None:
    """FIN-05, FIN-18, FIN-19"""
    chain = to_height(make_chain(), 5)
    chain.add_block(evidence=[report(chain, "bob")])
    evidence = change(chain, report(chain, "alice"))
    with pytest.raises(InvalidExtrinsicInBlock, match=words):
        chain.make_block(evidence=[evidence])


def _elsewhere(evidence: Evidence) -> Evidence:
    votes = [sign_vote("alice", replace(signed.vote, genesis=bytes(32))) for signed in (evidence.one, evidence.two)]
    return Evidence(one=votes[0], two=votes[1])


def test_fin_18_old_evidence_is_refused() -> None:
    """FIN-18: evidence_blocks after the later target is the last block for it."""
    tiny = Params.tiny()
    params = replace(tiny, staking=replace(tiny.staking, evidence_blocks=10, unbonding_blocks=11))
    chain = to_height(RuntimeChain(params, validators=VALIDATORS), 14)
    chain.make_block(evidence=[report(chain, "alice")])
    to_height(chain, 15)
    with pytest.raises(InvalidExtrinsicInBlock, match="too old"):
        chain.make_block(evidence=[report(chain, "alice")])


def test_the_last_validator_can_be_slashed() -> None:
    """Then nobody validates, and depth decides again."""
    chain = to_height(make_chain(validators={"alice": 300 * UNIT_PLANCK}), 7)
    chain.add_block(evidence=[report(chain, "alice")])
    assert not get_finality(chain.view).is_attended
    chain.add_blocks(4)
    assert get_state(chain)[2] == chain.head.number - 2
    assert SETS.get(chain.state).current == ()


# ---- joining an unattended chain


def test_fin_17_and_fin_21_validators_join_an_unattended_chain() -> None:
    """FIN-17, FIN-21: candidates of one dynasty are current two dynasties later; then votes decide."""
    chain = RuntimeChain()
    chain.add_block(chain.sign("alice", bond, 300 * UNIT_PLANCK))
    chain.add_block(chain.sign("alice", validate, get_vote_key("alice")))
    started = []
    while not get_finality(chain.view).is_attended:
        assert get_state(chain)[2] == max(chain.head.number - 2, 0)
        assert find_vote_duty(chain.view, chain.head, chain.params) is None
        started += get_events(chain.add_block(), DynastyStarted)
        assert chain.head.number < 40
    assert chain.head.number == 15  # block 5 is final by depth when the checkpoints 10 and 15 begin dynasties
    assert [event.dynasty for event in started] == [1, 2]
    assert get_validator_sets(chain.view).previous == ()
    kept = get_state(chain)[2]
    assert kept == 12
    to_height(chain, 19)
    assert get_state(chain) == (0, 0, kept)
    to_height(chain, 20)
    for _ in range(2):
        chain.add_round("alice")
    assert get_state(chain) == (25, 20, 20)
    assert DYNASTY.get(chain.state).number == 3


def test_fin_21_who_makes_a_chain_attended_stood_in_a_block_that_depth_made_final() -> None:
    """FIN-21: a branch of fewer than unattended_depth blocks cannot bring its own validators and justify something."""
    chain = to_height(make_chain(validators={}, unattended_depth=20), 41)
    chain.add_block(chain.sign("alice", bond, 300 * UNIT_PLANCK))
    chain.add_block(chain.sign("alice", validate, get_vote_key("alice")))
    bonded = chain.head.number
    started = []
    while not get_finality(chain.view).is_attended:
        if get_events(chain.add_block(), DynastyStarted):
            started.append(chain.head.number)
        assert chain.head.number < 200
    assert started[-1] >= bonded + 20
    assert started == [45, 65], "the next set was fixed at 45"
    assert get_state(chain)[2] == 44


def test_an_unattended_chain_without_candidates_stays_as_it_is() -> None:
    chain = to_height(RuntimeChain(), 30)
    assert get_state(chain) == (0, 0, 28)
    assert BALLOT.find(chain.state) is None


# ---- invariants can fail


@pytest.mark.parametrize("field", ["finalized", "is_attended", "justified"])
def test_a_status_that_cannot_be_is_noticed(field: str) -> None:
    chain = to_height(make_chain(), 6)
    state = Overlay(chain.view)
    wrong = {
        "finalized": Checkpoint(height=5, hash=bytes(32)),
        "is_attended": False,
        "justified": Checkpoint(height=7, hash=bytes(32)),
    }
    STATUS.set(state, replace(STATUS.get(state), **{field: wrong[field]}))
    with pytest.raises(InvariantBroken):
        check_invariants(state, chain.params)
