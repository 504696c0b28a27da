"""Light verification: what leads on is believed, whatever else is refused and changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consensus.ballot import compute_stake
from consensus.finality import Vote, check_evidence
from consensus.light import (
    SETS_KEY,
    STATUS_KEY,
    STEP_BYTES_MAX,
    BadStep,
    BrokenLink,
    FalseVote,
    FinalityStep,
    ForgedSets,
    InvalidStep,
    LightVerifier,
    StepNotProven,
    TooFewVotes,
    WrongAnchor,
    decode_step,
    encode_step,
    find_culprits,
    list_votes,
    make_trusted_belief,
)
from runtime.pallets.finality import STATUS
from runtime.staking_state import SETS
from tests.support.light_steps import (
    FOUNDERS,
    GENESIS,
    PARAMS,
    make_anchor,
    make_row,
    make_sets,
    make_step,
    make_voters,
)
from tests.support.runtime_chain import get_vote_key, sign_vote

SAME = make_sets(FOUNDERS, FOUNDERS, FOUNDERS)
OTHERS = ("r1", "r2", "r3", "r4")
EVIL = ("e1", "e2", "e3", "e4")


def make_verifier() -> LightVerifier:
    """Return one that knows block 0 and nothing else."""
    return LightVerifier(GENESIS, PARAMS, make_anchor())


def refuse(verifier: LightVerifier, step: FinalityStep, error: type[InvalidStep]) -> None:
    """Assert that a step is refused and changes nothing."""
    before = (verifier.belief, verifier.final)
    with pytest.raises(error):
        verifier.extend((step,))
    assert (verifier.belief, verifier.final) == before


def test_the_keys_are_those_of_the_runtime() -> None:
    assert (STATUS.key, SETS.key) == (STATUS_KEY, SETS_KEY)


def test_lgt_06_a_checkpoint_is_final_when_its_neighbour_is_justified() -> None:
    verifier = make_verifier()
    steps, checkpoints = make_row([SAME] * 4)
    for number, step in enumerate(steps):
        verifier.extend((step,))
        assert verifier.belief.checkpoint == checkpoints[number + 1]
        assert verifier.final.checkpoint == checkpoints[number]


def test_lgt_06_a_link_over_a_gap_makes_nothing_final() -> None:
    verifier = make_verifier()
    steps, checkpoints = make_row([SAME] * 2)
    verifier.extend(steps)
    far, target = make_step(checkpoints[2], 25, SAME, FOUNDERS)
    verifier.extend((far,))
    assert (verifier.belief.checkpoint, verifier.final.checkpoint) == (target, checkpoints[1])
    after, _ = make_step(target, 30, SAME, FOUNDERS)
    verifier.extend((after,))
    assert verifier.final.checkpoint == target, "and its set has not moved on meanwhile"


@given(st.binary(max_size=400))
def test_lgt_01_bytes_that_are_no_step_are_refused(data: bytes) -> None:
    with pytest.raises(BadStep):
        decode_step(data)


def test_lgt_01_a_step_has_one_encoding_and_a_bound() -> None:
    raw = encode_step(make_row([SAME])[0][0])
    assert encode_step(decode_step(raw)) == raw
    for data in (raw + b"\x00", raw[:-1], bytes(STEP_BYTES_MAX + 1)):
        with pytest.raises(BadStep):
            decode_step(data)


@pytest.mark.parametrize("field", ["status", "sets", "header"])
def test_lgt_02_what_the_root_does_not_hold_is_refused(field: str) -> None:
    mine, other = make_row([SAME])[0][0], make_row([make_sets(EVIL, EVIL, EVIL)], EVIL)[0][0]
    other = make_step(make_anchor().checkpoint, 5, make_sets(EVIL, EVIL, EVIL), EVIL, salt=9)[0]
    if field == "status":
        other = make_step(make_row([SAME])[1][1], 5, SAME, FOUNDERS)[0]
    refuse(make_verifier(), replace(mine, **{field: getattr(other, field)}), StepNotProven)


def test_lgt_03_a_missing_link_is_refused() -> None:
    steps, _ = make_row([SAME] * 3)
    verifier = make_verifier()
    refuse(verifier, steps[1], BrokenLink)
    verifier.extend(steps[:1])
    refuse(verifier, steps[0], BrokenLink)
    refuse(verifier, steps[2], BrokenLink)


def test_lgt_03_a_block_that_is_no_checkpoint_is_refused() -> None:
    refuse(make_verifier(), make_step(make_anchor().checkpoint, 7, SAME, FOUNDERS)[0], BrokenLink)


def test_lgt_04_sets_of_strangers_are_refused() -> None:
    step, _ = make_step(make_anchor().checkpoint, 5, make_sets(EVIL, EVIL, EVIL), EVIL)
    refuse(make_verifier(), step, ForgedSets)


def test_lgt_04_stake_that_has_grown_is_refused() -> None:
    rich = replace(SAME, current=(*make_voters(FOUNDERS[:1], 900), *make_voters(FOUNDERS[1:])))
    refuse(make_verifier(), make_step(make_anchor().checkpoint, 5, rich, FOUNDERS)[0], ForgedSets)


def test_lgt_04_the_next_set_is_new_only_after_a_dynasty() -> None:
    new = make_sets(FOUNDERS, FOUNDERS, OTHERS)
    refuse(make_verifier(), make_row([new])[0][0], ForgedSets)
    refuse_at = make_verifier()
    refuse_at.extend(make_row([SAME])[0])
    refuse(refuse_at, make_row([SAME, new])[0][1], ForgedSets)
    verifier = make_verifier()
    verifier.extend(make_row([SAME, SAME, new])[0])
    assert verifier.belief.sets == new


def test_lgt_04_sets_move_on_dynasty_by_dynasty() -> None:
    sets = [SAME, SAME, make_sets(FOUNDERS, FOUNDERS, OTHERS), make_sets(FOUNDERS, OTHERS, OTHERS)]
    everybody = (*FOUNDERS, *OTHERS)
    steps, checkpoints = make_row(sets[:3])
    verifier = make_verifier()
    verifier.extend(steps)
    fourth, target = make_step(checkpoints[3], 20, sets[3], everybody)
    verifier.extend((fourth,))
    fifth, _ = make_step(target, 25, make_sets(OTHERS, OTHERS, OTHERS), OTHERS)
    verifier.extend((fifth,))
    assert verifier.final.checkpoint == target


def test_lgt_04_a_checkpoint_whose_source_lies_further_back_ends_no_dynasty() -> None:
    sets = [SAME, SAME, make_sets(FOUNDERS, FOUNDERS, OTHERS)]
    steps, checkpoints = make_row(sets)
    verifier = make_verifier()
    verifier.extend(steps)
    mixed = make_sets(FOUNDERS, OTHERS, OTHERS)
    far, target = make_step(checkpoints[3], 25, mixed, (*FOUNDERS, *OTHERS))
    verifier.extend((far,))
    refuse(verifier, make_step(target, 30, make_sets(OTHERS, OTHERS, OTHERS), OTHERS)[0], ForgedSets)
    verifier.extend((make_step(target, 30, mixed, (*FOUNDERS, *OTHERS))[0],))
    assert verifier.final.checkpoint == target


def test_lgt_05_votes_of_a_superseded_set_are_refused() -> None:
    """The founders have left; what they sign later counts no more, even if a state names them again."""
    sets = [SAME, SAME, make_sets(FOUNDERS, FOUNDERS, OTHERS)]
    steps, checkpoints = make_row(sets)
    verifier = make_verifier()
    verifier.extend(steps)
    refuse(verifier, make_step(checkpoints[3], 20, SAME, FOUNDERS)[0], ForgedSets)
    true_sets = make_sets(FOUNDERS, OTHERS, OTHERS)
    refuse(verifier, make_step(checkpoints[3], 20, true_sets, FOUNDERS)[0], TooFewVotes)
    refuse(verifier, make_step(checkpoints[3], 20, true_sets, OTHERS)[0], TooFewVotes)


def test_lgt_05_a_state_that_says_others_have_leaked_does_not_help() -> None:
    poor = make_voters(FOUNDERS[1:], 1)
    leaked = (*make_voters(FOUNDERS[:1]), *poor)
    sets = replace(SAME, previous=leaked, current=leaked)
    assert 2 * compute_stake(leaked) <= 3 * 100
    refuse(make_verifier(), make_step(make_anchor().checkpoint, 5, sets, FOUNDERS[:1])[0], TooFewVotes)


def test_lgt_05_what_the_chain_itself_would_not_count_is_refused() -> None:
    """Three of four vote, but in the step's own state two of them have hardly any stake left."""
    leaked = (*make_voters(FOUNDERS[:2]), *make_voters(FOUNDERS[2:], 1))
    sets = replace(SAME, previous=leaked, current=leaked)
    refuse(make_verifier(), make_step(make_anchor().checkpoint, 5, sets, FOUNDERS[1:])[0], TooFewVotes)


