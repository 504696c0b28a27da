"""Batches: snapshots, keys, seeds, leaves, which are audited, and the worked example of docs/spec/batches.md."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.header import encode_header, make_sealed
from chain.merkle import check_multiproof
from chain.params import BatchParams
from chain.scale import codec_of
from consensus.batch import (
    HeaderSource,
    MalformedSource,
    Statement,
    compute_batch_key,
    compute_leaf_count,
    compute_snapshot,
    compute_statement_hash,
    compute_strike_seed,
    make_law_record,
    make_witness,
    read_law,
    read_source_header,
    run_batch_strike,
    select_leaves,
)
from consensus.context import PoolProblem
from consensus.digest import WorkSeal, make_seal
from consensus.ticket import make_ticket_job, run_ticket
from consensus.work import compute_work_key, make_leaf
from tests.support.golden_batch import AUDIT_TICKET, BATCH_ID, COUNT, PATH, SOLVER, make_vector
from tests.support.golden_ticket import GENESIS_HASH, PARAMS, make_example_context, make_example_header

VECTOR = json.loads(PATH.read_text())
CONTEXT = make_example_context()
HEADER = make_example_header(CONTEXT)


def get_pool() -> PoolProblem:
    """Return the example's problem."""
    assert CONTEXT.pool is not None
    return CONTEXT.pool


def tagged(tag: str, *parts: bytes) -> bytes:
    """Return H(tag, parts) as the spec defines it."""
    return hashlib.blake2b(f"matchstrike/{tag}/1".encode() + b"\0" + b"".join(parts), digest_size=32).digest()


def u64(value: int) -> bytes:
    """Return eight bytes, little endian."""
    return value.to_bytes(8, "little")


def compact(value: int) -> bytes:
    """Return a small SCALE compact integer."""
    return bytes((value << 2,))


def u32s(values: tuple[int, ...]) -> bytes:
    """Return a short Vec<u32>."""
    return compact(len(values)) + b"".join(value.to_bytes(4, "little") for value in values)


def test_the_worked_example_is_what_this_code_makes() -> None:
    """If this fails after a change on purpose: python -m tests.support.golden_batch."""
    assert make_vector() == VECTOR


def test_bat_01_a_snapshot_is_the_hash_of_problem_order_law_and_shots() -> None:
    pool, law = get_pool(), get_pool().law
    order = compact(len(pool.order)) + b"".join(label.to_bytes(2, "little") for label in pool.order)
    means = u32s(law.gamma_means) + u32s(law.gamma_widths) + u32s(law.beta_means) + u32s(law.beta_widths)
    dressing = law.field_width.to_bytes(4, "little") + law.mixer_width.to_bytes(4, "little")
    expected = tagged("snapshot", u64(5), order, means, dressing, PARAMS.shots.to_bytes(4, "little"))
    assert expected.hex() == VECTOR["snapshot"]
    same = compute_snapshot(5, pool.order, law, 32)
    assert same.hex() == VECTOR["snapshot"]
    others = {
        compute_snapshot(6, pool.order, law, 32),
        compute_snapshot(5, pool.order[::-1], law, 32),
        compute_snapshot(5, pool.order, replace(law, mixer_width=law.mixer_width + 1), 32),
        compute_snapshot(5, pool.order, replace(law, gamma_means=(law.gamma_means[0] + 1, law.gamma_means[1])), 32),
        compute_snapshot(5, pool.order, law, 31),
    }
    assert len(others | {same}) == 6


def test_bat_02_a_batch_key_binds_chain_solver_counter_problem_and_snapshot() -> None:
    snapshot = bytes.fromhex(VECTOR["snapshot"])
    expected = tagged("batch", GENESIS_HASH, SOLVER, u64(7), u64(5), snapshot)
    assert expected.hex() == VECTOR["batch_key_of_counter_7"]
    keys = {
        compute_batch_key(GENESIS_HASH, SOLVER, 7, 5, snapshot),
        compute_batch_key(bytes(32), SOLVER, 7, 5, snapshot),
        compute_batch_key(GENESIS_HASH, bytes(32), 7, 5, snapshot),
        compute_batch_key(GENESIS_HASH, SOLVER, 8, 5, snapshot),
        compute_batch_key(GENESIS_HASH, SOLVER, 7, 6, snapshot),
        compute_batch_key(GENESIS_HASH, SOLVER, 7, 5, bytes(32)),
    }
    assert len(keys) == 6


def test_bat_03_a_batch_sells_the_pool_strikes_that_tickets_ran() -> None:
    """A miner sells what it ran anyway: strike i of the work key is the pool strike of ticket i."""
    job = make_ticket_job(HEADER, CONTEXT, PARAMS)
    ticket = run_ticket(job, 9)
    assert run_batch_strike(get_pool(), job.work_key, 9, shots=PARAMS.shots) == ticket.pool_shots
    key = compute_work_key(HEADER)
    assert compute_strike_seed(key, 9) == tagged("pool", tagged("seed", key, u64(9)))


