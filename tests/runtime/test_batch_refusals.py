"""Every bad commit, answer and report, one wrong thing each: refused with its own error, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from chain.ed25519 import sign as sign_message
from chain.extrinsic import decode_extrinsic
from chain.header import encode_header
from chain.params import UNIT_PLANCK
from consensus.batch import CounterSource, HeaderSource, compute_statement_hash
from consensus.core_problem import compute_core_gas
from consensus.work import is_poolable
from genesis.chain_spec import ChainSpec
from genesis.presets import make_development, make_local, make_testnet
from runtime import batch_errors as errors
from runtime.batch_records import BatchStatus, OnChain, Signed, Slot
from runtime.batch_state import SLOTS
from runtime.batch_weights import compute_leaves_weight
from runtime.dispatch import Call, FundsUnavailable, ModuleFailure
from runtime.executive import InvalidExtrinsicInBlock
from runtime.limits import compute_audit_weight_max
from runtime.outcomes import ValidTransaction
from runtime.pallets.batches import BATCHES, answer_audit, bond, commit_batch, report_fraud, unbond, withdraw
from runtime.pallets.problems import PROBLEMS, cancel, post, post_order
from runtime.pool import OPERATIONAL_PRIORITY
from runtime.problem_records import make_ising
from runtime.problem_state import CANCELLED_BLOCKS_KEPT, INSTANCES, ISING_HASHES, RECORDS
from runtime.problem_work import WorkBudgetSpent
from runtime.snapshots import SNAPSHOTS, find_snapshot_at
from runtime.validity import CallNotAllowed
from runtime.weights import BASE_EXTRINSIC
from tests.support.batch_chain import (
    BATCH_PARAMS,
    BOND,
    INVENTED,
    PARAMS,
    TestBatch,
    answer,
    claim_of,
    commit,
    get_batch,
    get_solver,
    make_batch,
    make_header,
    make_market,
)
from tests.support.runtime_chain import RuntimeChain, get_key, get_seed, post_arguments
from vm.problem import make_problem

Arguments = tuple[object, ...]
Change = Callable[[RuntimeChain, TestBatch], Arguments]


def with_source(batch: TestBatch, source: object) -> Arguments:
    """Return the arguments of a commit from another source."""
    return (source, *batch.commit_arguments()[1:])


def with_header(chain: RuntimeChain, batch: TestBatch, **changes: object) -> Arguments:
    """Return the arguments of a commit of a header with a wrong field."""
    header = replace(make_header(chain), **changes)
    return with_source(batch, HeaderSource(header=encode_header(header)))


def with_argument(batch: TestBatch, place: int, value: object) -> Arguments:
    """Return the arguments of a commit with one exchanged."""
    arguments = list(batch.commit_arguments())
    arguments[place] = value
    return tuple(arguments)


COMMITS: list[tuple[str, type[ModuleFailure], Change]] = [
    ("BAT-15", errors.WrongCount, lambda chain, batch: with_argument(batch, 3, 7)),
    ("BAT-15", errors.WrongCount, lambda chain, batch: with_argument(batch, 3, 65)),
    ("BAT-10", errors.InvalidSource, lambda chain, batch: with_source(batch, HeaderSource(header=b"\x00" * 99))),
    (
        "BAT-17",
        errors.NotAuthor,
        lambda chain, batch: with_source(batch, HeaderSource(header=encode_header(make_header(chain, "charlie")))),
    ),
    (
        "BAT-17",
        errors.OtherProblem,
        lambda chain, batch: with_source(batch, HeaderSource(header=encode_header(make_header(chain, problem=1)))),
    ),
    (
        "BAT-17",
        errors.OtherProblem,
        lambda chain, batch: with_source(batch, HeaderSource(header=encode_header(make_header(chain, problem=None)))),
    ),
    ("BAT-18", errors.ParentNotRecent, lambda chain, batch: with_header(chain, batch, parent_hash=b"\x01" * 32)),
    ("BAT-18", errors.ParentNotRecent, lambda chain, batch: with_header(chain, batch, number=chain.head.number + 2)),
    ("BAT-18", errors.ParentNotRecent, lambda chain, batch: with_header(chain, batch, number=chain.head.number)),
    ("BAT-20", errors.WrongCounter, lambda chain, batch: with_source(batch, CounterSource(counter=1))),
    ("BAT-21", errors.WrongSnapshot, lambda chain, batch: with_argument(batch, 4, bytes(32))),
    (
        "BAT-21",
        errors.WrongSnapshot,
        lambda chain, batch: (CounterSource(counter=0), *with_argument(batch, 4, bytes(32))[1:]),
    ),
]


@pytest.mark.parametrize(("rule", "error", "change"), COMMITS)
def test_bat_10_to_21_a_commit_with_one_wrong_thing_is_refused(
    rule: str, error: type[ModuleFailure], change: Change
) -> None:
    """BAT-10, BAT-15, BAT-17, BAT-18, BAT-20, BAT-21."""
    chain = make_market()
    assert error.rule == rule
    chain.assert_noop(error, "bob", commit_batch, *change(chain, make_batch(chain)))


def test_bat_12_a_commit_needs_a_bond_that_covers_it() -> None:
    """BAT-12: none at all, and one that is used up; the sixth of five bonds is refused."""
    chain = make_market()
    batch = make_batch(chain, "alice")
    chain.assert_noop(errors.NotSolver, "alice", commit_batch, *batch.commit_arguments())
    for counter in range(5):
        commit(chain, make_batch(chain, counter=counter))
    chain.assert_noop(errors.BondTooSmall, "bob", commit_batch, *make_batch(chain, counter=5).commit_arguments())


def test_bat_16_a_commit_needs_a_problem_that_buys_strikes() -> None:
    """BAT-16: not one that offers nothing, is closed, or is not there."""
    free = make_market(price_per_gas=0)
    free.assert_noop(errors.NotForSale, "bob", commit_batch, *make_batch(free).commit_arguments())
    chain = make_market()
    batch = make_batch(chain)
    header = HeaderSource(header=encode_header(make_header(chain, problem=9)))
    unknown = (header, 9, batch.root, 16, batch.snapshot)
    counter = CounterSource(counter=0)
    chain.assert_noop(errors.WrongSnapshot, "bob", commit_batch, *unknown)
    chain.assert_noop(errors.WrongSnapshot, "bob", commit_batch, counter, *unknown[1:])
    chain.add_block(chain.sign("alice", cancel, 0))
    chain.assert_noop(errors.WrongSnapshot, "bob", commit_batch, *batch.commit_arguments())
    chain.assert_noop(errors.WrongSnapshot, "bob", commit_batch, counter, *batch.commit_arguments()[1:])


def test_bat_19_one_batch_for_each_parent_and_never_an_earlier_one() -> None:
    chain = make_market()
    old, new = make_batch(chain), make_batch(chain, header=replace(make_header(chain), state_root=b"\x01" * 32))
    commit(chain, old)
    chain.assert_noop(errors.ParentUsed, "bob", commit_batch, *old.commit_arguments())
    chain.assert_noop(errors.ParentUsed, "bob", commit_batch, *new.commit_arguments())
    commit(chain, make_batch(chain))
    commit(chain, make_batch(chain, "charlie"), "charlie")


def test_bat_18_a_parent_grows_too_old() -> None:
    """BAT-18: the last block of the window is good, the next one is not."""
    chain = make_market()
    batch = make_batch(chain)
    chain.add_blocks(BATCH_PARAMS.window_blocks - 1)
    commit(chain.fork(), batch)
    chain.add_block()
    chain.assert_noop(errors.ParentNotRecent, "bob", commit_batch, *batch.commit_arguments())


def test_bat_22_a_batch_never_earns_more_than_a_block() -> None:
    """BAT-22: 8 tokens a block; 16 strikes at this price would earn more, 15 would not."""
    chain = make_market()
    gas = make_batch(chain).pool.gas
    price = 8 * UNIT_PLANCK // (16 * gas) + 1
    chain = make_market(price_per_gas=price)
    chain.assert_noop(errors.PaymentTooLarge, "bob", commit_batch, *make_batch(chain).commit_arguments())
    commit(chain, make_batch(chain, count=15))


def test_prb_26_a_batch_never_costs_more_than_the_budget_has_left() -> None:
    """PRB-26: what open batches have reserved is spent already."""
    gas = make_batch(make_market()).pool.gas
    chain = make_market(work_budget=2 * 16 * gas * 1_000 - 1)
    commit(chain, make_batch(chain, counter=0))
    chain.assert_noop(WorkBudgetSpent, "bob", commit_batch, *make_batch(chain, counter=1).commit_arguments())


def test_bat_24_a_commit_needs_its_deposit() -> None:
    """BAT-24: free money, beside the bond."""
    chain = make_market()
    rest = chain.get_free("bob") - BATCH_PARAMS.deposit_planck
    assert chain.add_block(chain.sign("bob", bond, rest)).extrinsic_results[-1].is_success
    with pytest.raises(FundsUnavailable):
        commit_batch.function(chain.start().env, get_key("bob"), *make_batch(chain).commit_arguments())


def test_bat_48_a_batch_whose_audit_fits_no_block_is_refused() -> None:
    """BAT-48: a block whose share for audits is smaller than one answer."""
    chain = make_market(replace(PARAMS, block=replace(PARAMS.block, audit_share_ppb=100_000)))
    chain.assert_noop(errors.AuditTooLarge, "bob", commit_batch, *make_batch(chain).commit_arguments())


def test_bat_23_a_commit_without_a_height_in_reach_is_refused() -> None:
    """BAT-23: all heights that are searched have as many audits as their blocks have room for."""
    chain = make_market()
    batch, env = make_batch(chain), chain.start().env
    most = compute_audit_weight_max(chain.params)
    first = chain.head.number + 1 + BATCH_PARAMS.audit_delay_blocks
    for height in range(first, first + BATCH_PARAMS.audit_search_blocks):
        SLOTS.set(env.state, height, Slot(weight=most, batches=(9,)))
    with pytest.raises(errors.AuditsFull):
        commit_batch.function(env, get_key("bob"), *batch.commit_arguments())


@pytest.mark.parametrize("spec", [make_development(), make_local(), make_testnet()], ids=lambda spec: spec.id)
def test_bat_48_the_dearest_strike_that_can_be_sold_is_the_documented_one(spec: ChainSpec) -> None:
    """Derived from each preset's numbers; what its tickets may have is dearer (docs/spec/batches.md)."""
    params = spec.params
    most, leaves = compute_audit_weight_max(params) - BASE_EXTRINSIC, params.batch.leaves_min
    dearest = 589_970_000 if spec.id == "testnet" else 289_970_000
    assert compute_leaves_weight(dearest, leaves) <= most < compute_leaves_weight(dearest + 10_000, leaves)
    text = (Path(__file__).parents[2] / "docs" / "spec" / "batches.md").read_text(encoding="utf-8")
    assert f"{dearest:,} gas" in text or f"{dearest:,} on the testnet" in text
    core = compute_core_gas(bytes(32), params.work.core_qubits, params.work.shots)
    assert is_poolable(core, dearest, 20, params.work)


