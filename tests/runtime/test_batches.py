"""Batches in the runtime: bonds, commits, audits, payment, silence and fraud."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.params import BlockParams
from consensus.batch import compute_gas_of_leaves, compute_leaf_count, select_leaves
from consensus.work import compute_header_ticket
from runtime.batch_events import BatchChallenged, BatchCommitted, BatchPaid, BatchVoided, SolverSlashed
from runtime.batch_records import BatchStatus
from runtime.batch_state import COMMITTED, SLOTS, SOLVERS
from runtime.batch_weights import compute_leaves_weight
from runtime.pallets.batches import bond, commit_batch, report_fraud, unbond, withdraw
from runtime.pallets.problems import cancel
from runtime.problem_records import ProblemStatus
from runtime.problem_state import INSTANCES, RECORDS
from runtime.weights import BASE_EXTRINSIC
from tests.support.batch_chain import (
    BATCH_PARAMS,
    BOND,
    PARAMS,
    TestBatch,
    answer,
    claim_of,
    commit,
    get_batch,
    get_solver,
    make_batch,
    make_market,
)
from tests.support.runtime_chain import RuntimeChain, get_events, get_key

DEPOSIT = BATCH_PARAMS.deposit_planck


def make_challenged() -> tuple[RuntimeChain, TestBatch]:
    """Return a chain on which bob's batch waits for its answer."""
    chain = make_market()
    batch = make_batch(chain)
    commit(chain, batch)
    chain.add_blocks(3)
    assert get_batch(chain).status is BatchStatus.Challenged
    return chain, batch


def test_an_honest_batch_is_committed_challenged_answered_and_paid() -> None:
    """BAT-24, BAT-30, BAT-31, BAT-38: and the problem's budget pays, nobody else."""
    chain = make_market()
    batch = make_batch(chain)
    outcome = commit(chain, batch)
    record = get_batch(chain)
    payment = 16 * batch.pool.gas * 1_000
    assert (record.payment, record.deposit, record.audit_at) == (payment, DEPOSIT, chain.head.number + 2)
    assert get_events(outcome, BatchCommitted)
    assert RECORDS.get(chain.state, 0).reserved == payment
    assert chain.get_reserved("bob") == 5 * BOND + DEPOSIT
    chain.add_blocks(2)
    ticket = compute_header_ticket(chain.head)
    outcome = chain.add_block()
    k = compute_leaf_count(batch.pool.gas, 16, BATCH_PARAMS)
    assert get_batch(chain).leaves == select_leaves(ticket, 0, 16, k)
    assert get_events(outcome, BatchChallenged)
    free, budget = chain.get_free("bob"), RECORDS.get(chain.state, 0).work_budget
    outcome = answer(chain, batch)
    fee = outcome.extrinsic_results[-1].fee
    assert get_events(outcome, BatchPaid)
    shown = [batch.shots[index] for index in get_batch(chain).leaves]
    used = compute_gas_of_leaves(batch.pool, shown)
    paid = payment * used // (k * batch.pool.gas)
    assert 0 < paid < payment, "shots of some leaves shared registers"
    assert chain.get_free("bob") == free + paid + DEPOSIT - fee
    assert RECORDS.get(chain.state, 0).work_budget == budget - paid
    assert RECORDS.get(chain.state, 0).reserved == 0
    assert get_batch(chain).payment == paid
    solver = get_solver(chain)
    assert (solver.reputation, solver.paid, solver.open_batches) == (1, 1, 0)
    assert get_batch(chain).status is BatchStatus.Paid


def test_anybody_may_answer_and_the_solver_is_paid() -> None:
    """The proof binds the shots to the solver's root."""
    chain, batch = make_challenged()
    free = chain.get_free("bob")
    answer(chain, batch, sender="charlie")
    assert chain.get_free("bob") == free + get_batch(chain).payment + DEPOSIT


def test_bat_02_a_bonded_solver_sells_strikes_of_no_header() -> None:
    """BAT-20: its counters go up one by one."""
    chain = make_market()
    for counter in range(2):
        commit(chain, make_batch(chain, counter=counter))
    assert get_solver(chain).counter == 2
    assert not get_batch(chain, 1).is_of_header


def test_bat_32_and_39_silence_voids_and_burns_the_deposit_but_not_the_bond() -> None:
    chain, _ = make_challenged()
    first = get_batch(chain).audit_at + 1
    free, reserved = chain.get_free("bob"), RECORDS.get(chain.state, 0).reserved
    chain.add_blocks(first + BATCH_PARAMS.answer_blocks - 1 - chain.head.number)
    assert get_batch(chain).status is BatchStatus.Challenged
    outcome = chain.add_block()
    assert get_events(outcome, BatchVoided)
    assert get_batch(chain).status is BatchStatus.Void
    solver = get_solver(chain)
    assert (solver.active, solver.voided, solver.reputation) == (5 * BOND, 1, 0)
    assert chain.get_reserved("bob") == 5 * BOND
    assert reserved > 0
    assert RECORDS.get(chain.state, 0).reserved == 0
    assert chain.get_free("bob") == free, "the deposit does not come back"


