"""The network's flags, and what they mean together.

A node listens on this machine only, until `--listen-addr` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import click
import msgspec

from network.libp2p.multiaddr import InvalidMultiaddr, Multiaddr, parse_multiaddr

F = TypeVar("F", bound=Callable[..., object])
PORT = 30_333
IN_PEERS, OUT_PEERS = 40, 16
PEERS_MAX = 1_000

NETWORK_OPTIONS = [
    click.option("--port", type=click.IntRange(0, 65535), help=f"Peer-to-peer TCP port; {PORT}, or a free one."),
    click.option("--listen-addr", multiple=True, metavar="MULTIADDR", help="Listen there instead of on 127.0.0.1."),
    click.option("--public-addr", multiple=True, metavar="MULTIADDR", help="Where others reach this node."),
    click.option("--bootnodes", multiple=True, metavar="MULTIADDR", help="Peers to begin with."),
    click.option("--reserved-nodes", multiple=True, metavar="MULTIADDR", help="Peers to keep at all times."),
    click.option("--reserved-only", is_flag=True, help="Speak with reserved peers only."),
    click.option("--in-peers", type=click.IntRange(0, PEERS_MAX), default=IN_PEERS, show_default=True),
    click.option("--out-peers", type=click.IntRange(0, PEERS_MAX), default=OUT_PEERS, show_default=True),
    click.option("--allow-private-ip", is_flag=True, help="Dial private addresses; the default on test chains."),
    click.option("--no-private-ip", is_flag=True, help="Never dial private addresses that others tell."),
    click.option("--discover-local", is_flag=True, help="Find this user's other nodes on this machine."),
    click.option("--no-mdns", is_flag=True, help="Do not, on the chain `local` either."),
]


class NetworkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a node takes part in the network.

    Attributes:
        listen: Where; port and loopback address when none was named.
        is_port_free: No port was asked for: where the usual one is taken another will do.
        allows_private, discovers: None follows the chain.
    """

    listen: tuple[Multiaddr, ...]
    is_port_free: bool = True
    public: tuple[Multiaddr, ...] = ()
    bootnodes: tuple[Multiaddr, ...] = ()
    reserved: tuple[Multiaddr, ...] = ()
    reserved_only: bool = False
    in_peers: int = IN_PEERS
    out_peers: int = OUT_PEERS
    allows_private: bool | None = None
    discovers: bool | None = None


def make_network_config(options: Mapping[str, object]) -> NetworkConfig:
    """Return the checked network part of a run.

    Raises:
        click.UsageError: an address that is none, or flags that contradict each other.
    """
    for one, other in (("allow_private_ip", "no_private_ip"), ("discover_local", "no_mdns")):
        if options.get(one) and options.get(other):
            raise click.UsageError(f"{_name(one)} cannot be used with {_name(other)}")
    port = options.get("port")
    listen = _parse_all(options, "listen_addr")
    default = Multiaddr(kind="ip4", host="127.0.0.1", port=port if isinstance(port, int) else PORT)
    reserved = _parse_all(options, "reserved_nodes", with_peer=True)
    if options.get("reserved_only") and not reserved:
        raise click.UsageError("--reserved-only needs --reserved-nodes, or the node would speak with nobody")
    return NetworkConfig(
        listen=listen or (default,),
        is_port_free=port is None and not listen,
        public=_parse_all(options, "public_addr"),
        bootnodes=_parse_all(options, "bootnodes", with_peer=True),
        reserved=reserved,
        reserved_only=bool(options.get("reserved_only")),
        in_peers=msgspec.convert(options.get("in_peers", IN_PEERS), int),
        out_peers=msgspec.convert(options.get("out_peers", OUT_PEERS), int),
        allows_private=_choose(options, yes="allow_private_ip", no="no_private_ip"),
        discovers=_choose(options, yes="discover_local", no="no_mdns"),
    )


def parse_peer_address(text: str) -> Multiaddr:
    """Return an address that ends in the peer's id.

    Raises:
        InvalidMultiaddr: none, or one without a peer.
    """
    address = parse_multiaddr(text)
    if address.peer_id is None:
        raise InvalidMultiaddr("the address must end in /p2p/ and the peer id")
    return address


def _parse_all(options: Mapping[str, object], name: str, *, with_peer: bool = False) -> tuple[Multiaddr, ...]:
    addresses: list[Multiaddr] = []
    for text in msgspec.convert(options.get(name) or (), tuple[str, ...]):
        try:
            # zombienet asks for /ws, which is not spoken here; TCP at the same place serves
            addresses.append(parse_peer_address(text) if with_peer else parse_multiaddr(text.removesuffix("/ws")))
        except InvalidMultiaddr as error:
            raise click.UsageError(f"{_name(name)} '{text}': {error}") from error
    return tuple(dict.fromkeys(addresses))


def _choose(options: Mapping[str, object], *, yes: str, no: str) -> bool | None:
    return True if options.get(yes) else False if options.get(no) else None


def _name(parameter: str) -> str:
    return "--" + parameter.replace("_", "-")