# ---- snapshots


def test_bat_11_and_21_a_better_order_does_not_spoil_a_batch_that_was_mined_before() -> None:
    """The header's parent had the old order; a later header must name the new snapshot, the old one is kept a while."""
    chain = make_market()
    chain.add_block(chain.sign("alice", post, *post_arguments(order=(5, 3, 4, 2, 1, 0), deadline=500, price_per_gas=9)))
    before = SNAPSHOTS.get(chain.state, 1)
    old_parent = chain.head.number
    assert chain.add_block(chain.sign("bob", post_order, 1, (0, 3, 1, 2, 4, 5))).extrinsic_results[-1].is_success
    entries = SNAPSHOTS.get(chain.state, 1)
    assert entries[0] == before[0]
    assert entries[1].height == chain.head.number
    assert entries[1].strike_gas < entries[0].strike_gas
    assert find_snapshot_at(chain.state, 1, old_parent) == entries[0]
    assert find_snapshot_at(chain.state, 1, chain.head.number) == entries[1]
    assert find_snapshot_at(chain.state, 1, old_parent - 2) is None
    chain.add_block(chain.sign("alice", cancel, 1))
    assert SNAPSHOTS.get(chain.state, 1) == ()


# ---- answers


def make_challenged(fake: Callable[[int], bool] = lambda index: False) -> tuple[RuntimeChain, TestBatch]:
    """Return a chain on which bob's batch waits for its answer."""
    chain = make_market()
    batch = make_batch(chain, fake=fake)
    commit(chain, batch)
    chain.add_blocks(3)
    return chain, batch


