"""The checks of a posted problem, and the errors of the problems pallet.

Each error is one rule of docs/spec/problems.md; runtime.pallets.problems lists them, which gives them their numbers.
"""

from __future__ import annotations

from typing import ClassVar

from chain.params import Params
from chain.scale import codec_of
from runtime.belief_state import compute_learning_bytes
from runtime.dispatch import ModuleFailure
from runtime.limits import BILLION
from runtime.problem_records import (
    Instance,
    Ising,
    OrderFigures,
    Terms,
    compute_energy_bound,
    compute_order_figures,
    read_ising,
)
from runtime.weights import ORDER_PER_TERM, POST_BASE, POST_PER_TERM, SCHEDULE_PER_TERM
from vm.law import InvalidLaw, compute_law
from vm.problem import InvalidProblem, IsingProblem, NotStrikeable, check_strikeable
from vm.schedule import InvalidOrder as VmInvalidOrder

COUPLINGS_WEIGHED_MAX = 65_536


class InvalidIsing(ModuleFailure):
    """The Ising record is not canonical, or a coefficient is out of bounds."""

    rule: ClassVar[str] = "PRB-02"


class ProblemTooLarge(ModuleFailure):
    """The problem has more spins or couplings than this chain takes, or none."""

    rule: ClassVar[str] = "PRB-03"


class InvalidDepth(ModuleFailure):
    """The depth is zero or more than this chain takes."""

    rule: ClassVar[str] = "PRB-04"


class InvalidOrder(ModuleFailure):
    """The measurement order does not name every spin once."""

    rule: ClassVar[str] = "PRB-05"


class InvalidDeadline(ModuleFailure):
    """The deadline is not in the future, or too far in it."""

    rule: ClassVar[str] = "PRB-06"


class BountyTooSmall(ModuleFailure):
    """The bounty is below the existential deposit, so that it could not be paid to everybody."""

    rule: ClassVar[str] = "PRB-07"


class TargetOutOfReach(ModuleFailure):
    """No solution can have the target energy."""

    rule: ClassVar[str] = "PRB-08"


class TooManyOpen(ModuleFailure):
    """The chain has as many open problems as it takes."""

    rule: ClassVar[str] = "PRB-09"


class UnknownProblem(ModuleFailure):
    """No problem has this number."""

    rule: ClassVar[str] = "PRB-10"


class InvalidShare(ModuleFailure):
    """The best-effort share is more than the bounty, or too small to be paid to everybody."""

    rule: ClassVar[str] = "SOL-15"


class NotPoster(ModuleFailure):
    """Only the poster may cancel."""

    rule: ClassVar[str] = "PRB-11"


class NotOpen(ModuleFailure):
    """The problem takes no solutions, orders or cancellation any more."""

    rule: ClassVar[str] = "PRB-12"


class OrderNotBetter(ModuleFailure):
    """The measurement order does not cost less than the present one."""

    rule: ClassVar[str] = "PRB-13"


def check_ising(params: Params, ising: Ising, depth: int) -> IsingProblem:
    """Return the problem of a posted record.

    Raises:
        ProblemTooLarge: or InvalidDepth, InvalidIsing.
    """
    limits = params.problem
    # SPEC PRB-03: A problem MUST have 1..`spins_max` spins and at most `couplings_max` couplings.
    if not 1 <= len(ising.fields) <= limits.spins_max or len(ising.couplings) > limits.couplings_max:
        raise ProblemTooLarge(
            f"{len(ising.fields)} spins and {len(ising.couplings)} couplings;"
            f" 1 to {limits.spins_max} and up to {limits.couplings_max} are possible"
        )
    # SPEC PRB-04: A problem's depth MUST be 1..`depth_max`.
    if not 1 <= depth <= limits.depth_max:
        raise InvalidDepth(f"the depth is 1 to {limits.depth_max}, not {depth}")
    try:
        return read_ising(ising)
    # SPEC PRB-02: A posted Ising record MUST be canonical.
    except InvalidProblem as error:
        raise InvalidIsing(str(error)) from error


