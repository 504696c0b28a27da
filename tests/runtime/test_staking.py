"""Bonds, candidates and sets: what each call takes, and when stake comes and goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.ed25519 import NOT_CANONICAL, SMALL_ORDER
from chain.params import UNIT_PLANCK, Params
from chain.substrate_types import TokenError
from consensus.ballot import Voter
from consensus.finality import Checkpoint, Evidence, Vote
from runtime.dispatch import FundsUnavailable, InvariantBroken
from runtime.genesis_state import GenesisConfig, InvalidGenesis, build_genesis_state
from runtime.pallets.balances import BurnedHeld
from runtime.pallets.staking import (
    Bonded,
    Standing,
    Unbonded,
    Withdrawn,
    bond,
    bond_extra,
    chill,
    unbond,
    validate,
    withdraw_unbonded,
)
from runtime.queries import get_validator_sets
from runtime.runtime import check_invariants
from runtime.staking_checks import (
    AlreadyBonded,
    BondTooSmall,
    CandidatesFull,
    InvalidVoteKey,
    KeyTaken,
    LastValidator,
    NotBonded,
    NothingRipe,
    NotValidating,
    TooManyChunks,
    Validating,
    WrongAmount,
)
from runtime.staking_records import CHUNKS_MAX, Chunk, Ledger, add_chunk, leak_stake
from runtime.staking_state import CANDIDATES, DYNASTY, DYNASTY_STARTS, LEDGERS, SETS, Chilled, find_candidate
from runtime.storage import Overlay
from tests.support.runtime_chain import ENDOWMENT, NAMES, RuntimeChain, get_events, get_key, get_vote_key, sign_vote

LEAST = Params.tiny().staking.bond_min_planck
VALIDATORS = dict.fromkeys(("alice", "bob", "charlie"), 300 * UNIT_PLANCK)


def make_params(**changes: int) -> Params:
    """Return tiny params with changes of the staking params; stake is ripe soon."""
    tiny = Params.tiny()
    values = {"evidence_blocks": 5, "unbonding_blocks": 10} | changes
    return replace(tiny, staking=replace(tiny.staking, **values))


def make_chain(**changes: int) -> RuntimeChain:
    """Return an unattended chain."""
    return RuntimeChain(make_params(**changes))


def make_attended(**changes: int) -> RuntimeChain:
    """Return a chain with three validators that finalises with every round."""
    balances = dict.fromkeys((*NAMES, "dave"), ENDOWMENT)
    chain = RuntimeChain(make_params(**changes), balances, validators=VALIDATORS)
    chain.add_blocks(5)
    chain.add_round(*VALIDATORS)
    chain.add_round(*VALIDATORS)
    return chain


def do(chain: RuntimeChain, name: str, call: object, *arguments: object) -> object:
    """Add a block with one call that succeeds, and return its outcome."""
    outcome = chain.add_block(chain.sign(name, call, *arguments))
    assert outcome.extrinsic_results[-1].is_success, outcome.extrinsic_results[-1].failure
    return outcome


# ---- bonding


def test_stk_01_to_stk_03_a_bond_goes_on_hold() -> None:
    """STK-01, STK-02, STK-03: once, no less than the least bond, and extra only on top of one."""
    chain = make_chain()
    chain.assert_noop(NotBonded, "alice", bond_extra, LEAST)
    chain.assert_noop(NotBonded, "alice", unbond, LEAST)
    chain.assert_noop(NotBonded, "alice", withdraw_unbonded)
    chain.assert_noop(NotBonded, "alice", validate, get_vote_key("alice"))
    chain.assert_noop(BondTooSmall, "alice", bond, LEAST - 1)
    chain.assert_noop(FundsUnavailable, "alice", bond, 1_000 * UNIT_PLANCK)
    outcome = do(chain, "alice", bond, LEAST)
    assert get_events(outcome, Bonded) == [Bonded(stash=get_key("alice"), amount=LEAST)]
    assert chain.get_reserved("alice") == LEAST
    chain.assert_noop(AlreadyBonded, "alice", bond, LEAST)
    chain.assert_noop(BondTooSmall, "alice", bond_extra, 0)
    do(chain, "alice", bond_extra, 1)
    assert LEDGERS.get(chain.state, get_key("alice")) == Ledger(active=LEAST + 1)
    assert FundsUnavailable.error is TokenError.FundsUnavailable


def test_stk_02_and_stk_04_what_may_be_unbonded() -> None:
    """STK-02, STK-04: something, not more than there is, and no rest below the least bond."""
    chain = make_chain()
    do(chain, "alice", bond, 2 * LEAST)
    chain.assert_noop(WrongAmount, "alice", unbond, 0)
    chain.assert_noop(WrongAmount, "alice", unbond, 2 * LEAST + 1)
    chain.assert_noop(BondTooSmall, "alice", unbond, LEAST + 1)
    do(chain, "alice", unbond, LEAST)
    do(chain, "alice", unbond, LEAST)
    ledger = LEDGERS.get(chain.state, get_key("alice"))
    assert (ledger.active, ledger.total) == (0, 2 * LEAST)
    chain.assert_noop(BondTooSmall, "alice", bond_extra, LEAST - 1)
    chain.assert_noop(BondTooSmall, "alice", validate, get_vote_key("alice"))
    do(chain, "alice", bond_extra, LEAST)


def test_stk_06_unbonded_stake_waits_for_three_dynasties_and_the_evidence() -> None:
    """STK-06: unbonded in dynasty 1, ripe 10 blocks after dynasty 4 began."""
    chain = make_attended()
    assert DYNASTY.get(chain.state).number == 1
    outcome = do(chain, "dave", bond, 2 * LEAST)
    outcome = do(chain, "dave", unbond, 2 * LEAST)
    assert get_events(outcome, Unbonded) == [Unbonded(stash=get_key("dave"), amount=2 * LEAST, dynasty=4)]
    while chain.head.number < 49:
        voters = VALIDATORS if chain.head.number % 5 == 0 else ()
        chain.add_block(votes=chain.make_votes(*voters) if voters else [])
        if chain.head.number == 42:
            assert (DYNASTY.get(chain.state).number, DYNASTY_STARTS.get(chain.state, 4)) == (4, 40)
        if chain.head.number < 49:
            chain.assert_noop(NothingRipe, "dave", withdraw_unbonded)
    outcome = do(chain, "dave", withdraw_unbonded)
    assert get_events(outcome, Withdrawn) == [Withdrawn(stash=get_key("dave"), amount=2 * LEAST)]
    assert (chain.head.number, chain.get_reserved("dave")) == (50, 0)
    assert LEDGERS.find(chain.state, get_key("dave")) is None


def test_stk_06_while_nothing_is_final_nothing_becomes_ripe() -> None:
    """STK-06: the leaver still counts in the sets, so its stake stays within reach."""
    chain = make_attended()
    do(chain, "alice", chill)
    do(chain, "alice", unbond, VALIDATORS["alice"])
    chain.add_blocks(60)
    assert any(voter.account == get_key("alice") for voter in get_validator_sets(chain.view).current)
    chain.assert_noop(NothingRipe, "alice", withdraw_unbonded)


def test_stk_06_long_after_a_dynasty_its_beginning_is_forgotten_and_stake_is_ripe() -> None:
    """STK-06: the state keeps a bounded number of beginnings."""
    chain = make_chain()
    do(chain, "alice", bond, LEAST)
    do(chain, "alice", unbond, LEAST)
    chain.add_blocks(100)
    assert DYNASTY_STARTS.find(chain.state, 3) is None
    assert sum(1 for _ in DYNASTY_STARTS.iterate(chain.view)) <= 10 // 5 + 2
    do(chain, "alice", withdraw_unbonded)
    assert chain.get_reserved("alice") == 0


def test_stk_07_amounts_that_wait_are_bounded() -> None:
    """STK-07: one for each dynasty, at most 32."""
    ledger = Ledger(active=100)
    for dynasty in (1, 1, 2):
        ledger = add_chunk(ledger, 10, dynasty)
    assert ledger == Ledger(active=70, chunks=(Chunk(amount=20, dynasty=1), Chunk(amount=10, dynasty=2)))
    chain = make_chain()
    do(chain, "alice", bond, 3 * LEAST)
    full = Ledger(
        active=2 * LEAST, chunks=tuple(Chunk(amount=LEAST // CHUNKS_MAX, dynasty=d) for d in range(CHUNKS_MAX))
    )
    chain.view.values[LEDGERS.key_of(get_key("alice"))] = LEDGERS.codec.encode(full)
    chain.assert_noop(TooManyChunks, "alice", unbond, LEAST)


# ---- standing


def test_stk_05_a_candidate_keeps_the_least_bond_until_it_chills() -> None:
    """STK-05"""
    chain = make_attended()
    chain.assert_noop(Validating, "alice", unbond, VALIDATORS["alice"] - LEAST + 1)
    do(chain, "alice", unbond, VALIDATORS["alice"] - LEAST)
    assert find_candidate(chain.state, get_key("alice")).stake == LEAST
    do(chain, "alice", chill)
    chain.assert_noop(NotValidating, "alice", chill)
    do(chain, "alice", unbond, LEAST)


def test_fin_15_who_joins_votes_two_dynasties_later_and_who_leaves_is_counted_for_three() -> None:
    """FIN-15: the sets as dynasties go by."""
    chain = make_attended()
    do(chain, "miner", bond, 2 * LEAST)
    do(chain, "miner", validate, get_vote_key("miner"))
    do(chain, "alice", chill)
    chain.add_round()
    names = {get_key(name): name for name in (*VALIDATORS, "miner")}
    seen = {}
    voters = [*VALIDATORS]
    for _ in range(5):
        sets = get_validator_sets(chain.view)
        seen[DYNASTY.get(chain.state).number] = [
            "".join(sorted(names[voter.account][0] for voter in some))
            for some in (sets.previous, sets.current, sets.next)
        ]
        chain.add_round(*voters)
        chain.add_round(*voters)
        if DYNASTY.get(chain.state).number >= 3:
            voters = ["bob", "charlie"]
    assert seen[1] == ["abc", "abc", "abc"]
    late = {number: sets for number, sets in seen.items() if number > 1}
    assert all(sets[2] == "bcm" for sets in late.values())
    assert {number: sets[1] for number, sets in late.items()} == {
        number: "abc" if number == 2 else "bcm" for number in late
    }
    assert {number: sets[0] for number, sets in late.items()} == {
        number: "abc" if number <= 3 else "bcm" for number in late
    }


def test_stk_08_keys_of_small_order_are_refused() -> None:
    """STK-08"""
    chain = make_chain()
    do(chain, "alice", bond, LEAST)
    for key in (sorted(SMALL_ORDER)[0], sorted(NOT_CANONICAL)[0]):
        chain.assert_noop(InvalidVoteKey, "alice", validate, key)


def test_stk_09_a_key_belongs_to_its_first_owner() -> None:
    """STK-09: even when the owner uses another one; its record costs its price once."""
    chain = make_chain()
    for name in ("alice", "bob"):
        do(chain, name, bond, LEAST)
    outcome = do(chain, "alice", validate, get_vote_key("alice"))
    assert get_events(outcome, Standing) == [Standing(stash=get_key("alice"), vote_key=get_vote_key("alice"))]
    money = chain.params.money
    assert [event.amount for event in get_events(outcome, BurnedHeld)] == [
        money.deposit_base_planck + 65 * money.deposit_per_byte_planck
    ]
    do(chain, "alice", validate, get_vote_key("another"))
    chain.assert_noop(KeyTaken, "bob", validate, get_vote_key("alice"))
    outcome = do(chain, "alice", validate, get_vote_key("alice"))
    assert get_events(outcome, BurnedHeld) == []
    assert [voter.key for voter in CANDIDATES.get(chain.state)] == [get_vote_key("alice")]


def test_stk_09_a_slashed_key_is_nobodys() -> None:
    """STK-09: its owner may bond again, with another key."""
    chain = make_attended()
    start = Checkpoint(height=0, hash=chain.genesis_hash)
    votes = [
        sign_vote("alice", Vote(genesis=chain.genesis_hash, source=start, target=Checkpoint(height=15, hash=byte * 32)))
        for byte in (b"\x01", b"\x02")
    ]
    chain.add_block(evidence=[Evidence(one=votes[0], two=votes[1])])
    do(chain, "alice", bond, LEAST)
    chain.assert_noop(KeyTaken, "alice", validate, get_vote_key("alice"))
    do(chain, "alice", validate, get_vote_key("another"))


def test_a_new_key_votes_two_dynasties_later_and_meanwhile_both_count() -> None:
    """In the dynasty between, the old key counts in the previous set and the new one in the current."""
    chain = make_attended()
    do(chain, "alice", validate, get_vote_key("another"))
    chain.add_round()
    keys = {get_vote_key("alice"): "old", get_vote_key("another"): "new"}
    seen = {}
    while DYNASTY.get(chain.state).number < 5:
        sets = get_validator_sets(chain.view)
        seen[DYNASTY.get(chain.state).number] = tuple(
            next(keys[voter.key] for voter in voters if voter.account == get_key("alice"))
            for voters in (sets.previous, sets.current)
        )
        chain.add_round("bob", "charlie")
    assert seen == {1: ("old", "old"), 2: ("old", "old"), 3: ("old", "new"), 4: ("new", "new")}


def test_stk_10_the_last_candidate_stays_while_a_set_has_members() -> None:
    """STK-10: before anything came of it, it may leave."""
    chain = make_chain()
    do(chain, "alice", bond, LEAST)
    do(chain, "alice", validate, get_vote_key("alice"))
    do(chain, "alice", chill)
    do(chain, "alice", validate, get_vote_key("alice"))
    chain.add_blocks(10)
    assert SETS.get(chain.state).next
    chain.assert_noop(LastValidator, "alice", chill)
    attended = make_attended()
    do(attended, "alice", chill)
    do(attended, "bob", chill)
    attended.assert_noop(LastValidator, "charlie", chill)


def test_stk_11_more_stake_displaces_the_least() -> None:
    """STK-11: an equal one comes too late."""
    chain = make_chain(candidates_max=2, validators_max=2)
    for name, stake in (("alice", 2 * LEAST), ("bob", LEAST), ("charlie", LEAST), ("miner", 3 * LEAST)):
        do(chain, name, bond, stake)
    for name in ("alice", "bob"):
        do(chain, name, validate, get_vote_key(name))
    first, second = sorted(("bob", "charlie"), key=get_key)
    if first == "bob":
        chain.assert_noop(CandidatesFull, "charlie", validate, get_vote_key("charlie"))
    else:
        assert second == "bob"
    outcome = do(chain, "miner", validate, get_vote_key("miner"))
    assert get_events(outcome, Chilled) == [Chilled(stash=get_key("bob"))]
    assert [voter.account for voter in CANDIDATES.get(chain.state)] == [get_key("miner"), get_key("alice")]
    chain.assert_noop(CandidatesFull, "bob", validate, get_vote_key("bob"))
    do(chain, "bob", bond_extra, 2 * LEAST)
    do(chain, "bob", validate, get_vote_key("bob"))
    assert find_candidate(chain.state, get_key("alice")) is None


def test_the_set_takes_the_largest_stakes() -> None:
    chain = make_chain(validators_max=2)
    for name, stake in (("alice", 2 * LEAST), ("bob", LEAST), ("charlie", 3 * LEAST)):
        do(chain, name, bond, stake)
        do(chain, name, validate, get_vote_key(name))
    chain.add_blocks(10)
    sets = get_validator_sets(chain.view)
    assert [voter.account for voter in sets.next] == [get_key("charlie"), get_key("alice")]
    do(chain, "bob", bond_extra, 3 * LEAST)
    chain.add_blocks(5)
    assert [voter.account for voter in get_validator_sets(chain.view).current] == [get_key("charlie"), get_key("alice")]


# ---- slashing reaches what waits


def test_stk_12_what_waits_is_slashed_too() -> None:
    """STK-12: leaving in time does not help."""
    chain = make_attended()
    do(chain, "alice", unbond, LEAST)
    do(chain, "alice", chill)
    do(chain, "alice", unbond, VALIDATORS["alice"] - LEAST)
    start = Checkpoint(height=0, hash=chain.genesis_hash)
    votes = [
        sign_vote("alice", Vote(genesis=chain.genesis_hash, source=start, target=Checkpoint(height=15, hash=byte * 32)))
        for byte in (b"\x01", b"\x02")
    ]
    chain.add_block(evidence=[Evidence(one=votes[0], two=votes[1])])
    assert chain.get_reserved("alice") == 0
    assert LEDGERS.find(chain.state, get_key("alice")) is None


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6)), max_size=5), st.integers(0, 9), st.integers(1, 9))
def test_fin_22_what_backs_a_set_still_does_after_a_leak(rows: list[tuple[int, int]], part: int, whole: int) -> None:
    """FIN-22: active stake and the chunks that count lose alike; whichever of them a set counts, the rest covers it."""
    part = min(part, whole)
    chunks = tuple(Chunk(amount=amount, dynasty=dynasty) for amount, dynasty in rows if amount)
    before = Ledger(active=50, chunks=chunks)
    after = leak_stake(before, part=part, whole=whole, dynasty=3)
    ripening = [chunk for chunk in chunks if chunk.dynasty <= 3]
    assert [chunk for chunk in after.chunks if chunk.dynasty <= 3] == ripening, "out of reach of a leak"
    for first in (4, 5, 6):
        was, now = (
            ledger.active + sum(chunk.amount for chunk in ledger.chunks if chunk.dynasty >= first)
            for ledger in (before, after)
        )
        assert was * (whole - part) // whole <= now <= was * (whole - part) // whole + 1 + len(chunks)
    if part == whole:
        assert after.total == sum(chunk.amount for chunk in ripening)


def test_fin_22_a_chunk_withdrawn_after_a_leak_leaves_the_sets_covered() -> None:
    """FIN-22: a leak on a half of what is bonded, a dynasty, a standstill: what is ripe may go, the chain goes on."""
    params = make_params()
    params = replace(params, finality=replace(params.finality, leak_quotient=100, leak_after_checkpoints=1))
    chain = RuntimeChain(params, dict.fromkeys(NAMES, ENDOWMENT), validators=VALIDATORS)
    chain.add_blocks(5)
    for voters in (VALIDATORS, VALIDATORS):
        chain.add_round(*voters)
    do(chain, "alice", unbond, 150 * UNIT_PLANCK)
    chain.add_blocks(4)
    for voters in (VALIDATORS, VALIDATORS, VALIDATORS, ("bob",), ("bob",), ("bob",)):
        chain.add_round(*voters)
    while DYNASTY.get(chain.state).number < 4:
        chain.add_round(*VALIDATORS)
    chain.add_blocks(11)
    do(chain, "alice", withdraw_unbonded)
    assert any(voter.account == get_key("alice") for voter in SETS.get(chain.state).previous)
    while SETS.get(chain.state).current:
        chain.add_blocks(5)
        assert chain.head.number < 1_000
    assert chain.get_reserved("alice") < 1_000


# ---- genesis


def test_run_27_genesis_validators_are_bonded_and_current() -> None:
    """RUN-27: in every set, with their stake on hold."""
    chain = RuntimeChain(validators=VALIDATORS)
    check_invariants(Overlay(chain.view), chain.params)
    sets = get_validator_sets(chain.view)
    assert sets.previous == sets.current == sets.next == CANDIDATES.get(chain.state)
    assert {voter.account: voter.stake for voter in sets.current} == {get_key(n): s for n, s in VALIDATORS.items()}
    assert chain.get_reserved("alice") == VALIDATORS["alice"]
    assert chain.get_issuance() == 4_000 * UNIT_PLANCK


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("alice", "alice", 300), ("alice", "bob", 300)], "listed twice"),
        ([("alice", "alice", 300), ("bob", "alice", 300)], "listed twice"),
        ([("alice", "alice", 99)], "the least bond"),
        ([("alice", "alice", 1_000)], "must stay free"),
        ([("nobody", "alice", 300)], "must stay free"),
        ([("alice", "alice", 300), ("bob", "bob", 300), ("charlie", "charlie", 300)], "the params allow 2"),
    ],
)
def test_run_27_other_genesis_validators_are_refused(rows: list[tuple[str, str, int]], words: str) -> None:
    """RUN-27"""
    params = make_params(validators_max=2)
    config = GenesisConfig(
        balances=tuple((get_key(name), 1_000 * UNIT_PLANCK) for name in ("alice", "bob", "charlie")),
        validators=tuple((get_key(who), get_vote_key(key), amount * UNIT_PLANCK) for who, key, amount in rows),
    )
    with pytest.raises(InvalidGenesis, match=words):
        build_genesis_state(params, config)


def test_run_27_a_genesis_vote_key_must_be_one() -> None:
    """RUN-27"""
    config = GenesisConfig(
        balances=((get_key("alice"), 1_000 * UNIT_PLANCK),),
        validators=((get_key("alice"), bytes(32), 300 * UNIT_PLANCK),),
    )
    with pytest.raises(InvalidGenesis, match="no vote key"):
        build_genesis_state(Params.tiny(), config)


# ---- invariants can fail


def test_wrong_sets_are_noticed() -> None:
    """More stake than is bonded, one account twice, a wrong order."""
    chain = RuntimeChain(validators=VALIDATORS)
    good = SETS.get(chain.state)
    first, *others = good.current
    wrong: list[tuple[Voter, ...]] = [
        (replace(first, stake=first.stake + 1), *others),
        (first, first, *others),
        tuple(reversed(good.current)),
        (replace(first, account=get_key("miner")), *others),
    ]
    for voters in wrong:
        state = Overlay(chain.view)
        SETS.set(state, replace(good, next=voters))
        with pytest.raises(InvariantBroken):
            check_invariants(state, chain.params)


def test_wrong_ledgers_and_candidates_are_noticed() -> None:
    chain = RuntimeChain(validators=VALIDATORS)
    state = Overlay(chain.view)
    LEDGERS.set(state, get_key("alice"), Ledger(active=VALIDATORS["alice"] - 1))
    with pytest.raises(InvariantBroken, match="holds"):
        check_invariants(state, chain.params)
    state = Overlay(chain.view)
    CANDIDATES.set(state, tuple(replace(voter, stake=voter.stake - 1) for voter in CANDIDATES.get(state)))
    with pytest.raises(InvariantBroken, match="not active"):
        check_invariants(state, chain.params)
