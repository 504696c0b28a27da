"""How long blocks take to become final: from the time in a block until a node tells that it is final."""

from __future__ import annotations

import statistics
import time

import msgspec

from wallet.chain_client import ChainClient, open_chain, read_hex, read_int, read_object


class LagFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures over all blocks seen."""

    blocks: int
    median_s: float
    largest_s: float


class FinalityLag:
    """Collects the lag of each block."""

    def __init__(self) -> None:
        self._lags_ms: list[int] = []

    def add(self, *, timestamp_ms: int, now_ms: int) -> None:
        """Note that a block was seen to be final."""
        self._lags_ms.append(now_ms - timestamp_ms)

    def compute_figures(self) -> LagFigures | None:
        """Return median and largest lag, None before the first final block."""
        if not self._lags_ms:
            return None
        return LagFigures(
            blocks=len(self._lags_ms),
            median_s=statistics.median(self._lags_ms) / 1000,
            largest_s=max(self._lags_ms) / 1000,
        )


async def follow_finality(url: str, lag: FinalityLag) -> None:
    """Follow a node's finalised heads for ever, and note each block at the moment it is final.

    Raises:
        rpc.client.Unreachable: the node is gone.
    """
    async with open_chain(url) as chain:
        seen = await _read_final(chain)
        heads = await chain.rpc.subscribe("chain_subscribeFinalizedHeads", "chain_unsubscribeFinalizedHeads")
        async for head in heads:
            now_ms = time.time_ns() // 1_000_000
            number = read_int(read_object(head).get("number"))
            for height in range(seen + 1, number + 1):
                block_hash = read_hex(await chain.rpc.call("chain_getBlockHash", height))
                timestamp_ms = read_int(await chain.query("Timestamp", "Now", at=block_hash))
                lag.add(timestamp_ms=timestamp_ms, now_ms=now_ms)
            seen = max(seen, number)


async def _read_final(chain: ChainClient) -> int:
    head = await chain.rpc.call("chain_getFinalizedHead")
    return read_int(read_object(await chain.rpc.call("chain_getHeader", head)).get("number"))
