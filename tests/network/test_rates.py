"""Token buckets: a burst, a rate, a debt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from network.rates import Rate, TokenBucket


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(Rate(per_s=10, burst=5), now_ms=0)
    assert bucket.take(5, 0) == 0
    assert bucket.take(1, 0) == 1
    assert bucket.take(1, 99) > 0
    assert bucket.take(1, 400) == 0
    assert bucket.take(6, 10_000) == 1, "it holds no more than its burst"


def test_net_33_what_is_borrowed_is_waited_for() -> None:
    bucket = TokenBucket(Rate(per_s=500, burst=1_024), now_ms=0)
    assert bucket.borrow(1_024, 0) == 0
    assert bucket.borrow(1_000, 0) == 2_000
    assert bucket.borrow(0, 1_000) == 1_000
    assert bucket.borrow(0, 2_000) == 0


@given(st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 50)), max_size=60))
def test_a_bucket_never_gives_more_than_burst_and_rate_allow(steps: list[tuple[int, int]]) -> None:
    bucket, now_ms, given_out = TokenBucket(Rate(per_s=7, burst=20), now_ms=0), 0, 0.0
    for passed, count in steps:
        now_ms += passed
        given_out += count - bucket.take(count, now_ms)
        assert given_out <= 20 + 7 * now_ms / 1000 + 1e-6


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(Rate(per_s=10, burst=5), now_ms=1_000)
    bucket.take(5, 1_000)
    assert bucket.take(1, 0) == 1
