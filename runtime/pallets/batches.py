"""Batches: strikes sold in bulk, audited before they are paid; a wrong leaf costs the bond.

A solver bonds stake, commits the root of its strikes, and shows the leaves that a later block's ticket selects. Every
validator re-runs them while it executes the block.

Terms:
    open: committed and not settled. challenged: its leaves are selected and wait to be shown.
    settled: paid, void or slashed; kept for a while, because fraud may still be reported.
    slot: the audits whose leaves one height's ticket selects; their answers fit into one block's share for audits.

Invariants: a solver's bond is its active stake and its chunks, its audit deposits are those of its open batches; what a
problem has reserved is what its open batches will be paid; slots hold exactly the batches that are not challenged yet.
"""

from __future__ import annotations

from typing import Annotated

from msgspec.structs import replace

from chain.metadata import ConstantMeta
from chain.params import Params
from chain.scale import codec_of_alias
from chain.scale_shapes import H256, U32, U64, U128, CompactU128, Limit
from consensus.batch import (
    BatchSource,
    HeaderSource,
    Witness,
    compute_gas_of_leaves,
    compute_leaf_count,
    compute_strike_seed,
    run_batch_strike,
    select_leaves,
)
from consensus.digest import POOL_SHOTS_BYTES_MAX
from consensus.work import compute_header_ticket
from runtime import batch_checks as checks
from runtime import batch_errors as errors
from runtime.batch_events import (
    BatchChallenged,
    BatchCommitted,
    BatchPaid,
    BatchVoided,
    BondWithdrawn,
    SolverBonded,
    SolverSlashed,
    SolverUnbonded,
)
from runtime.batch_invariants import check_invariants
from runtime.batch_records import (
    CHUNKS_MAX,
    Batch,
    BatchDeed,
    BatchStatus,
    Chunk,
    FraudClaim,
    OnChain,
    Slot,
    Solver,
)
from runtime.batch_state import (
    AGENDA,
    COMMITTED,
    NEXT_ID,
    PUNISHED,
    SLOTS,
    SOLVERS,
    make_statement,
    pay_batch,
    schedule,
    slash_batch,
    slash_statement,
    void_batch,
)
from runtime.batch_weights import compute_answer_weight, compute_leaves_weight, compute_report_weight
from runtime.dispatch import Pallet, call
from runtime.environment import Environment
from runtime.learning import record_strikes
from runtime.limits import compute_audit_weight_max
from runtime.pallets.balances import HoldReason, hold, release
from runtime.problem_records import Ising
from runtime.problem_work import WorkBudgetSpent, reserve_work
from runtime.snapshots import NAME, SNAPSHOTS
from runtime.storage import Overlay
from runtime.weights import BASE_EXTRINSIC, COMMIT_BATCH, STAKE
from vm.law import AngleLaw

# ---- parameters

Proof = Annotated[tuple[H256, ...], Limit(1024)]
PackedShots = Annotated[bytes, Limit(POOL_SHOTS_BYTES_MAX)]
LeafShots = Annotated[tuple[PackedShots, ...], Limit(64)]

# ---- storage: runtime.batch_state; events: runtime.batch_events; errors: runtime.batch_errors

# ---- calls


@call(index=0, weight=STAKE)
def bond(env: Environment, origin: bytes, amount: CompactU128) -> None:
    """Bond stake as a solver, or more of it."""
    solver = SOLVERS.find(env.state, origin)
    least = env.params.batch.bond_planck if solver is None else 1
    if amount < least:
        raise errors.BondTooSmall(
            f"a solver's first bond is at least {least} planck" if least > 1 else "a bond of zero"
        )
    hold(env, origin, HoldReason.SolverBond, amount)
    before = solver or Solver(active=0)
    SOLVERS.set(env.state, origin, replace(before, active=before.active + amount))
    env.deposit_event(SolverBonded(solver=origin, amount=amount))