def exchange(arguments: Arguments, place: int, value: object) -> Arguments:
    """Return arguments with one exchanged."""
    return (*arguments[:place], value, *arguments[place + 1 :])


def assert_not_due(chain: RuntimeChain, error: type[ModuleFailure], arguments: Arguments) -> None:
    """Assert that neither pool nor block takes an answer, and that the call itself would change nothing."""
    env = chain.start().env
    before = dict(env.state.changes())
    with pytest.raises(error) as caught:
        answer_audit.function(env, get_key("bob"), *arguments)
    assert str(caught.value)
    assert env.state.changes() == before
    raw = chain.sign("bob", answer_audit, *arguments)
    with pytest.raises(InvalidExtrinsicInBlock, match=error.__name__):
        chain.make_block(raw)
    with pytest.raises(CallNotAllowed, match=error.__name__):
        chain.runtime.validate_transaction(chain.view, decode_extrinsic(raw), head=chain.head)


@pytest.mark.parametrize(
    ("error", "place", "make"),
    [
        (errors.UnknownBatch, 0, lambda batch, old: 1),
        (errors.WrongGas, 1, lambda batch, old: old + 1),
        (errors.WrongWitness, 2, lambda batch, old: replace(old, order=old.order[::-1])),
        (errors.WrongWitness, 2, lambda batch, old: replace(old, law=replace(old.law, mixer_width=0))),
        (errors.NotInBatch, 3, lambda batch, old: old[:-1]),
        (errors.NotInBatch, 3, lambda batch, old: (*old, bytes(32))),
        (errors.NotInBatch, 3, lambda batch, old: (bytes(32), *old[1:])),
        (errors.WrongLeaves, 4, lambda batch, old: old[:-1]),
        (errors.WrongLeaves, 4, lambda batch, old: ()),
        (errors.NotInBatch, 4, lambda batch, old: (INVENTED, *old[1:])),
        (errors.NotInBatch, 4, lambda batch, old: old[::-1]),
    ],
)
def test_bat_25_to_28_and_run_29_an_answer_that_shows_nothing_is_never_in_a_block(
    error: type[ModuleFailure], place: int, make: Callable[[TestBatch, object], object]
) -> None:
    """BAT-25, BAT-26, BAT-27, BAT-28: junk takes no room in the share for audits, and nobody is slashed by it."""
    chain, batch = make_challenged()
    good = batch.answer_arguments(0, get_batch(chain).leaves)
    assert_not_due(chain, error, exchange(good, place, make(batch, good[place])))


