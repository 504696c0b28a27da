"""Judging a block's work, from cheap to dear, each failure with its own error.

Size and parsing belong to `chain.block.decode_block`; then, stopping at the first failure: the header alone, the header
in its context (parent, height, epoch, target, timestamp, problem, weight), the seal (ticket under the target, core
strikes, pool strike, the gas that they used). The body and the state root are the runtime's.

A simulation of many nodes gives `check_block` a cheaper `SealChecker`; a node has no other than `check_seal`.

Invariant: a `CheckedBlock` comes only from `check_block`.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from chain.block import Block
from chain.header import Header
from chain.params import WorkParams
from consensus.asert import compute_largest_target
from consensus.context import WorkContext
from consensus.digest import WorkDigest, WorkSeal, read_author, read_seal, read_work
from consensus.errors import (
    TargetOutOfBounds,
    TicketAboveTarget,
    TicketTooCheap,
    UnknownProblem,
    WeightTooLarge,
    WrongCoreEpoch,
    WrongCoreShots,
    WrongHeight,
    WrongParent,
    WrongPoolShots,
    WrongPoolSize,
    WrongTarget,
    WrongWeight,
)
from consensus.ticket import compute_context_weight, make_ticket_job, run_core_strikes, run_pool_strike
from consensus.timestamps import check_not_ahead, check_timestamp
from consensus.work import (
    compute_block_work,
    compute_seed,
    compute_shots_bytes,
    compute_ticket,
    compute_ticket_gas,
    is_win,
)


class CheckedHeader(msgspec.Struct, frozen=True, kw_only=True):
    """A header whose work was re-run and is right.

    Attributes:
        header: Sealed.
        author: Its public key.
        work: What the ticket was drawn for.
        seal: The winning ticket.
        ticket: The ticket's value.
        block_work: What the block adds to its chain's work.
    """

    header: Header
    author: bytes
    work: WorkDigest
    seal: WorkSeal
    ticket: int
    block_work: int


class CheckedBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A block whose work is right in its context; its body is not yet executed."""

    block: Block
    context: WorkContext
    checked: CheckedHeader


class SealChecker(Protocol):
    """Judges a seal when all else of the header is right; `check_seal` is the one that a chain is made of."""

    def __call__(self, header: Header, context: WorkContext, params: WorkParams) -> CheckedHeader:
        """Return the header with its ticket proven, or raise InvalidBlock."""


def check_block(
    block: Block, context: WorkContext, params: WorkParams, *, now_ms: int, seal_checker: SealChecker | None = None
) -> CheckedBlock:
    """Return the block with its work checked.

    Args:
        seal_checker: Judges the ticket; None runs it again (`check_seal`).

    Raises:
        InvalidBlock: the subclass says which rule is broken.
        TooFarAhead: the block must wait.
    """
    check_header_alone(block.header, params)
    check_header_in_context(block.header, context, params, now_ms=now_ms)
    judge = check_seal if seal_checker is None else seal_checker  # a checker with a memory may be empty, thus falsy
    checked = judge(block.header, context, params)
    return CheckedBlock(block=block, context=context, checked=checked)


def check_header_alone(header: Header, params: WorkParams) -> None:
    """Refuse a header that is wrong whatever its parent.

    Raises:
        DigestMalformed: or WorkDigestMalformed, SealMissing, SealMalformed.
        TargetOutOfBounds: the target is 0 or above the largest.
        WeightTooLarge: the weight exceeds the chain's largest.
    """
    read_author(header)
    work = read_work(header)
    read_seal(header)
    # SPEC TGT-02: A target MUST be at least 1 and at most the largest target.
    if not 1 <= work.target <= compute_largest_target(params):
        raise TargetOutOfBounds(f"the target {work.target:#x} is outside 1..{compute_largest_target(params):#x}")
    if work.weight > params.ticket_gas_max:
        raise WeightTooLarge(f"a weight of {work.weight}; at most {params.ticket_gas_max} is allowed")