@pytest.mark.parametrize("voters", [FOUNDERS[:2], ()])
def test_lgt_05_too_few_votes_are_refused(voters: tuple[str, ...]) -> None:
    refuse(make_verifier(), make_step(make_anchor().checkpoint, 5, SAME, voters)[0], TooFewVotes)


@pytest.mark.parametrize("voters", [(*FOUNDERS, FOUNDERS[0]), (*FOUNDERS, "e1")])
def test_lgt_13_doubled_and_foreign_votes_are_refused(voters: tuple[str, ...]) -> None:
    refuse(make_verifier(), make_step(make_anchor().checkpoint, 5, SAME, voters)[0], FalseVote)


def test_lgt_13_votes_for_something_else_are_refused() -> None:
    step, target = make_step(make_anchor().checkpoint, 5, SAME, FOUNDERS)
    elsewhere = Vote(genesis=b"\x02" * 32, source=make_anchor().checkpoint, target=target)
    signed = sign_vote(FOUNDERS[0], elsewhere)
    refuse(make_verifier(), replace(step, votes=(signed.key + signed.signature, *step.votes[1:])), FalseVote)


def test_lgt_05_nobody_validates_nothing_is_proven() -> None:
    verifier = LightVerifier(GENESIS, PARAMS, make_anchor(()))
    refuse(verifier, make_step(make_anchor().checkpoint, 5, make_sets((), (), ()), ())[0], TooFewVotes)


