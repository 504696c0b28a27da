"""state_*: storage, metadata, runtime version and proofs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import blake2b
from itertools import islice

from chain.hashing import blake2b_256
from rpc.api import Json, NodeApi, RuntimeVersionInfo
from rpc.errors import BAD_BLOCK_RANGE, COUNT_EXCEEDED, STATE_UNAVAILABLE, RpcError, invalid_params
from rpc.methods.encoding import resolve, to_hex
from rpc.schema import Hash, HexBytes, Method, SubscriptionMethod

PAGE_MAX = 1000
PAIRS_MAX = 100_000
RANGE_MAX = 10_000
# (name hash, version) of the runtime APIs that state_call answers: blake2b-64 of the trait's name.
API_VERSIONS = (("Core", 4), ("Metadata", 1), ("AccountNonceApi", 1), ("TransactionPaymentApi", 4))


def get_storage(api: NodeApi, key: HexBytes, at: Hash | None = None) -> Json:
    """Return the value under a storage key, or null."""
    value = api.get_state(resolve(api, at)).get(key)
    return None if value is None else to_hex(value)


def get_storage_hash(api: NodeApi, key: HexBytes, at: Hash | None = None) -> Json:
    """Return blake2b-256 of the value under a storage key, or null."""
    value = api.get_state(resolve(api, at)).get(key)
    return None if value is None else to_hex(blake2b_256(value))


def get_storage_size(api: NodeApi, key: HexBytes, at: Hash | None = None) -> Json:
    """Return the number of bytes under a storage key, or null."""
    value = api.get_state(resolve(api, at)).get(key)
    return None if value is None else len(value)


def get_keys_paged(
    api: NodeApi, prefix: HexBytes | None, count: int, startKey: HexBytes | None = None, at: Hash | None = None
) -> Json:
    """Return up to `count` keys after `startKey` that begin with `prefix`."""
    if count > PAGE_MAX:
        raise RpcError(COUNT_EXCEEDED, "count exceeds maximum value", f"value: {count}, max: {PAGE_MAX}")
    start = startKey or None
    pairs = api.get_state(resolve(api, at)).iterate(prefix or b"", start)
    keys = (key for key, _ in pairs if key != start)
    return [to_hex(key) for key in islice(keys, count)]


def get_keys(api: NodeApi, prefix: HexBytes, at: Hash | None = None) -> Json:
    """Return all keys that begin with `prefix` (deprecated: use state_getKeysPaged)."""
    pairs = api.get_state(resolve(api, at)).iterate(prefix)
    return [to_hex(key) for key, _ in islice(pairs, PAIRS_MAX)]


def get_pairs(api: NodeApi, prefix: HexBytes, at: Hash | None = None) -> Json:
    """Return all pairs whose key begins with `prefix`."""
    pairs = api.get_state(resolve(api, at)).iterate(prefix)
    return [[to_hex(key), to_hex(value)] for key, value in islice(pairs, PAIRS_MAX)]


def query_storage_at(api: NodeApi, keys: list[HexBytes], at: Hash | None = None) -> Json:
    """Return the values under several keys at one block."""
    block_hash = resolve(api, at)
    return [_change_set(api, block_hash, keys)]


def query_storage(api: NodeApi, keys: list[HexBytes], fromBlock: Hash, toBlock: Hash | None = None) -> Json:
    """Return how the values under several keys changed from one block to another."""
    first, last = api.get_header(fromBlock), api.get_header(resolve(api, toBlock))
    if first is None or last is None or first.number > last.number:
        raise RpcError(BAD_BLOCK_RANGE, "Cannot resolve a block range", "unknown block, or the range runs backwards")
    if last.number - first.number > RANGE_MAX:
        raise RpcError(BAD_BLOCK_RANGE, "Cannot resolve a block range", f"more than {RANGE_MAX} blocks")
    sets: list[Json] = []
    known: dict[bytes, bytes | None] = {}
    for number in range(first.number, last.number + 1):
        block_hash = api.get_hash(number)
        if block_hash is None:
            raise RpcError(BAD_BLOCK_RANGE, "Cannot resolve a block range", f"no block at height {number}")
        view = api.get_state(block_hash)
        values = {key: view.get(key) for key in keys}
        changed = {key: value for key, value in values.items() if key not in known or known[key] != value}
        if changed:
            sets.append({"block": to_hex(block_hash), "changes": _format_changes(changed)})
        known = values
    return sets


def get_read_proof(api: NodeApi, keys: list[HexBytes], at: Hash | None = None) -> Json:
    """Return state proofs (of this chain's own tree) for the keys."""
    block_hash = resolve(api, at)
    if len(keys) > PAGE_MAX:
        raise RpcError(COUNT_EXCEEDED, "count exceeds maximum value", f"value: {len(keys)}, max: {PAGE_MAX}")
    return {"at": to_hex(block_hash), "proof": [to_hex(proof) for proof in api.prove_state(block_hash, keys)]}


def get_metadata(api: NodeApi, at: Hash | None = None) -> Json:
    """Return the runtime's metadata, version 14."""
    _check_known(api, at)
    return to_hex(api.get_metadata())


def get_runtime_version(api: NodeApi, at: Hash | None = None) -> Json:
    """Return the runtime's version."""
    _check_known(api, at)
    return format_version(api.get_runtime_version())


def call(api: NodeApi, name: str, data: HexBytes, at: Hash | None = None) -> Json:
    """Call a runtime API by name."""
    return to_hex(api.call_runtime(name, data, resolve(api, at)))


async def subscribe_runtime_version(api: NodeApi) -> AsyncIterator[Json]:
    """Send the runtime version, and again when it changes."""
    current = api.get_runtime_version()
    yield format_version(current)
    feed = api.subscribe_heads("best")
    try:
        async for _ in feed:
            if api.get_runtime_version() != current:
                current = api.get_runtime_version()
                yield format_version(current)
    finally:
        feed.close()


async def subscribe_storage(api: NodeApi, keys: list[HexBytes] | None = None) -> AsyncIterator[Json]:
    """Send the values under the keys, and again whenever a new best block changes them."""
    feed = api.subscribe_news()
    wanted = None if keys is None else set(keys)
    try:
        if keys is not None:
            yield _change_set(api, api.get_best_hash(), keys)
        async for news in feed:
            changed = {k: v for k, v in news.changes.items() if wanted is None or k in wanted}
            if changed:
                yield {"block": to_hex(news.hash), "changes": _format_changes(changed)}
    finally:
        feed.close()


def format_version(version: RuntimeVersionInfo) -> Json:
    """Return a runtime version as Substrate prints it."""
    return {
        "specName": version.spec_name,
        "implName": version.impl_name,
        "authoringVersion": version.authoring_version,
        "specVersion": version.spec_version,
        "implVersion": version.impl_version,
        "apis": [[to_hex(_api_id(name)), number] for name, number in API_VERSIONS],
        "transactionVersion": version.transaction_version,
        "systemVersion": version.state_version,
        "stateVersion": version.state_version,
    }


def _api_id(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=8).digest()


def _check_known(api: NodeApi, at: bytes | None) -> None:
    if at is not None and api.get_header(at) is None:
        raise RpcError(STATE_UNAVAILABLE, "Client error", f"block {to_hex(at)} is unknown")


def _change_set(api: NodeApi, block_hash: bytes, keys: list[bytes]) -> Json:
    if len(keys) > PAIRS_MAX:
        raise invalid_params(f"more than {PAIRS_MAX} keys")
    view = api.get_state(block_hash)
    return {"block": to_hex(block_hash), "changes": _format_changes({key: view.get(key) for key in keys})}


def _format_changes(changes: dict[bytes, bytes | None]) -> Json:
    return [[to_hex(key), None if value is None else to_hex(value)] for key, value in changes.items()]


METHODS = (
    Method(name="state_getStorage", function=get_storage, aliases=("state_getStorageAt",)),
    Method(name="state_getStorageHash", function=get_storage_hash, aliases=("state_getStorageHashAt",)),
    Method(name="state_getStorageSize", function=get_storage_size, aliases=("state_getStorageSizeAt",)),
    Method(name="state_getKeysPaged", function=get_keys_paged, aliases=("state_getKeysPagedAt",)),
    Method(name="state_getKeys", function=get_keys),
    Method(name="state_getPairs", function=get_pairs, unsafe=True),
    Method(name="state_queryStorage", function=query_storage, unsafe=True),
    Method(name="state_queryStorageAt", function=query_storage_at),
    Method(name="state_getReadProof", function=get_read_proof),
    Method(name="state_getMetadata", function=get_metadata),
    Method(name="state_getRuntimeVersion", function=get_runtime_version, aliases=("chain_getRuntimeVersion",)),
    Method(name="state_call", function=call, aliases=("state_callAt",)),
)
SUBSCRIPTIONS = (
    SubscriptionMethod(
        name="state_subscribeRuntimeVersion",
        unsubscribe="state_unsubscribeRuntimeVersion",
        notification="state_runtimeVersion",
        function=subscribe_runtime_version,
        aliases=("chain_subscribeRuntimeVersion",),
        unsubscribe_aliases=("chain_unsubscribeRuntimeVersion",),
    ),
    SubscriptionMethod(
        name="state_subscribeStorage",
        unsubscribe="state_unsubscribeStorage",
        notification="state_storage",
        function=subscribe_storage,
        unsafe_without_parameters=True,
    ),
)