@call(index=1, weight=STAKE)
def unbond(env: Environment, origin: bytes, amount: CompactU128) -> None:
    """Begin to take stake back; it can be slashed for `unbond_blocks` blocks more."""
    solver = _get_solver(env, origin)
    # SPEC BAT-13: An amount to unbond MUST be above zero and leave `bond_planck` active for each open batch.
    free = solver.active - solver.open_batches * env.params.batch.bond_planck
    if not 0 < amount <= free:
        raise errors.BondInUse(f"{amount} planck cannot be unbonded; {max(free, 0)} are not needed for open batches")
    # SPEC BAT-14: Unbonded stake MUST wait for `unbond_blocks` blocks, in at most 32 chunks.
    if len(solver.chunks) >= CHUNKS_MAX:
        raise errors.TooManyChunks(f"{CHUNKS_MAX} amounts are being unbonded; withdraw the ripe ones first")
    ripe_at = env.number + env.params.batch.unbond_blocks
    chunks = (*solver.chunks, Chunk(amount=amount, ripe_at=ripe_at))
    SOLVERS.set(env.state, origin, replace(solver, active=solver.active - amount, chunks=chunks))
    env.deposit_event(SolverUnbonded(solver=origin, amount=amount, ripe_at=ripe_at))


@call(index=2, weight=STAKE)
def withdraw(env: Environment, origin: bytes) -> None:
    """Free what was unbonded long enough ago."""
    solver = _get_solver(env, origin)
    ripe = sum(chunk.amount for chunk in solver.chunks if chunk.ripe_at <= env.number)
    if ripe == 0:
        raise errors.NothingRipe("nothing that was unbonded may be withdrawn yet")
    release(env, origin, HoldReason.SolverBond, ripe)
    left = replace(solver, chunks=tuple(chunk for chunk in solver.chunks if chunk.ripe_at > env.number))
    if left.total or left.open_batches or left.has_history:
        SOLVERS.set(env.state, origin, left)
    else:
        SOLVERS.remove(env.state, origin)
    env.deposit_event(BondWithdrawn(solver=origin, amount=ripe))


@call(index=3, weight=COMMIT_BATCH)
def commit_batch(
    env: Environment, origin: bytes, source: BatchSource, problem: U64, root: H256, count: U32, snapshot: H256
) -> None:
    """Sell the pool strikes 0 to count - 1 of a key; they are paid when their audit is passed."""
    key, entry, solver = checks.check_source(env, origin, source, problem, snapshot)
    checks.check_count(env.params, count)
    payment = checks.compute_payment(env, problem, entry.strike_gas, count)
    number = NEXT_ID.get(env.state)
    leaves = compute_leaf_count(entry.strike_gas, count, env.params.batch)
    audit_at = _take_slot(env, number, compute_leaves_weight(entry.strike_gas, leaves) + BASE_EXTRINSIC)
    # SPEC BAT-24: A commit MUST reserve the most that it can earn of the work budget and hold `deposit_planck` of its
    # solver.
    reserve_work(env, problem, payment)
    deposit = env.params.batch.deposit_planck
    hold(env, origin, HoldReason.AuditDeposit, deposit)
    batch = Batch(
        solver=origin,
        problem=problem,
        key=key,
        is_of_header=isinstance(source, HeaderSource),
        root=root,
        count=count,
        snapshot=snapshot,
        strike_gas=entry.strike_gas,
        payment=payment,
        deposit=deposit,
        committed_at=env.number,
        audit_at=audit_at,
    )
    NEXT_ID.set(env.state, number + 1)
    COMMITTED.set(env.state, number, batch)
    SOLVERS.set(env.state, origin, replace(solver, open_batches=solver.open_batches + 1))
    event = BatchCommitted(
        batch=number, solver=origin, problem=problem, count=count, payment=payment, audit_at=audit_at
    )
    env.deposit_event(event)


def _take_slot(env: Environment, batch: int, weight: int) -> int:
    """Return the height that audits a batch, where its answer has room."""
    params, most = env.params.batch, compute_audit_weight_max(env.params)
    # SPEC BAT-48: The answer to a batch's audit MUST fit into one block's share for audits.
    if weight > most:
        raise errors.AuditTooLarge(f"an audit of weight {weight} fits no block, which has {most} for audits")
    first = env.number + params.audit_delay_blocks
    for height in range(first, first + params.audit_search_blocks):
        slot = SLOTS.get(env.state, height)
        # SPEC BAT-23: A batch MUST be audited at the first height, from `audit_delay_blocks` on, whose answers leave it
        # room in the block's share for audits, if `audit_search_blocks` heights have one.
        if slot.weight + weight <= most:
            SLOTS.set(env.state, height, Slot(weight=slot.weight + weight, batches=(*slot.batches, batch)))
            return height
    raise errors.AuditsFull(f"the blocks {first} to {height} have no room for an audit of weight {weight}")


