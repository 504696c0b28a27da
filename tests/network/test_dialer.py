"""Whom a node dials, and when again."""

from __future__ import annotations

from random import Random

from network.address_book import AddressBook, name_group
from network.dialer import DIALS_A_TURN, FEELER_MS, RETRY_MS_MAX, SETTLED_MS, Dialer, Target
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.node_key import PeerId
from network.settings import NetworkSettings
from tests.network.support import make_key

OWN = make_key(1).peer_id
Standing = dict[PeerId, Multiaddr | None]


def make_address(number: int, host: str | None = None) -> Multiaddr:
    return Multiaddr(kind="ip4", host=host or f"45.{number}.1.1", port=1, peer_id=make_key(number).peer_id)


def make_dialer(
    book_of: tuple[int, ...] = (), *, anchors: tuple[Multiaddr, ...] = (), **options: object
) -> tuple[Dialer, AddressBook]:
    chance = Random(9)
    settings = NetworkSettings(**{"genesis": bytes(32), **options})  # type: ignore[arg-type]
    book = AddressBook(bytes(32), chance, allows_private=False)
    for number in book_of:
        book.on_success(make_address(number), "s", 0)
    return Dialer(OWN, settings, book, chance, anchors=anchors), book


def dial_all(dialer: Dialer, turns: int = 20) -> tuple[Standing, list[Target]]:
    """Reach everybody who is named."""
    standing: Standing = {}
    targets: list[Target] = []
    for turn in range(turns):
        for target in dialer.choose(turn, standing):
            targets.append(target)
            standing[target.peer] = target.address
            dialer.on_end(target, turn, is_reached=True)
    return standing, targets


def test_net_39_boot_nodes_get_at_most_half_and_no_group_two() -> None:
    boot = tuple(make_address(number) for number in range(100, 130))
    dialer, _ = make_dialer(tuple(range(2, 30)), bootnodes=boot, out_peers=8)
    standing, targets = dial_all(dialer)
    assert len(standing) == 8
    assert {target.purpose for target in targets} == {"book"}
    alone, _ = make_dialer(bootnodes=boot, out_peers=8)
    standing, targets = dial_all(alone)
    assert [target.purpose for target in targets] == ["bootnode"] * 4
    assert len({name_group(target.address) for target in targets}) == 4


def test_net_39_two_of_one_group_are_not_dialled_in_one_turn_either() -> None:
    dialer, book = make_dialer(out_peers=8)
    for number in range(40, 48):
        book.on_success(make_address(number, f"45.1.1.{number}"), "s", 0)
    assert len(dialer.choose(0, {})) == 1
    assert dialer.choose(0, {}) == []


def test_a_turn_dials_few() -> None:
    dialer, _ = make_dialer(tuple(range(2, 30)), out_peers=16)
    assert len(dialer.choose(0, {})) == DIALS_A_TURN
    assert len(dialer.choose(0, {})) == DIALS_A_TURN
    assert len({target.peer for target in dialer.choose(0, {})}) == DIALS_A_TURN


def test_anchors_come_first_and_once() -> None:
    anchors = (make_address(50), make_address(51), make_address(52))
    dialer, _ = make_dialer((2, 3), anchors=anchors, out_peers=8)
    targets = dialer.choose(0, {})
    assert [target.purpose for target in targets[:3]] == ["anchor", "anchor", "book"]
    for target in targets[:2]:
        dialer.on_end(target, 0, is_reached=False)
    assert "anchor" not in {target.purpose for target in dialer.choose(99_999, {})}


def test_reserved_peers_are_kept_beside_the_others_and_alone_if_asked() -> None:
    reserved = tuple(make_address(number) for number in range(60, 80))
    dialer, _ = make_dialer((2, 3), reserved=reserved, out_peers=1)
    _, targets = dial_all(dialer)
    assert len(targets) == 21
    only, _ = make_dialer((2, 3), reserved=reserved, reserved_only=True, bootnodes=(make_address(90),))
    assert {target.purpose for target in dial_all(only)[1]} == {"reserved"}


def test_who_does_not_answer_is_left_alone_longer_each_time() -> None:
    dialer, _ = make_dialer(bootnodes=(make_address(60),))
    now, waits = 0, []
    for _ in range(12):
        (target,) = dialer.choose(now, {})
        dialer.on_end(target, now, is_reached=False)
        began = now
        while not (again := dialer.choose(now, {})):
            now += 100
        dialer.on_end(again[0], now, is_reached=True)
        dialer._retries[target.peer] = (len(waits) + 1, now)
        waits.append(now - began)
    assert waits[0] <= 1_600
    assert RETRY_MS_MAX / 2 <= waits[-1] <= RETRY_MS_MAX * 1.5 + 100


def test_who_hangs_up_at_once_is_not_called_at_once() -> None:
    dialer, _ = make_dialer((2,))
    (target,) = dialer.choose(0, {})
    dialer.on_end(target, 0, is_reached=True)
    dialer.on_gone(target.peer, 100, 100)
    assert dialer.choose(200, {}) == []
    assert dialer.choose(1_700, {}) == [target]
    dialer.on_end(target, 1_700, is_reached=True)
    dialer.on_gone(target.peer, SETTLED_MS, 40_000)
    assert dialer.choose(40_000, {}) == [target], "after a long talk at once"


def test_net_40_every_two_minutes_a_feeler_goes_out() -> None:
    dialer, book = make_dialer((2,), out_peers=1)
    standing, _ = dial_all(dialer)
    for number in range(30, 60):
        book.learn(make_address(number), "s", 0)
    assert dialer.choose(1_000, standing) == []
    (feeler,) = dialer.choose(FEELER_MS, standing)
    assert feeler.purpose == "feeler"
    dialer.on_end(feeler, FEELER_MS, is_reached=False)
    entry = book.get(feeler.address)
    assert entry is not None
    assert entry.failures == 1
    assert dialer.choose(2 * FEELER_MS - 1, standing) == []
    assert len(dialer.choose(2 * FEELER_MS, standing)) == 1


def test_a_node_never_dials_itself_nor_whom_it_knows() -> None:
    own = make_address(1)
    dialer, _ = make_dialer((1, 2), bootnodes=(own,), reserved=(own,), anchors=(own,))
    dialer.set_near([own, make_address(2)])
    _, targets = dial_all(dialer)
    assert [target.peer for target in targets] == [make_key(2).peer_id]
    assert dialer.choose(0, {make_key(2).peer_id: None}) == [], "it dialled us"


def test_attempts_that_failed_before_the_clock_was_set_back_are_made_again_soon() -> None:
    """A machine often starts with a wrong clock and no network: neither may keep the node alone for hours."""
    boot = make_address(100)
    dialer, book = make_dialer((2,), bootnodes=(boot,), out_peers=8)
    now_ms = 3_600_000
    for _ in range(12):
        for target in dialer.choose(now_ms, {}):
            dialer.on_end(target, now_ms, is_reached=False)
        now_ms += 1_000
    assert dialer.choose(now_ms - 999, {}) == []
    assert {target.address for target in dialer.choose(0, {})} == {boot, make_address(2)}
    assert book.choose(0, groups=(), peers=()) == make_address(2)
