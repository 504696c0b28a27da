"""Work as the RPC shows it: the next block's target and core problem, templates for miners outside, re-run tickets."""

from __future__ import annotations

from chain.header import Header, encode_header
from chain.params import Params
from chain.ss58 import encode_address
from consensus.context import WorkContext
from consensus.core_problem import compute_core_gas, make_core_problem
from consensus.digest import read_author, read_seal, read_work
from consensus.ticket import TicketJob, make_ticket_job, run_ticket
from consensus.work import (
    compute_core_strike_seed,
    compute_header_ticket,
    compute_pool_strike_seed,
    compute_seed,
    compute_work_key,
    is_win,
)
from node.core.author import Template
from node.learning_answers import describe_law
from rpc.api import Json
from vm.problem import compute_energies, unpack_shots

CORE_SEEDS_SHOWN_MAX = 64


def describe_status(context: WorkContext, params: Params) -> dict[str, Json]:
    """Return what the next block's work is, without a pool problem; at least so many tickets are expected."""
    work = params.work
    core_gas = compute_core_gas(context.core_seed, work.core_qubits, work.shots)
    problem = make_core_problem(context.core_seed, work.core_qubits)
    return {
        "height": context.height,
        "target": format_u256(context.target),
        "coreEpoch": context.core_epoch,
        "coreSeed": f"0x{context.core_seed.hex()}",
        "coreQubits": work.core_qubits,
        "coreCouplings": [list(row) for row in problem.couplings],
        "coreGas": str(core_gas),
        "shots": work.shots,
        "poolRatio": list(work.pool_ratio),
        "ticketGasMax": str(work.ticket_gas_max),
        "expectedGas": str(2**256 // (context.target + 1)),
        "expectedTickets": str(-(-(2**256) // (context.target * core_gas))),
        "blockTargetMs": work.block_target_ms,
        "parentTimestampMs": context.parent_timestamp_ms,
    }


def describe_template(template: Template) -> dict[str, Json]:
    """Return an unsealed header and what searching tickets for it needs."""
    job, work = template.job, read_work(template.header)
    return {
        "header": f"0x{encode_header(template.header).hex()}",
        "number": template.header.number,
        "parentHash": f"0x{template.header.parent_hash.hex()}",
        "workKey": f"0x{job.work_key.hex()}",
        "limit": format_u256(job.limit),
        "target": format_u256(work.target),
        "weight": str(work.weight),
        "coreEpoch": work.core_epoch,
        "coreSeed": f"0x{job.core_seed.hex()}",
        "coreQubits": job.core_qubits,
        "repeats": job.repeats,
        "poolRatio": list(job.pool_ratio),
        "shots": job.shots,
        "pool": _describe_pool(job),
        "extrinsics": [f"0x{raw.hex()}" for raw in template.extrinsics],
    }


def replay_ticket(header: Header, context: WorkContext, params: Params) -> dict[str, Json]:
    """Re-run a sealed header's ticket and return seeds, shots, energies and the verdict."""
    job = make_ticket_job(header, context, params.work)
    seal, work = read_seal(header), read_work(header)
    seed = compute_seed(job.work_key, seal.index)
    ticket = run_ticket(job, seal.index)
    claimed = compute_header_ticket(header)
    checks: dict[str, Json] = {
        "belowTarget": is_win(claimed, job.target, ticket.gas),
        "coreShots": ticket.core_hash == seal.core_hash,
        "poolShots": ticket.pool_shots == seal.pool_shots,
    }
    return {
        "block": f"0x{header.hash.hex()}",
        "number": header.number,
        "author": encode_address(read_author(header), params.ss58_prefix),
        "workKey": f"0x{compute_work_key(header).hex()}",
        "index": seal.index,
        "seed": f"0x{seed.hex()}",
        "ticket": format_u256(ticket.value),
        "limit": format_u256(job.limit),
        "target": format_u256(work.target),
        "weight": str(work.weight),
        "gasUsed": str(ticket.gas),
        "core": {
            "epoch": work.core_epoch,
            "seed": f"0x{job.core_seed.hex()}",
            "qubits": job.core_qubits,
            "strikes": job.repeats,
            "strikeSeeds": [
                f"0x{compute_core_strike_seed(seed, j).hex()}" for j in range(min(job.repeats, CORE_SEEDS_SHOWN_MAX))
            ],
            "hash": f"0x{ticket.core_hash.hex()}",
        },
        "pool": _describe_pool_strike(job, seed, ticket.pool_shots),
        "checks": checks,
        "verdict": "valid" if all(checks.values()) else "invalid",
    }


def format_u256(value: int) -> str:
    """Return 0x and 64 digits, so that tickets, limits and targets can be compared by eye."""
    return f"0x{value:064x}"


def _describe_pool(job: TicketJob) -> dict[str, Json] | None:
    pool = job.pool
    if pool is None:
        return None
    return {
        "problem": pool.problem_id,
        "depth": pool.depth,
        "order": list(pool.order),
        "law": describe_law(pool.law),
        "gas": str(pool.gas),
        "ising": {
            "offset": pool.problem.offset,
            "fields": list(pool.problem.fields),
            "couplings": [list(row) for row in pool.problem.couplings],
        },
    }


def _describe_pool_strike(job: TicketJob, seed: bytes, pool_shots: bytes) -> dict[str, Json] | None:
    described = _describe_pool(job)
    if described is None or job.pool is None:
        return None
    shots = unpack_shots(pool_shots, job.pool.problem.n)
    energies = [int(energy) for energy in compute_energies(job.pool.problem, shots)]
    return {
        **described,
        "strikeSeed": f"0x{compute_pool_strike_seed(seed).hex()}",
        "shots": ["".join(str(bit) for bit in shot) for shot in shots],
        "energies": energies,
        "best": min(energies),
    }