def check_due(
    state: Overlay,
    params: Params,
    number: int,
    arguments: tuple[U64, U64, Witness, tuple[bytes, ...], tuple[bytes, ...]],
) -> None:
    """Refuse an answer that no strike need be run for to see that it is none.

    Raises:
        ModuleFailure
    """
    batch, *shown = arguments
    checks.check_answer(state, number, batch, tuple(shown), shots_drawn=params.work.shots)  # type: ignore[arg-type]


@call(index=4, weight=compute_answer_weight, check_due=check_due)
def answer_audit(
    env: Environment, origin: bytes, batch: U64, gas_per_strike: U64, witness: Witness, proof: Proof, shots: LeafShots
) -> None:
    """Show the selected leaves of a batch; anybody may, the proof binds the shots to the solver's own root."""
    shown = (gas_per_strike, witness, proof, shots)
    record = checks.check_answer(env.state, env.number, batch, shown, shots_drawn=env.params.work.shots)
    pool = checks.make_batch_pool(env.state, record.problem, witness, gas_per_strike)
    for index, packed in zip(record.leaves, shots, strict=True):
        # SPEC BAT-29: Each selected leaf MUST be run again; the first that differs makes the batch void and slashed.
        if run_batch_strike(pool, record.key, index, shots=env.params.work.shots) != packed:
            slash_batch(env, batch, record, index=index, reporter=record.solver)
            return
    _learn(env, record, pool.law, shots)
    pay_batch(env, batch, record, gas=compute_gas_of_leaves(pool, shots))


@call(index=5, weight=compute_report_weight)
def report_fraud(
    env: Environment,
    origin: bytes,
    claim: FraudClaim,
    gas_per_strike: U64,
    witness: Witness,
    index: U32,
    shots: PackedShots,
    path: Proof,
    ising: Ising | None,
) -> None:
    """Show one wrong leaf of a batch or of a signed statement, and earn a share of its solver's bond.

    Of a closed problem whose instance has left the state, its Ising record is shown as well.
    """
    record = checks.get_batch(env.state, claim.batch) if isinstance(claim, OnChain) else None
    if isinstance(claim, OnChain):
        assert record is not None
        statement = make_statement(env, record)
        checks.check_gas(record.strike_gas, gas_per_strike)
    else:
        statement = claim.statement
        checks.check_signed(env, statement, claim.signature)
    drawn = env.params.work.shots
    checks.check_statement(env, statement)
    checks.check_witness(statement.problem, statement.snapshot, witness, shots_drawn=drawn)
    checks.check_proof(statement.root, statement.count, {index: shots}, path)
    pool = checks.make_batch_pool(env.state, statement.problem, witness, gas_per_strike, ising=ising)
    if record is None:
        checks.check_runnable(env.params, pool)
    # SPEC BAT-44: A report MUST show a leaf whose shots are not those of its strike.
    if run_batch_strike(pool, statement.key, index, shots=drawn) == shots:
        raise errors.LeafIsRight(f"leaf {index} is what its strike gives")
    if isinstance(claim, OnChain):
        assert record is not None
        slash_batch(env, claim.batch, record, index=index, reporter=origin)
    else:
        slash_statement(env, statement, batch=None, index=index, reporter=origin)


def _learn(env: Environment, record: Batch, law: AngleLaw, shots: tuple[bytes, ...]) -> None:
    # SPEC LRN-19: The selected leaves of a batch with a batch key whose audit is passed MUST be added to the belief of
    # its problem, together, with the law of the batch's snapshot; those of a header's batch MUST NOT.
    if not record.is_of_header:
        seeds = (compute_strike_seed(record.key, index) for index in record.leaves)
        record_strikes(env, record.problem, law, tuple(zip(seeds, shots, strict=True)))


def _get_solver(env: Environment, origin: bytes) -> Solver:
    solver = SOLVERS.find(env.state, origin)
    if solver is None:
        raise errors.NotSolver("the account has no solver's bond; Batches.bond makes one")
    return solver


