"""Blocks and state for the RPC (`rpc.api.ChainApi`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chain.block import Block
from chain.header import Header
from chain.scale import CodecError, codec_of, encode_compact
from chain.state_proof import encode_proof
from chain.state_view import StateView
from chain.substrate_types import RuntimeVersion
from node.core.importer import Importer
from node.core.pool_gate import get_nonce
from node.driver import Driver
from node.state_access import get_plain_state, get_state
from rpc.api import BlockNews, Feed, HeadKind, RuntimeVersionInfo
from rpc.errors import METHOD_NOT_FOUND, RUNTIME_ERROR, STATE_UNAVAILABLE, RpcError, invalid_params
from runtime.pool import FeeQuote
from runtime.validity import Malformed

_U128_BYTES = 16


class ChainService:
    """Answers about the chain."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @property
    def _importer(self) -> Importer:
        return self._driver.machine.importer

    def get_best_hash(self) -> bytes:
        """Return the best block's hash."""
        return self._importer.head.hash

    def get_finalized_hash(self) -> bytes:
        """Return the newest final block's hash."""
        return self._importer.final.hash

    def get_hash(self, number: int) -> bytes | None:
        """Return the hash of the best chain's block at a height."""
        return self._importer.chain.get_hash(number)

    def get_header(self, block_hash: bytes) -> Header | None:
        """Return a stored header."""
        return self._importer.get_header(block_hash)

    def get_block(self, block_hash: bytes) -> Block | None:
        """Return a stored block.

        Raises:
            RpcError: its header is stored and its body is not, for the node began with fast sync above it.
        """
        header, body = self.get_header(block_hash), self._importer.chain.get_body(block_hash)
        first = self._importer.chain.first_body
        if header is not None and body is None and header.number < first:
            text = f"this node began with fast sync at block {first}; of block {header.number} it has the header only"
            raise RpcError(STATE_UNAVAILABLE, "Body not stored", text)
        return None if header is None or body is None else Block(header=header, extrinsics=body)

    def get_state(self, block_hash: bytes) -> StateView:
        """Return the state after a block.

        Raises:
            RpcError: unknown block, or pruned state.
        """
        return get_state(self._importer, block_hash)

    def prove_state(self, block_hash: bytes, keys: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return one encoded state proof for each key, for the best block only.

        Raises:
            RpcError: another block.
        """
        if block_hash != self.get_best_hash():
            text = "the state's hashes are kept for the best block only"
            raise RpcError(STATE_UNAVAILABLE, "No proof", text)
        state = self._importer.chain.state
        return tuple(encode_proof(state.prove(key)) for key in keys)

    def subscribe_heads(self, kind: HeadKind) -> Feed[Header]:
        """Return the coming headers."""
        return self._driver.heads[kind].subscribe()

    def subscribe_news(self) -> Feed[BlockNews]:
        """Return the best chain's coming blocks with what they change."""
        return self._driver.news.subscribe()

    def get_metadata(self) -> bytes:
        """Return the metadata, V14."""
        return self._importer.runtime.metadata

    def get_runtime_version(self) -> RuntimeVersionInfo:
        """Return names and versions."""
        version = self._importer.runtime.version
        return RuntimeVersionInfo(
            spec_name=version.spec_name,
            impl_name=version.impl_name,
            authoring_version=version.authoring_version,
            spec_version=version.spec_version,
            impl_version=version.impl_version,
            transaction_version=version.transaction_version,
            state_version=version.state_version,
        )

    def call_runtime(self, name: str, data: bytes, block_hash: bytes) -> bytes:
        """Answer a runtime API by name.

        Raises:
            RpcError: no such API, malformed arguments, or an unavailable state.
        """
        apis: Mapping[str, Callable[[bytes, bytes], bytes]] = {
            "Core_version": lambda data, at: codec_of(RuntimeVersion).encode(self._importer.runtime.version),
            "Metadata_metadata": lambda data, at: encode_compact(len(self.get_metadata())) + self.get_metadata(),
            "AccountNonceApi_account_nonce": self._call_nonce,
            "TransactionPaymentApi_query_info": self._call_query_info,
            "TransactionPaymentApi_query_fee_details": self._call_query_details,
        }
        api = apis.get(name)
        if api is None:
            raise RpcError(METHOD_NOT_FOUND, f"Exported method {name} is not found", f"known: {', '.join(apis)}")
        return api(data, block_hash)

    def _call_nonce(self, data: bytes, block_hash: bytes) -> bytes:
        if len(data) != 32:
            raise invalid_params("an account has 32 bytes")
        return get_nonce(get_plain_state(self._importer, block_hash), data).to_bytes(4, "little")

    def _call_query_info(self, data: bytes, block_hash: bytes) -> bytes:
        quote = self._quote(data, block_hash)
        kind = ("normal", "operational", "mandatory").index(quote.dispatch_class)
        fee = quote.details.total - quote.details.tip
        return encode_compact(quote.weight) + b"\x00" + bytes((kind,)) + fee.to_bytes(_U128_BYTES, "little")

    def _call_query_details(self, data: bytes, block_hash: bytes) -> bytes:
        details = self._quote(data, block_hash).details
        if details.total == 0:
            return b"\x00" + bytes(_U128_BYTES)
        parts = (details.base_fee, details.length_fee, details.adjusted_weight_fee)
        return b"\x01" + b"".join(part.to_bytes(_U128_BYTES, "little") for part in (*parts, details.tip))

    def _quote(self, data: bytes, block_hash: bytes) -> FeeQuote:
        """Return the fee of `extrinsic || length u32`."""
        try:
            return self._importer.runtime.query_fee(get_plain_state(self._importer, block_hash), data[:-4])
        except (Malformed, CodecError) as error:
            raise RpcError(RUNTIME_ERROR, "Runtime error", str(error)) from error