def test_bat_39_the_last_block_of_the_window_takes_an_answer_and_the_next_does_not() -> None:
    chain, batch = make_challenged()
    last = get_batch(chain).audit_at + BATCH_PARAMS.answer_blocks
    chain.add_blocks(last - 1 - chain.head.number)
    late = chain.fork()
    answer(chain, batch)
    assert get_batch(chain).status is BatchStatus.Paid
    late.add_block()
    late.add_block()
    assert get_batch(late).status is BatchStatus.Void


def test_bat_29_33_and_bat_36_a_wrong_leaf_in_an_audit_voids_slashes_and_names_the_solver() -> None:
    """All leaves are invented, so whichever is selected is wrong."""
    chain = make_market()
    honest = make_batch(chain, counter=0)
    commit(chain, honest)
    chain.add_blocks(3)
    answer(chain, honest)
    batch = make_batch(chain, fake=lambda index: True)
    commit(chain, batch)
    chain.add_blocks(3)
    outcome = answer(chain, batch, number=1)
    event = get_events(outcome, SolverSlashed)[0]
    assert isinstance(event, SolverSlashed)
    assert (event.solver, event.amount, event.reward) == (get_key("bob"), BOND, 0)
    solver = get_solver(chain)
    assert (solver.active, solver.slashed, solver.reputation, solver.open_batches) == (4 * BOND, 1, 0, 0)
    assert get_batch(chain, 1).status is BatchStatus.Slashed
    assert RECORDS.get(chain.state, 0).reserved == 0
    assert chain.get_reserved("bob") == 4 * BOND


