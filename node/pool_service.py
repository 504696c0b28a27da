"""The pool for the RPC (`rpc.api.PoolApi`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chain.hashing import blake2b_256
from node.core.effects import ExtrinsicAccepted, ExtrinsicRefused
from node.core.events import ExtrinsicReceived, ExtrinsicsRemoved
from node.core.machine import Machine
from node.core.pool_errors import PoolRefusal
from node.core.pool_gate import get_nonce
from node.driver import Driver
from node.extrinsic_answers import describe_entry, describe_extrinsic
from node.state_access import get_plain_state
from rpc.api import ExtrinsicStatus, Feed, FeeInfo, Json
from rpc.errors import RUNTIME_ERROR, UNKNOWN_BLOCK, RpcError
from runtime.pool import encode_apply_result
from runtime.validity import InvalidTransaction

ENTRIES_SHOWN_MAX = 100


class PoolService:
    """Answers about extrinsics."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @property
    def _machine(self) -> Machine:
        return self._driver.machine

    async def submit(self, raw: bytes) -> bytes:
        """Take an extrinsic into the pool and return its hash.

        Raises:
            RpcError: with Substrate's code and a diagnosis.
        """
        for effect in await self._driver.take(ExtrinsicReceived(raw=raw)):
            match effect:
                case ExtrinsicAccepted():
                    return effect.hash
                case ExtrinsicRefused(error=error):
                    raise explain_refusal(error)
                case _:
                    continue
        raise AssertionError("the core answered neither yes nor no")

    async def watch(self, raw: bytes) -> Feed[ExtrinsicStatus]:
        """Submit and return what becomes of it.

        Raises:
            RpcError: as `submit`.
        """
        feed = self._driver.watch(blake2b_256(raw))
        try:
            await self.submit(raw)
        except BaseException:
            feed.close()
            raise
        return feed

    def get_pending(self) -> tuple[bytes, ...]:
        """Return the ready extrinsics, in the order in which a block would take them."""
        return tuple(entry.extrinsic.raw for entry in self._machine.pool.iterate_ready())

    async def remove_extrinsics(self, hashes: Sequence[bytes]) -> tuple[bytes, ...]:
        """Drop extrinsics from the pool and return those that were in it."""
        held = tuple(item for item in hashes if self._machine.pool.get(item) is not None)
        await self._driver.take(ExtrinsicsRemoved(hashes=held))
        return held

    def get_pool_status(self) -> Mapping[str, Json]:
        """Return counts, limits, the first extrinsics and the last drops."""
        pool, params = self._machine.pool, self._machine.importer.params
        entries = list(pool.iterate_entries())[:ENTRIES_SHOWN_MAX]
        return {
            "ready": pool.ready_count,
            "future": pool.future_count,
            "bytes": pool.bytes_held,
            "countMax": pool.limits.count_max,
            "bytesMax": pool.limits.bytes_max,
            "extrinsics": [
                {"hash": f"0x{entry.hash.hex()}", **describe_entry(entry, is_ready=pool.is_ready(entry), params=params)}
                for entry in entries
            ],
            "drops": [
                {"hash": f"0x{drop_hash.hex()}", "status": drop.kind, "reason": drop.reason, "atMs": drop.at_ms}
                for drop_hash, drop in pool.list_drops(ENTRIES_SHOWN_MAX)
            ],
        }

    def get_next_index(self, account: bytes) -> int:
        """Return the account's next nonce, counting what the pool holds."""
        return self._machine.pool.get_next_nonce(account, get_nonce(self._machine.importer.chain.state, account))

    def query_fee(self, raw: bytes, block_hash: bytes) -> FeeInfo:
        """Return what an extrinsic would weigh and cost.

        Raises:
            RpcError: the bytes are no extrinsic, or the state is unavailable.
        """
        importer = self._machine.importer
        try:
            quote = importer.runtime.query_fee(get_plain_state(importer, block_hash), raw)
        except InvalidTransaction as error:
            raise RpcError(RUNTIME_ERROR, "Unable to query fee details", error.diagnosis) from error
        details = quote.details
        return FeeInfo(
            ref_time=quote.weight,
            proof_size=0,
            dispatch_class=quote.dispatch_class,
            fee_planck=details.total - details.tip,
            base_planck=details.base_fee,
            length_planck=details.length_fee,
            weight_planck=details.adjusted_weight_fee,
        )

    def dry_run(self, raw: bytes, block_hash: bytes) -> bytes:
        """Return the SCALE ApplyExtrinsicResult that an extrinsic would have on a block.

        Raises:
            RpcError: the block is unknown, or its state unavailable.
        """
        importer = self._machine.importer
        head = importer.get_header(block_hash)
        if head is None:
            raise RpcError(UNKNOWN_BLOCK, "Unknown block", f"0x{block_hash.hex()}")
        try:
            return encode_apply_result(importer.runtime.dry_run(get_plain_state(importer, block_hash), raw, head=head))
        except InvalidTransaction as error:
            return encode_apply_result(error)

    def get_transaction(self, tx_hash: bytes) -> Mapping[str, Json] | None:
        """Return where an extrinsic is."""
        return describe_extrinsic(self._machine, tx_hash)


def explain_refusal(error: Exception) -> RpcError:
    """Return the RPC error for a refusal of the pool."""
    if isinstance(error, PoolRefusal):
        return RpcError(error.code, error.title, str(error))
    return RpcError(RUNTIME_ERROR, "Pool error", str(error))
