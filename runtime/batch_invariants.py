"""What every state of the batches pallet keeps; `runtime.pallets.batches` says it in words."""

from __future__ import annotations

from chain.params import Params
from runtime.batch_records import Batch, BatchStatus
from runtime.batch_state import COMMITTED, NEXT_ID, SLOTS, SOLVERS
from runtime.dispatch import InvariantBroken
from runtime.pallets.balances import HOLDS, HoldReason
from runtime.problem_state import RECORDS
from runtime.snapshots import SNAPSHOTS
from runtime.storage import Overlay


def check_invariants(state: Overlay, params: Params) -> None:
    """Refuse a state whose holds, reserves, slots or counts do not fit its solvers and batches."""
    batches = dict(COMMITTED.iterate(state))
    opened = {number: batch for number, batch in batches.items() if batch.is_open}
    if any(number >= NEXT_ID.get(state) for number in batches):
        raise InvariantBroken("a batch has a number that was not given yet")
    _check_holds(state, opened)
    _check_solvers(state, opened)
    _check_problems(state, opened)
    slotted = sorted(number for _, slot in SLOTS.iterate(state) for number in slot.batches)
    waiting = {number for number, batch in batches.items() if batch.status is BatchStatus.Open}
    if not waiting <= set(slotted) or len(slotted) != len(set(slotted)):
        raise InvariantBroken("the slots do not hold each batch that waits for its audit once")
    for number, batch in batches.items():
        if (batch.status is BatchStatus.Challenged) > bool(batch.leaves) or batch.is_open != (batch.settled_at == 0):
            raise InvariantBroken(f"batch {number} is {batch.status.name} and does not look it")
    for problem, entries in SNAPSHOTS.iterate(state):
        heights = [entry.height for entry in entries]
        if not heights or heights != sorted(set(heights)):
            raise InvariantBroken(f"the snapshots of problem {problem} are out of order")


def _check_holds(state: Overlay, opened: dict[int, Batch]) -> None:
    deposits: dict[bytes, int] = {}
    for batch in opened.values():
        deposits[batch.solver] = deposits.get(batch.solver, 0) + batch.deposit
    bonds = {who: solver.total for who, solver in SOLVERS.iterate(state) if solver.total}
    for reason, needed in ((HoldReason.SolverBond, bonds), (HoldReason.AuditDeposit, deposits)):
        held = {who: item.amount for who, items in HOLDS.iterate(state) for item in items if item.id is reason}
        if held != {who: amount for who, amount in needed.items() if amount}:
            raise InvariantBroken(f"the holds of {reason.name} differ from what solvers and batches need")


def _check_solvers(state: Overlay, opened: dict[int, Batch]) -> None:
    counts: dict[bytes, int] = {}
    for batch in opened.values():
        counts[batch.solver] = counts.get(batch.solver, 0) + 1
    if counts != {who: solver.open_batches for who, solver in SOLVERS.iterate(state) if solver.open_batches}:
        raise InvariantBroken("the solvers' counts of open batches are not those of the batches")


def _check_problems(state: Overlay, opened: dict[int, Batch]) -> None:
    needed: dict[int, tuple[int, int]] = {}
    for batch in opened.values():
        payment, count = needed.get(batch.problem, (0, 0))
        needed[batch.problem] = (payment + batch.payment, count + 1)
    reserved = {number: (record.reserved, record.open_batches) for number, record in RECORDS.iterate(state)}
    if needed != {number: row for number, row in reserved.items() if any(row)}:
        raise InvariantBroken("what the problems have reserved is not what their open batches will be paid")
