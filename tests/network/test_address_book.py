"""The address book: what one owner of many addresses can do to it, in figures."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from network.address_book import (
    BACKOFF_MS_MAX,
    FAILURES_MAX,
    GROUP_BUCKETS,
    NEW_BUCKETS,
    SLOTS,
    SOURCE_BUCKETS,
    STALE_MS,
    TRIED_BUCKETS,
    AddressBook,
    name_group,
)
from network.libp2p.multiaddr import Multiaddr, parse_multiaddr
from tests.network.support import make_key

PEER = make_key(7).peer_id


def make_address(host: str, port: int = 30_333) -> Multiaddr:
    return Multiaddr(kind="ip4", host=host, port=port, peer_id=PEER)


def make_book(*, seed: int = 1, allows_private: bool = False) -> AddressBook:
    return AddressBook(bytes([seed]) * 32, Random(seed), allows_private=allows_private)


def count_tried(book: AddressBook, addresses: list[Multiaddr]) -> int:
    entries = [book.get(address) for address in addresses]
    return sum(entry is not None and entry.is_tried for entry in entries)


def choose(book: AddressBook, now_ms: int = 0) -> Multiaddr | None:
    return book.choose(now_ms, groups=(), peers=())


def test_net_37_only_addresses_that_can_be_dialled_are_kept() -> None:
    book = make_book()
    for text in ("/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/0.0.0.0/tcp/1", "/ip4/224.0.0.1/tcp/1"):
        assert not book.learn(parse_multiaddr(text).with_peer(PEER), "s", 0)
    assert not book.learn(parse_multiaddr("/dns/a.org/tcp/1").with_peer(PEER), "s", 0)
    assert not book.learn(parse_multiaddr("/ip4/45.0.0.1/tcp/0").with_peer(PEER), "s", 0)
    assert not book.learn(parse_multiaddr("/ip4/45.0.0.1/tcp/1"), "s", 0)
    assert book.learn(make_address("45.0.0.1"), "s", 0)
    assert not book.learn(make_address("45.0.0.1"), "s", 0), "it is known"
    devnet = make_book(allows_private=True)
    assert devnet.learn(make_address("127.0.0.1"), "s", 0)
    assert not devnet.learn(make_address("0.0.0.0"), "s", 0)


def test_net_38_one_liar_fills_a_sixteenth_of_the_new_table() -> None:
    """20,000 addresses all over the net, told from one /16: at most 256 of 4,096 places."""
    book, chance = make_book(), Random(3)
    for _ in range(20_000):
        host = (
            f"{chance.randrange(1, 9) * 20 + 5}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"
        )
        book.learn(make_address(host), "66.6.0.0/16", 0)
    assert 200 < book.count(is_tried=False) <= SOURCE_BUCKETS * SLOTS == 256
    assert len(book) == book.count(is_tried=False)
    assert NEW_BUCKETS * SLOTS == 4_096


def test_net_38_one_subnet_fills_an_eighth_of_the_tried_table() -> None:
    """10,000 nodes of one /16 that all answer: at most 128 of 1,024 places, and honest ones stay."""
    book, chance = make_book(), Random(4)
    honest = [make_address(f"45.{number}.1.1") for number in range(40)]
    for address in honest:
        book.on_success(address, "s", 0)
    kept = count_tried(book, honest)
    for number in range(10_000):
        book.on_success(make_address(f"66.6.{number // 256}.{number % 256}", chance.randrange(1, 65_536)), "s", 1)
    evil = sum(entry.is_tried and name_group(entry.address) == "66.6.0.0/16" for entry in book.list_entries())
    assert 100 < evil <= GROUP_BUCKETS * SLOTS == 128
    assert count_tried(book, honest) == kept >= 38
    assert TRIED_BUCKETS * SLOTS == 1_024


def test_of_eight_connections_one_subnet_gets_at_most_one() -> None:
    """10,000 nodes of one /16 against 60 honest ones of 60 groups; 100 times eight connections."""
    book = make_book()
    for number in range(60):
        book.on_success(make_address(f"45.{number}.1.1"), "s", 0)
    for number in range(10_000):
        book.on_success(make_address(f"66.6.{number // 256}.{number % 256}"), "s", 1)
    for _ in range(100):
        groups: set[str] = set()
        for _ in range(8):
            address = book.choose(1, groups=groups, peers=())
            assert address is not None
            groups.add(name_group(address))
        assert len(groups) == 8


def test_whom_we_have_dialled_is_never_dialled_twice_nor_his_neighbour() -> None:
    book = make_book()
    book.on_success(make_address("45.1.1.1"), "s", 0)
    assert choose(book) == make_address("45.1.1.1")
    assert book.choose(0, groups={"45.1.0.0/16"}, peers=()) is None
    assert book.choose(0, groups=(), peers={PEER}) is None
    assert book.choose(0, groups=(), peers=(), only_new=True) is None


def test_an_address_that_fails_waits_longer_each_time() -> None:
    book, now, waits = make_book(), 0, []
    address = make_address("45.1.1.1")
    book.learn(address, "s", 0)
    for _ in range(20):
        book.on_failure(address, now)
        entry = book.get(address)
        assert entry is not None
        assert choose(book, entry.next_ms - 1) is None
        assert choose(book, entry.next_ms) == address
        waits.append(entry.next_ms - now)
        now = entry.next_ms
    assert 1_000 <= waits[0] <= 3_000
    assert max(waits) <= 1.5 * BACKOFF_MS_MAX
    assert waits[-1] >= 0.5 * BACKOFF_MS_MAX
    book.on_success(address, "s", now)
    entry = book.get(address)
    assert entry is not None
    assert (entry.failures, entry.next_ms) == (0, 0)


def test_a_slot_is_given_away_only_when_its_address_is_stale() -> None:
    book, chance = make_book(), Random(5)
    first = make_address("45.1.1.1")
    book.learn(first, "s", 0)
    rival = first
    while rival == first:  # until one meets the first in its slot
        rival = make_address(f"45.1.{chance.randrange(256)}.{chance.randrange(256)}")
        if book.learn(rival, "s", 0):
            book.forget(rival)
            rival = first
    for _ in range(FAILURES_MAX):
        assert not book.learn(rival, "s", 0)
        book.on_failure(first, 0)
    assert book.learn(rival, "s", 0)
    assert book.get(first) is None
    assert not book.learn(first, "s", STALE_MS)
    assert book.learn(first, "s", STALE_MS + 1)


def test_what_is_told_is_one_of_each_group_first() -> None:
    book = make_book()
    for number in range(40):
        book.on_success(make_address(f"45.1.1.{number}"), "s", 0)
    for number in range(5):
        book.on_success(make_address(f"46.{number}.1.1"), "s", 0)
    book.learn(make_address("47.1.1.1"), "s", 0)
    told = book.sample(8, [make_address("48.1.1.1"), make_address("10.0.0.1")])
    assert len(told) == 8
    assert len({name_group(address) for address in told}) == 7
    assert make_address("47.1.1.1") not in told, "nobody has reached it"
    assert make_address("10.0.0.1") not in told


def test_a_book_comes_back_as_it_was() -> None:
    book = make_book()
    for number in range(200):
        (book.learn if number % 2 else book.on_success)(make_address(f"45.{number}.1.1"), "s", number)
    book.on_failure(make_address("45.1.1.1"), 500)
    again = make_book()
    again.restore(book.list_entries())
    assert set(again.list_entries()) == set(book.list_entries())
    elsewhere = make_book(seed=2)
    elsewhere.restore(book.list_entries())
    assert len(elsewhere) <= len(book)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("lsfg"), st.integers(0, 40), st.integers(0, 3), st.integers(0, 10**10))))
def test_tables_and_entries_always_agree(steps: list[tuple[str, int, int, int]]) -> None:
    book = make_book()
    for kind, number, source, now_ms in steps:
        address = make_address(f"45.{number % 5}.1.{number}")
        match kind:
            case "l":
                book.learn(address, f"s{source}", now_ms)
            case "s":
                book.on_success(address, f"s{source}", now_ms)
            case "f":
                book.on_failure(address, now_ms)
            case _:
                book.forget(address)
        entries = book.list_entries()
        assert book.count(is_tried=True) == sum(entry.is_tried for entry in entries)
        assert book.count(is_tried=False) == sum(not entry.is_tried for entry in entries)


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("/ip4/45.6.7.8/tcp/1", "45.6.0.0/16"),
        ("/ip6/2a01:4f8:1::1/tcp/1", "2a01:4f8::/32"),
        ("/ip4/127.0.0.1/tcp/1", "private"),
        ("/dns/a.org/tcp/1", "name a.org"),
    ],
)
def test_a_group_is_the_first_bits(text: str, group: str) -> None:
    assert name_group(parse_multiaddr(text)) == group