def check_terms(params: Params, problem: IsingProblem, terms: Terms, *, number: int) -> None:
    """Refuse terms that could not be kept.

    Args:
        number: The block's height.

    Raises:
        InvalidDeadline: or BountyTooSmall, TargetOutOfReach.
    """
    limits = params.problem
    # SPEC PRB-06: A deadline MUST be above the block's height, by at most `lifetime_blocks_max`.
    if not number < terms.deadline <= number + limits.lifetime_blocks_max:
        raise InvalidDeadline(
            f"the deadline {terms.deadline} is not in the {limits.lifetime_blocks_max} blocks to come"
        )
    # SPEC PRB-07: A bounty MUST be at least the existential deposit.
    if terms.bounty < params.money.existential_deposit_planck:
        raise BountyTooSmall(f"a bounty of {terms.bounty} planck is below the existential deposit")
    # SPEC PRB-08: A target energy MUST NOT be below the offset minus the sum of all absolute coefficients.
    if terms.target_energy < compute_energy_bound(problem):
        raise TargetOutOfReach(f"no solution has the energy {terms.target_energy} or less")
    share = terms.bounty * terms.best_effort_ppb // BILLION
    # SPEC SOL-15: A best-effort share MUST NOT exceed the bounty, and MUST be nothing or at least the existential
    # deposit.
    if terms.best_effort_ppb > BILLION or 0 < share < params.money.existential_deposit_planck:
        raise InvalidShare(
            f"{terms.best_effort_ppb} billionths of the bounty are {share} planck; at most the whole bounty is"
            " possible, and at least the existential deposit or nothing"
        )


def check_order(params: Params, problem: IsingProblem, order: tuple[int, ...], depth: int) -> OrderFigures:
    """Return what a measurement order is worth.

    Raises:
        InvalidOrder: it does not name every spin once.
    """
    try:
        return compute_order_figures(problem, order, depth, params)
    # SPEC PRB-05: A measurement order MUST name every spin exactly once.
    except VmInvalidOrder as error:
        raise InvalidOrder(str(error)) from error


def compute_post_weight(ising: Ising, depth: int, order: tuple[int, ...], terms: Terms) -> int:
    """Return the weight of posting a problem."""
    terms_count = len(ising.couplings) + len(ising.fields)
    return POST_BASE + terms_count * (POST_PER_TERM + depth * SCHEDULE_PER_TERM)


def compute_post_order_weight(problem: int, order: tuple[int, ...]) -> int:
    """Return the weight of posting an order, from its length alone."""
    spins = len(order)
    return POST_BASE + ORDER_PER_TERM * (spins + min(spins * (spins - 1) // 2, COUPLINGS_WEIGHED_MAX))


def check_order_length(spins: int, order: tuple[int, ...]) -> None:
    """Refuse an order of the wrong length before its problem is read: the call's weight comes from the length.

    Raises:
        InvalidOrder
    """
    if len(order) != spins:
        raise InvalidOrder(f"an order of {len(order)} spins for a problem of {spins}")


def compute_deposit(params: Params, instance: Instance, problem: IsingProblem, depth: int) -> int:
    """Return what is held for the bytes of an instance, and of what strikes may teach of it."""
    # SPEC PRB-18: The deposit MUST be `deposit_base_planck`, and `deposit_per_byte_planck` for each byte of the
    # instance and, if its coefficients may be struck, of its belief and its curve of 32 points.
    size = len(codec_of(Instance).encode(instance)) + compute_teachable_bytes(problem, depth)
    return params.money.deposit_base_planck + params.money.deposit_per_byte_planck * size


def compute_teachable_bytes(problem: IsingProblem, depth: int) -> int:
    """Return what belief and curve may take; 0 for a problem that can never be struck, whatever its order."""
    try:
        check_strikeable(problem)
        compute_law(problem, depth)
    except (NotStrikeable, InvalidLaw):
        return 0
    return compute_learning_bytes(depth)
