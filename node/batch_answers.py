"""Solvers and batches as the RPC shows them: JSON-ready, amounts as decimal strings."""

from __future__ import annotations

from chain.params import Params
from chain.ss58 import encode_address
from chain.state_view import StateView
from rpc.api import Json
from runtime.batch_records import Batch, BatchStatus, Solver
from runtime.batch_state import COMMITTED, SOLVERS
from runtime.storage import Overlay


def describe_batch(number: int, batch: Batch, params: Params) -> dict[str, Json]:
    """Return what is said of a batch."""
    is_asked = batch.status is BatchStatus.Challenged
    return {
        "id": number,
        "solver": encode_address(batch.solver, params.ss58_prefix),
        "problem": batch.problem,
        "status": batch.status.name.lower(),
        "count": batch.count,
        "key": f"0x{batch.key.hex()}",
        "source": "header" if batch.is_of_header else "counter",
        "root": f"0x{batch.root.hex()}",
        "snapshot": f"0x{batch.snapshot.hex()}",
        "strikeGas": str(batch.strike_gas),
        "payment": str(batch.payment),
        "committedAt": batch.committed_at,
        "auditAt": batch.audit_at,
        "leaves": list(batch.leaves),
        "answerBefore": batch.audit_at + 1 + params.batch.answer_blocks if is_asked else None,
        "settledAt": batch.settled_at or None,
    }


def list_batches(
    view: StateView, params: Params, *, problem_id: int | None, solver: bytes | None, only_open: bool
) -> list[dict[str, Json]]:
    """Return the batches of a state, newest first: those that are open, and those that may still be reported."""
    rows = sorted(COMMITTED.iterate(Overlay(view)), reverse=True, key=lambda row: row[0])
    return [
        describe_batch(number, batch, params)
        for number, batch in rows
        if (problem_id is None or batch.problem == problem_id)
        and (solver is None or batch.solver == solver)
        and (batch.is_open or not only_open)
    ]


def describe_solver(account: bytes, solver: Solver, params: Params) -> dict[str, Json]:
    """Return what is said of a solver."""
    return {
        "account": encode_address(account, params.ss58_prefix),
        "bond": str(solver.active),
        "unbonding": [{"amount": str(chunk.amount), "ripeAt": chunk.ripe_at} for chunk in solver.chunks],
        "openBatches": solver.open_batches,
        "reputation": solver.reputation,
        "paid": solver.paid,
        "void": solver.voided,
        "slashed": solver.slashed,
        "counter": solver.counter,
    }


def list_solvers(view: StateView, params: Params) -> list[dict[str, Json]]:
    """Return the solvers of a state, the best reputation first."""
    rows = sorted(SOLVERS.iterate(Overlay(view)), key=lambda row: (-row[1].reputation, row[1].slashed, row[0]))
    return [describe_solver(account, solver, params) for account, solver in rows]


def get_solver(view: StateView, account: bytes, params: Params) -> dict[str, Json] | None:
    """Return one solver."""
    solver = SOLVERS.find(Overlay(view), account)
    return None if solver is None else describe_solver(account, solver, params)
