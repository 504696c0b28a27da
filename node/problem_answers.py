"""Problems as the RPC shows them: JSON-ready, amounts and energies exact, amounts as decimal strings."""

from __future__ import annotations

from chain.extrinsic import decode_extrinsic
from chain.params import Params
from chain.ss58 import encode_address
from chain.state_view import StateView
from node.chain_store import ChainStore
from node.learning_answers import describe_learning
from rpc.api import Json
from runtime.pallets.work import solution
from runtime.problem_records import Problem, ProblemStatus
from runtime.problem_state import INSTANCES, RECORDS
from runtime.runtime import get_calls
from runtime.storage import Overlay

BLOCKS_SCANNED_MAX = 20_000
INHERENTS_MAX = 2


def describe_problem(problem_id: int, problem: Problem, params: Params) -> dict[str, Json]:
    """Return what is said of a problem in a list."""
    best = problem.best
    return {
        "id": problem_id,
        "poster": encode_address(problem.poster, params.ss58_prefix),
        "status": problem.status.name.lower(),
        "spins": problem.spins,
        "couplings": problem.couplings,
        "depth": problem.depth,
        "bounty": str(problem.bounty),
        "targetEnergy": problem.target_energy,
        "deadline": problem.deadline,
        "workBudget": str(problem.work_budget),
        "pricePerGas": str(problem.price_per_gas),
        "reserved": str(problem.reserved),
        "batches": problem.batches,
        "openBatches": problem.open_batches,
        "deposit": str(problem.deposit),
        "postedAt": problem.posted_at,
        "closedAt": problem.closed_at or None,
        "strikeGas": str(problem.strike_gas),
        "strikeable": problem.strike_gas > 0,
        "bestEffortPpb": problem.best_effort_ppb,
        "commits": problem.commits,
        "revealsUntil": problem.reveals_until or None,
        "best": None
        if best is None
        else {
            "solver": encode_address(best.solver, params.ss58_prefix),
            "energy": best.energy,
            "height": best.height,
            "bits": format_bits(best.bits, problem.spins),
        },
    }


def list_problems(view: StateView, params: Params, *, only_open: bool) -> list[dict[str, Json]]:
    """Return the problems of a state, newest first."""
    rows = sorted(RECORDS.iterate(Overlay(view)), reverse=True, key=lambda row: row[0])
    return [
        describe_problem(problem_id, problem, params)
        for problem_id, problem in rows
        if not only_open or problem.status is ProblemStatus.Open
    ]


def get_problem(view: StateView, problem_id: int, params: Params) -> dict[str, Json] | None:
    """Return one problem with its energy, measurement order, law and learning curve, while the state keeps these."""
    if not 0 <= problem_id < 2**64:
        return None
    state = Overlay(view)
    problem = RECORDS.find(state, problem_id)
    if problem is None:
        return None
    described = describe_problem(problem_id, problem, params)
    instance = INSTANCES.find(state, problem_id)
    if instance is None:
        return {**described, "ising": None, "order": None, "law": None, "learning": None}
    ising = instance.ising
    record: dict[str, Json] = {
        "offset": ising.offset,
        "fields": list(ising.fields),
        "couplings": [list(row) for row in ising.couplings],
    }
    learnt = describe_learning(view, problem_id, posted_at=problem.posted_at)
    return {**described, "ising": record, "order": list(instance.order), **learnt}


def list_solutions(chain: ChainStore, problem: Problem, problem_id: int, *, last: int) -> list[dict[str, Json]]:
    """Return the solutions that blocks of the best chain carried for a problem, best energy first.

    At most `BLOCKS_SCANNED_MAX` blocks from the one that holds the problem are read.
    """
    found: list[tuple[int, int, dict[str, Json]]] = []
    end = min(last, problem.closed_at or last, problem.deadline, problem.posted_at + BLOCKS_SCANNED_MAX)
    prefix = next(entry.prefix for entry in get_calls().values() if entry.call is solution)
    for number in range(problem.posted_at, end + 1):
        block_hash = chain.get_hash(number)
        body = chain.get_body(block_hash) if block_hash is not None else None
        for raw in (body or ())[:INHERENTS_MAX]:
            call = decode_extrinsic(raw).call
            if call[:2] != prefix:
                continue
            named, energy, bits = _read_solution(call)
            if named == problem_id and block_hash is not None:
                row: dict[str, Json] = {
                    "block": f"0x{block_hash.hex()}",
                    "height": number,
                    "energy": energy,
                    "bits": format_bits(bits, problem.spins),
                }
                found.append((energy, number, row))
    return [row for _, _, row in sorted(found, key=lambda item: item[:2])]


def format_bits(bits: bytes, spins: int) -> str:
    """Return packed bits as text, spin 0 first."""
    return "".join(str(bits[spin >> 3] >> (spin & 7) & 1) for spin in range(spins))


def _read_solution(call: bytes) -> tuple[int, int, bytes]:
    arguments, _ = solution.codec.decode_prefix(call, 2)
    assert isinstance(arguments, tuple)
    problem_id, energy, bits = arguments
    return int(problem_id), int(energy), bytes(bits)