def test_lgt_07_only_the_named_checkpoint_is_trusted() -> None:
    steps, checkpoints = make_row([SAME] * 4)
    belief = make_trusted_belief(steps[1], checkpoints[2].hash, PARAMS)
    verifier = LightVerifier(GENESIS, PARAMS, belief)
    verifier.extend(steps[2:])
    assert verifier.final.checkpoint == checkpoints[3]
    with pytest.raises(WrongAnchor):
        make_trusted_belief(steps[1], checkpoints[1].hash, PARAMS)
    odd, target = make_step(make_anchor().checkpoint, 7, SAME, FOUNDERS)
    with pytest.raises(WrongAnchor):
        make_trusted_belief(odd, target.hash, PARAMS)


def test_conflicting_proofs_name_a_third() -> None:
    """Two proofs that both pass: at least a third of the set has signed both, and the evidence shows it."""
    left, right = FOUNDERS[:3], FOUNDERS[1:]
    verifiers = (make_verifier(), make_verifier())
    rows = (make_row([SAME] * 2, left, salt=1)[0], make_row([SAME] * 2, right, salt=2)[0])
    for verifier, steps in zip(verifiers, rows, strict=True):
        verifier.extend(steps)
    assert verifiers[0].final.checkpoint.height == verifiers[1].final.checkpoint.height == 5
    assert verifiers[0].final != verifiers[1].final
    one, two = ([vote for step in steps for vote in list_votes(step, GENESIS)] for steps in rows)
    culprits = find_culprits(one, two)
    for evidence in culprits:
        check_evidence(evidence)
    assert {item.one.key for item in culprits} == {get_vote_key(name) for name in FOUNDERS[1:3]}
    assert 3 * sum(100 for _ in culprits) >= compute_stake(SAME.current)
    assert find_culprits(one, one) == ()
