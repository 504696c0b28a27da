"""chain_*: headers, blocks and their hashes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from rpc.api import HeadKind, Json, NodeApi
from rpc.methods.encoding import format_block, format_header, resolve, to_hex
from rpc.schema import Hash, Method, SubscriptionMethod

LIST_MAX = 1000


def get_header(api: NodeApi, hash: Hash | None = None) -> Json:
    """Return a block's header, or null if the block is unknown."""
    header = api.get_header(resolve(api, hash))
    return None if header is None else format_header(header)


def get_block(api: NodeApi, hash: Hash | None = None) -> Json:
    """Return a block with its extrinsics, or null if it is unknown."""
    block = api.get_block(resolve(api, hash))
    return None if block is None else format_block(block)


def get_block_hash(api: NodeApi, number: int | list[int] | None = None) -> Json:
    """Return the best chain's hash at a height, a list of them, or the best block's."""
    if number is None:
        return to_hex(api.get_best_hash())
    if isinstance(number, list):
        return [_hash_at(api, item) for item in number[:LIST_MAX]]
    return _hash_at(api, number)


def get_finalized_head(api: NodeApi) -> Json:
    """Return the hash of the last final block."""
    return to_hex(api.get_finalized_hash())


async def subscribe_new_heads(api: NodeApi) -> AsyncIterator[Json]:
    """Send each new best header."""
    async for item in _stream(api, "best"):
        yield item


async def subscribe_all_heads(api: NodeApi) -> AsyncIterator[Json]:
    """Send the header of every imported block, on side branches too."""
    async for item in _stream(api, "all"):
        yield item


async def subscribe_finalized_heads(api: NodeApi) -> AsyncIterator[Json]:
    """Send each header that becomes final."""
    async for item in _stream(api, "finalized"):
        yield item


async def _stream(api: NodeApi, kind: HeadKind) -> AsyncIterator[Json]:
    feed = api.subscribe_heads(kind)
    try:
        current = api.get_header(api.get_finalized_hash() if kind == "finalized" else api.get_best_hash())
        if current is not None:
            yield format_header(current)
        async for header in feed:
            yield format_header(header)
    finally:
        feed.close()


def _hash_at(api: NodeApi, number: int) -> str | None:
    found = api.get_hash(number)
    return None if found is None else to_hex(found)


METHODS = (
    Method(name="chain_getHeader", function=get_header),
    Method(name="chain_getBlock", function=get_block),
    Method(name="chain_getBlockHash", function=get_block_hash, aliases=("chain_getHead",)),
    Method(name="chain_getFinalizedHead", function=get_finalized_head, aliases=("chain_getFinalisedHead",)),
)
SUBSCRIPTIONS = (
    SubscriptionMethod(
        name="chain_subscribeNewHeads",
        unsubscribe="chain_unsubscribeNewHeads",
        notification="chain_newHead",
        function=subscribe_new_heads,
        aliases=("chain_subscribeNewHead", "subscribe_newHead"),
        unsubscribe_aliases=("chain_unsubscribeNewHead", "unsubscribe_newHead"),
    ),
    SubscriptionMethod(
        name="chain_subscribeAllHeads",
        unsubscribe="chain_unsubscribeAllHeads",
        notification="chain_allHead",
        function=subscribe_all_heads,
    ),
    SubscriptionMethod(
        name="chain_subscribeFinalizedHeads",
        unsubscribe="chain_unsubscribeFinalizedHeads",
        notification="chain_finalizedHead",
        function=subscribe_finalized_heads,
        aliases=("chain_subscribeFinalisedHeads",),
        unsubscribe_aliases=("chain_unsubscribeFinalisedHeads",),
    ),
)
