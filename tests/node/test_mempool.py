"""The pool: order, replacement, limits, bans, and what it says about each extrinsic."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.core.pool_errors import AlreadyImported, PoolFull, PoolRefusal, PriorityTooLow, TemporarilyBanned
from tests.node.pool_builder import ALICE, BOB, CAROL, add, check_pool, make_extrinsic, make_pool, tell


def test_an_extrinsic_with_the_next_nonce_is_ready() -> None:
    pool = make_pool()
    first, news = add(pool, ALICE, 0)
    assert tell(news) == [(first, "ready")]
    assert [entry.hash for entry in pool.iterate_ready()] == [first]


def test_a_gap_makes_an_extrinsic_wait_and_the_missing_nonce_frees_it() -> None:
    pool = make_pool()
    late, news = add(pool, ALICE, 1)
    assert tell(news) == [(late, "future")]
    assert list(pool.iterate_ready()) == []
    first, news = add(pool, ALICE, 0)
    assert tell(news) == [(first, "ready"), (late, "ready")]
    assert pool.get_next_nonce(ALICE, 0) == 2
    assert pool.get_next_nonce(BOB, 7) == 7


def test_the_best_priority_comes_first_but_never_before_a_smaller_nonce() -> None:
    pool = make_pool()
    a0, _ = add(pool, ALICE, 0, priority=1)
    a1, _ = add(pool, ALICE, 1, priority=9)
    b0, _ = add(pool, BOB, 0, priority=5)
    c0, _ = add(pool, CAROL, 0, priority=1)
    assert [entry.hash for entry in pool.iterate_ready()] == [b0, a0, a1, c0]


def test_the_same_extrinsic_twice_is_refused() -> None:
    pool = make_pool()
    add(pool, ALICE, 0)
    with pytest.raises(AlreadyImported) as caught:
        add(pool, ALICE, 0)
    assert caught.value.code == 1013


@pytest.mark.parametrize("priority", [4, 5])
def test_a_replacement_needs_a_strictly_higher_priority(priority: int) -> None:
    pool = make_pool()
    old, _ = add(pool, ALICE, 0, priority=5)
    with pytest.raises(PriorityTooLow, match=rf"\(5 vs {priority}\)") as caught:
        add(pool, ALICE, 0, priority=priority, mark=1)
    assert caught.value.code == 1014
    assert [entry.hash for entry in pool.iterate_ready()] == [old]


def test_a_better_replacement_usurps_and_leaves_the_followers_alone() -> None:
    pool = make_pool()
    old, _ = add(pool, ALICE, 0, priority=5)
    follower, _ = add(pool, ALICE, 1)
    new, news = add(pool, ALICE, 0, priority=6, mark=1)
    assert tell(news) == [(old, "usurped"), (new, "ready")]
    assert news[0].status.value == new
    assert [entry.hash for entry in pool.iterate_ready()] == [new, follower]
    record = pool.get_drop(old)
    assert record is not None
    assert record.kind == "usurped"
    check_pool(pool)


def test_a_full_pool_drops_the_lowest_priority_for_a_better_one() -> None:
    pool = make_pool(count_max=2)
    low, _ = add(pool, ALICE, 0, priority=1)
    high, _ = add(pool, BOB, 0, priority=3)
    new, news = add(pool, CAROL, 0, priority=2)
    assert tell(news) == [(low, "dropped"), (new, "ready")]
    assert [entry.hash for entry in pool.iterate_ready()] == [high, new]
    record = pool.get_drop(low)
    assert record is not None
    assert "full" in record.reason


def test_a_full_pool_refuses_what_offers_no_more() -> None:
    pool = make_pool(count_max=1)
    held, _ = add(pool, ALICE, 0, priority=2)
    with pytest.raises(PoolFull) as caught:
        add(pool, BOB, 0, priority=2)
    assert caught.value.code == 1016
    assert [entry.hash for entry in pool.iterate_ready()] == [held]


def test_the_limit_in_bytes_holds_too() -> None:
    one = len(make_extrinsic(ALICE, 0).raw)
    pool = make_pool(bytes_max=2 * one + 10)
    add(pool, ALICE, 0, priority=1)
    add(pool, BOB, 0, priority=1)
    with pytest.raises(PoolFull):
        add(pool, CAROL, 0, priority=1)
    _, news = add(pool, CAROL, 0, priority=2, size=14)
    assert [kind for _, kind in tell(news)] == ["dropped", "ready"]
    check_pool(pool)


def test_only_so_many_wait_for_a_smaller_nonce() -> None:
    pool = make_pool(future_count_max=1)
    add(pool, ALICE, 1)
    with pytest.raises(PoolFull, match="nonce 0 comes next"):
        add(pool, ALICE, 2, priority=9)
    add(pool, ALICE, 0)
    add(pool, ALICE, 2)
    check_pool(pool)


def test_a_newcomer_never_pushes_out_what_it_stands_on() -> None:
    pool = make_pool(count_max=2)
    add(pool, ALICE, 0, priority=1)
    add(pool, ALICE, 1, priority=1)
    with pytest.raises(PoolFull):
        add(pool, ALICE, 2, priority=9)
    check_pool(pool)


def test_an_invalid_extrinsic_is_banned_for_a_while_and_its_followers_wait() -> None:
    pool = make_pool(ban_ms=1000)
    bad, _ = add(pool, ALICE, 0)
    follower, _ = add(pool, ALICE, 1)
    assert tell(pool.remove(bad, "invalid", "no money", 10)) == [(bad, "invalid"), (follower, "future")]
    with pytest.raises(TemporarilyBanned, match="no money") as caught:
        add(pool, ALICE, 0, now_ms=1009)
    assert caught.value.code == 1012
    _, news = add(pool, ALICE, 0, now_ms=1010)
    assert tell(news) == [(bad, "ready"), (follower, "ready")]
    assert pool.get_drop(bad) is None


def test_a_dropped_extrinsic_may_come_back() -> None:
    pool = make_pool()
    dropped, _ = add(pool, ALICE, 0)
    pool.remove(dropped, "dropped", "asked to", 0)
    _, news = add(pool, ALICE, 0)
    assert tell(news) == [(dropped, "ready")]


def test_a_block_takes_out_what_it_includes_and_what_it_makes_stale() -> None:
    pool = make_pool()
    included, _ = add(pool, ALICE, 0)
    kept, _ = add(pool, ALICE, 1)
    loser, _ = add(pool, BOB, 0)
    foreign = make_extrinsic(BOB, 0, mark=7).hash
    news = pool.on_best_block((included, foreign), {ALICE: 1, BOB: 1}, number=1, block_hash=b"B" * 32, now_ms=0)
    assert tell(news) == [(included, "inBlock"), (foreign, "inBlock"), (loser, "invalid")]
    assert news[0].status.value == b"B" * 32
    assert [entry.hash for entry in pool.iterate_ready()] == [kept]
    assert pool.get_drop(included) is None
    check_pool(pool)


def test_a_block_with_the_missing_nonce_frees_what_waited() -> None:
    pool = make_pool()
    waiting, _ = add(pool, ALICE, 1)
    news = pool.on_best_block((), {ALICE: 1}, number=1, block_hash=b"B" * 32, now_ms=0)
    assert tell(news) == [(waiting, "ready")]


def test_undone_blocks_make_extrinsics_wait_again() -> None:
    pool = make_pool()
    second, _ = add(pool, ALICE, 1, next_nonce=1)
    assert tell(pool.on_undone({ALICE: 0}, 0)) == [(second, "future")]
    first, news = add(pool, ALICE, 0)
    assert tell(news) == [(first, "ready"), (second, "ready")]


def test_an_extrinsic_dies_with_its_era() -> None:
    pool = make_pool()
    mortal, _ = add(pool, ALICE, 0, dies_at=10)
    assert pool.on_best_block((), {}, number=8, block_hash=b"B" * 32, now_ms=0) == []
    news = pool.on_best_block((), {}, number=9, block_hash=b"C" * 32, now_ms=0)
    assert tell(news) == [(mortal, "invalid")]
    assert "era ended before block 10" in news[0].status.reason


def test_records_of_drops_are_bounded() -> None:
    pool = make_pool(records_max=2)
    hashes = [add(pool, ALICE, 0, mark=mark)[0] for mark in range(1)]
    for mark in range(1, 4):
        hashes.append(add(pool, ALICE, 0, mark=mark, priority=mark + 1)[0])
    assert pool.get_drop(hashes[0]) is None
    assert pool.get_drop(hashes[2]) is not None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "block", "remove", "undo"]),
        st.integers(0, 2),
        st.integers(0, 5),
        st.integers(1, 4),
        st.integers(0, 2),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_the_pool_keeps_its_invariants(steps: list[tuple[str, int, int, int, int]]) -> None:
    pool = make_pool(count_max=6, future_count_max=3, bytes_max=6 * 110, ban_ms=0)
    nonces = dict.fromkeys((ALICE, BOB, CAROL), 0)
    for kind, who, nonce, priority, mark in steps:
        account = (ALICE, BOB, CAROL)[who]
        if kind == "add" and nonce >= nonces[account]:
            with contextlib.suppress(PoolRefusal):
                add(pool, account, nonce, priority=priority, mark=mark, next_nonce=nonces[account])
        elif kind == "block":
            ready = list(pool.iterate_ready())[:nonce]
            for entry in ready:
                nonces[entry.signer] = entry.nonce + 1
            changed = {entry.signer: nonces[entry.signer] for entry in ready}
            pool.on_best_block([entry.hash for entry in ready], changed, number=1, block_hash=bytes(32), now_ms=0)
        elif kind == "remove":
            for entry in list(pool.iterate_entries())[:1]:
                pool.remove(entry.hash, "dropped", "test", 0)
        elif kind == "undo" and nonces[account]:
            nonces[account] -= 1
            pool.on_undone({account: nonces[account]}, 0)
        check_pool(pool)