def check_header_in_context(header: Header, context: WorkContext, params: WorkParams, *, now_ms: int) -> None:
    """Refuse a header, sealed or not, that disagrees with its parent's post-state.

    Raises:
        WrongParent: or WrongHeight, WrongCoreEpoch, WrongTarget, TimestampTooOld, UnknownProblem, WrongWeight.
        TooFarAhead: the block must wait; judged last, so that nothing else is wrong with it.
    """
    work = read_work(header)
    # SPEC WRK-04: A block MUST be judged in the context of the parent that its header names.
    if header.parent_hash != context.parent_hash:
        raise WrongParent(context.parent_hash, header.parent_hash)
    # SPEC WRK-03: A block's height MUST be its parent's plus one.
    if header.number != context.height:
        raise WrongHeight(context.height, header.number)
    # SPEC WRK-05: The core epoch of the work item MUST be the epoch of the block's height.
    if work.core_epoch != context.core_epoch:
        raise WrongCoreEpoch(context.core_epoch, work.core_epoch)
    # SPEC TGT-01: The target of the work item MUST be the one that the parent's post-state gives.
    if work.target != context.target:
        raise WrongTarget(context.target, work.target)
    check_timestamp(work.timestamp_ms, context.recent_timestamps_ms)
    _check_weight(work, context, params)
    check_not_ahead(work.timestamp_ms, now_ms=now_ms, params=params)


def check_seal(header: Header, context: WorkContext, params: WorkParams) -> CheckedHeader:
    """Return the header with its ticket re-run.

    Precondition: `check_header_alone` and `check_header_in_context` passed.

    Raises:
        WrongPoolSize: pool shots of the wrong length (costs nothing to see).
        TicketAboveTarget: the claimed ticket did not win, whatever its strikes used (a few hashes).
        WrongCoreShots: the core strikes give other shots (r strikes).
        WrongPoolShots: the pool strike gives other shots (one strike).
        TicketTooCheap: the ticket did not win with the gas that it used.
    """
    job = make_ticket_job(header, context, params)
    seal = read_seal(header)
    size = compute_shots_bytes(job.pool.problem.n, params.shots) if job.pool is not None else 0
    # SPEC SEAL-03: The pool shots MUST have the length of the packed shots of one pool strike, 0 without a problem.
    if len(seal.pool_shots) != size:
        raise WrongPoolSize(size, len(seal.pool_shots))
    seed = compute_seed(job.work_key, seal.index)
    ticket = compute_ticket(seed, seal.core_hash, seal.pool_shots)
    # SPEC SEAL-04: The ticket MUST be below target * weight.
    if ticket >= job.limit:
        raise TicketAboveTarget(f"the ticket {ticket:#x} is not below {job.limit:#x}")
    core_hash, core_gas = run_core_strikes(job, seed)
    # SPEC SEAL-05: The core hash of the seal MUST be the one that the re-run core strikes give.
    if seal.core_hash != core_hash:
        raise WrongCoreShots(core_hash, seal.core_hash)
    pool_shots, pool_gas = run_pool_strike(job, seed)
    # SPEC SEAL-06: The pool shots of the seal MUST be those that the re-run pool strike gives.
    if seal.pool_shots != pool_shots:
        raise WrongPoolShots(pool_shots, seal.pool_shots)
    gas = compute_ticket_gas(core_gas, pool_gas, params.pool_ratio)
    if not is_win(ticket, job.target, gas):
        used = f"{gas} gas of at most {job.weight}"
        raise TicketTooCheap(f"the ticket {ticket:#x} is not below the target times the gas used, {used}")
    return make_checked_header(header, ticket)


def make_checked_header(header: Header, ticket: int) -> CheckedHeader:
    """Return the record of a header whose seal a SealChecker found right."""
    work = read_work(header)
    return CheckedHeader(
        header=header,
        author=read_author(header),
        work=work,
        seal=read_seal(header),
        ticket=ticket,
        block_work=compute_block_work(work.target),
    )


def _check_weight(work: WorkDigest, context: WorkContext, params: WorkParams) -> None:
    named = context.pool.problem_id if context.pool is not None else None
    # SPEC WRK-06: A problem that the work item names MUST be open and strikeable in the parent's post-state.
    if work.problem != named:
        raise UnknownProblem(f"problem {work.problem} may not be struck on this parent")
    weight = compute_context_weight(context, params)
    # SPEC WRK-07: The weight of the work item MUST be r * core gas + pool gas.
    if work.weight != weight:
        raise WrongWeight(weight, work.weight)
