"""The plan of a devnet: who its nodes are, where they listen, and with which arguments they are started.

Invariants: a node's key is part of the plan, so its address is known before it runs and is the same when the devnet is
resumed; every port lies below the range of outgoing connections.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from chain.ed25519 import public_of
from chain.peer_id import encode_peer_id
from chain.secret_uri import derive_seed
from chain.ss58 import encode_address
from matchstrike.devnet.network_file import Network, NetworkNode
from matchstrike.devnet.network_tables import FaultTable, LinkFaultTable
from matchstrike.devnet.ports import LINK_FIRST, P2P_FIRST, PROMETHEUS_FIRST, RPC_FIRST, PortChooser

DEVELOPMENT_NAMES = ("alice", "bob", "charlie", "dave", "eve", "ferdie", "one", "two")
FILE_NAME = "devnet.json"
CHAIN_FILE_NAME = "chain.json"


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node listens."""

    rpc: int
    prometheus: int
    p2p: int


class NodePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One node.

    Attributes:
        secret: The node's key as hex, drawn when the devnet begins, so that no node of another devnet has the same.
        keeps_ports: The file names some of its ports, so they are not changed.
        bootnodes: Addresses beside those of the devnet itself.
        links: Ports of the devnet under which it reaches the other nodes, by name, where there are links.
    """

    name: str
    command: str
    args: tuple[str, ...]
    is_validator: bool
    is_bootnode: bool
    secret: str
    ports: Ports
    keeps_ports: bool = False
    env: dict[str, str] = {}
    bootnodes: tuple[str, ...] = ()
    faults: tuple[FaultTable, ...] = ()
    links: dict[str, int] = {}

    @property
    def address(self) -> str:
        """The node's multiaddress."""
        return f"/ip4/127.0.0.1/tcp/{self.ports.p2p}/p2p/{self.peer_id}"

    @property
    def peer_id(self) -> str:
        """Who it is to its peers."""
        return encode_peer_id(public_of(bytes.fromhex(self.secret)))

    @property
    def url(self) -> str:
        """Where JSON-RPC answers."""
        return f"ws://127.0.0.1:{self.ports.rpc}"


class DevnetPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole devnet, as it is kept beside its data.

    Attributes:
        network: The file it was made from, by name.
        faults: What happens to the links.
    """

    network: str
    nodes: tuple[NodePlan, ...]
    timeout_s: float
    spawn_timeout_s: float
    tears_down: bool
    faults: tuple[LinkFaultTable, ...] = ()

    @property
    def links(self) -> dict[tuple[str, str], int]:
        """The port of every link, by who dials and whom; none where nodes speak to each other directly."""
        return {(node.name, other): port for node in self.nodes for other, port in node.links.items()}

    @property
    def bootnodes(self) -> tuple[str, ...]:
        """The addresses that every node is told."""
        return tuple(node.address for node in self.nodes if node.is_bootnode)


def make_plan(network: Network, *, name: str, rpc_port: int | None = None) -> DevnetPlan:
    """Return the plan of a network, with ports that are free now.

    Args:
        rpc_port: The first node's, if the network does not say; the next free one if it is taken.

    Raises:
        DevnetFailed: no ports are free.
    """
    given = [port for node in network.nodes for port in (node.rpc_port, node.prometheus_port, node.p2p_port) if port]
    chooser = PortChooser(given)
    nodes = tuple(
        _plan_node(node, chooser, rpc_port or RPC_FIRST, network=network, is_first=index == 0)
        for index, node in enumerate(network.nodes)
    )
    if network.has_links:
        nodes = _link_nodes(nodes, chooser)
    return DevnetPlan(
        network=name,
        nodes=nodes,
        timeout_s=network.timeout_s,
        spawn_timeout_s=network.spawn_timeout_s,
        tears_down=network.tears_down,
        faults=network.faults,
    )


def _link_nodes(nodes: tuple[NodePlan, ...], chooser: PortChooser) -> tuple[NodePlan, ...]:
    """Give each node a link to every other one."""
    return tuple(
        msgspec.structs.replace(
            node,
            links={other.name: chooser.choose(LINK_FIRST) for other in nodes if other.name != node.name},
        )
        for node in nodes
    )


def _plan_node(node: NetworkNode, chooser: PortChooser, rpc_port: int, *, network: Network, is_first: bool) -> NodePlan:
    ports = Ports(
        rpc=node.rpc_port or chooser.choose(rpc_port),
        prometheus=node.prometheus_port or chooser.choose(PROMETHEUS_FIRST),
        p2p=node.p2p_port or chooser.choose(P2P_FIRST),
    )
    return NodePlan(
        name=node.name,
        command=node.command,
        args=node.args,
        is_validator=node.is_validator,
        is_bootnode=node.is_bootnode or (is_first and network.has_bootnode),
        secret=secrets.token_hex(32),
        ports=ports,
        keeps_ports=any((node.rpc_port, node.prometheus_port, node.p2p_port)),
        env=node.env,
        bootnodes=(*network.bootnodes, *node.bootnodes),
        faults=node.faults,
    )


def renew_ports(plan: DevnetPlan, *, rpc_port: int | None = None) -> DevnetPlan:
    """Return the plan of a devnet that is resumed, with other ports where somebody else has taken its own.

    Args:
        rpc_port: The first node's, if it is to be another one.
    """
    chooser = PortChooser()
    nodes = []
    for index, node in enumerate(plan.nodes):
        first = rpc_port if index == 0 else None
        moved = node if node.keeps_ports else _move_node(node, chooser, rpc_port=first)
        links = {other: chooser.choose(port) for other, port in node.links.items()}
        nodes.append(msgspec.structs.replace(moved, links=links))
    return msgspec.structs.replace(plan, nodes=tuple(nodes))


def move_ports(plan: DevnetPlan, name: str) -> DevnetPlan:
    """Return the plan with other ports for one node where somebody else has taken its own."""
    chooser = PortChooser(
        port
        for node in plan.nodes
        for port in (*node.links.values(), *(msgspec.structs.astuple(node.ports) if node.name != name else ()))
    )
    nodes = tuple(_move_node(node, chooser) if node.name == name else node for node in plan.nodes)
    return msgspec.structs.replace(plan, nodes=nodes)


def _move_node(node: NodePlan, chooser: PortChooser, *, rpc_port: int | None = None) -> NodePlan:
    ports = Ports(
        rpc=chooser.choose(rpc_port or node.ports.rpc),
        prometheus=chooser.choose(node.ports.prometheus),
        p2p=chooser.choose(node.ports.p2p),
    )
    return msgspec.structs.replace(node, ports=ports)


def get_account_uri(name: str) -> str:
    """Return the secret URI of a node's account: //Alice for alice."""
    return "//" + name[0].upper() + name[1:]


