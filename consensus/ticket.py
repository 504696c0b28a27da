"""Tickets: running them, and searching for one that wins.

A ticket is r core strikes and, when the header names a problem, one pool strike, all from one seed. It wins below the
target times the gas that its strikes used, which is at most its weight. `run_ticket` is the definition;
`search_tickets` is what a miner runs, the same with the constant parts taken out of the loop.

Terms:
    job: everything that the tickets of one work key need; it crosses to miner processes, so it pickles.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

import msgspec

from chain.header import Header
from chain.params import WorkParams
from consensus.context import PoolProblem, WorkContext
from consensus.core_problem import compute_core_gas, get_core_law, make_core_circuit
from consensus.digest import WorkSeal, read_work
from consensus.pool_energy import BestShot, find_best_shot
from consensus.work import (
    TAG_CORE,
    TAG_CORE_SHOTS,
    TAG_POOL,
    TAG_POOL_SHOTS,
    TAG_SEED,
    TAG_TICKET,
    compute_core_hash,
    compute_core_strike_seed,
    compute_pool_strike_seed,
    compute_repeats,
    compute_seed,
    compute_ticket,
    compute_ticket_gas,
    compute_weight,
    compute_work_key,
    is_win,
    make_leaf,
)
from vm.problem import IsingProblem, Shots, pack_shots
from vm.strike import Circuit, compile_circuit, get_gas_used, run_strike


class TicketJob(msgspec.Struct, frozen=True, kw_only=True):
    """What the tickets of one work key need.

    Attributes:
        work_key: Key of the header.
        core_seed: Seed of the core problem.
        core_qubits: Its spins.
        shots: Shots of every strike.
        repeats: Core strikes of a ticket.
        target: A ticket wins below this times the gas that it used.
        weight: The most gas that a ticket can use.
        pool_ratio: The x that bounds what a pool strike counts beside the core strikes.
        pool: The problem that the header names, if any.
    """

    work_key: bytes
    core_seed: bytes
    core_qubits: int
    shots: int
    repeats: int
    target: int
    weight: int
    pool_ratio: tuple[int, int]
    pool: PoolProblem | None

    @property
    def limit(self) -> int:
        """No ticket from here on wins, whatever it used."""
        return self.target * self.weight


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One ticket that was run.

    Attributes:
        core_hash: Hash of the shots of its core strikes.
        pool_shots: Packed shots of its pool strike.
        value: What is compared with the target times the gas.
        gas: What it used.
    """

    core_hash: bytes
    pool_shots: bytes
    value: int
    gas: int

    def wins(self, job: TicketJob) -> bool:
        """Whether this ticket of a job wins."""
        return is_win(self.value, job.target, self.gas)


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a search over some tickets found.

    Attributes:
        win: The seal of the first winning ticket; the search ends there.
        tickets: How many were run.
        best_energy: Lowest energy among the pool shots, None without pool strikes.
        best_shot: Its bits, packed as one shot.
        start: Index of the first ticket.
        leaves: The leaves of the pool strikes, 32 bytes each, in turn; what a batch of them commits to.
    """

    win: WorkSeal | None
    tickets: int
    best_energy: int | None
    best_shot: bytes | None
    start: int = 0
    leaves: bytes = b""

    @property
    def is_last(self) -> bool:
        """Whether there is no need to search on."""
        return self.win is not None


def make_ticket_job(header: Header, context: WorkContext, params: WorkParams) -> TicketJob:
    """Return the job of a header that agrees with its context (`consensus.seal` checks that)."""
    core_gas = compute_core_gas(context.core_seed, params.core_qubits, params.shots)
    pool_gas = context.pool.gas if context.pool is not None else 0
    work = read_work(header)
    return TicketJob(
        work_key=compute_work_key(header),
        core_seed=context.core_seed,
        core_qubits=params.core_qubits,
        shots=params.shots,
        repeats=compute_repeats(core_gas, pool_gas, params.pool_ratio),
        target=work.target,
        weight=work.weight,
        pool_ratio=params.pool_ratio,
        pool=context.pool,
    )


def compute_context_weight(context: WorkContext, params: WorkParams) -> int:
    """Return the weight that a header in this context must state.

    Raises:
        WeightTooLarge: the ticket is dearer than the chain accepts.
    """
    core_gas = compute_core_gas(context.core_seed, params.core_qubits, params.shots)
    return compute_weight(core_gas, context.pool.gas if context.pool is not None else 0, params)


def run_ticket(job: TicketJob, index: int) -> Ticket:
    """Return the ticket of an index."""
    seed = compute_seed(job.work_key, index)
    core_hash, core_gas = run_core_strikes(job, seed)
    pool_shots, pool_gas = run_pool_strike(job, seed)
    value = compute_ticket(seed, core_hash, pool_shots)
    gas = compute_ticket_gas(core_gas, pool_gas, job.pool_ratio)
    return Ticket(core_hash=core_hash, pool_shots=pool_shots, value=value, gas=gas)


def run_core_strikes(job: TicketJob, seed: bytes) -> tuple[bytes, int]:
    """Return the core hash of a ticket's seed, and the gas that these strikes used."""
    circuit, law = make_core_circuit(job.core_seed, job.core_qubits), get_core_law(job.core_qubits)
    seeds = (compute_core_strike_seed(seed, j) for j in range(job.repeats))
    drawn = [run_strike(circuit, law, strike_seed, shots=job.shots) for strike_seed in seeds]
    return compute_core_hash(b"".join(map(pack_shots, drawn))), sum_gas(circuit, drawn)


