"""Keys, seeds, tickets, weight and the core problem, against a second writing of their formulas."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.header import encode_header, make_unsealed
from chain.params import WorkParams
from consensus.core_problem import (
    EMPTY_ACCUMULATOR,
    compute_core_gas,
    compute_core_seed,
    compute_epoch,
    extend_accumulator,
    make_core_circuit,
    make_core_problem,
)
from consensus.digest import read_seal
from consensus.errors import WeightTooLarge
from consensus.fork_choice import ChainRank, is_better
from consensus.ticket import make_ticket_job, run_ticket
from consensus.timestamps import compute_median
from consensus.work import (
    compute_core_hash,
    compute_core_strike_seed,
    compute_pool_strike_seed,
    compute_repeats,
    compute_seed,
    compute_ticket,
    compute_ticket_gas,
    compute_weight,
    compute_work_key,
    is_poolable,
)
from tests.support.mining import PARAMS, make_context, make_pool_problem, make_template, mine
from vm.law import compute_core_law
from vm.problem import check_strikeable, pack_shots
from vm.strike import compile_circuit, run_strike


def tagged(tag: str, *parts: bytes) -> bytes:
    """Return H(tag, parts) as docs/spec/work.md defines it."""
    return hashlib.blake2b(f"matchstrike/{tag}/1".encode() + b"\0" + b"".join(parts), digest_size=32).digest()


def test_wrk_09_to_wrk_14_a_ticket_by_hand_equals_the_sealed_one() -> None:
    """WRK-09, WRK-10, WRK-11, WRK-12, WRK-13, WRK-14, WRK-22 from the bytes of a header to the value of its ticket."""
    pool = make_pool_problem()
    context = make_context(pool)
    header = mine(make_template(context), context)
    seal = read_seal(header)
    work_key = tagged("work-key", encode_header(make_unsealed(header)))
    assert work_key == compute_work_key(header)
    seed = tagged("seed", work_key, seal.index.to_bytes(8, "little"))
    assert seed == compute_seed(work_key, seal.index)
    core = compile_circuit(make_core_problem(context.core_seed, 6), order=(0, 1, 2, 3, 4, 5), depth=1)
    repeats = make_ticket_job(header, context, PARAMS).repeats
    packed = b""
    for j in range(repeats):
        strike_seed = tagged("core", seed, j.to_bytes(8, "little"))
        assert strike_seed == compute_core_strike_seed(seed, j)
        packed += pack_shots(run_strike(core, compute_core_law(6), strike_seed, shots=8))
    core_hash = tagged("core-shots", packed)
    assert core_hash == compute_core_hash(packed) == seal.core_hash
    pool_seed = tagged("pool", seed)
    assert pool_seed == compute_pool_strike_seed(seed)
    circuit = compile_circuit(pool.problem, order=pool.order, depth=pool.depth)
    pool_shots = pack_shots(run_strike(circuit, pool.law, pool_seed, shots=8))
    assert pool_shots == seal.pool_shots
    value = int.from_bytes(tagged("ticket", seed, core_hash, tagged("pool-shots", pool_shots)), "little")
    assert value == compute_ticket(seed, core_hash, pool_shots)
    assert value == run_ticket(make_ticket_job(header, context, PARAMS), seal.index).value


def test_wrk_14_without_a_problem_the_pool_shots_are_empty() -> None:
    context = make_context()
    job = make_ticket_job(make_template(context), context, PARAMS)
    ticket = run_ticket(job, 7)
    seed = tagged("seed", job.work_key, (7).to_bytes(8, "little"))
    assert ticket.pool_shots == b""
    assert job.repeats == 1
    expected = int.from_bytes(tagged("ticket", seed, ticket.core_hash, tagged("pool-shots")), "little")
    assert ticket.value == expected


@pytest.mark.parametrize(
    ("core_gas", "pool_gas", "ratio", "repeats"),
    [
        (100, 0, (1, 1), 1),
        (100, 1, (1, 1), 1),
        (100, 100, (1, 1), 1),
        (100, 101, (1, 1), 2),
        (100, 100, (1, 2), 2),
        (100, 101, (1, 2), 3),
        (100, 1000, (3, 1), 4),
        (7, 10**30, (2, 3), 214285714285714285714285714286),
    ],
)
def test_wrk_15_core_strikes_cover_the_pool_strike(
    core_gas: int, pool_gas: int, ratio: tuple[int, int], repeats: int
) -> None:
    assert compute_repeats(core_gas, pool_gas, ratio) == repeats


@given(
    core_gas=st.integers(1, 10**9),
    pool_gas=st.integers(0, 10**9),
    ratio=st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_wrk_15_a_free_pool_strike_saves_at_most_one_plus_x(
    core_gas: int, pool_gas: int, ratio: tuple[int, int]
) -> None:
    """What a ticket weighs is at most (1 + x) times what its core strikes cost."""
    repeats = compute_repeats(core_gas, pool_gas, ratio)
    weight = repeats * core_gas + pool_gas
    assert weight * ratio[1] <= repeats * core_gas * (ratio[0] + ratio[1])
    gas = compute_ticket_gas(
        repeats * core_gas * 24 // 25, pool_gas, ratio
    )  # core strikes that used less than they could
    assert gas * ratio[1] <= repeats * core_gas * 24 // 25 * (ratio[0] + ratio[1])
    assert repeats == 1 or (repeats - 1) * core_gas * ratio[0] < pool_gas * ratio[1]


def test_wrk_08_the_largest_weight_is_accepted_and_one_more_is_not() -> None:
    params = WorkParams(ticket_gas_max=300)
    assert compute_weight(100, 100, params) == 200
    assert compute_weight(150, 150, params) == 300
    with pytest.raises(WeightTooLarge):
        compute_weight(150, 151, params)
    assert is_poolable(150, 150, 9, params)
    assert not is_poolable(150, 151, 9, params)


def test_a_problem_whose_shots_do_not_fit_a_seal_is_bounty_only() -> None:
    assert is_poolable(100, 100, 2048, WorkParams(shots=32))
    assert not is_poolable(100, 100, 2049, WorkParams(shots=32))


def test_wrk_18_epochs_count_blocks_from_genesis() -> None:
    params = WorkParams(epoch_blocks=4)
    assert [compute_epoch(height, params) for height in (0, 1, 3, 4, 7, 8)] == [0, 0, 0, 1, 1, 2]


def test_wrk_19_wrk_20_core_seeds_follow_from_genesis_and_then_from_tickets() -> None:
    """WRK-19, WRK-20."""
    genesis = b"\x11" * 32
    first = tagged("accumulator", bytes(32), (5).to_bytes(32, "little"))
    assert extend_accumulator(EMPTY_ACCUMULATOR, 5) == first
    second = tagged("accumulator", first, (2**256 - 1).to_bytes(32, "little"))
    assert extend_accumulator(first, 2**256 - 1) == second
    for epoch in (0, 1):
        expected = tagged("core-seed", genesis, epoch.to_bytes(4, "little"), bytes(32))
        assert compute_core_seed(genesis, epoch, second) == expected == compute_core_seed(genesis, epoch, first)
    assert compute_core_seed(genesis, 2, second) == tagged("core-seed", genesis, b"\x02\0\0\0", second)
    assert compute_core_seed(genesis, 0, first) != compute_core_seed(genesis, 1, first)


def test_wrk_21_the_core_problem_is_a_sign_for_each_pair() -> None:
    seed, n = b"\x42" * 32, 14
    problem = make_core_problem(seed, n)
    stream = hashlib.shake_128(b"matchstrike/core-problem/1\0" + seed + b"\x0e\0\0\0").digest(12)
    bits = "".join(f"{byte:08b}"[::-1] for byte in stream)
    pairs = [(i, j) for i in range(n) for j in range(n) if i < j]
    assert problem.couplings == tuple((i, j, -1 if bit == "1" else 1) for (i, j), bit in zip(pairs, bits, strict=False))
    assert problem.offset == 0
    assert not any(problem.fields)
    check_strikeable(problem)
    plus = sum(weight == 1 for _, _, weight in problem.couplings)
    assert 25 < plus < 66  # of 91, five standard deviations


def test_core_gas_is_the_same_in_every_epoch() -> None:
    """All pairs are coupled, so the schedule does not depend on the signs; the weight is constant for miners."""
    assert len({compute_core_gas(bytes([k]) * 32, 8, 32) for k in range(8)}) == 1
    assert make_core_circuit(bytes(32), 8) is make_core_circuit(bytes(32), 8)


def test_wrk_16_the_first_seen_chain_wins_a_tie() -> None:
    best = ChainRank(justified_height=5, work_total=10)
    assert is_better(ChainRank(justified_height=5, work_total=11), best)
    assert not is_better(best, best)
    assert not is_better(ChainRank(justified_height=5, work_total=9), best)


def test_wrk_16_a_higher_justified_checkpoint_beats_any_work() -> None:
    best = ChainRank(justified_height=5, work_total=10)
    assert is_better(ChainRank(justified_height=10, work_total=1), best)
    assert not is_better(ChainRank(justified_height=0, work_total=1_000), best)


def test_time_01_the_median_is_the_later_middle_of_at_most_eleven() -> None:
    assert compute_median(()) is None
    assert compute_median((5,)) == 5
    assert compute_median((5, 9)) == 9
    assert compute_median((9, 1, 5)) == 5
    assert compute_median((99, *range(11))) == 5