def test_bat_25_there_is_no_answer_before_the_challenge_or_after_the_end() -> None:
    chain = make_market()
    batch = make_batch(chain)
    commit(chain, batch)
    assert_not_due(chain, errors.NotChallenged, batch.answer_arguments(0, (0, 1, 2, 3, 4, 5)))
    chain.add_blocks(3)
    good = batch.answer_arguments(0, get_batch(chain).leaves)
    answer(chain, batch)
    assert_not_due(chain, errors.NotChallenged, good)


def test_run_16_answers_have_a_share_that_ordinary_extrinsics_cannot_take() -> None:
    """An author whose block is full of transfers still takes the answer, and the pool puts it first."""
    chain, batch = make_challenged()
    raw = chain.sign("bob", answer_audit, *batch.answer_arguments(0, get_batch(chain).leaves))
    verdict: ValidTransaction = chain.runtime.validate_transaction(chain.view, decode_extrinsic(raw), head=chain.head)
    assert verdict.priority >= OPERATIONAL_PRIORITY
    execution = chain.start()
    execution._weight_used[commit_batch.dispatch_class] = execution._weight_max[commit_batch.dispatch_class]
    assert execution.apply_extrinsic(raw).is_success
    other = chain.start()
    other._weight_used[answer_audit.dispatch_class] = other._weight_max[answer_audit.dispatch_class]
    with pytest.raises(Exception, match="no weight left"):
        other.apply_extrinsic(raw)


