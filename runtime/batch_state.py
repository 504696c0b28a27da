"""The state of solvers and batches, and how a batch is settled: paid, void or slashed.

Calls and hooks are in `runtime.pallets.batches`, which lists these items.

Terms and invariants: those of `runtime.pallets.batches`.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain.scale_shapes import H256, U32, U64, AccountId
from consensus.batch import Statement, compute_statement_hash
from runtime.batch_events import BatchPaid, BatchVoided, SolverSlashed
from runtime.batch_records import Batch, BatchDeed, BatchItem, BatchStatus, Slot, Solver
from runtime.environment import Environment
from runtime.limits import BILLION
from runtime.pallets.balances import HoldReason, burn_held, pay_from_hold, release
from runtime.problem_work import pay_work, release_work
from runtime.snapshots import NAME
from runtime.storage import StorageMap, StorageValue

# ---- storage

NEXT_ID: StorageValue[int] = StorageValue(NAME, "NextId", U64, 0, docs="The number of the next batch.")
COMMITTED: StorageMap[int, Batch] = StorageMap(
    NAME, "Batches", (U64, Batch), hasher="Twox64Concat", docs="Batches not settled, and those that may be reported."
)
SOLVERS: StorageMap[bytes, Solver] = StorageMap(NAME, "Solvers", (AccountId, Solver), docs="Bonds and reputations.")
SLOTS: StorageMap[int, Slot] = StorageMap(
    NAME, "Slots", (U32, Slot), hasher="Twox64Concat", default=Slot(), docs="Audits by the height that selects leaves."
)
AGENDA: StorageMap[int, tuple[BatchItem, ...]] = StorageMap(
    NAME, "Agenda", (U32, tuple[BatchItem, ...]), hasher="Twox64Concat", default=(), docs="Deeds by height."
)
PUNISHED: StorageMap[bytes, int] = StorageMap(
    NAME, "Punished", (H256, U32), hasher="Identity", docs="Statements that were punished, and at which height."
)

# ---- how batches end


def pay_batch(env: Environment, number: int, batch: Batch, *, gas: int) -> None:
    """Pay a batch whose selected leaves are right, and give its deposit back.

    Args:
        gas: What the strikes of the selected leaves used, together.
    """
    # SPEC BAT-30: A batch whose selected leaves are all right MUST be paid what was reserved for it, times the gas that
    # their strikes used, by the gas limit of as many strikes, rounded down; the rest and its deposit MUST be returned.
    amount = batch.payment * gas // (len(batch.leaves) * batch.strike_gas)
    pay_work(env, batch.problem, amount, batch.solver, reserved=batch.payment)
    release(env, batch.solver, HoldReason.AuditDeposit, batch.deposit)
    solver = SOLVERS.get(env.state, batch.solver)
    # SPEC BAT-31: A batch that is paid MUST raise its solver's reputation by 1.
    _settle(
        env,
        number,
        replace(batch, payment=amount),
        BatchStatus.Paid,
        replace(solver, reputation=solver.reputation + 1, paid=solver.paid + 1),
    )
    env.deposit_event(BatchPaid(batch=number, solver=batch.solver, amount=amount))


def void_batch(env: Environment, number: int, batch: Batch) -> None:
    """End a batch that nobody answered for."""
    # SPEC BAT-32: A batch without an answer in its window MUST be void: nothing paid, its deposit burnt, its bond kept.
    release_work(env, batch.problem, batch.payment)
    burn_held(env, batch.solver, HoldReason.AuditDeposit, batch.deposit)
    solver = SOLVERS.get(env.state, batch.solver)
    _settle(env, number, batch, BatchStatus.Void, replace(solver, voided=solver.voided + 1))
    env.deposit_event(BatchVoided(batch=number, solver=batch.solver, burnt=batch.deposit))


def slash_batch(env: Environment, number: int, batch: Batch, *, index: int, reporter: bytes) -> None:
    """Punish a batch of which a leaf is wrong; one that is open is void as well."""
    if batch.is_open:
        release_work(env, batch.problem, batch.payment)
        burn_held(env, batch.solver, HoldReason.AuditDeposit, batch.deposit)
    solver = SOLVERS.get(env.state, batch.solver)
    _settle(env, number, batch, BatchStatus.Slashed, solver)
    slash_statement(env, make_statement(env, batch), batch=number, index=index, reporter=reporter)


def slash_statement(env: Environment, statement: Statement, *, batch: int | None, index: int, reporter: bytes) -> None:
    """Take a bond for a wrong statement, once: a share for whoever reported it, the rest is burnt."""
    state, params = env.state, env.params.batch
    name = compute_statement_hash(statement)
    # SPEC BAT-35: A statement MUST be punished at most once, however often and wherever it was made.
    if PUNISHED.find(state, name) is not None:
        return
    PUNISHED.set(state, name, env.number)
    account = statement.solver
    solver = SOLVERS.get(state, account)
    # SPEC BAT-33: A wrong leaf MUST cost `bond_planck` of its solver's bond, unbonded stake included, or what there is.
    amount = min(params.bond_planck, solver.total)
    # SPEC BAT-34: `reporter_share_ppb` of a slashed bond MUST go to whoever reported it, if that is not the solver; the
    # rest MUST be burnt.
    reward = 0 if reporter == account else amount * params.reporter_share_ppb // BILLION
    pay_from_hold(env, account, HoldReason.SolverBond, dest=reporter, amount=reward)
    burn_held(env, account, HoldReason.SolverBond, amount - reward)
    # SPEC BAT-36: A slashed solver's reputation MUST fall to two thirds, rounded down.
    solver = replace(solver, reputation=solver.reputation * 2 // 3, slashed=solver.slashed + 1)
    SOLVERS.set(state, account, _take_stake(solver, amount))
    env.deposit_event(
        SolverSlashed(batch=batch, solver=account, index=index, amount=amount, reporter=reporter, reward=reward)
    )


def make_statement(env: Environment, batch: Batch) -> Statement:
    """Return what a batch on the chain states."""
    return Statement(
        genesis=env.block.genesis_hash,
        solver=batch.solver,
        key=batch.key,
        problem=batch.problem,
        snapshot=batch.snapshot,
        root=batch.root,
        count=batch.count,
    )


def schedule(env: Environment, height: int, deed: BatchDeed, batch: int) -> None:
    """Put a deed on the agenda."""
    AGENDA.set(env.state, height, (*AGENDA.get(env.state, height), BatchItem(deed=deed, batch=batch)))


def _settle(env: Environment, number: int, batch: Batch, status: BatchStatus, solver: Solver) -> None:
    """Keep how a batch ended, for as long as it may be reported."""
    if batch.is_open:
        solver = replace(solver, open_batches=solver.open_batches - 1)
        # SPEC BAT-37: A settled batch MUST stay in the state for `fraud_blocks` blocks.
        schedule(env, env.number + env.params.batch.fraud_blocks, BatchDeed.Forget, number)
        batch = replace(batch, settled_at=env.number, deposit=0)
    SOLVERS.set(env.state, batch.solver, solver)
    COMMITTED.set(env.state, number, replace(batch, status=status))


def _take_stake(solver: Solver, amount: int) -> Solver:
    """Return a solver with less stake: the bonded first, then the unbonded, newest first."""
    active = max(solver.active - amount, 0)
    rest = amount - (solver.active - active)
    chunks = list(solver.chunks)
    while rest:
        last = chunks.pop()
        left = max(last.amount - rest, 0)
        rest -= last.amount - left
        if left:
            chunks.append(replace(last, amount=left))
    return replace(solver, active=active, chunks=tuple(chunks))
