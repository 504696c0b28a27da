"""How many connections are taken, in all and from one place."""

from __future__ import annotations

import pytest

from network.libp2p.limits import Admission, ConnectionLimits, TooManyConnections
from network.libp2p.multiaddr import Multiaddr, make_ip_address


def _at(host: str) -> Multiaddr:
    return make_ip_address(host, 1)


def test_net_16_one_address_and_one_subnet_get_only_so_many() -> None:
    admission = Admission(ConnectionLimits(per_host_max=2, per_subnet_max=3))
    assert [admission.admits_inbound(_at("8.8.8.8")) for _ in range(3)] == [True, True, False]
    assert [admission.admits_inbound(_at("8.8.8.9")) for _ in range(2)] == [True, False]
    assert admission.admits_inbound(_at("8.8.9.1"))
    admission.on_inbound_lost(_at("8.8.8.8"), was_secured=False)
    assert admission.admits_inbound(_at("8.8.8.9"))


def test_net_16_an_ipv6_subnet_is_48_bits() -> None:
    admission = Admission(ConnectionLimits(per_subnet_max=2))
    results = [admission.admits_inbound(_at(f"2a00:1450:4001:{n}::1")) for n in range(3)]
    assert results == [True, True, False]


def test_net_16_private_addresses_are_counted_only_when_asked() -> None:
    assert all(Admission(ConnectionLimits()).admits_inbound(_at("127.0.0.1")) for _ in range(9))
    strict = Admission(ConnectionLimits(counts_private=True))
    assert [strict.admits_inbound(_at("127.0.0.1")) for _ in range(5)] == [True] * 4 + [False]


def test_net_16_half_open_connections_are_bounded_apart() -> None:
    admission = Admission(ConnectionLimits(half_open_max=2))
    assert [admission.admits_inbound(None) for _ in range(3)] == [True, True, False]
    admission.on_secured()
    assert admission.admits_inbound(None)


def test_net_16_secured_connections_are_bounded() -> None:
    admission = Admission(ConnectionLimits(inbound_max=1))
    for is_overfull in (False, True):
        assert admission.admits_inbound(None)
        admission.on_secured()
        assert admission.is_overfull == is_overfull


def test_net_16_outbound_connections_are_bounded() -> None:
    admission = Admission(ConnectionLimits(outbound_max=1))
    admission.take_outbound()
    with pytest.raises(TooManyConnections):
        admission.take_outbound()
    admission.on_outbound_lost()
    admission.take_outbound()
