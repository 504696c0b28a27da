"""Runs a block's whole ticket again: every strike, every hash, and each rule of docs/spec/work.md with its verdict.

Terms:
    ticket: r core strikes and, when the header names a problem, one pool strike, all from one seed.
    gas used: what the ticket used, of which the weight is the most; a ticket wins below target * gas used.
    limit: target * weight; no ticket from there on wins.
    claimed: what the seal says; compared with what the strikes give.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from chain.header import Header
from chain.params import WorkParams
from consensus.context import PoolProblem, WorkContext
from consensus.core_problem import compute_core_gas, get_core_law, make_core_circuit
from consensus.digest import WorkDigest, WorkSeal, read_seal, read_work
from consensus.errors import TimestampTooOld
from consensus.ticket import TicketJob, make_pool_circuit, make_ticket_job
from consensus.timestamps import check_timestamp
from consensus.work import (
    compute_core_hash,
    compute_core_strike_seed,
    compute_pool_strike_seed,
    compute_seed,
    compute_shots_bytes,
    compute_ticket,
    compute_ticket_gas,
    is_win,
)
from vm.law import AngleLaw
from vm.problem import pack_shots
from vm.reference import run_reference_strike
from vm.strike import Circuit, get_gas_limit, get_gas_used, run_strike

Engine: TypeAlias = Literal["frontier", "reference"]


class TicketTooHeavy(Exception):
    """A ticket that may use more gas than the chain takes; nobody should run it."""


class Strike(msgspec.Struct, frozen=True, kw_only=True):
    """One strike of the ticket, its shots packed as they are hashed, and the gas that it used."""

    seed: bytes
    packed: bytes
    gas: int


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of docs/spec/work.md, and whether the block keeps it."""

    rule: str
    sentence: str
    holds: bool


class TicketRun(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket that was run again.

    Attributes:
        core_gas: Gas limit of one core strike.
        weight: The most gas that the whole ticket can use.
        gas: What it used.
        ticket: What the strikes give.
        claimed: What the seal's hash and shots give.
    """

    header: Header
    job: TicketJob
    work: WorkDigest
    seal: WorkSeal
    core_gas: int
    weight: int
    gas: int
    seed: bytes
    core: tuple[Strike, ...]
    core_hash: bytes
    pool: Strike | None
    ticket: int
    claimed: int
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether every rule is kept."""
        return all(check.holds for check in self.checks)


def run_block_ticket(header: Header, context: WorkContext, params: WorkParams, engine: Engine) -> TicketRun:
    """Return the ticket of a sealed header, run again in the context that the state of its parent gives.

    Raises:
        InvalidBlock: header or seal are malformed.
        TicketTooHeavy: its weight exceeds `ticket_gas_max`.
    """
    work, seal = read_work(header), read_seal(header)
    context = replace(context, pool=None if context.pool is None else _with_own_gas(context.pool, params))
    job = make_ticket_job(header, context, params)
    core_gas = compute_core_gas(job.core_seed, job.core_qubits, job.shots)
    weight = job.repeats * core_gas + (0 if job.pool is None else job.pool.gas)
    if weight > params.ticket_gas_max:
        raise TicketTooHeavy(f"a ticket may use {weight} gas, the chain takes {params.ticket_gas_max} at most")
    seed = compute_seed(job.work_key, seal.index)
    core = _run_core(job, seed, engine)
    pool = None if job.pool is None else _run_pool(job, job.pool, seed, engine)
    core_hash = compute_core_hash(b"".join(strike.packed for strike in core))
    run = TicketRun(
        header=header,
        job=job,
        work=work,
        seal=seal,
        core_gas=core_gas,
        weight=weight,
        gas=compute_ticket_gas(sum(strike.gas for strike in core), 0 if pool is None else pool.gas, job.pool_ratio),
        seed=seed,
        core=core,
        core_hash=core_hash,
        pool=pool,
        ticket=compute_ticket(seed, core_hash, b"" if pool is None else pool.packed),
        claimed=compute_ticket(seed, seal.core_hash, seal.pool_shots),
        checks=(),
    )
    return replace(run, checks=(*_check_context(run, context), *_check_ticket(run)))


def _with_own_gas(pool: PoolProblem, params: WorkParams) -> PoolProblem:
    """Return the problem with the gas limit that its circuit has, whatever the state says."""
    return replace(pool, gas=get_gas_limit(make_pool_circuit(pool), params.shots))


def _run_core(job: TicketJob, seed: bytes, engine: Engine) -> tuple[Strike, ...]:
    circuit, law = make_core_circuit(job.core_seed, job.core_qubits), get_core_law(job.core_qubits)
    seeds = (compute_core_strike_seed(seed, j) for j in range(job.repeats))
    return tuple(_run(circuit, law, strike_seed, job.shots, engine) for strike_seed in seeds)


def _run_pool(job: TicketJob, pool: PoolProblem, seed: bytes, engine: Engine) -> Strike:
    return _run(make_pool_circuit(pool), pool.law, compute_pool_strike_seed(seed), job.shots, engine)


def _run(circuit: Circuit, law: AngleLaw, seed: bytes, shots: int, engine: Engine) -> Strike:
    if engine == "frontier":
        drawn = run_strike(circuit, law, seed, shots=shots)
    else:
        drawn = run_reference_strike(circuit.problem, circuit.order, law, seed, shots=shots)
    return Strike(seed=seed, packed=pack_shots(drawn), gas=get_gas_used(circuit, drawn))


def _check_context(run: TicketRun, context: WorkContext) -> tuple[Check, ...]:
    header, work = run.header, run.work
    named = None if context.pool is None else context.pool.problem_id
    try:
        check_timestamp(work.timestamp_ms, context.recent_timestamps_ms)
        is_later = True
    except TimestampTooOld:
        is_later = False
    rows = (
        ("WRK-04", "the header names its parent", header.parent_hash == context.parent_hash),
        ("WRK-03", "its height is the parent's plus one", header.number == context.height),
        ("WRK-05", "the core epoch is that of the height", work.core_epoch == context.core_epoch),
        ("TGT-01", "the target is the one that the parent's state gives", work.target == context.target),
        ("TIME-01", "the time is later than the median of the last 11 blocks", is_later),
        ("WRK-06", "the problem is open and strikeable in the parent's state", work.problem == named),
        ("WRK-07", "the weight is r * core gas + pool gas", work.weight == run.weight),
    )
    return tuple(Check(rule=rule, sentence=sentence, holds=holds) for rule, sentence, holds in rows)


def _check_ticket(run: TicketRun) -> tuple[Check, ...]:
    job, seal = run.job, run.seal
    size = 0 if job.pool is None else compute_shots_bytes(job.pool.problem.n, job.shots)
    packed = b"" if run.pool is None else run.pool.packed
    rows = (
        ("SEAL-03", "the seal's pool shots have the length of one strike's", len(seal.pool_shots) == size),
        ("SEAL-04", "the seal's ticket is below target * weight", run.claimed < job.limit),
        ("SEAL-05", "the seal's core hash is that of the core strikes", seal.core_hash == run.core_hash),
        ("SEAL-06", "the seal's pool shots are those of the pool strike", seal.pool_shots == packed),
        ("SEAL-07", "the strikes' ticket is below target * gas used", is_win(run.ticket, job.target, run.gas)),
    )
    return tuple(Check(rule=rule, sentence=sentence, holds=holds) for rule, sentence, holds in rows)
