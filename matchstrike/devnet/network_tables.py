"""The tables of a network file as they are written, and how their fields are read.

Zombienet writes some fields in two ways (`rpcPort`, `rpc_port`); both are read. A field that is not known is refused
with a sentence: a typo that is silently ignored costs an afternoon.

Source: zombienet, docs/src/network-definition-spec.md; zombienet-sdk, the book's global settings.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias, TypeVar, cast

import msgspec

from matchstrike.devnet.failure import BadNetworkFile

Tree: TypeAlias = dict[str, object]
FaultAction: TypeAlias = Literal["pause", "restart", "kill"]
LinkAction: TypeAlias = Literal["partition", "delay", "loss"]
T = TypeVar("T", bound=msgspec.Struct)

_ONE_CHAIN = "this is one chain, it has no parachains"
_NO_CONTAINER = "nodes are processes of this machine, there are no containers"
REFUSED = {
    "parachains": _ONE_CHAIN,
    "collators": _ONE_CHAIN,
    "hrmp_channels": _ONE_CHAIN,
    "image": _NO_CONTAINER,
    "default_image": _NO_CONTAINER,
    "resources": _NO_CONTAINER,
    "default_resources": _NO_CONTAINER,
    "overrides": _NO_CONTAINER,
    "default_overrides": _NO_CONTAINER,
    "types": "the chain's metadata carries its types",
    "chain_spec_command": "write the spec with `matchstrike-node build-spec` and name the file in chain_spec_path",
}
ALIASES = {
    "balance": "initial_balance",
    "ws_port": "rpc_port",
    "bootnodes": "bootnodes_addresses",
    "genesis": "genesis_overrides",
}


class FaultTable(msgspec.Struct, frozen=True, kw_only=True, rename={"duration": "for"}):
    """Something bad that happens to a node.

    Attributes:
        after: Seconds from the moment at which every node had answered.
        duration: `for`: seconds until the node goes on, or is started again.
        every: Repeat after so many seconds; 0 does not.
    """

    action: FaultAction
    after: float
    duration: float = 5.0
    every: float = 0.0


class LinkFaultTable(msgspec.Struct, frozen=True, kw_only=True, rename={"duration": "for"}):
    """Something bad that happens to the links between nodes: one `[[faults]]`.

    Attributes:
        after, duration, every: As above; the links are fine again when it ends.
        groups: Of a partition: nothing passes between these; nodes in none are together.
        ms: Of a delay: milliseconds one way.
        percent: Of a loss: how many of a hundred segments get lost.
        nodes: Of a delay or a loss: on the links of these nodes only.
    """

    action: LinkAction
    after: float
    duration: float = 5.0
    every: float = 0.0
    groups: tuple[tuple[str, ...], ...] = ()
    ms: int = 0
    percent: float = 0.0
    nodes: tuple[str, ...] = ()


class GroupTable(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[relaychain.node_groups]]`: nodes `name-1`, `name-2` and so on."""

    name: str
    count: int
    command: str | None = None
    args: tuple[str, ...] = ()
    validator: bool = True
    initial_balance: int | str | None = None
    stake: int | str | None = None
    env: tuple[dict[str, str | int], ...] = ()
    faults: tuple[FaultTable, ...] = ()


class NodeTable(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[relaychain.nodes]]`."""

    name: str
    command: str | None = None
    args: tuple[str, ...] = ()
    validator: bool = True
    initial_balance: int | str | None = None
    stake: int | str | None = None
    env: tuple[dict[str, str | int], ...] = ()
    bootnodes_addresses: tuple[str, ...] = ()
    add_to_bootnodes: bool = False
    rpc_port: int | None = None
    prometheus_port: int | None = None
    p2p_port: int | None = None
    faults: tuple[FaultTable, ...] = ()


class ChainTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[relaychain]` or `[chain]`."""

    chain: str | None = None
    chain_spec_path: str | None = None
    default_command: str = "matchstrike-node"
    default_args: tuple[str, ...] = ()
    params: Tree = {}
    genesis_overrides: Tree = {}
    balances: dict[str, int | str] = {}
    nodes: tuple[NodeTable, ...] = ()
    node_groups: tuple[GroupTable, ...] = ()


class SettingsTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[settings]`."""

    timeout: float = 240.0
    node_spawn_timeout: float = 120.0
    provider: Literal["native"] = "native"
    base_dir: str | None = None
    bootnode: bool = True
    bootnodes_addresses: tuple[str, ...] = ()
    tear_down_on_failure: bool = True
    links: bool = False


