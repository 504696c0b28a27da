"""The worked example of docs/spec/work.md: one real ticket, from the bytes of its header to its value.

`python -m tests.support.golden_ticket` writes `tests/vectors/tickets/golden_ticket.json` and the spec's table again. Do
so only when a format changes on purpose: a difference means that other nodes would compute other tickets.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from chain.header import Header, encode_header, make_sealed
from chain.params import WorkParams
from consensus.context import PoolProblem, WorkContext
from consensus.core_problem import compute_core_gas, compute_core_seed, get_core_law, make_core_circuit
from consensus.digest import WorkDigest, make_digest, make_seal, read_work
from consensus.ticket import compute_context_weight, make_pool_circuit, make_ticket_job, run_ticket, search_tickets
from consensus.work import compute_core_strike_seed, compute_pool_strike_seed, compute_seed, compute_ticket
from tests.support.mining import replace
from vm.law import AngleLaw, compute_law
from vm.problem import make_problem, pack_shots
from vm.strike import compile_circuit, get_gas_limit, run_strike

PATH = Path(__file__).parents[1] / "vectors" / "tickets" / "golden_ticket.json"
SPEC_PATH = Path(__file__).parents[2] / "docs" / "spec" / "work.md"
BEGIN, END = "<!-- example begins -->", "<!-- example ends -->"
PARAMS = WorkParams(core_qubits=14, shots=32, pool_ratio=(1, 2), ticket_gas_max=100_000_000, epoch_blocks=100)
GENESIS_HASH = bytes(range(32))
TICKETS_PER_WIN = 20


def make_example_context() -> WorkContext:
    """Return the context: block 42 of an invented chain, a weighted prism of 12 spins as its problem."""
    ring = [(i, (i + 1) % 6, 1 + i % 3) for i in range(6)]
    couplings = [*ring, *((i + 6, j + 6, w) for i, j, w in ring), *((i, i + 6, -2) for i in range(6))]
    problem = make_problem(12, couplings, fields=[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1], offset=7)
    order = (0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11)
    circuit = compile_circuit(problem, order=order, depth=2)
    gas = get_gas_limit(circuit, PARAMS.shots)
    pool = PoolProblem(problem_id=5, problem=problem, depth=2, order=order, law=compute_law(problem, 2), gas=gas)
    context = WorkContext(
        height=42,
        parent_hash=b"\x70" * 32,
        parent_timestamp_ms=1_700_000_126_000,
        recent_timestamps_ms=tuple(1_700_000_126_000 - 3000 * k for k in reversed(range(11))),
        target=1,
        core_epoch=0,
        core_seed=compute_core_seed(GENESIS_HASH, 0, bytes(32)),
        pool=pool,
    )
    weight = compute_context_weight(context, PARAMS)
    # The invented chain's target: rounded so that it can be read, and a ticket wins about once in 20.
    return replace(context, target=(2**256 // (TICKETS_PER_WIN * weight)) >> 200 << 200)


def make_example_header(context: WorkContext) -> Header:
    """Return the unsealed header."""
    work = WorkDigest(
        problem=5,
        core_epoch=context.core_epoch,
        weight=compute_context_weight(context, PARAMS),
        target=context.target,
        timestamp_ms=1_700_000_129_000,
    )
    return Header(
        parent_hash=context.parent_hash,
        number=context.height,
        state_root=b"\x57" * 32,
        extrinsics_root=b"\xe0" * 32,
        digest=make_digest(b"\xa1" * 32, work),
    )


def make_vector() -> dict[str, object]:
    """Return every intermediate value of the first ticket that wins."""
    context = make_example_context()
    pool = context.pool
    assert pool is not None
    header = make_example_header(context)
    job = make_ticket_job(header, context, PARAMS)
    seal = search_tickets(job, 0, 10_000).win
    assert seal is not None
    seed = compute_seed(job.work_key, seal.index)
    circuit, law = make_core_circuit(context.core_seed, PARAMS.core_qubits), get_core_law(PARAMS.core_qubits)
    core_seeds = [compute_core_strike_seed(seed, j) for j in range(job.repeats)]
    sealed = make_sealed(header, make_seal(seal))
    pool_seed = compute_pool_strike_seed(seed)
    return {
        "genesis_hash": GENESIS_HASH.hex(),
        "core_epoch": context.core_epoch,
        "core_seed": context.core_seed.hex(),
        "core_qubits": PARAMS.core_qubits,
        "core_signs": "".join("+" if w > 0 else "-" for _, _, w in circuit.problem.couplings),
        "shots": PARAMS.shots,
        "pool_ratio": list(PARAMS.pool_ratio),
        "core_gas": compute_core_gas(context.core_seed, PARAMS.core_qubits, PARAMS.shots),
        "core_law": _describe_law(law),
        "pool_couplings": [list(coupling) for coupling in pool.problem.couplings],
        "pool_fields": list(pool.problem.fields),
        "pool_depth": pool.depth,
        "pool_order": list(pool.order),
        "pool_law": _describe_law(pool.law),
        "pool_gas": pool.gas,
        "repeats": job.repeats,
        "weight": read_work(header).weight,
        "target": f"{context.target:#066x}",
        "header": encode_header(header).hex(),
        "work_key": job.work_key.hex(),
        "index": seal.index,
        "seed": seed.hex(),
        "core_strike_seeds": [each.hex() for each in core_seeds],
        "core_shots": [pack_shots(run_strike(circuit, law, each, shots=PARAMS.shots)).hex() for each in core_seeds],
        "core_hash": seal.core_hash.hex(),
        "pool_strike_seed": pool_seed.hex(),
        "pool_shots": pack_shots(run_strike(make_pool_circuit(pool), pool.law, pool_seed, shots=PARAMS.shots)).hex(),
        "ticket": f"{compute_ticket(seed, seal.core_hash, seal.pool_shots):#066x}",
        "gas_used": run_ticket(job, seal.index).gas,
        "sealed_header": encode_header(sealed).hex(),
        "block_hash": sealed.hash.hex(),
    }


def _describe_law(law: AngleLaw) -> object:
    return json.loads(msgspec.json.encode(law))


def make_example_table(vector: dict[str, object]) -> str:
    """Return the table of docs/spec/work.md."""
    first = ("core_epoch", "genesis_hash", "core_seed", "core_gas", "pool_gas", "repeats", "weight", "target", "header")
    then = (
        "work_key",
        "index",
        "seed",
        "core_hash",
        "pool_strike_seed",
        "pool_shots",
        "ticket",
        "gas_used",
        "block_hash",
    )
    rows = [f"| {name} | `{vector[name]}` |" for name in (*first, *then)]
    return "\n".join(["| value | |", "| --- | --- |", *rows])


def main() -> None:
    """Write the vector, and its table into the spec."""
    vector = make_vector()
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in vector.items()]
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    before, rest = SPEC_PATH.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    SPEC_PATH.write_text(f"{before}{BEGIN}\n{make_example_table(vector)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