# ---- reports


@pytest.mark.parametrize(
    ("error", "place", "make"),
    [
        (errors.UnknownBatch, 0, lambda batch, old: OnChain(batch=5)),
        (errors.WrongGas, 1, lambda batch, old: old - 1),
        (errors.WrongWitness, 2, lambda batch, old: replace(old, order=old.order[::-1])),
        (errors.NotInBatch, 3, lambda batch, old: 4),
        (errors.NotInBatch, 3, lambda batch, old: 16),
        (errors.NotInBatch, 4, lambda batch, old: bytes(8)),
        (errors.NotInBatch, 5, lambda batch, old: ()),
    ],
)
def test_bat_26_to_28_a_report_that_shows_nothing_fails(
    error: type[ModuleFailure], place: int, make: Callable[[TestBatch, object], object]
) -> None:
    chain, batch = make_challenged(lambda index: index == 5)
    good = batch.report_arguments(claim_of(0), 5)
    chain.assert_noop(error, "charlie", report_fraud, *exchange(good, place, make(batch, good[place])))
    assert chain.add_block(chain.sign("charlie", report_fraud, *good)).extrinsic_results[-1].is_success


def test_bat_44_an_honest_solver_is_never_slashed_by_a_report() -> None:
    chain, batch = make_challenged()
    for index in range(batch.count):
        env = chain.start().env
        with pytest.raises(errors.LeafIsRight):
            report_fraud.function(env, get_key("charlie"), *batch.report_arguments(claim_of(0), index))
    chain.assert_noop(errors.LeafIsRight, "charlie", report_fraud, *batch.report_arguments(batch.sign(chain, "bob"), 1))


def test_bat_41_no_statement_is_reported_twice() -> None:
    chain, batch = make_challenged(lambda index: index == 5)
    arguments = batch.report_arguments(batch.sign(chain, "bob"), 5)
    chain.add_block(chain.sign("charlie", report_fraud, *arguments))
    chain.assert_noop(errors.AlreadyPunished, "charlie", report_fraud, *arguments)
    chain.assert_noop(errors.AlreadyPunished, "alice", report_fraud, *batch.report_arguments(claim_of(0), 5))


def test_bat_40_a_statement_of_another_chain_or_with_another_signature_is_nobodys() -> None:
    chain, batch = make_challenged(lambda index: index == 5)
    statement = batch.make_statement(chain, "bob")
    elsewhere = replace(statement, genesis=bytes(32))
    forged = Signed(statement=elsewhere, signature=sign_message(get_seed("bob"), compute_statement_hash(elsewhere)))
    chain.assert_noop(errors.WrongChain, "charlie", report_fraud, *batch.report_arguments(forged, 5))
    for signature in (bytes(64), sign_message(get_seed("alice"), compute_statement_hash(statement))):
        claim = Signed(statement=statement, signature=signature)
        chain.assert_noop(errors.BadStatement, "charlie", report_fraud, *batch.report_arguments(claim, 5))


def test_bat_42_and_bat_43_a_report_needs_a_bond_and_a_problem() -> None:
    chain, batch = make_challenged(lambda index: index == 5)
    claim = batch.sign(chain, "alice")
    chain.assert_noop(errors.NothingToSlash, "charlie", report_fraud, *batch.report_arguments(claim, 5))
    chain.add_blocks(BATCH_PARAMS.answer_blocks)
    chain.add_block(chain.sign("alice", cancel, 0))
    assert get_batch(chain).status is BatchStatus.Void
    chain.assert_noop(errors.ProblemGone, "charlie", report_fraud, *batch.report_arguments(claim_of(0), 5))
    other = make_ising(make_problem(6, [(i, i + 1, 1) for i in range(5)]))
    arguments = batch.report_arguments(claim_of(0), 5, ising=other)
    chain.assert_noop(errors.ProblemGone, "charlie", report_fraud, *arguments)


