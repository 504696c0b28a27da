"""system_*: the node, its peers and accounts' nonces."""

from __future__ import annotations

from rpc.api import Json, NodeApi
from rpc.errors import NOT_HEALTHY, RpcError
from rpc.methods.encoding import resolve, to_hex
from rpc.schema import Account, Hash, HexBytes, Method


def name(api: NodeApi) -> Json:
    """Return the name of the software."""
    return api.get_system_info().name


def version(api: NodeApi) -> Json:
    """Return the version of the software."""
    return api.get_system_info().version


def chain(api: NodeApi) -> Json:
    """Return the chain's name."""
    return api.get_system_info().chain


def chain_type(api: NodeApi) -> Json:
    """Return Development, Local, Live or {"Custom": name}."""
    return api.get_system_info().chain_type


def properties(api: NodeApi) -> Json:
    """Return the chain spec's properties: ss58Format, tokenDecimals, tokenSymbol."""
    return api.get_system_info().properties


def health(api: NodeApi) -> Json:
    """Return the number of peers and whether the node is behind."""
    state = api.get_sync_state()
    return {"peers": state.peers, "isSyncing": state.is_syncing, "shouldHavePeers": state.should_have_peers}


def check_health(api: NodeApi) -> Json:
    """Return the health, or error 2001 if the node is behind or should have peers and has none."""
    state = api.get_sync_state()
    if state.is_syncing or (state.should_have_peers and state.peers == 0):
        raise RpcError(NOT_HEALTHY, "Node is not fully functional", "it is syncing or has no peers")
    return health(api)


def local_peer_id(api: NodeApi) -> Json:
    """Return the node's libp2p identity."""
    return api.get_system_info().peer_id


def local_listen_addresses(api: NodeApi) -> Json:
    """Return the addresses at which peers reach the node."""
    return list(api.list_listen_addresses())


def peers(api: NodeApi) -> Json:
    """Return the connected peers, by their own word."""
    return [
        {
            "peerId": peer.peer_id,
            "roles": peer.roles,
            "bestHash": to_hex(peer.best_hash),
            "bestNumber": peer.best_number,
        }
        for peer in api.list_peers()
    ]


def reserved_peers(api: NodeApi) -> Json:
    """Return the ids of the reserved peers."""
    return list(api.list_reserved())


def add_reserved_peer(api: NodeApi, peer: str) -> Json:
    """Keep a peer at all times; its address ends in /p2p/ and its id."""
    api.add_reserved(peer)
    return None


def remove_reserved_peer(api: NodeApi, peer_id: str) -> Json:
    """Treat a reserved peer as any other again."""
    api.remove_reserved(peer_id)
    return None


def node_roles(api: NodeApi) -> Json:
    """Return Full, or Authority if the node mines."""
    return list(api.get_system_info().roles)


def sync_state(api: NodeApi) -> Json:
    """Return the starting, current and highest known block."""
    state = api.get_sync_state()
    return {
        "startingBlock": state.starting_block,
        "currentBlock": state.current_block,
        "highestBlock": state.highest_block,
    }


def account_next_index(api: NodeApi, account: Account) -> Json:
    """Return an account's next nonce, counting what the pool holds."""
    return api.get_next_index(account)


def dry_run(api: NodeApi, extrinsic: HexBytes, at: Hash | None = None) -> Json:
    """Return the SCALE ApplyExtrinsicResult that an extrinsic would have."""
    return to_hex(api.dry_run(extrinsic, resolve(api, at)))


def add_log_filter(api: NodeApi, directives: str) -> Json:
    """Add log directives such as `runtime=debug`."""
    api.add_log_filter(directives)
    return None


def reset_log_filter(api: NodeApi) -> Json:
    """Go back to the log directives of the command line."""
    api.reset_log_filter()
    return None


METHODS = (
    Method(name="system_name", function=name),
    Method(name="system_version", function=version),
    Method(name="system_chain", function=chain),
    Method(name="system_chainType", function=chain_type),
    Method(name="system_properties", function=properties),
    Method(name="system_health", function=health),
    Method(name="system_checkHealth", function=check_health),
    Method(name="system_localPeerId", function=local_peer_id),
    Method(name="system_localListenAddresses", function=local_listen_addresses),
    Method(name="system_peers", function=peers, unsafe=True),
    Method(name="system_reservedPeers", function=reserved_peers),
    Method(name="system_addReservedPeer", function=add_reserved_peer, unsafe=True),
    Method(name="system_removeReservedPeer", function=remove_reserved_peer, unsafe=True),
    Method(name="system_nodeRoles", function=node_roles),
    Method(name="system_syncState", function=sync_state),
    Method(name="system_accountNextIndex", function=account_next_index, aliases=("account_nextIndex",)),
    Method(name="system_dryRun", function=dry_run, unsafe=True, aliases=("system_dryRunAt",)),
    Method(name="system_addLogFilter", function=add_log_filter, unsafe=True),
    Method(name="system_resetLogFilter", function=reset_log_filter, unsafe=True),
)