def test_bat_04_a_leaf_binds_index_and_shots() -> None:
    shots = bytes.fromhex(VECTOR["shots_of_strike_0"])
    assert tagged("leaf", u64(0), shots).hex() == VECTOR["leaves"][0]
    assert make_leaf(1, shots) != make_leaf(0, shots)
    assert make_leaf(0, shots[:-1] + bytes((shots[-1] ^ 1,))) != make_leaf(0, shots)


@pytest.mark.parametrize(
    ("gas", "count", "leaves"),
    [
        (1, 64, 32),
        (1, 8, 8),
        (31_250_000, 4096, 32),
        (31_250_001, 4096, 31),
        (250_000_000, 4096, 4),
        (10**12, 4096, 4),
        (10**12, 3, 3),
    ],
)
def test_bat_05_dearer_strikes_are_audited_less_but_never_below_the_floor(gas: int, count: int, leaves: int) -> None:
    assert compute_leaf_count(gas, count, BatchParams()) == leaves


def test_bat_06_the_selection_follows_the_written_rule() -> None:
    ticket = AUDIT_TICKET.to_bytes(32, "little")
    chosen: set[int] = set()
    draw = 0
    while len(chosen) < len(VECTOR["selected"]):
        word = int.from_bytes(tagged("challenge", ticket, u64(BATCH_ID), u64(draw))[:8], "little")
        draw += 1
        if word < 2**64 - 2**64 % COUNT:
            chosen.add(word % COUNT)
    assert sorted(chosen) == VECTOR["selected"]


@settings(max_examples=200)
@given(st.integers(0, 2**256 - 1), st.integers(0, 2**64 - 1), st.integers(1, 65_536), st.data())
def test_bat_06_any_selection_is_distinct_sorted_and_below_the_count(
    ticket: int, batch: int, count: int, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, min(count, 64)))
    selected = select_leaves(ticket, batch, count, k)
    assert len(set(selected)) == k
    assert list(selected) == sorted(selected)
    assert selected[0] >= 0
    assert selected[-1] < count


def test_bat_06_every_leaf_is_selected_equally_often() -> None:
    """Chi squared over 48 leaves stays below its 99.9 % quantile (80.1 for 47 degrees), from fixed tickets."""
    counts = [0] * 48
    for ticket in range(1500):
        for index in select_leaves(ticket, 1, 48, 8):
            counts[index] += 1
    mean = 1500 * 8 / 48
    assert sum((count - mean) ** 2 / mean for count in counts) < 80.1


def test_bat_06_another_ticket_or_batch_selects_other_leaves() -> None:
    base = select_leaves(1, 1, 10_000, 32)
    assert base == select_leaves(1, 1, 10_000, 32)
    assert base != select_leaves(2, 1, 10_000, 32)
    assert base != select_leaves(1, 2, 10_000, 32)


def test_the_examples_multiproof_shows_the_selected_leaves() -> None:
    leaves = {index: bytes.fromhex(VECTOR["leaves"][index]) for index in VECTOR["selected"]}
    proof = [bytes.fromhex(node) for node in VECTOR["multiproof"]]
    check_multiproof(bytes.fromhex(VECTOR["root"]), COUNT, leaves, proof)


def test_bat_07_a_statement_is_hashed_with_everything_it_says() -> None:
    values = [GENESIS_HASH, SOLVER, bytes.fromhex(VECTOR["work_key"])]
    tail = [bytes.fromhex(VECTOR["snapshot"]), bytes.fromhex(VECTOR["root"]), (64).to_bytes(4, "little")]
    assert tagged("statement", *values, u64(5), *tail).hex() == VECTOR["statement"]
    statement = Statement(
        genesis=values[0], solver=values[1], key=values[2], problem=5, snapshot=tail[0], root=tail[1], count=64
    )
    assert compute_statement_hash(statement).hex() == VECTOR["statement"]
    changes: list[dict[str, object]] = [
        *({name: bytes(32)} for name in ("genesis", "solver", "key", "snapshot", "root")),
        {"problem": 6},
        {"count": 65},
    ]
    assert len({compute_statement_hash(replace(statement, **change)) for change in changes}) == 7


def test_bat_10_a_source_names_its_header_author_and_problem() -> None:
    header, author, problem = read_source_header(HeaderSource(header=encode_header(HEADER)))
    assert (header, author, problem) == (HEADER, b"\xa1" * 32, 5)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 40,
        encode_header(HEADER)[:-1],
        encode_header(HEADER) + b"\x00",
        encode_header(make_sealed(HEADER, make_seal(WorkSeal(index=1, core_hash=bytes(32), pool_shots=b"")))),
        encode_header(replace(HEADER, digest=replace(HEADER.digest, logs=HEADER.digest.logs[:1]))),
        encode_header(replace(HEADER, digest=replace(HEADER.digest, logs=HEADER.digest.logs[::-1]))),
    ],
)
def test_bat_10_a_source_that_is_no_unsealed_header_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedSource):
        read_source_header(HeaderSource(header=data))


def test_a_witness_carries_the_whole_law() -> None:
    pool = get_pool()
    witness = make_witness(pool)
    assert read_law(witness.law) == pool.law
    assert make_law_record(read_law(witness.law)) == witness.law
    codec = codec_of(type(witness))
    assert codec.decode(codec.encode(witness)) == witness
