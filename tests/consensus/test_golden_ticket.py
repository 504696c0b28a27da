"""The worked example of docs/spec/work.md: a ticket re-run by hand from a frozen header."""

from __future__ import annotations

import hashlib
import json

import msgspec

from chain.header import decode_header, encode_header, make_unsealed
from consensus.context import PoolProblem, WorkContext
from consensus.digest import read_seal, read_work
from consensus.seal import check_header_alone, check_header_in_context, check_seal
from tests.support.golden_ticket import PARAMS, PATH, SPEC_PATH, make_example_context, make_example_table, make_vector
from vm.law import AngleLaw, compute_core_law
from vm.problem import make_problem, pack_shots
from vm.reference import run_reference_strike
from vm.strike import compile_circuit, run_strike

VECTOR = json.loads(PATH.read_text())


def tagged(tag: str, *parts: bytes) -> bytes:
    """Return H(tag, parts) as docs/spec/work.md defines it."""
    return hashlib.blake2b(f"matchstrike/{tag}/1".encode() + b"\0" + b"".join(parts), digest_size=32).digest()


def field(name: str) -> bytes:
    """Return a byte string of the vector."""
    return bytes.fromhex(VECTOR[name])


def u64(value: int) -> bytes:
    """Return eight bytes, little endian."""
    return value.to_bytes(8, "little")


def make_frozen_context() -> WorkContext:
    """Return the example's context with the problem as the vector has it."""
    pool = PoolProblem(
        problem_id=5,
        problem=make_problem(
            len(VECTOR["pool_fields"]), map(tuple, VECTOR["pool_couplings"]), fields=VECTOR["pool_fields"], offset=7
        ),
        depth=VECTOR["pool_depth"],
        order=tuple(VECTOR["pool_order"]),
        law=msgspec.convert(VECTOR["pool_law"], AngleLaw),
        gas=VECTOR["pool_gas"],
    )
    return msgspec.structs.replace(make_example_context(), pool=pool, target=int(VECTOR["target"], 16))


def test_the_worked_example_is_what_this_code_makes() -> None:
    """If this fails after a change on purpose: python -m tests.support.golden_ticket."""
    assert make_vector() == VECTOR


def test_the_frozen_header_passes_every_check() -> None:
    header = decode_header(field("sealed_header"))
    context = make_frozen_context()
    check_header_alone(header, PARAMS)
    check_header_in_context(header, context, PARAMS, now_ms=read_work(header).timestamp_ms)
    checked = check_seal(header, context, PARAMS)
    assert header.hash == field("block_hash")
    assert checked.ticket == int(VECTOR["ticket"], 16)


def test_the_worked_example_can_be_followed_step_by_step() -> None:
    """As docs/spec/work.md tells it, without our consensus code."""
    header = decode_header(field("sealed_header"))
    assert encode_header(make_unsealed(header)) == field("header")
    work_key = tagged("work-key", field("header"))
    assert work_key == field("work_key")
    seed = tagged("seed", work_key, u64(VECTOR["index"]))
    assert seed == field("seed")
    assert field("core_seed") == tagged("core-seed", field("genesis_hash"), bytes(4), bytes(32))
    n = VECTOR["core_qubits"]
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    signs = [1 if sign == "+" else -1 for sign in VECTOR["core_signs"]]
    core_problem = make_problem(n, [(i, j, w) for (i, j), w in zip(pairs, signs, strict=True)])
    core = compile_circuit(core_problem, depth=1)
    assert msgspec.convert(VECTOR["core_law"], AngleLaw) == compute_core_law(n)
    packed = b""
    for j, (strike_seed, shots) in enumerate(zip(VECTOR["core_strike_seeds"], VECTOR["core_shots"], strict=True)):
        assert tagged("core", seed, u64(j)).hex() == strike_seed
        drawn = run_strike(core, compute_core_law(n), bytes.fromhex(strike_seed), shots=VECTOR["shots"])
        assert pack_shots(drawn).hex() == shots
        packed += pack_shots(drawn)
    numerator, denominator = VECTOR["pool_ratio"]
    repeats = -(-VECTOR["pool_gas"] * denominator // (numerator * VECTOR["core_gas"]))
    assert len(VECTOR["core_shots"]) == VECTOR["repeats"] == max(1, repeats)
    core_hash = tagged("core-shots", packed)
    assert core_hash == field("core_hash") == read_seal(header).core_hash
    assert tagged("pool", seed) == field("pool_strike_seed")
    context = make_frozen_context()
    pool = context.pool
    assert pool is not None
    circuit = compile_circuit(pool.problem, order=pool.order, depth=pool.depth)
    drawn = run_strike(circuit, pool.law, field("pool_strike_seed"), shots=VECTOR["shots"])
    assert pack_shots(drawn) == field("pool_shots") == read_seal(header).pool_shots
    ticket = tagged("ticket", seed, core_hash, tagged("pool-shots", field("pool_shots")))
    assert int.from_bytes(ticket, "little") == int(VECTOR["ticket"], 16)
    assert VECTOR["weight"] == VECTOR["repeats"] * VECTOR["core_gas"] + VECTOR["pool_gas"]
    assert int(VECTOR["ticket"], 16) < int(VECTOR["target"], 16) * VECTOR["weight"]


def test_the_plain_reference_gives_the_same_shots() -> None:
    """The whole-state reference, another program, on the example's strikes."""
    context = make_frozen_context()
    pool = context.pool
    assert pool is not None
    drawn = run_reference_strike(pool.problem, pool.order, pool.law, field("pool_strike_seed"), shots=VECTOR["shots"])
    assert pack_shots(drawn) == field("pool_shots")


def test_the_spec_shows_the_values_of_the_vector() -> None:
    assert make_example_table(VECTOR) in SPEC_PATH.read_text(encoding="utf-8")
