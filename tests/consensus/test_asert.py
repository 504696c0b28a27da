"""The target follows the public aserti3-2d vectors, and a pause owes no blocks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.params import WorkParams
from chain.scale import codec_of
from consensus.asert import (
    Anchor,
    compute_initial_target,
    compute_largest_target,
    compute_target,
    make_first_anchor,
    move_anchor,
)
from consensus.work import compute_block_work

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "tickets" / "asert.json").read_text())
BCH = WorkParams(ticket_gas_max=2**48 // 0xFFFF, block_target_ms=600_000, half_life_ms=2 * 24 * 3600 * 1000)
DEVELOPMENT = WorkParams()
START_MS = 1_700_000_000_000


def expand_nbits(nbits: int) -> int:
    """Return the target of Bitcoin's compact form."""
    size, mantissa = nbits >> 24, nbits & 0x7FFFFF
    return mantissa << 8 * (size - 3) if size > 3 else mantissa >> 8 * (3 - size)


def compress_to_nbits(target: int) -> int:
    """Return Bitcoin's compact form of a target."""
    size = (target.bit_length() + 7) // 8
    mantissa = target << 8 * (3 - size) if size <= 3 else target >> 8 * (size - 3)
    if mantissa & 0x800000:
        mantissa, size = mantissa >> 8, size + 1
    return size << 24 | mantissa


@pytest.mark.parametrize("run", VECTORS["runs"], ids=lambda run: run["name"])
def test_tgt_07_tgt_08_targets_equal_the_public_vectors(run: dict) -> None:
    """TGT-07 and TGT-08 against vectors of another implementation, times multiplied to milliseconds."""
    anchor = Anchor(
        height=run["anchor_height"],
        parent_time_ms=1000 * run["anchor_parent_time_s"],
        target=expand_nbits(int(run["anchor_nbits"], 16)),
    )
    for height, time_s, expected in run["rows"]:
        target = compute_target(anchor, height=height, clock_ms=1000 * time_s, params=BCH)
        assert compress_to_nbits(target) == int(expected, 16), (height, time_s)


def test_tgt_07_the_exponent_is_truncated_towards_zero() -> None:
    """One millisecond early: -65536 // half-life would be -2, truncation says -1."""
    params = WorkParams(half_life_ms=50_000)
    anchor = Anchor(height=1, parent_time_ms=START_MS, target=2**200)
    target = compute_target(anchor, height=1, clock_ms=START_MS + params.block_target_ms - 1, params=params)
    factor = 65536 + ((195766423245049 * 65535 + 971821376 * 65535**2 + 5127 * 65535**3 + 2**47) >> 48)
    assert target == 2**200 * factor >> 17


def test_tgt_03_target_times_weight_never_exceeds_a_ticket() -> None:
    for gas_max in (1, 2, 3, 10**6, 300_000_000, 2**63):
        largest = compute_largest_target(WorkParams(ticket_gas_max=gas_max))
        assert largest * gas_max <= 2**256 - 1 < (largest + 1) * gas_max
    assert compute_largest_target(WorkParams(target_fixed=True)) == 2**256 - 1


def test_tgt_04_block_1_starts_at_the_divided_largest_target() -> None:
    assert compute_initial_target(DEVELOPMENT) == compute_largest_target(DEVELOPMENT) // 100
    fixed = WorkParams(target_fixed=True)
    anchor = make_first_anchor(timestamp_ms=START_MS, params=fixed)
    assert anchor.target == compute_largest_target(fixed)
    assert compute_target(anchor, height=900, clock_ms=START_MS, params=fixed) == compute_largest_target(fixed)


def test_tgt_05_the_anchor_is_block_1_and_block_2_has_its_target() -> None:
    anchor = make_first_anchor(timestamp_ms=START_MS, params=DEVELOPMENT)
    assert anchor == Anchor(height=1, parent_time_ms=START_MS - 3000, target=compute_initial_target(DEVELOPMENT))
    assert compute_target(anchor, height=1, clock_ms=START_MS, params=DEVELOPMENT) == anchor.target
    assert make_first_anchor(timestamp_ms=5, params=DEVELOPMENT).parent_time_ms == 0


def test_a_chain_on_schedule_keeps_its_target_and_a_half_life_doubles_it() -> None:
    anchor = make_first_anchor(timestamp_ms=START_MS, params=DEVELOPMENT)
    on_time = START_MS + 50 * DEVELOPMENT.block_target_ms
    assert compute_target(anchor, height=51, clock_ms=on_time, params=DEVELOPMENT) == anchor.target
    late = on_time + DEVELOPMENT.half_life_ms
    assert compute_target(anchor, height=51, clock_ms=late, params=DEVELOPMENT) == 2 * anchor.target
    early = on_time - DEVELOPMENT.half_life_ms
    assert compute_target(anchor, height=51, clock_ms=early, params=DEVELOPMENT) == anchor.target // 2


