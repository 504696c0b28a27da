"""Points that fade, bans that double, and subnets."""

from __future__ import annotations

import pytest

from network.bans import BAN_MS, FORGET_MS, KEPT_MAX, Ban, BanBook, name_place
from network.libp2p.multiaddr import Multiaddr, parse_multiaddr
from network.libp2p.protocol_error import BadFrame, FrameTooLarge
from network.messages import BadMessage
from network.penalties import get_fault_points

PLACE = parse_multiaddr("/ip4/45.7.8.9/tcp/5")


def test_net_31_a_hundred_points_ban_for_ten_minutes() -> None:
    book = BanBook()
    assert not book.add_points("p", PLACE, 99, 0)
    assert not book.is_banned("p", 0)
    assert book.add_points("p", PLACE, 1, 0)
    assert book.is_banned("p", BAN_MS - 1)
    assert not book.is_banned("p", BAN_MS)
    assert not book.is_banned("q", 0)


def test_net_31_points_fade_by_one_a_minute() -> None:
    book = BanBook()
    book.add_points("p", PLACE, 99, 0)
    assert book.get_score("p", 30 * 60_000) == 69
    assert not book.add_points("p", PLACE, 30, 30 * 60_000)
    assert book.add_points("p", PLACE, 2, 30 * 60_000)


def test_net_31_each_further_ban_is_twice_as_long() -> None:
    book, now = BanBook(), 0
    for count in range(12):
        assert book.add_points("p", None, 100, now)
        length = BAN_MS * 2 ** min(count, 8)
        assert book.is_banned("p", now + length - 1)
        assert not book.is_banned("p", now + length)
        now += length
    now += FORGET_MS
    assert book.add_points("p", None, 100, now)
    assert not book.is_banned("p", now + BAN_MS)


def test_net_32_three_names_from_one_subnet_shut_it() -> None:
    book = BanBook()
    for number, name in enumerate("abc"):
        assert not book.is_place_banned(PLACE, 0)
        book.add_points(name, Multiaddr(kind="ip4", host=f"45.7.8.{number}", port=9), 100, number * 60_000)
    assert book.is_place_banned(PLACE, 200_000)
    assert not book.is_place_banned(parse_multiaddr("/ip4/45.7.9.9/tcp/5"), 200_000)
    assert not book.is_place_banned(PLACE, 200_000 + BAN_MS)


def test_net_32_three_in_an_hour_do_not() -> None:
    book = BanBook()
    for number, name in enumerate("abc"):
        book.add_points(name, PLACE, 100, number * 1_200_000)
    assert not book.is_place_banned(PLACE, 2_400_000)


@pytest.mark.parametrize("text", ["/ip4/127.0.0.1/tcp/1", "/ip4/10.1.2.3/tcp/1", "/dns/a.org/tcp/1", "/ip6/::1/tcp/1"])
def test_net_32_private_places_and_names_are_never_shut(text: str) -> None:
    book, place = BanBook(), parse_multiaddr(text)
    for name in "abcdef":
        book.add_points(name, place, 100, 0)
    assert name_place(place) is None
    assert not book.is_place_banned(place, 0)


def test_a_million_names_do_not_fill_the_memory() -> None:
    book = BanBook()
    for number in range(3 * KEPT_MAX):
        book.add_points(f"a{number}", None, 100, number)
        book.add_points(f"b{number}", None, 1, number)
    assert len(book.list_bans(0)) == KEPT_MAX
    assert len(book._scores) == KEPT_MAX


def test_bans_outlive_a_restart() -> None:
    book = BanBook()
    book.add_points("p", None, 100, 5)
    again = BanBook()
    again.restore(book.list_bans(10))
    assert again.list_bans(10) == (Ban(name="p", until_ms=5 + BAN_MS, count=1),)
    assert again.is_banned("p", 10)
    assert book.list_bans(FORGET_MS + 2 * BAN_MS) == ()


def test_garbage_costs_less_than_a_broken_rule() -> None:
    assert get_fault_points(BadMessage("x")) == 25
    assert get_fault_points(BadFrame("x")) == get_fault_points(FrameTooLarge("x")) == 100


def test_net_31_a_ban_that_was_made_by_a_clock_far_ahead_does_not_last_until_then() -> None:
    book, year_ms = BanBook(), 365 * 86_400_000
    book.restore((Ban(name="peer", until_ms=70 * year_ms, count=1),))
    assert book.is_banned("peer", 70 * year_ms - 1)
    assert not book.is_banned("peer", 56 * year_ms)
