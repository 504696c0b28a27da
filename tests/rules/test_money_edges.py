"""Edges of escrow and accounts; `RuntimeChain.keep` checks issuance, holds and other invariants after each block."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.params import UNIT_PLANCK, Params
from runtime.executive import AuthorSolution, InvalidExtrinsicInBlock
from runtime.pallets.balances import DustLost, Minted, transfer_all, transfer_allow_death, transfer_keep_alive
from runtime.pallets.problems import cancel, post, post_order
from runtime.pallets.system import ACCOUNT, KilledAccount, NewAccount, remark
from runtime.pallets.transaction_payment import TransactionFeePaid
from runtime.problem_events import BountyPaid, Expired
from runtime.problem_records import ProblemStatus, compute_order_figures
from runtime.queries import get_problem
from runtime.validity import Payment, Stale
from tests.support.runtime_chain import ENDOWMENT, RuntimeChain, get_events, get_key, make_ring, post_arguments, to

BEST = AuthorSolution(problem_id=0, energy=-6, bits=b"\x15")
PARAMS = Params.tiny()
ED = PARAMS.money.existential_deposit_planck
DEPTH = PARAMS.finality.unattended_depth


@pytest.fixture
def chain() -> RuntimeChain:
    """A chain at genesis."""
    return RuntimeChain()


def get_status(chain: RuntimeChain, number: int = 0) -> ProblemStatus:
    """Return how far a problem got."""
    row = get_problem(chain.view, number)
    assert row is not None
    return row.record.status


def add_post(chain: RuntimeChain, name: str = "alice", **terms: int) -> None:
    """Post a ring of six."""
    chain.add_block(chain.sign(name, post, *post_arguments(**terms)))


def test_a_problem_posted_and_cancelled_in_one_block_leaves_only_fees(chain: RuntimeChain) -> None:
    raws = [
        chain.sign("alice", post, *post_arguments(), nonce=0),
        chain.sign("alice", cancel, 0, nonce=1),
        chain.sign("alice", cancel, 0, nonce=2),
        chain.sign("alice", post_order, 0, (5, 4, 3, 2, 1, 0), nonce=3),
    ]
    outcome = chain.add_block(*raws)
    assert [result.is_success for result in outcome.extrinsic_results] == [True, True, True, False, False]
    paid = sum(event.actual_fee for event in get_events(outcome, TransactionFeePaid))
    assert (chain.get_free("alice"), chain.get_reserved("alice")) == (ENDOWMENT - paid, 0)
    chain.add_blocks(25)
    assert get_status(chain) is ProblemStatus.Cancelled


@pytest.mark.parametrize("budget", [0, 2 * UNIT_PLANCK])
def test_a_solution_in_the_last_block_is_paid_though_the_deadline_passes_before_the_payout(
    chain: RuntimeChain, budget: int
) -> None:
    add_post(chain, deadline=4, work_budget=budget)
    chain.add_blocks(2)
    chain.add_block(solution=BEST, author="bob")
    assert chain.head.number == 4
    free = chain.get_free("bob")
    outcomes = [chain.add_block() for _ in range(DEPTH)]
    assert not any(get_events(outcome, Expired) for outcome in outcomes)
    assert [len(get_events(outcome, BountyPaid)) for outcome in outcomes] == [0] * (DEPTH - 1) + [1]
    reward = sum(
        event.amount for outcome in outcomes for event in get_events(outcome, Minted) if event.who == get_key("bob")
    )
    assert chain.get_free("bob") == free + 5 * UNIT_PLANCK + reward
    assert get_status(chain) is ProblemStatus.Paid
    assert chain.get_reserved("alice") == 0


def test_a_solution_after_the_deadline_makes_its_block_invalid(chain: RuntimeChain) -> None:
    add_post(chain, deadline=3)
    chain.add_blocks(2)
    with pytest.raises(InvalidExtrinsicInBlock, match="NotOpen"):
        chain.make_block(solution=BEST)
    outcome = chain.add_block()
    assert len(get_events(outcome, Expired)) == 1


def test_a_problem_cannot_be_cancelled_in_the_block_that_solves_it(chain: RuntimeChain) -> None:
    add_post(chain)
    outcome = chain.add_block(chain.sign("alice", cancel, 0), solution=BEST, author="bob")
    assert not outcome.extrinsic_results[-1].is_success
    assert get_status(chain) is ProblemStatus.Solved


def test_a_solver_who_was_reaped_is_paid_and_keeps_his_nonce(chain: RuntimeChain) -> None:
    add_post(chain, bounty=ED)
    old = chain.sign("bob", remark, b"once")
    chain.add_block(old, solution=BEST, author="bob")
    chain.add_block(chain.sign("bob", transfer_all, to("charlie"), False))
    assert chain.get_free("bob") == 0
    assert ACCOUNT.get(chain.state, get_key("bob")).providers == 0
    chain.add_blocks(DEPTH - 1)
    assert get_status(chain) is ProblemStatus.Paid
    assert chain.get_free("bob") == ED
    assert chain.get_nonce("bob") == 2
    execution = chain.start()
    with pytest.raises(Stale):
        execution.apply_extrinsic(old)


def test_a_poster_stays_alive_while_money_is_on_hold(chain: RuntimeChain) -> None:
    add_post(chain)
    outcome = chain.add_block(chain.sign("alice", transfer_all, to("bob"), False))
    assert outcome.extrinsic_results[1].is_success
    assert chain.get_free("alice") == ED
    execution = chain.start()
    with pytest.raises(Payment):
        execution.apply_extrinsic(chain.sign("alice", cancel, 0))
    chain.add_block(solution=BEST)
    chain.add_blocks(DEPTH)
    assert get_status(chain) is ProblemStatus.Paid
    assert chain.get_free("alice") > 2 * UNIT_PLANCK, "budget and deposit came back"


def test_an_author_who_is_poster_and_solver_pays_himself(chain: RuntimeChain) -> None:
    before = chain.get_issuance()
    post_block = chain.add_block(chain.sign("miner", post, *post_arguments()), author="miner")
    chain.add_block(solution=BEST, author="miner")
    outcomes = [chain.add_block(author="miner") for _ in range(DEPTH)]
    assert get_status(chain) is ProblemStatus.Paid
    (fee,) = get_events(post_block, TransactionFeePaid)
    burnt = fee.actual_fee // 2
    minted = chain.get_issuance() - before + burnt
    assert chain.get_free("miner") == ENDOWMENT + minted - burnt
    assert outcomes


def test_two_problems_of_one_poster_are_told_apart(chain: RuntimeChain) -> None:
    chain.add_block(
        chain.sign("alice", post, *post_arguments(bounty=3 * UNIT_PLANCK), nonce=0),
        chain.sign("alice", post, *post_arguments(bounty=7 * UNIT_PLANCK), nonce=1),
    )
    held = chain.get_reserved("alice")
    chain.add_block(chain.sign("alice", cancel, 1), solution=BEST, author="bob")
    assert get_status(chain, 0) is ProblemStatus.Solved
    assert get_status(chain, 1) is ProblemStatus.Cancelled
    row = get_problem(chain.view, 0)
    assert row is not None
    assert chain.get_reserved("alice") == 5 * UNIT_PLANCK + row.record.deposit < held
    chain.add_blocks(DEPTH)
    assert chain.get_reserved("alice") == 0


def test_a_post_whose_last_hold_fails_takes_back_the_first_ones(chain: RuntimeChain) -> None:
    free = chain.get_free("alice")
    outcome = chain.add_block(
        chain.sign("alice", post, *post_arguments(bounty=UNIT_PLANCK, work_budget=free - 4 * UNIT_PLANCK))
    )
    assert outcome.extrinsic_results[-1].is_success
    second = chain.add_block(
        chain.sign("bob", post, *post_arguments(bounty=UNIT_PLANCK, work_budget=free - UNIT_PLANCK - 2 * ED))
    )
    assert not second.extrinsic_results[-1].is_success
    assert chain.get_reserved("bob") == 0
    assert get_problem(chain.view, 1) is None


def test_an_author_who_empties_himself_in_his_own_block_loses_his_share_of_the_fee(chain: RuntimeChain) -> None:
    raw = chain.sign("miner", transfer_all, to("bob"), False)
    outcome = chain.add_block(raw, author="miner")
    assert len(get_events(outcome, KilledAccount)) == 1
    assert chain.get_free("miner") == 0
    assert chain.get_nonce("miner") == 1
    chain.add_block(author="bob")
    assert chain.get_free("miner") > 0, "the reward of the block came with the next"
    with pytest.raises(Stale):
        chain.start().apply_extrinsic(raw)


def test_a_tip_to_oneself_can_bring_the_author_back(chain: RuntimeChain) -> None:
    outcome = chain.add_block(chain.sign("miner", transfer_all, to("bob"), False, tip=2 * ED), author="miner")
    assert len(get_events(outcome, KilledAccount)) == 1
    assert [event.account for event in get_events(outcome, NewAccount)] == [get_key("miner")]
    assert 2 * ED <= chain.get_free("miner") < 3 * ED
    assert chain.get_nonce("miner") == 1


def get_fee(chain: RuntimeChain, *call: object) -> int:
    """Return what a call of Bob costs, from a dry run in a block by Charlie."""
    return chain.start("charlie").apply_extrinsic(chain.sign("bob", *call)).fee


@pytest.mark.parametrize(("left", "dust"), [(ED, 0), (ED - 1, ED - 1), (1, 1), (0, 0)])
def test_what_a_sender_leaves_is_kept_from_the_existential_deposit_on(
    chain: RuntimeChain, left: int, dust: int
) -> None:
    fee = get_fee(chain, transfer_allow_death, to("alice"), ENDOWMENT // 2)
    amount = ENDOWMENT - fee - left
    assert get_fee(chain, transfer_allow_death, to("alice"), amount) == fee
    outcome = chain.add_block(chain.sign("bob", transfer_allow_death, to("alice"), amount), author="charlie")
    assert outcome.extrinsic_results[-1].is_success
    assert chain.get_free("bob") == left - dust
    assert [event.amount for event in get_events(outcome, DustLost)] == [dust] * (dust > 0)
    kept = RuntimeChain()
    result = kept.add_block(kept.sign("bob", transfer_keep_alive, to("alice"), amount), author="charlie")
    assert result.extrinsic_results[-1].is_success == (left >= ED)


@pytest.mark.parametrize(("amount", "is_created"), [(ED, True), (ED - 1, False), (0, False)])
def test_an_account_is_created_from_the_existential_deposit_on(
    chain: RuntimeChain, amount: int, is_created: bool
) -> None:
    outcome = chain.add_block(chain.sign("bob", transfer_keep_alive, to("stranger"), amount))
    assert outcome.extrinsic_results[-1].is_success == (is_created or amount == 0)
    assert (ACCOUNT.find(chain.state, get_key("stranger")) is not None) == is_created


@pytest.mark.parametrize("missing", [0, 1])
def test_run_11_a_fee_may_leave_exactly_the_existential_deposit(missing: int) -> None:
    fee = get_fee(RuntimeChain(), remark, b"")
    balances = {"alice": ENDOWMENT, "bob": ED + fee - missing, "miner": ENDOWMENT}
    chain = RuntimeChain(balances=balances)
    raw = chain.sign("bob", remark, b"")
    if missing:
        with pytest.raises(Payment):
            chain.start().apply_extrinsic(raw)
        return
    chain.add_block(raw)
    assert chain.get_free("bob") == ED


def test_a_reaped_accounts_signed_extrinsics_stay_invalid_after_it_is_endowed_again(chain: RuntimeChain) -> None:
    first = chain.sign("bob", transfer_keep_alive, to("alice"), UNIT_PLANCK)
    chain.add_block(first)
    second = chain.sign("bob", transfer_all, to("alice"), False)
    chain.add_block(second)
    chain.add_block(chain.sign("alice", transfer_keep_alive, to("bob"), 10 * UNIT_PLANCK))
    for raw in (first, second):
        with pytest.raises(Stale):
            chain.start().apply_extrinsic(raw)
    chain.add_block(chain.sign("bob", remark, b"again"))
    assert chain.get_nonce("bob") == 3


def test_a_better_order_in_the_middle_of_an_epoch_changes_the_work_of_the_next_block_only() -> None:
    """The context is read in the parent's post-state, so a block that brings an order is not judged by it."""
    chain = RuntimeChain(replace(PARAMS, work=replace(PARAMS.work, epoch_blocks=100)))
    orders = [tuple(range(6)), (0, 3, 1, 4, 2, 5)]
    better, worse = sorted(orders, key=lambda order: compute_order_figures(make_ring(), order, 1, PARAMS).strike_gas)
    chain.add_block(chain.sign("alice", post, *post_arguments(order=worse)))
    before = chain.runtime.get_work_context(chain.view, chain.head, 0)
    raw = chain.sign("bob", post_order, 0, better)
    execution = chain.start()
    assert execution.apply_extrinsic(raw).is_success
    assert chain.runtime.get_work_context(chain.view, chain.head, 0) == before
    chain.add_block(raw)
    after = chain.runtime.get_work_context(chain.view, chain.head, 0)
    assert before.pool is not None
    assert after.pool is not None
    assert after.pool.gas < before.pool.gas
    assert after.pool.order == better
    assert (after.core_seed, after.core_epoch) == (before.core_seed, before.core_epoch)