def test_tgt_06_a_pause_counts_for_two_half_lives() -> None:
    """A chain that stood still for a year is as easy as after two half-lives, and then owes nothing."""
    anchor = Anchor(height=1, parent_time_ms=START_MS - 3000, target=2**200)
    gap = DEVELOPMENT.half_life_ms * 2
    year = 365 * 24 * 3600 * 1000
    for pause in (gap + 1, 10 * gap, year):
        moved = move_anchor(anchor, clock_before_ms=START_MS, clock_ms=START_MS + pause, params=DEVELOPMENT)
        assert moved.parent_time_ms == anchor.parent_time_ms + pause - gap
        after = compute_target(moved, height=2, clock_ms=START_MS + pause, params=DEVELOPMENT)
        assert after == compute_target(anchor, height=2, clock_ms=START_MS + gap, params=DEVELOPMENT)
    for harmless in (-5000, 0, 1, gap):
        same = move_anchor(anchor, clock_before_ms=START_MS, clock_ms=START_MS + harmless, params=DEVELOPMENT)
        assert same == anchor


def test_tgt_06_after_a_pause_the_chain_finds_its_pace_within_ten_half_lives() -> None:
    """Blocks at the pace that the target implies: a paused chain makes no flood of blocks."""
    anchor = make_first_anchor(timestamp_ms=START_MS, params=DEVELOPMENT)
    hash_rate = 2**256 // anchor.target // DEVELOPMENT.block_target_ms  # gas per ms that is on schedule
    time_ms, height, target = START_MS, 1, anchor.target
    pauses = {200: 24 * 3600 * 1000}
    made_after = 0
    for _ in range(1000):
        step = compute_block_work(target) // hash_rate + pauses.get(height, 0)
        anchor = move_anchor(anchor, clock_before_ms=time_ms, clock_ms=time_ms + step, params=DEVELOPMENT)
        time_ms, height = time_ms + step, height + 1
        target = compute_target(anchor, height=height, clock_ms=time_ms, params=DEVELOPMENT)
        resumed = START_MS + 200 * 3000 + 24 * 3600 * 1000
        made_after += resumed < time_ms <= resumed + 600_000
    assert 200 <= made_after <= 260  # ten minutes owe 200 blocks; the day's 28,800 are forgiven, two half-lives are not


def test_a_target_never_leaves_its_bounds_whatever_the_times() -> None:
    anchor = Anchor(height=1, parent_time_ms=0, target=1)
    assert compute_target(anchor, height=2**32 - 1, clock_ms=0, params=DEVELOPMENT) == 1
    far = compute_target(anchor, height=1, clock_ms=2**64 - 1, params=DEVELOPMENT)
    assert far == compute_largest_target(DEVELOPMENT)


@given(
    target=st.integers(1, compute_largest_target(DEVELOPMENT)),
    height=st.integers(1, 2**32 - 1),
    times=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
)
def test_more_time_never_makes_a_target_harder(target: int, height: int, times: tuple[int, int]) -> None:
    """Monotonous in time up to the step of the approximation (1 in 65536), and always inside the bounds."""
    anchor = Anchor(height=1, parent_time_ms=START_MS, target=target)
    early, late = (compute_target(anchor, height=height, clock_ms=t, params=DEVELOPMENT) for t in sorted(times))
    assert 1 <= early <= compute_largest_target(DEVELOPMENT)
    assert late * 65537 >= early * 65536


def test_tgt_09_the_work_of_a_block_is_its_expected_gas() -> None:
    assert compute_block_work(2**256 - 1) == 1
    assert compute_block_work(1) == 2**255
    assert compute_block_work(2**255) == 1
    largest = compute_largest_target(DEVELOPMENT)
    assert DEVELOPMENT.ticket_gas_max - 1 <= compute_block_work(largest) <= DEVELOPMENT.ticket_gas_max


def test_an_anchor_has_44_bytes_of_scale() -> None:
    anchor = Anchor(height=1, parent_time_ms=2, target=3)
    data = codec_of(Anchor).encode(anchor)
    assert data == b"\x01\0\0\0" + b"\x02" + bytes(7) + b"\x03" + bytes(31)
    assert codec_of(Anchor).decode(data) == anchor
