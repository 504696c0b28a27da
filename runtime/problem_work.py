"""What batches of strikes do to a problem's work budget: reserve at commit, then pay or release, once each.

Terms:
    reserved: the part of the work budget that open batches wait for; it stays on hold when the problem is closed.

Invariants: each reserved amount is paid or released once; the last one settled of a closed problem takes the instance.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from runtime.dispatch import ModuleFailure
from runtime.environment import Environment
from runtime.pallets.balances import HoldReason, pay_from_hold, release
from runtime.problem_records import Problem
from runtime.problem_state import RECORDS, drop_instance, get_open, is_live
from runtime.storage import Overlay


class WorkBudgetSpent(ModuleFailure):
    """The problem's work budget has less left than the batch could cost."""

    rule: ClassVar[str] = "PRB-26"


def reserve_work(env: Environment, problem: int, amount: int) -> None:
    """Set a part of an open problem's work budget aside for one more open batch.

    Raises:
        UnknownProblem: or NotOpen, WorkBudgetSpent.
    """
    record = get_open(env.state, problem)
    left = record.work_budget - record.reserved
    # SPEC PRB-26: A batch MUST NOT be committed that could earn more than what is left of the problem's work budget.
    if amount > left:
        raise WorkBudgetSpent(f"the batch could cost {amount} planck, {left} are left of the work budget")
    changed = replace(
        record, reserved=record.reserved + amount, open_batches=record.open_batches + 1, batches=record.batches + 1
    )
    RECORDS.set(env.state, problem, changed)


def pay_work(env: Environment, problem: int, amount: int, to: bytes, *, reserved: int) -> None:
    """Pay a part of what one open batch has reserved and give back the rest.

    The payment is burnt where the receiver could not exist with it.
    """
    record = RECORDS.get(env.state, problem)
    pay_from_hold(env, record.poster, HoldReason.ProblemWorkBudget, dest=to, amount=amount)
    _give_back(env, record, reserved - amount)
    _settle(env.state, problem, replace(record, work_budget=record.work_budget - amount), reserved)


def release_work(env: Environment, problem: int, amount: int) -> None:
    """Give back what one open batch has reserved."""
    record = RECORDS.get(env.state, problem)
    _give_back(env, record, amount)
    _settle(env.state, problem, record, amount)


def _give_back(env: Environment, record: Problem, amount: int) -> None:
    """Leave an amount in the work budget, or give it to the poster of a closed problem."""
    if not is_live(record):
        release(env, record.poster, HoldReason.ProblemWorkBudget, amount)


def _settle(state: Overlay, problem: int, record: Problem, amount: int) -> None:
    record = replace(record, reserved=record.reserved - amount, open_batches=record.open_batches - 1)
    RECORDS.set(state, problem, record)
    drop_instance(state, problem, record)
