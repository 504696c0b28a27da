"""The network's flags, and the settings that they and the chain make together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from network.libp2p.multiaddr import parse_multiaddr
from node.network_options import NETWORK_OPTIONS, NetworkConfig, make_network_config

PEER = "/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"


def parse(*arguments: str) -> NetworkConfig:
    """Return what these flags mean."""

    @click.command()
    def run(**options: object) -> Mapping[str, object]:
        return options

    for option in NETWORK_OPTIONS:
        run = option(run)
    return make_network_config(run.main(list(arguments), standalone_mode=False))


def test_a_node_listens_on_this_machine_only_unless_told_otherwise() -> None:
    assert parse().listen == (parse_multiaddr("/ip4/127.0.0.1/tcp/30333"),)
    assert parse().is_port_free
    assert parse("--port", "7").listen == (parse_multiaddr("/ip4/127.0.0.1/tcp/7"),)
    assert not parse("--port", "7").is_port_free
    everywhere = parse("--listen-addr", "/ip4/0.0.0.0/tcp/3/ws", "--port", "7")
    assert everywhere.listen == (parse_multiaddr("/ip4/0.0.0.0/tcp/3"),)


def test_peers_are_named_with_their_ids() -> None:
    address = f"/ip4/10.0.0.1/tcp/1{PEER}"
    config = parse("--bootnodes", address, "--reserved-nodes", address, "--reserved-only", "--public-addr", address)
    assert config.bootnodes == config.reserved == config.public == (parse_multiaddr(address),)
    assert config.reserved_only


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--bootnodes", "/ip4/10.0.0.1/tcp/1"), "must end in /p2p/"),
        (("--bootnodes", "example.org"), "an address looks like"),
        (("--listen-addr", "/ip4/1.2.3.4/udp/1"), "an address looks like"),
        (("--reserved-only",), "needs --reserved-nodes"),
        (("--allow-private-ip", "--no-private-ip"), "cannot be used with"),
        (("--discover-local", "--no-mdns"), "cannot be used with"),
        (("--out-peers", "-1"), "0<=x<=1000"),
    ],
)
def test_a_wrong_network_flag_is_refused_with_a_sentence(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        parse(*arguments)
    assert words in caught.value.format_message()


def test_what_no_flag_says_follows_the_chain(tmp_path: Path) -> None:
    assert parse().allows_private is parse().discovers is None
    assert parse("--no-private-ip", "--discover-local").allows_private is False
    assert parse("--no-mdns").discovers is False
