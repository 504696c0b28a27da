"""Who gives way when all inbound places are taken, as arithmetic and on real hosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from network.eviction import Guest, find_leaver, find_protected
from network.libp2p.node_key import PeerId

SECRET = bytes(32)
PLACES = 40


def make_guest(
    number: int,
    group: str | None = None,
    *,
    ping_ms: int | None = None,
    header_ms: int | None = None,
    news_ms: int | None = None,
) -> Guest:
    """Return a guest that came as the n-th, in a group of its own unless told otherwise."""
    peer, group = PeerId(f"peer-{number:03}"), group or f"group-{number}"
    return Guest(peer=peer, group=group, since_ms=number, ping_ms=ping_ms, header_ms=header_ms, news_ms=news_ms)


def fill(*, groups: int, places: int = PLACES) -> list[Guest]:
    """Return guests that share few groups."""
    return [make_guest(number, f"crowd-{number % groups}") for number in range(places)]


def knock(guests: list[Guest], newcomer: Guest, secret: bytes = SECRET) -> list[Guest]:
    """Return who is there after a newcomer came."""
    leaver = find_leaver(guests, newcomer.group, secret)
    return guests if leaver is None else [*(guest for guest in guests if guest != leaver), newcomer]


def test_net_52_the_youngest_of_the_most_crowded_group_gives_way() -> None:
    guests = [*fill(groups=2, places=30), *(make_guest(number) for number in range(30, 40))]
    leaver = find_leaver(guests, "another", SECRET)
    assert leaver is not None
    assert leaver.group in ("crowd-0", "crowd-1")
    assert leaver.since_ms == 29


def test_net_52_whoever_comes_from_the_most_crowded_group_gets_nobodys_place() -> None:
    guests = fill(groups=1)
    assert find_leaver(guests, "crowd-0", SECRET) is None
    assert find_leaver(guests, "crowd-1", SECRET) is not None


def test_net_52_peers_of_one_group_keep_each_others_places() -> None:
    """All private addresses are one group: nodes of a devnet do not drive each other out."""
    assert find_leaver(fill(groups=1), "crowd-0", SECRET) is None


@pytest.mark.parametrize("places", [2, 3, 10, 40])
def test_net_52_three_subnets_do_not_keep_their_places_for_ever(places: int) -> None:
    guests = fill(groups=3, places=places)
    for number in range(100, 100 + places):
        guests = knock(guests, make_guest(number))
    left = sum(guest.group.startswith("crowd") for guest in guests)
    assert left <= 3 * max(1, places // 10)
    assert left < places


@pytest.mark.parametrize(("value", "count"), [("ping_ms", 8), ("header_ms", 4), ("news_ms", 4)])
def test_net_53_what_a_peer_is_worth_protects_it(value: str, count: int) -> None:
    """The youngest, whom else nothing protects but perhaps their group."""
    guests = [make_guest(number) for number in range(PLACES)]
    young = {guest.peer for guest in guests[-count:]}
    worthy = [replace(guest, **{value: 9}) if guest.peer in young else guest for guest in guests]
    assert young <= find_protected(worthy, SECRET)
    assert not young <= find_protected(guests, SECRET)


def test_net_53_the_better_ones_are_protected() -> None:
    guests = [make_guest(number, ping_ms=100 - number, header_ms=number, news_ms=number) for number in range(PLACES)]
    protected = find_protected(guests, SECRET)
    assert {guest.peer for guest in guests[-4:]} <= protected


def test_net_53_half_of_the_rest_is_protected_by_age() -> None:
    guests = [make_guest(number) for number in range(PLACES)]
    protected = find_protected(guests, SECRET)
    assert len(protected) == 4 + 18
    assert {guest.peer for guest in guests[:18]} <= protected


def test_net_53_other_secrets_protect_other_groups() -> None:
    guests = [make_guest(number) for number in range(PLACES)]
    assert len({find_protected(guests, bytes([number]) * 32) for number in range(20)}) > 10


def test_net_53_a_group_has_only_so_much_protection() -> None:
    guests = [replace(guest, ping_ms=1, header_ms=9, news_ms=9) for guest in fill(groups=3)]
    assert len(find_protected(guests, SECRET)) == 12


GROUPS = st.integers(0, 12).map(lambda number: f"crowd-{number}")
ROW = 5  # bytes that say what a guest is


def build(data: bytes) -> list[Guest]:
    """Return any guests: some in groups of their own, some crowded, of any worth."""
    rows = [data[start : start + ROW] for start in range(0, len(data) // ROW * ROW, ROW)]
    guests = []
    for number, (group, since, *values) in enumerate(rows):
        ping, header, news = (None if value < 64 else value // 43 for value in values)
        name = f"crowd-{group % 16}" if group < 192 else f"group-{number}"
        peer = PeerId(f"peer-{number:03}")
        guests.append(Guest(peer=peer, group=name, since_ms=since // 16, ping_ms=ping, header_ms=header, news_ms=news))
    return guests


def houses(places: int = 0) -> st.SearchStrategy[list[Guest]]:
    """Return any guests, at least so many."""
    return st.binary(min_size=places * ROW, max_size=PLACES * ROW).map(build)


@given(houses() | houses(PLACES), GROUPS)
def test_net_52_nobody_protected_gives_way_and_no_smaller_group_does(guests: list[Guest], group: str) -> None:
    leaver = find_leaver(guests, group, SECRET)
    if leaver is not None:
        sizes = [guest.group for guest in guests]
        assert leaver.peer not in find_protected(guests, SECRET)
        assert sizes.count(group) < sizes.count(leaver.group)


@given(houses() | houses(PLACES))
def test_net_53_protection_is_bounded(guests: list[Guest]) -> None:
    protected = [guest for guest in guests if guest.peer in find_protected(guests, SECRET)]
    tenth = len(guests) // 10
    assert 2 * len(protected) <= len(guests) + 5 * tenth + 1
    assert all([one.group for one in protected].count(guest.group) <= max(1, tenth) for guest in protected)


@given(houses(2))
def test_net_52_an_honest_newcomer_always_gets_in(guests: list[Guest]) -> None:
    assert make_guest(999) in knock(guests, make_guest(999))


@given(st.binary(max_size=60 * 4), st.integers(0, PLACES))
def test_net_52_a_flood_from_k_subnets_drives_out_at_most_k_honest_peers(flood: bytes, taken: int) -> None:
    """And none of those that were protected."""
    honest = [make_guest(number, ping_ms=50) for number in range(taken, PLACES)]
    guests = [*(make_guest(number, f"crowd-{number % 4}") for number in range(taken)), *honest]
    for number in range(0, len(flood) // 4 * 4, 4):
        subnet, ping, header, news = flood[number : number + 4]
        protected = find_protected(guests, SECRET)
        crowd = f"crowd-{subnet % 4}"
        newcomer = make_guest(100 + number, crowd, ping_ms=ping or None, header_ms=header or None, news_ms=news or None)
        guests = knock(guests, newcomer)
        assert protected <= {guest.peer for guest in guests}
    assert len([guest for guest in honest if guest not in guests]) <= 4
