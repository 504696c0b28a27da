"""The state of problems, and how one is looked up, put on the agenda and closed.

Calls of accounts and hooks are in `runtime.pallets.problems`, which lists these items.

Terms and invariants: those of `runtime.pallets.problems`.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain.scale_shapes import H256, U32, U64
from runtime.belief_state import forget_belief
from runtime.environment import Environment
from runtime.pallets.balances import HoldReason, release
from runtime.problem_checks import NotOpen, UnknownProblem
from runtime.problem_records import AgendaItem, Deed, Instance, Payable, Problem, ProblemStatus, compute_ising_hash
from runtime.snapshots import forget_snapshots
from runtime.solution_state import COMMITS
from runtime.storage import Overlay, StorageMap, StorageValue

NAME = "Problems"
CLOSED_BLOCKS_KEPT, CANCELLED_BLOCKS_KEPT = 100_000, 100  # a cancelled one costs its poster only fees; at least

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

ISING_HASHES: StorageMap[int, bytes] = StorageMap(
    NAME, "IsingHashes", (U64, H256), hasher="Twox64Concat", docs="By which the energies of closed problems are known."
)
SOLVED: StorageValue[tuple[Payable, ...]] = StorageValue(
    NAME, "Solved", tuple[Payable, ...], (), docs="Problems whose winner is certain and waits until its block is final."
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


def is_live(record: Problem) -> bool:
    """Say whether a problem is not closed: it is open, solved, or awaits reveals."""
    return record.status in (ProblemStatus.Open, ProblemStatus.Solved, ProblemStatus.Revealing)


def drop_instance(state: Overlay, problem: int, record: Problem) -> None:
    """Remove the instance of a closed problem that neither a batch nor a commit needs any more."""
    # SPEC SOL-16: The energy and order of a closed problem MUST stay in the state while commits wait for their reveal.
    if not is_live(record) and record.open_batches == 0 and not COMMITS.get(state, problem):
        instance = INSTANCES.find(state, problem)
        if instance is not None and record.strike_gas:
            ISING_HASHES.set(state, problem, compute_ising_hash(instance.ising))
        INSTANCES.remove(state, problem)
        forget_belief(state, problem)


def forget_record(state: Overlay, problem: int) -> None:
    """Drop what was kept of a closed problem."""
    RECORDS.remove(state, problem)
    if ISING_HASHES.find(state, problem) is not None:
        ISING_HASHES.remove(state, problem)


def close_problem(env: Environment, problem: int, record: Problem, status: ProblemStatus, *, paid: int = 0) -> int:
    """Release what is still held for a problem and return it; the instance goes if nothing needs it.

    Args:
        paid: What the winner got of the bounty.
    """
    bounty = record.bounty - paid
    release(env, record.poster, HoldReason.ProblemBounty, bounty)
    # SPEC PRB-25: What open batches of a closed problem wait for MUST stay on hold, and its instance in the state.
    unreserved = record.work_budget - record.reserved
    release(env, record.poster, HoldReason.ProblemWorkBudget, unreserved)
    release(env, record.poster, HoldReason.ProblemDeposit, record.deposit)
    # SPEC PRB-24: A problem that is closed before its deadline MUST leave the agenda of its expiry.
    if status is not ProblemStatus.Expired:
        unschedule(env, record.deadline + 1, Deed.Expire, problem)
    closed = replace(record, status=status, closed_at=env.number, deposit=0)
    RECORDS.set(env.state, problem, closed)
    forget_snapshots(env.state, problem)
    drop_instance(env.state, problem, closed)
    OPEN_COUNT.set(env.state, OPEN_COUNT.get(env.state) - 1)
    kept = CANCELLED_BLOCKS_KEPT if status is ProblemStatus.Cancelled else CLOSED_BLOCKS_KEPT
    # SPEC BAT-47: The record of a closed problem MUST stay in the state for at least `unbond_blocks` blocks.
    schedule(env, env.number + max(kept, env.params.batch.unbond_blocks), Deed.Forget, problem)
    return bounty + unreserved + record.deposit


def schedule(env: Environment, height: int, deed: Deed, problem: int) -> None:
    """Put a deed on the agenda."""
    AGENDA.set(env.state, height, (*AGENDA.get(env.state, height), AgendaItem(deed=deed, problem=problem)))


def unschedule(env: Environment, height: int, deed: Deed, problem: int) -> None:
    """Take a deed off the agenda, if it is on it."""
    before = AGENDA.get(env.state, height)
    items = tuple(item for item in before if (item.deed, item.problem) != (deed, problem))
    if items:
        AGENDA.set(env.state, height, items)
    elif before:
        AGENDA.remove(env.state, height)