def run_pool_strike(job: TicketJob, seed: bytes) -> tuple[bytes, int]:
    """Return the packed pool shots of a ticket's seed, nothing without a pool problem, and the gas used."""
    if job.pool is None:
        return b"", 0
    circuit = make_pool_circuit(job.pool)
    drawn = run_strike(circuit, job.pool.law, compute_pool_strike_seed(seed), shots=job.shots)
    return pack_shots(drawn), sum_gas(circuit, [drawn])


def sum_gas(circuit: Circuit, drawn: Iterable[Shots]) -> int:
    """Return the gas that strikes on one circuit used, together, from their shots."""
    return sum(get_gas_used(circuit, shots) for shots in drawn)


def make_pool_circuit(pool: PoolProblem) -> Circuit:
    """Return the pool problem's circuit, compiled once per problem, order and depth; laws change with every block."""
    return _compile_pool_circuit(pool.problem, pool.order, pool.depth)


@lru_cache(maxsize=4)
def _compile_pool_circuit(problem: IsingProblem, order: tuple[int, ...], depth: int) -> Circuit:
    return compile_circuit(problem, order=order, depth=depth)


def search_tickets(job: TicketJob, start: int, count: int) -> SearchResult:
    """Run the tickets start .. start + count - 1 up to the first that wins."""
    core, core_law = make_core_circuit(job.core_seed, job.core_qubits), get_core_law(job.core_qubits)
    pool = job.pool
    pool_circuit = make_pool_circuit(pool) if pool is not None else None
    shots, limit = job.shots, job.limit
    tails = tuple(j.to_bytes(8, "little") for j in range(job.repeats))
    seed_prefix = TAG_SEED + job.work_key
    pool_part = blake2b(TAG_POOL_SHOTS, digest_size=32).digest()
    packed = b""
    collected: list[Shots] = []
    leaves: list[bytes] = []
    win: WorkSeal | None = None
    index = start
    for index in range(start, start + count):
        seed = blake2b(seed_prefix + index.to_bytes(8, "little"), digest_size=32).digest()
        core_prefix = TAG_CORE + seed
        core_shots = [
            run_strike(core, core_law, blake2b(core_prefix + tail, digest_size=32).digest(), shots=shots)
            for tail in tails
        ]
        core_hash = blake2b(b"".join((TAG_CORE_SHOTS, *map(pack_shots, core_shots))), digest_size=32).digest()
        if pool is not None and pool_circuit is not None:
            pool_seed = blake2b(TAG_POOL + seed, digest_size=32).digest()
            drawn = run_strike(pool_circuit, pool.law, pool_seed, shots=shots)
            collected.append(drawn)
            packed = pack_shots(drawn)
            leaves.append(make_leaf(index, packed))
            pool_part = blake2b(TAG_POOL_SHOTS + packed, digest_size=32).digest()
        value = int.from_bytes(blake2b(TAG_TICKET + seed + core_hash + pool_part, digest_size=32).digest(), "little")
        if value < limit:  # few get here, so that others need no counting
            pool_gas = sum_gas(pool_circuit, collected[-1:]) if pool_circuit is not None else 0
            gas = compute_ticket_gas(sum_gas(core, core_shots), pool_gas, job.pool_ratio)
            if is_win(value, job.target, gas):
                win = WorkSeal(index=index, core_hash=core_hash, pool_shots=packed)
                break
    best = find_best_shot(pool.problem, collected) if pool is not None else None
    return _make_result(win, (start, index + 1 - start if count > 0 else 0), best, b"".join(leaves))


def _make_result(win: WorkSeal | None, span: tuple[int, int], best: BestShot | None, leaves: bytes) -> SearchResult:
    return SearchResult(
        win=win,
        tickets=span[1],
        start=span[0],
        leaves=leaves,
        best_energy=best.energy if best is not None else None,
        best_shot=best.shot if best is not None else None,
    )
