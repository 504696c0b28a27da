"""The file that describes a devnet, read and checked: zombienet's, where it makes sense for one chain of processes.

Terms:
    group: several like nodes that are written once.
"""

from __future__ import annotations

import re
import shlex
import tomllib

import msgspec

from matchstrike.devnet.amount import read_planck
from matchstrike.devnet.failure import BadNetworkFile
from matchstrike.devnet.fault_check import SECONDS_MAX, check_fault_times, check_link_faults, check_linked
from matchstrike.devnet.network_tables import (
    ChainTable,
    FaultTable,
    FileTable,
    GroupTable,
    LinkFaultTable,
    NodeTable,
    SettingsTable,
    Tree,
    convert_tables,
    expect_table,
)

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
RESERVED_NAMES = ("description", "network", "creds")  # headers of a test file
NODES_MAX = 100
PORT_MAX = 65_535
EXISTENTIAL_PLANCK = 10**9
OWN_FLAGS = frozenset(("--chain", "--dev", "--base-path", "-d", "--tmp", "--port", "--listen-addr", "--rpc-port"))
OWN_FLAGS |= {"--prometheus-port", "--no-prometheus", "--node-key", "--node-key-file"}


class NetworkNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node as the file wants it, groups unfolded and defaults filled in.

    Attributes:
        balance_planck: What the node's account has in block 0; None leaves it to the devnet.
        stake_planck: What a validator has bonded in block 0; None is the devnet's usual amount.
    """

    name: str
    command: str = "matchstrike-node"
    args: tuple[str, ...] = ()
    is_validator: bool = True
    balance_planck: int | None = None
    stake_planck: int | None = None
    env: dict[str, str] = {}
    bootnodes: tuple[str, ...] = ()
    is_bootnode: bool = False
    rpc_port: int | None = None
    prometheus_port: int | None = None
    p2p_port: int | None = None
    faults: tuple[FaultTable, ...] = ()


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """A whole devnet as the file wants it.

    Attributes:
        chain: A preset's name, or the path of a plain chain spec.
        params: Laid over the chain spec's params. genesis: laid over its genesis patch.
        balances: Planck of further accounts in block 0, by address or development name.
        has_bootnode: The first node is told to all others.
        tears_down: A node that dies ends the devnet.
        has_links: What the nodes say to each other passes through the devnet.
        faults: What happens to these links.
    """

    nodes: tuple[NetworkNode, ...]
    chain: str = "local"
    command: str = "matchstrike-node"
    params: Tree = {}
    genesis: Tree = {}
    balances: dict[str, int] = {}
    timeout_s: float = 240.0
    spawn_timeout_s: float = 120.0
    base_dir: str | None = None
    has_bootnode: bool = True
    bootnodes: tuple[str, ...] = ()
    tears_down: bool = True
    has_links: bool = False
    faults: tuple[LinkFaultTable, ...] = ()


def read_network(text: str, *, is_json: bool = False) -> Network:
    """Return the network that a file describes.

    Raises:
        BadNetworkFile: no TOML (or JSON), an unknown field, a value that makes no sense; says where.
    """
    try:
        tree: object = msgspec.json.decode(text) if is_json else tomllib.loads(text)
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadNetworkFile(f"not {'JSON' if is_json else 'TOML'}: {error}") from error
    file = convert_tables(expect_table(tree, "the file"))
    _check_settings(file.settings)
    nodes = tuple(_make_node(table, file.chain) for table in _unfold(file.chain))
    _check_nodes(nodes)
    network = _make_network(file, file.chain, nodes)
    if network.has_links:
        check_linked(len(nodes))
        check_link_faults(network.faults, {node.name for node in nodes})
    return network


def _make_network(file: FileTable, chain: ChainTable, nodes: tuple[NetworkNode, ...]) -> Network:
    settings = file.settings
    if chain.chain is not None and chain.chain_spec_path is not None:
        raise BadNetworkFile("chain and chain_spec_path both name the chain; write one of them")
    return Network(
        nodes=nodes,
        chain=chain.chain_spec_path or chain.chain or "local",
        command=chain.default_command,
        params=chain.params,
        genesis=chain.genesis_overrides,
        balances={name: read_planck(value, f"balances.{name}") for name, value in chain.balances.items()},
        timeout_s=settings.timeout,
        spawn_timeout_s=settings.node_spawn_timeout,
        base_dir=settings.base_dir,
        has_bootnode=settings.bootnode,
        bootnodes=settings.bootnodes_addresses,
        tears_down=settings.tear_down_on_failure,
        has_links=settings.links or bool(file.faults),
        faults=file.faults,
    )


def _unfold(chain: ChainTable) -> list[NodeTable]:
    tables = list(chain.nodes)
    for group in chain.node_groups:
        if not 1 <= group.count <= NODES_MAX:
            raise BadNetworkFile(f"the group {group.name} has count {group.count}, but must have 1 to {NODES_MAX}")
        tables += [_make_member(group, number) for number in range(1, group.count + 1)]
    return tables


def _make_member(group: GroupTable, number: int) -> NodeTable:
    fields = {name: getattr(group, name) for name in GroupTable.__struct_fields__ if name != "count"}
    return NodeTable(**{**fields, "name": f"{group.name}-{number}"})


def _make_node(table: NodeTable, chain: ChainTable) -> NetworkNode:
    where = f"the node {table.name}"
    balance = None if table.initial_balance is None else read_planck(table.initial_balance, f"{where}: balance")
    if balance is not None and 0 < balance < EXISTENTIAL_PLANCK:
        raise BadNetworkFile(
            f'{where}: a balance of {balance} planck is less than an account needs; write tokens as text, "{balance}"'
        )
    env = {}
    for pair in table.env:
        if set(pair) != {"name", "value"}:
            raise BadNetworkFile(f'{where}: env has entries {{name = "...", value = "..."}}')
        env[str(pair["name"])] = str(pair["value"])
    return NetworkNode(
        name=table.name,
        command=table.command or chain.default_command,
        args=_split_args((*chain.default_args, *table.args), where),
        is_validator=table.validator,
        balance_planck=balance,
        stake_planck=None if table.stake is None else read_planck(table.stake, f"{where}: stake"),
        env=env,
        bootnodes=table.bootnodes_addresses,
        is_bootnode=table.add_to_bootnodes,
        rpc_port=table.rpc_port,
        prometheus_port=table.prometheus_port,
        p2p_port=table.p2p_port,
        faults=table.faults,
    )


def _split_args(args: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Return the arguments, `--flag value` in one text taken apart as zombienet's shell does."""
    words: list[str] = []
    for text in args:
        try:
            words += shlex.split(text)
        except ValueError as error:
            raise BadNetworkFile(f"{where}: the argument {text!r} cannot be read: {error}") from error
    for word in words:
        if word.partition("=")[0] in OWN_FLAGS:
            raise BadNetworkFile(f"{where}: {word} is set by the devnet itself; use the node's fields instead")
    return tuple(words)