@pytest.mark.parametrize("is_on_chain", [True, False])
def test_bat_43_bat_46_bat_47_closing_the_problem_is_no_escape(is_on_chain: bool) -> None:
    """The poster cancels for his solver; whoever kept the energy still reports, until even withdrawn bonds are gone."""
    chain, batch = make_challenged(lambda index: index == 5)
    chain.add_blocks(BATCH_PARAMS.answer_blocks)
    chain.add_block(chain.sign("alice", cancel, 0))
    instance = INSTANCES.find(chain.state, 0)
    assert instance is None
    claim = claim_of(0) if is_on_chain else batch.sign(chain, "bob")
    shown = make_ising(batch.pool.problem)
    arguments = batch.report_arguments(claim, 5, ising=shown)
    gentle = batch.report_arguments(claim, 4, ising=shown)
    chain.assert_noop(errors.LeafIsRight, "charlie", report_fraud, *gentle)
    if not is_on_chain:
        chain.add_blocks(BATCH_PARAMS.unbond_blocks - 3)
    outcome = chain.add_block(chain.sign("charlie", report_fraud, *arguments))
    assert outcome.extrinsic_results[-1].is_success, outcome.extrinsic_results[-1].failure
    assert get_solver(chain).slashed == 1
    PROBLEMS.check_invariants(chain.state, chain.params)
    chain.add_blocks(CANCELLED_BLOCKS_KEPT)
    assert RECORDS.find(chain.state, 0) is None
    assert ISING_HASHES.find(chain.state, 0) is None


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (errors.WrongWitness, {"order": (0, 1, 2, 3, 4, 4)}),
        (errors.WrongWitness, {"gamma_means": ()}),
        (errors.WrongWitness, {"gamma_means": (0,)}),
        (errors.WrongGas, {}),
    ],
)
def test_bat_45_a_statement_about_strikes_that_cannot_run_costs_the_reporter_only_a_fee(
    error: type[ModuleFailure], changes: dict[str, tuple[int, ...]]
) -> None:
    """Its signer may have signed anything; no validator is made to run it."""
    chain, batch = make_challenged(lambda index: index == 5)
    order = changes.get("order", batch.pool.order)
    law = replace(batch.pool.law, gamma_means=changes.get("gamma_means", batch.pool.law.gamma_means))
    odd = batch.run_with(order, law)
    arguments = odd.report_arguments(odd.sign(chain, "bob"), 5)
    if not changes:
        arguments = exchange(arguments, 1, batch.pool.gas - 1)
    chain.assert_noop(error, "charlie", report_fraud, *arguments)


# ---- bonds


@pytest.mark.parametrize(
    ("error", "name", "called", "arguments"),
    [
        (errors.BondTooSmall, "alice", bond, (BOND - 1,)),
        (errors.BondTooSmall, "bob", bond, (0,)),
        (errors.NotSolver, "alice", unbond, (1,)),
        (errors.NotSolver, "alice", withdraw, ()),
        (errors.BondInUse, "bob", unbond, (0,)),
        (errors.BondInUse, "bob", unbond, (5 * BOND + 1,)),
        (errors.NothingRipe, "bob", withdraw, ()),
    ],
)
def test_bat_13_and_14_bonds_that_cannot_be_moved(
    error: type[ModuleFailure], name: str, called: Call, arguments: Arguments
) -> None:
    make_market().assert_noop(error, name, called, *arguments)


def test_bat_13_the_bond_of_an_open_batch_stays_to_the_last_planck() -> None:
    chain = make_market()
    commit(chain, make_batch(chain))
    chain.assert_noop(errors.BondInUse, "bob", unbond, 4 * BOND + 1)
    assert chain.add_block(chain.sign("bob", unbond, 4 * BOND)).extrinsic_results[-1].is_success


def test_bat_14_at_most_32_amounts_are_unbonded_at_a_time() -> None:
    chain = make_market()
    nonce = chain.get_nonce("bob")
    outcome = chain.add_block(*(chain.sign("bob", unbond, 1, nonce=nonce + i) for i in range(32)))
    assert all(result.is_success for result in outcome.extrinsic_results)
    chain.assert_noop(errors.TooManyChunks, "bob", unbond, 1)


def test_every_error_of_the_pallet_stands_in_a_test_of_this_file() -> None:
    """A refusal that nobody provoked may not work."""
    text = Path(__file__).read_text(encoding="utf-8")
    missing = [error.__name__ for error in BATCHES.errors if error.__name__ not in text]
    assert not missing, missing
