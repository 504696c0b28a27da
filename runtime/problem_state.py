"""The state of problems, and how one is looked up, put on the agenda and closed.

Calls of accounts and hooks are in `runtime.pallets.problems`, which lists these items.

Terms and invariants: those of `runtime.pallets.problems`.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain.scale_shapes import U32, U64
from runtime.environment import Environment
from runtime.pallets.balances import HoldReason, release
from runtime.problem_checks import NotOpen, UnknownProblem
from runtime.problem_records import AgendaItem, Deed, Instance, Problem, ProblemStatus
from runtime.storage import Overlay, StorageMap, StorageValue

NAME = "Problems"
CLOSED_BLOCKS_KEPT, CANCELLED_BLOCKS_KEPT = 100_000, 100  # a cancelled one costs its poster only fees

# ---- storage

NEXT_ID: StorageValue[int] = StorageValue(NAME, "NextId", U64, 0, docs="The number of the next problem.")
OPEN_COUNT: StorageValue[int] = StorageValue(NAME, "OpenCount", U32, 0, docs="Problems that are not closed.")
RECORDS: StorageMap[int, Problem] = StorageMap(
    NAME, "Problems", (U64, Problem), hasher="Twox64Concat", docs="The problems and what became of them."
)
INSTANCES: StorageMap[int, Instance] = StorageMap(
    NAME, "Instances", (U64, Instance), hasher="Twox64Concat", docs="Energies and orders of the problems not closed."
)
AGENDA: StorageMap[int, tuple[AgendaItem, ...]] = StorageMap(
    NAME, "Agenda", (U32, tuple[AgendaItem, ...]), hasher="Twox64Concat", default=(), docs="Deeds by height."
)

SOLVED: StorageValue[tuple[int, ...]] = StorageValue(
    NAME, "Solved", tuple[U64, ...], (), docs="Solved problems whose bounty is not paid yet, oldest first."
)

# ---- looking up and closing


def get_open(state: Overlay, problem: int) -> Problem:
    """Return an open problem.

    Raises:
        UnknownProblem: there is none of this number; NotOpen: it is solved or closed.
    """
    record = RECORDS.find(state, problem)
    # SPEC PRB-10: A call MUST name a problem that the state holds.
    if record is None:
        raise UnknownProblem(f"no problem has the number {problem}")
    # SPEC PRB-12: Solutions, orders and cancellation MUST be for an open problem.
    if record.status is not ProblemStatus.Open:
        raise NotOpen(f"problem {problem} is {record.status.name.lower()}")
    return record


def close_problem(env: Environment, problem: int, record: Problem, status: ProblemStatus) -> int:
    """Release what is still held for a problem, remove its instance, and return what was released."""
    bounty = 0 if status is ProblemStatus.Paid else record.bounty
    release(env, record.poster, HoldReason.ProblemBounty, bounty)
    # SPEC PRB-25: What open batches of a closed problem wait for MUST stay on hold, and its instance in the state.
    unreserved = record.work_budget - record.reserved
    release(env, record.poster, HoldReason.ProblemWorkBudget, unreserved)
    release(env, record.poster, HoldReason.ProblemDeposit, record.deposit)
    if record.open_batches == 0:
        INSTANCES.remove(env.state, problem)
    # SPEC PRB-24: A problem that is closed before its deadline MUST leave the agenda of its expiry.
    if status is not ProblemStatus.Expired:
        unschedule(env, record.deadline + 1, problem)
    RECORDS.set(env.state, problem, replace(record, status=status, closed_at=env.number, deposit=0))
    OPEN_COUNT.set(env.state, OPEN_COUNT.get(env.state) - 1)
    kept = CANCELLED_BLOCKS_KEPT if status is ProblemStatus.Cancelled else CLOSED_BLOCKS_KEPT
    schedule(env, env.number + kept, Deed.Forget, problem)
    return bounty + unreserved + record.deposit


def schedule(env: Environment, height: int, deed: Deed, problem: int) -> None:
    """Put a deed on the agenda."""
    AGENDA.set(env.state, height, (*AGENDA.get(env.state, height), AgendaItem(deed=deed, problem=problem)))


def unschedule(env: Environment, height: int, problem: int) -> None:
    """Take every deed for a problem off the agenda of a height."""
    items = tuple(item for item in AGENDA.get(env.state, height) if item.problem != problem)
    AGENDA.remove(env.state, height)
    if items:
        AGENDA.set(env.state, height, items)