def _check_nodes(nodes: tuple[NetworkNode, ...]) -> None:
    if not 1 <= len(nodes) <= NODES_MAX:
        raise BadNetworkFile(f"the file has {len(nodes)} nodes; write 1 to {NODES_MAX} [[relaychain.nodes]]")
    names: set[str] = set()
    ports: dict[int, str] = {}
    for node in nodes:
        if not NAME.fullmatch(node.name) or node.name in RESERVED_NAMES:
            raise BadNetworkFile(
                f"{node.name!r} is no node's name: small letters, digits and -, beginning with a letter"
            )
        if node.name in names:
            raise BadNetworkFile(f"two nodes have the name {node.name}")
        names.add(node.name)
        if node.stake_planck is not None and not node.is_validator:
            raise BadNetworkFile(f"the node {node.name} has a stake, but is no validator")
        for port in (node.rpc_port, node.prometheus_port, node.p2p_port):
            if port is None:
                continue
            if not 1 <= port <= PORT_MAX:
                raise BadNetworkFile(f"the node {node.name} has the port {port}, but ports are 1 to {PORT_MAX}")
            if port in ports:
                raise BadNetworkFile(f"the port {port} is given to {ports[port]} and to {node.name}")
            ports[port] = node.name
        for fault in node.faults:
            check_fault_times(fault, f"the node {node.name}: a fault")


def _check_settings(settings: SettingsTable) -> None:
    for field in ("timeout", "node_spawn_timeout"):
        value = getattr(settings, field)
        if not 0 < value <= SECONDS_MAX:
            raise BadNetworkFile(f"settings.{field} is {value:g}, but must be 1 to {SECONDS_MAX} seconds")