def get_account(name: str) -> bytes:
    """Return the public key of a node's account, which is its vote key too."""
    return public_of(derive_seed(get_account_uri(name)))


def get_stash(name: str) -> bytes:
    """Return the public key of the account that holds a node's stake."""
    return public_of(derive_seed(get_account_uri(name) + "//stash"))


def make_arguments(plan: DevnetPlan, node: NodePlan, folder: Path, *, ss58_prefix: int = 42) -> list[str]:
    """Return the command line of a node whose devnet lies in this folder."""
    bootnodes = [*(list_link_addresses(plan, node) or plan.bootnodes), *node.bootnodes]
    words = [
        *split_command(node.command),
        *_make_identity(node, ss58_prefix),
        *("--chain", str(folder / CHAIN_FILE_NAME)),
        *("--base-path", str(folder / "nodes" / node.name)),
        *("--node-key", node.secret),
        *("--keystore-path", str(get_keystore(folder, node.name))),
        *("--port", str(node.ports.p2p)),
        *("--rpc-port", str(node.ports.rpc)),
        *("--prometheus-port", str(node.ports.prometheus)),
        *("--rpc-cors", "all"),
        *("--no-private-ip" if node.links else "--allow-private-ip", "--no-mdns"),  # no other devnet of this user
    ]
    for address in bootnodes:
        if address != node.address:
            words += ["--bootnodes", address]
    return [*words, *node.args]


def list_link_addresses(plan: DevnetPlan, node: NodePlan) -> list[str]:
    """Return where a node reaches the others through its links."""
    peers = {other.name: other.peer_id for other in plan.nodes}
    return [f"/ip4/127.0.0.1/tcp/{port}/p2p/{peers[other]}" for other, port in node.links.items()]


def get_keystore(folder: Path, name: str) -> Path:
    """Return the folder of a node's keys."""
    return folder / "nodes" / name / "keystore"


def _make_identity(node: NodePlan, ss58_prefix: int) -> list[str]:
    if not node.is_validator:
        return ["--name", node.name, "--threads", "0"]
    if node.name in DEVELOPMENT_NAMES:
        return [f"--{node.name}", "--validator"]
    return ["--name", node.name, "--validator", "--author", encode_address(get_account(node.name), ss58_prefix)]


def split_command(command: str) -> list[str]:
    """Return a command's words; the project's own node runs in this interpreter, wherever the PATH leads."""
    words = command.split()
    return [sys.executable, "-m", "node.main", *words[1:]] if words[:1] == ["matchstrike-node"] else words


def make_environment(node: NodePlan, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a node."""
    return {**inherited, **node.env}


def make_join_command(plan: DevnetPlan, folder: Path, *, name: str) -> str:
    """Return the one command by which another node joins, on ports that are free now."""
    address = plan.bootnodes[0] if plan.bootnodes else plan.nodes[0].address
    chooser = PortChooser(port for node in plan.nodes for port in (node.ports.rpc, node.ports.p2p))
    last = plan.nodes[-1].ports
    ports = f"--port {chooser.choose(last.p2p + 1)} --rpc-port {chooser.choose(last.rpc + 1)}"
    chain = f"--chain {folder / CHAIN_FILE_NAME}"
    return f"matchstrike-node {chain} --tmp --name {name} {ports} --no-prometheus --bootnodes {address}"
