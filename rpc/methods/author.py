"""author_*: extrinsics into the pool, and what becomes of them; keys."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chain.hashing import blake2b_256
from rpc.api import ExtrinsicStatus, Feed, Json, NodeApi
from rpc.errors import invalid_params
from rpc.methods.encoding import to_hex
from rpc.schema import HexBytes, Method, SubscriptionMethod


async def submit_extrinsic(api: NodeApi, extrinsic: HexBytes) -> Json:
    """Take a signed extrinsic into the pool and return its hash."""
    return to_hex(await api.submit(extrinsic))


def pending_extrinsics(api: NodeApi) -> Json:
    """Return the extrinsics that are ready for a block."""
    return [to_hex(raw) for raw in api.get_pending()]


async def remove_extrinsic(api: NodeApi, bytesOrHash: list[dict[str, str]]) -> Json:
    """Drop extrinsics from the pool, given as {"hash": ...} or {"extrinsic": ...}, and return the hashes dropped."""
    hashes: list[bytes] = []
    for item in bytesOrHash:
        kind, text = next(iter(item.items()), ("", ""))
        try:
            data = bytes.fromhex(str(text).removeprefix("0x"))
        except ValueError as error:
            raise invalid_params(f"{text!r} is not hex") from error
        if kind not in ("hash", "extrinsic"):
            raise invalid_params(f"{kind!r} is neither hash nor extrinsic")
        hashes.append(data if kind == "hash" else blake2b_256(data))
    return [to_hex(removed) for removed in await api.remove_extrinsics(hashes)]


def pool_status(api: NodeApi) -> Json:
    """Return how many extrinsics and bytes wait, and why the last ones were dropped."""
    return api.get_pool_status()


def insert_key(api: NodeApi, keyType: str, suri: str, publicKey: HexBytes) -> Json:
    """Store a key in the node's keystore."""
    api.insert_key(keyType, suri, publicKey)
    return None


def has_key(api: NodeApi, publicKey: HexBytes, keyType: str) -> Json:
    """Return whether the node's keystore has a key."""
    return api.has_key(publicKey, keyType)


async def watch_extrinsic(api: NodeApi, extrinsic: HexBytes) -> AsyncIterator[Json]:
    """Submit an extrinsic and send what becomes of it."""
    # Not itself a generator: a refused extrinsic must be the answer to the call, before there is a subscription.
    return _send_statuses(await api.watch(extrinsic))


async def _send_statuses(feed: Feed[ExtrinsicStatus]) -> AsyncIterator[Json]:
    try:
        async for status in feed:
            yield format_status(status)
            if status.is_last:
                return
    finally:
        feed.close()


def format_status(status: ExtrinsicStatus) -> Json:
    """Return a status as Substrate prints it: a word, or an object with one key."""
    if isinstance(status.value, bytes):
        return {status.kind: to_hex(status.value)}
    if status.value is None:
        return status.kind
    return {status.kind: list(status.value)}


METHODS = (
    Method(name="author_submitExtrinsic", function=submit_extrinsic),
    Method(name="author_pendingExtrinsics", function=pending_extrinsics),
    Method(name="author_removeExtrinsic", function=remove_extrinsic, unsafe=True),
    Method(name="author_poolStatus", function=pool_status),
    Method(name="author_insertKey", function=insert_key, unsafe=True),
    Method(name="author_hasKey", function=has_key, unsafe=True),
)
SUBSCRIPTIONS = (
    SubscriptionMethod(
        name="author_submitAndWatchExtrinsic",
        unsubscribe="author_unwatchExtrinsic",
        notification="author_extrinsicUpdate",
        function=watch_extrinsic,
    ),
)