def test_bat_34_whoever_reports_a_wrong_leaf_is_paid_a_share_and_the_rest_is_burnt() -> None:
    chain = make_market()
    batch = make_batch(chain, fake=lambda index: index == 7)
    commit(chain, batch)
    free = chain.get_free("charlie")
    outcome = chain.add_block(chain.sign("charlie", report_fraud, *batch.report_arguments(claim_of(0), 7)))
    event = get_events(outcome, SolverSlashed)[0]
    assert isinstance(event, SolverSlashed)
    assert (event.reporter, event.reward, event.batch) == (get_key("charlie"), BOND // 10, 0)
    assert chain.get_free("charlie") == free + BOND // 10 - outcome.extrinsic_results[-1].fee
    chain.add_blocks(4)  # its slot comes, and finds it settled
    assert get_batch(chain).status is BatchStatus.Slashed


def test_bat_34_a_solver_that_reports_itself_gets_nothing() -> None:
    chain = make_market()
    batch = make_batch(chain, fake=lambda index: True)
    commit(chain, batch)
    outcome = chain.add_block(chain.sign("bob", report_fraud, *batch.report_arguments(claim_of(0), 7)))
    event = get_events(outcome, SolverSlashed)[0]
    assert isinstance(event, SolverSlashed)
    assert event.reward == 0


def test_a_signed_statement_is_punished_without_any_batch_on_the_chain() -> None:
    """BAT-40: layer 2 hands batches about; a wrong leaf of one costs its signer the bond."""
    chain = make_market()
    batch = make_batch(chain, fake=lambda index: index == 3)
    arguments = batch.report_arguments(batch.sign(chain, "bob"), 3)
    outcome = chain.add_block(chain.sign("alice", report_fraud, *arguments))
    event = get_events(outcome, SolverSlashed)[0]
    assert isinstance(event, SolverSlashed)
    assert (event.batch, event.reporter, event.reward) == (None, get_key("alice"), BOND // 10)
    assert get_solver(chain).active == 4 * BOND


def test_bat_35_a_lie_told_twice_is_punished_once() -> None:
    """First by its signature, then the audit of the same batch voids it without a second slash."""
    chain = make_market()
    batch = make_batch(chain, fake=lambda index: True)
    commit(chain, batch)
    chain.add_block(chain.sign("alice", report_fraud, *batch.report_arguments(batch.sign(chain, "bob"), 3)))
    chain.add_blocks(2)
    outcome = answer(chain, batch)
    assert not get_events(outcome, SolverSlashed)
    assert get_batch(chain).status is BatchStatus.Slashed
    assert get_solver(chain).active == 4 * BOND


def test_bat_37_a_paid_batch_can_be_reported_until_it_is_forgotten() -> None:
    """An audit that a lie survived is not the end; fraud_blocks later it is."""
    chain = make_market()
    batch = make_batch(chain, count=64, fake=lambda index: index == 0)
    commit(chain, batch)
    chain.add_blocks(3)
    assert 0 not in get_batch(chain).leaves, "the tickets of this chain do not select leaf 0"
    answer(chain, batch)
    assert get_batch(chain).status is BatchStatus.Paid
    early = chain.fork()
    early.add_blocks(BATCH_PARAMS.fraud_blocks - 2)
    outcome = early.add_block(early.sign("charlie", report_fraud, *batch.report_arguments(claim_of(0), 0)))
    assert get_events(outcome, SolverSlashed)
    assert get_batch(early).status is BatchStatus.Slashed
    chain.add_blocks(BATCH_PARAMS.fraud_blocks)
    assert COMMITTED.find(chain.state, 0) is None


def test_bat_23_audits_move_to_the_next_height_with_room() -> None:
    """Each height takes as many as its share of the block holds, and not one more."""
    probe = make_market()
    gas = make_batch(probe).pool.gas
    one = compute_leaves_weight(gas, compute_leaf_count(gas, 16, BATCH_PARAMS)) + BASE_EXTRINSIC
    block = BlockParams(weight_max=2 * one * 1000, audit_share_ppb=1_000_000, normal_share_ppb=999_000_000)
    chain = make_market(replace(PARAMS, block=block))
    extrinsics = []
    for counter in range(5):
        batch = make_batch(chain, counter=counter)
        nonce = chain.get_nonce("bob") + counter
        extrinsics.append(chain.sign("bob", commit_batch, *batch.commit_arguments(), nonce=nonce))
    outcome = chain.add_block(*extrinsics)
    assert all(result.is_success for result in outcome.extrinsic_results)
    here = chain.head.number
    heights = [get_batch(chain, number).audit_at - here for number in range(5)]
    assert heights == [2, 2, 3, 3, 4]
    assert SLOTS.get(chain.state, here + 2).weight == 2 * one


@pytest.mark.parametrize("ending", ["paid", "void", "slashed"])
def test_prb_25_a_cancelled_problem_stays_readable_until_its_last_batch_is_settled(ending: str) -> None:
    """PRB-14, PRB-25: the poster cannot cheat the solver of its pay by cancelling."""
    chain = make_market()
    batch = make_batch(chain, fake=lambda index: ending == "slashed")
    commit(chain, batch)
    chain.add_block(chain.sign("alice", cancel, 0))
    record = RECORDS.get(chain.state, 0)
    payment = get_batch(chain).payment
    assert (record.status, record.reserved) == (ProblemStatus.Cancelled, payment)
    assert chain.get_reserved("alice") == payment
    assert INSTANCES.find(chain.state, 0) is not None
    chain.add_blocks(2)
    free = chain.get_free("alice")
    if ending == "void":
        chain.add_blocks(BATCH_PARAMS.answer_blocks)
    else:
        answer(chain, batch)
    assert INSTANCES.find(chain.state, 0) is None
    assert chain.get_reserved("alice") == 0
    paid = get_batch(chain).payment if ending == "paid" else 0
    assert paid < payment
    assert chain.get_free("alice") == free + payment - paid


def test_bat_13_and_14_a_bond_leaves_slowly_and_never_from_under_open_batches() -> None:
    chain = make_market()
    commit(chain, make_batch(chain))
    assert chain.add_block(chain.sign("bob", unbond, 4 * BOND)).extrinsic_results[-1].is_success
    unbonded_at = chain.head.number
    chain.add_blocks(BATCH_PARAMS.unbond_blocks - 1)
    early = chain.fork().add_block(chain.sign("bob", withdraw))
    assert early.extrinsic_results[-1].is_success
    assert chain.head.number + 1 == unbonded_at + BATCH_PARAMS.unbond_blocks
    chain.add_block(chain.sign("bob", withdraw))
    assert chain.get_reserved("bob") == BOND


def test_bat_33_unbonded_stake_is_slashed_too() -> None:
    """Leaving with the bond before the fraud is seen does not help."""
    chain = make_market()
    batch = make_batch(chain, fake=lambda index: True)
    claim = batch.sign(chain, "bob")
    chain.add_block(chain.sign("bob", unbond, 5 * BOND))
    chain.add_block(chain.sign("alice", report_fraud, *batch.report_arguments(claim, 3)))
    solver = get_solver(chain)
    assert (solver.active, solver.total) == (0, 4 * BOND)
    chain.add_blocks(BATCH_PARAMS.unbond_blocks)
    chain.add_block(chain.sign("bob", withdraw))
    assert SOLVERS.get(chain.state, get_key("bob")).has_history, "a slashed solver is not forgotten"


def test_a_solver_that_never_sold_anything_leaves_no_record() -> None:
    chain = make_market()
    chain.add_block(chain.sign("bob", unbond, 5 * BOND))
    chain.add_blocks(BATCH_PARAMS.unbond_blocks)
    chain.add_block(chain.sign("bob", withdraw))
    assert SOLVERS.find(chain.state, get_key("bob")) is None


def test_more_may_be_bonded_in_small_amounts() -> None:
    chain = make_market()
    chain.add_block(chain.sign("bob", bond, 1))
    assert get_solver(chain).active == 5 * BOND + 1