# ---- hooks


def on_initialize(env: Environment) -> None:
    """Select the leaves of the batches that the parent's ticket audits, and do what the agenda has for this height."""
    parent = env.block.parent
    slot = SLOTS.get(env.state, parent.number)
    if slot.batches:
        SLOTS.remove(env.state, parent.number)
        ticket = compute_header_ticket(parent)
        for number in slot.batches:
            _challenge(env, number, ticket)
    items = AGENDA.get(env.state, env.number)
    if items:
        AGENDA.remove(env.state, env.number)
    for item in items:
        batch = COMMITTED.find(env.state, item.batch)
        if item.deed is BatchDeed.Forget:
            COMMITTED.remove(env.state, item.batch)
        elif batch is not None and batch.status is BatchStatus.Challenged:
            void_batch(env, item.batch, batch)


def _challenge(env: Environment, number: int, ticket: int) -> None:
    """Select the leaves of a batch; one that was reported meanwhile is settled already."""
    batch = COMMITTED.find(env.state, number)
    if batch is None or batch.status is not BatchStatus.Open:
        return
    params = env.params.batch
    k = compute_leaf_count(batch.strike_gas, batch.count, params)
    # SPEC BAT-38: The ticket of the audit height's block MUST select the leaves, at the beginning of the next block.
    leaves = select_leaves(ticket, number, batch.count, k)
    COMMITTED.set(env.state, number, replace(batch, status=BatchStatus.Challenged, leaves=leaves))
    before = env.number + params.answer_blocks
    # SPEC BAT-39: Answers MUST be taken in the block that selects the leaves and the `answer_blocks` - 1 blocks after.
    schedule(env, before, BatchDeed.Void, number)
    env.deposit_event(BatchChallenged(batch=number, solver=batch.solver, leaves=k, answer_before=before))


def make_constants(params: Params) -> tuple[ConstantMeta, ...]:
    """Return what clients read from the metadata."""
    limits = params.batch
    rows = (
        ("Bond", U128, limits.bond_planck),
        ("Deposit", U128, limits.deposit_planck),
        ("CountMin", U32, limits.count_min),
        ("CountMax", U32, limits.count_max),
        ("WindowBlocks", U32, limits.window_blocks),
        ("AnswerBlocks", U32, limits.answer_blocks),
        ("UnbondBlocks", U32, limits.unbond_blocks),
        ("ReporterShare", U32, limits.reporter_share_ppb),
    )
    return tuple(
        ConstantMeta(name=name, annotation=kind, value=codec_of_alias(kind).encode(value)) for name, kind, value in rows
    )


BATCHES = Pallet(
    name=NAME,
    index=10,
    storage=(NEXT_ID, COMMITTED, SOLVERS, SLOTS, AGENDA, PUNISHED, SNAPSHOTS),
    events=(
        SolverBonded,
        SolverUnbonded,
        BondWithdrawn,
        BatchCommitted,
        BatchChallenged,
        BatchPaid,
        BatchVoided,
        SolverSlashed,
    ),
    errors=(
        errors.NotSolver,
        errors.BondTooSmall,
        errors.BondInUse,
        errors.TooManyChunks,
        errors.NothingRipe,
        errors.WrongCount,
        errors.NotForSale,
        errors.InvalidSource,
        errors.NotAuthor,
        errors.OtherProblem,
        errors.ParentNotRecent,
        errors.ParentUsed,
        errors.WrongCounter,
        errors.WrongSnapshot,
        errors.PaymentTooLarge,
        errors.AuditsFull,
        WorkBudgetSpent,
        errors.UnknownBatch,
        errors.NotChallenged,
        errors.WrongGas,
        errors.WrongWitness,
        errors.WrongLeaves,
        errors.NotInBatch,
        errors.WrongChain,
        errors.BadStatement,
        errors.AlreadyPunished,
        errors.NothingToSlash,
        errors.ProblemGone,
        errors.LeafIsRight,
        errors.AuditTooLarge,
    ),
    calls=(bond, unbond, withdraw, commit_batch, answer_audit, report_fraud),
    constants=make_constants,
    on_initialize=on_initialize,
    check_invariants=check_invariants,
)