class FileTable(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    settings: SettingsTable = SettingsTable()
    chain: ChainTable = ChainTable()
    faults: tuple[LinkFaultTable, ...] = ()


_INSIDE: Mapping[tuple[type[msgspec.Struct], str], type[msgspec.Struct]] = {
    (FileTable, "settings"): SettingsTable,
    (FileTable, "chain"): ChainTable,
    (FileTable, "faults"): LinkFaultTable,
    (ChainTable, "nodes"): NodeTable,
    (ChainTable, "node_groups"): GroupTable,
    (NodeTable, "faults"): FaultTable,
    (GroupTable, "faults"): FaultTable,
}


def convert_tables(tree: Tree) -> FileTable:
    """Return the tables of a decoded file.

    Raises:
        BadNetworkFile: a field that is unknown, missing, twice there or of the wrong type; says where.
    """
    table = expect_table(tree, "the file")
    if "relaychain" in table:
        if "chain" in table:
            raise BadNetworkFile("[relaychain] and [chain] are the same table; write one of them")
        table["chain"] = table.pop("relaychain")
    beside = {key: table.pop(key) for key in ("nodes", "node_groups", "nodeGroups") if key in table}
    if beside:
        chain = table.setdefault("chain", {})
        for key, value in beside.items():
            if expect_table(chain, "[chain]").setdefault(key, value) is not value:
                raise BadNetworkFile(f"[[{key}]] stands both in [chain] and beside it; write it in one place")
    renamed = _rename(table, FileTable, "")
    try:
        return msgspec.convert(renamed, FileTable)
    except msgspec.ValidationError as error:
        raise BadNetworkFile(_explain(str(error))) from error


def expect_table(value: object, where: str) -> Tree:
    """Return a value that must be a table."""
    if not isinstance(value, dict):
        raise BadNetworkFile(f"{where} must be a table, not {value!r:.60}")
    return cast("Tree", value)


def _rename(tree: Tree, kind: type[msgspec.Struct], where: str) -> Tree:
    """Return the table with the fields' own names, and those of the tables inside."""
    known = kind.__struct_encode_fields__
    result: Tree = {}
    for written, value in tree.items():
        name = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), written)
        name = ALIASES.get(name, name) if name not in known else name
        place = f"{where}.{written}" if where else written
        if name not in known:
            raise BadNetworkFile(_say_unknown(name, place, known))
        if result.get(name, value) != value:
            raise BadNetworkFile(f"{place}: {name} is given twice, by two of its names")
        inside = _INSIDE.get((kind, name))
        if inside is None:
            result[name] = value
        elif isinstance(value, list):
            items = [(expect_table(item, f"{place}[{index}]"), index) for index, item in enumerate(value)]
            result[name] = [_rename(item, inside, f"{place}[{index}]") for item, index in items]
        else:
            result[name] = _rename(expect_table(value, place), inside, place)
    return result


def _say_unknown(name: str, place: str, known: tuple[str, ...]) -> str:
    if name in REFUSED:
        return f"{place}: not supported here: {REFUSED[name]}"
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
    return f"{place}: there is no such field; {hint}"


def _explain(text: str) -> str:
    """Return msgspec's sentence with the place in front."""
    what, _, path = text.partition(" - at `$")
    place = path.rstrip("`").removeprefix(".")
    return f"{place}: {what[0].lower()}{what[1:]}" if place else what
