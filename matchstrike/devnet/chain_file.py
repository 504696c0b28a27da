"""The chain spec of a devnet: a plain spec as the node prints it, with the devnet's accounts and changes laid over it.

Only the JSON is known here, not the node: any node that prints Substrate's plain form will do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from chain.params import UNIT_PLANCK
from chain.ss58 import encode_address
from matchstrike.devnet.failure import BadNetworkFile, DevnetFailed
from matchstrike.devnet.network_file import Network
from matchstrike.devnet.network_tables import Tree
from matchstrike.devnet.plan import DEVELOPMENT_NAMES, get_account, get_stash

ENDOWMENT_PLANCK = 1_000_000 * UNIT_PLANCK
STAKE_PLANCK = 10_000 * UNIT_PLANCK


def make_chain_file(spec: bytes, network: Network) -> bytes:
    """Return the chain spec's JSON with the network's balances, validators, params and genesis laid over it.

    Raises:
        DevnetFailed: the spec is no JSON of the known form.
        BadNetworkFile: it is a raw one, which nothing can be laid over.
    """
    try:
        tree = msgspec.json.decode(spec, type=dict[str, object])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise DevnetFailed(f"the node printed no chain spec: {error}") from error
    patch = _find_patch(tree)
    prefix = _get_prefix(tree)
    validators = _list_validators(patch, network, prefix)
    _lay_balances(patch, _list_balances(network, prefix) | {row[0]: None for row in validators})
    if validators:
        cast("Tree", patch.setdefault("staking", {}))["validators"] = validators
    lay_over(patch, network.genesis)
    lay_over(cast("Tree", tree.setdefault("params", {})), network.params)
    return msgspec.json.format(msgspec.json.encode(tree), indent=2) + b"\n"


def lay_over(tree: Tree, changes: Mapping[str, object]) -> None:
    """Put the changes into a tree; tables are merged, everything else is replaced."""
    for key, value in changes.items():
        old = tree.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            lay_over(old, value)
        else:
            tree[key] = value


def _find_patch(tree: Tree) -> Tree:
    genesis = tree.get("genesis")
    if isinstance(genesis, dict) and genesis.get("raw"):
        raise BadNetworkFile("the chain spec is a raw one; a devnet needs the plain one, to give its nodes money")
    runtime = genesis.get("runtimeGenesis") if isinstance(genesis, dict) else None
    patch = runtime.get("patch") if isinstance(runtime, dict) else None
    if not isinstance(patch, dict):
        raise DevnetFailed("the chain spec has no genesis.runtimeGenesis.patch")
    return patch


def _get_prefix(tree: Tree) -> int:
    params = tree.get("params")
    prefix = params.get("ss58_prefix", 42) if isinstance(params, dict) else 42
    return prefix if isinstance(prefix, int) else 42


def _list_balances(network: Network, prefix: int) -> dict[str, int | None]:
    """Return what accounts shall have by address; None where the devnet's usual amount will do."""
    wanted: dict[str, int | None] = {
        encode_address(get_account(node.name), prefix): node.balance_planck for node in network.nodes
    }
    for name, amount in network.balances.items():
        address = name
        if name in DEVELOPMENT_NAMES:
            address = encode_address(get_account(name), prefix)
        wanted[address] = amount
    return wanted


def _list_validators(patch: Tree, network: Network, prefix: int) -> list[tuple[str, str, int]]:
    """Return who validates from block 1 on: the nodes, where the chain has validators or the network names a stake."""
    staking = patch.get("staking")
    has_validators = isinstance(staking, dict) and bool(staking.get("validators"))
    if not has_validators and all(node.stake_planck is None for node in network.nodes):
        return []
    return [
        (
            encode_address(get_stash(node.name), prefix),
            "0x" + get_account(node.name).hex(),
            STAKE_PLANCK if node.stake_planck is None else node.stake_planck,
        )
        for node in network.nodes
        if node.is_validator and node.stake_planck != 0
    ]


def _lay_balances(patch: Tree, wanted: Mapping[str, int | None]) -> None:
    table = cast("Tree", patch.setdefault("balances", {}))
    rows = cast("list[list[object]]", table.setdefault("balances", []))
    known = {str(row[0]): row for row in rows}
    for address, amount in wanted.items():
        if amount is None and address in known:
            continue
        if amount == 0:
            rows[:] = [row for row in rows if row[0] != address]
        elif address in known:
            known[address][1] = amount
        else:
            rows.append([address, ENDOWMENT_PLANCK if amount is None else amount])
