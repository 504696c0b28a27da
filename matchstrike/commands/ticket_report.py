"""What a ticket that was run again prints: everything on the way from the header to the verdict."""

from __future__ import annotations

from chain.ss58 import encode_address
from consensus.digest import read_author
from matchstrike.commands.ticket_run import Strike, TicketRun
from rpc.api import Json
from vm.problem import compute_energies, unpack_shots

CORE_STRIKES_SHOWN_MAX = 8


def ticket_to_json(run: TicketRun, *, engine: str, ss58_prefix: int) -> dict[str, Json]:
    """Return a ticket for programs: numbers of 256 bits as 0x and 64 digits, gas as decimal strings."""
    job, header = run.job, run.header
    core: list[Json] = [
        {
            "seed": f"0x{strike.seed.hex()}",
            "gasUsed": str(strike.gas),
            "shots": list(_format_shots(strike, job.core_qubits)),
        }
        for strike in run.core
    ]
    return {
        "block": f"0x{header.hash.hex()}",
        "number": header.number,
        "parent": f"0x{header.parent_hash.hex()}",
        "author": encode_address(read_author(header), ss58_prefix),
        "engine": engine,
        "workKey": f"0x{job.work_key.hex()}",
        "index": str(run.seal.index),
        "seed": f"0x{run.seed.hex()}",
        "core": {
            "epoch": run.work.core_epoch,
            "seed": f"0x{job.core_seed.hex()}",
            "qubits": job.core_qubits,
            "gas": str(run.core_gas),
            "strikes": core,
            "hash": f"0x{run.core_hash.hex()}",
        },
        "pool": _pool_to_json(run),
        "ticket": format_u256(run.ticket),
        "claimed": format_u256(run.claimed),
        "target": format_u256(run.work.target),
        "weight": str(run.weight),
        "gasUsed": str(run.gas),
        "limit": format_u256(job.limit),
        "checks": [{"rule": check.rule, "what": check.sentence, "holds": check.holds} for check in run.checks],
        "holds": run.holds,
    }


def ticket_to_text(run: TicketRun, *, ss58_prefix: int) -> str:
    """Return a ticket for people, in the order of the rules."""
    job, header = run.job, run.header
    lines = [
        f"block {header.number}  0x{header.hash.hex()}",
        f"parent    0x{header.parent_hash.hex()}",
        f"author    {encode_address(read_author(header), ss58_prefix)}",
        f"work key  {job.work_key.hex()}",
        f"index     {run.seal.index}",
        f"seed      {run.seed.hex()}",
        "",
        f"{job.repeats} core strikes on the problem of epoch {run.work.core_epoch}: {job.core_qubits} spins, "
        f"{job.shots} shots, gas limit {run.core_gas} each",
        f"core seed {job.core_seed.hex()}",
    ]
    for j, strike in enumerate(run.core[:CORE_STRIKES_SHOWN_MAX]):
        lines += [f"  {j}  seed  {strike.seed.hex()}", f"     shots {strike.packed.hex()}"]
    if len(run.core) > CORE_STRIKES_SHOWN_MAX:
        lines.append(f"  ... and {len(run.core) - CORE_STRIKES_SHOWN_MAX} more; -o json prints all")
    lines += [f"core hash {run.core_hash.hex()}", "", *_describe_pool(run), ""]
    lines += [
        f"ticket            {format_u256(run.ticket)}",
        f"target * gas used {format_u256(job.target * run.gas)}",
        f"target            {format_u256(run.work.target)}",
        f"gas used          {run.gas}",
        f"weight            {run.weight}",
        "",
    ]
    for check in run.checks:
        lines.append(f"{'holds' if check.holds else 'DOES NOT HOLD':<14} {check.rule:<8} {check.sentence}")
    return "\n".join([*lines, "", f"the ticket of block {header.number} {'holds' if run.holds else 'does not hold'}"])


def format_u256(value: int) -> str:
    """Return 0x and 64 digits."""
    return f"0x{value:064x}"


def _pool_to_json(run: TicketRun) -> dict[str, Json] | None:
    pool, strike = run.job.pool, run.pool
    if pool is None or strike is None:
        return None
    energies = _compute_energies(run)
    return {
        "problem": pool.problem_id,
        "spins": pool.problem.n,
        "depth": pool.depth,
        "order": list(pool.order),
        "gas": str(pool.gas),
        "gasUsed": str(strike.gas),
        "seed": f"0x{strike.seed.hex()}",
        "shots": list(_format_shots(strike, pool.problem.n)),
        "energies": list(energies),
        "best": min(energies),
    }


def _describe_pool(run: TicketRun) -> list[str]:
    pool, strike = run.job.pool, run.pool
    if pool is None or strike is None:
        return ["no pool strike: the header names no problem"]
    energies = _compute_energies(run)
    return [
        f"1 pool strike on problem {pool.problem_id}: {pool.problem.n} spins, depth {pool.depth}, "
        f"{run.job.shots} shots, gas {strike.gas} of at most {pool.gas}",
        f"     seed  {strike.seed.hex()}",
        f"     shots {strike.packed.hex()}",
        f"     best energy {min(energies)}",
    ]


def _format_shots(strike: Strike, qubits: int) -> tuple[str, ...]:
    return tuple("".join(map(str, shot)) for shot in unpack_shots(strike.packed, qubits).tolist())


def _compute_energies(run: TicketRun) -> tuple[int, ...]:
    assert run.job.pool is not None
    assert run.pool is not None
    problem = run.job.pool.problem
    return tuple(int(energy) for energy in compute_energies(problem, unpack_shots(run.pool.packed, problem.n)))
