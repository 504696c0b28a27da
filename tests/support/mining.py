"""Valid mined headers for tests: a tiny chain whose tickets win once in 64."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from chain.header import Header, make_sealed, make_unsealed
from chain.params import WorkParams
from consensus.context import PoolProblem, WorkContext
from consensus.core_problem import compute_core_gas, compute_core_seed, compute_epoch
from consensus.digest import WorkDigest, WorkSeal, make_digest, make_seal, read_author, read_work
from consensus.ticket import compute_context_weight, make_ticket_job, search_tickets
from consensus.work import compute_seed, compute_ticket
from vm.law import compute_law
from vm.problem import make_problem
from vm.strike import compile_circuit, get_gas_limit

RecordT = TypeVar("RecordT", bound=msgspec.Struct)

GENESIS_HASH = bytes(range(32))
AUTHOR = b"\xa1" * 32
HEIGHT = 9
NOW_MS = 1_700_000_100_000
TIMES_MS = tuple(NOW_MS - 1000 * k for k in range(8, 0, -1))
TICKETS_PER_WIN = 64
CORE_GAS = compute_core_gas(bytes(32), 6, 8)
PARAMS = WorkParams(core_qubits=6, shots=8, epoch_blocks=4, block_target_ms=1000, ticket_gas_max=16 * CORE_GAS)


def make_pool_problem(problem_id: int = 3) -> PoolProblem:
    """Return a weighted ring of 9 spins as the runtime would give it; two bytes a shot, so padding bits exist.

    A ticket has several core strikes beside it.
    """
    problem = make_problem(9, [(i, (i + 1) % 9, 1 + i % 3) for i in range(9)], fields=[1, 0, 0, -2, 0, 0, 0, 1, 0])
    order = (0, 8, 1, 7, 2, 6, 3, 5, 4)
    return PoolProblem(
        problem_id=problem_id,
        problem=problem,
        depth=1,
        order=order,
        law=compute_law(problem, 1),
        gas=get_gas_limit(compile_circuit(problem, order=order, depth=1), PARAMS.shots),
    )


def make_context(pool: PoolProblem | None = None, params: WorkParams = PARAMS) -> WorkContext:
    """Return what the parent's post-state says at HEIGHT."""
    epoch = compute_epoch(HEIGHT, params)
    context = WorkContext(
        height=HEIGHT,
        parent_hash=b"\x70" * 32,
        parent_timestamp_ms=TIMES_MS[-1],
        recent_timestamps_ms=TIMES_MS,
        target=1,
        core_epoch=epoch,
        core_seed=compute_core_seed(GENESIS_HASH, epoch, b"\xac" * 32),
        pool=pool,
    )
    weight = compute_context_weight(context, params)
    return replace(context, target=2**256 // (TICKETS_PER_WIN * weight))


def make_work(context: WorkContext, params: WorkParams = PARAMS) -> WorkDigest:
    """Return the work item that the context demands, at NOW_MS."""
    return WorkDigest(
        problem=context.pool.problem_id if context.pool is not None else None,
        core_epoch=context.core_epoch,
        weight=compute_context_weight(context, params),
        target=context.target,
        timestamp_ms=NOW_MS,
    )


def make_template(context: WorkContext, *, author: bytes = AUTHOR, work: WorkDigest | None = None) -> Header:
    """Return an unsealed header in the context."""
    return Header(
        parent_hash=context.parent_hash,
        number=context.height,
        state_root=b"\x57" * 32,
        extrinsics_root=b"\xe0" * 32,
        digest=make_digest(author, work if work is not None else make_work(context)),
    )


def mine(header: Header, context: WorkContext, params: WorkParams = PARAMS) -> Header:
    """Return the header sealed by honest work in the context."""
    result = search_tickets(make_ticket_job(make_unsealed(header), context, params), 0, 1_000_000)
    assert result.win is not None
    return make_sealed(header, make_seal(result.win))


def forge_seal(header: Header, context: WorkContext, *, core_hash: bytes, pool_shots: bytes) -> Header:
    """Return the header with guessed shots, re-drawn by index alone until the ticket is below the target."""
    job = make_ticket_job(make_unsealed(header), context, PARAMS)
    for index in range(1_000_000):
        if compute_ticket(compute_seed(job.work_key, index), core_hash, pool_shots) < job.limit:
            return make_sealed(header, make_seal(WorkSeal(index=index, core_hash=core_hash, pool_shots=pool_shots)))
    raise AssertionError("no index wins")


def with_work(header: Header, **changes: object) -> Header:
    """Return the unsealed header with fields of its work item changed."""
    unsealed = make_unsealed(header)
    digest = make_digest(read_author(unsealed), replace(read_work(unsealed), **changes))
    return replace(unsealed, digest=digest)


def replace(record: RecordT, **changes: object) -> RecordT:
    """Return a record with fields changed."""
    return msgspec.structs.replace(record, **changes)
