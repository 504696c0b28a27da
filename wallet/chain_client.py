"""A wallet's view of a chain: read state, sign calls, and follow them into a block, through metadata alone.

Terms:
    receipt: where an extrinsic ended, whether its call succeeded, and the events it left.

Nothing here knows a pallet: names and types come from the node's metadata.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias, cast

import msgspec

from chain.ed25519 import public_of
from chain.era import IMMORTAL, Era, choose_birth, make_era
from chain.extrinsic import SigningContext, assemble_signed, encode_extra, make_signed
from chain.hashing import blake2b_256
from chain.portable_decode import Style
from chain.runtime_metadata import RuntimeMetadata
from rpc.api import Json
from rpc.client import RpcClient, connect

MORTAL_PERIOD = 64
SIGNATURE_BYTES = 64
Wait: TypeAlias = Literal["none", "included", "final"]


class SubmissionFailed(Exception):
    """An extrinsic that the chain will not include."""


class WaitTimeout(Exception):
    """The extrinsic was not included, or not final, in time."""


class UnexpectedAnswer(Exception):
    """A node's answer that does not have the promised form."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event, by names."""

    pallet: str
    name: str
    fields: Mapping[str, Json]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an extrinsic.

    Attributes:
        error: `Pallet.Error: documentation` if the call failed, else None.
        fee_planck: What the signer paid, with the tip; None while it is in no block.
    """

    hash: bytes
    status: str
    block_hash: bytes | None = None
    block_number: int | None = None
    index: int | None = None
    error: str | None = None
    events: tuple[Event, ...] = ()
    fee_planck: int | None = None

    @property
    def succeeded(self) -> bool:
        """True if the extrinsic is in a block and its call did what it should."""
        return self.block_hash is not None and self.error is None


@asynccontextmanager
async def open_chain(url: str, *, timeout_s: float = 10.0) -> AsyncIterator[ChainClient]:
    """Connect to a node and read what signing needs: metadata, genesis hash, versions and properties.

    Raises:
        rpc.client.Unreachable: no node answers.
    """
    async with connect(url, timeout_s=timeout_s) as rpc:
        metadata, genesis, version, properties = await asyncio.gather(
            rpc.call("state_getMetadata"),
            rpc.call("chain_getBlockHash", 0),
            rpc.call("state_getRuntimeVersion"),
            rpc.call("system_properties"),
        )
        yield ChainClient(
            rpc,
            RuntimeMetadata.decode(read_hex(metadata)),
            genesis_hash=read_hex(genesis),
            version=read_object(version),
            properties=read_object(properties),
        )


class ChainClient:
    """One connection with the chain's metadata."""

    def __init__(
        self,
        rpc: RpcClient,
        metadata: RuntimeMetadata,
        *,
        genesis_hash: bytes,
        version: Mapping[str, Json],
        properties: Mapping[str, Json],
    ) -> None:
        self.rpc = rpc
        self.metadata = metadata
        self.genesis_hash = genesis_hash
        self.spec_version = read_int(version.get("specVersion"))
        self.transaction_version = read_int(version.get("transactionVersion"))
        self.ss58_prefix = read_int(properties.get("ss58Format", 42))
        self.style = Style(is_json=True, ss58_prefix=self.ss58_prefix)
        self.token_symbol = str(properties.get("tokenSymbol", "UNIT"))
        self.token_decimals = read_int(properties.get("tokenDecimals", 12))

    async def query(self, pallet: str, item: str, *keys: object, at: bytes | None = None) -> Json:
        """Return a decoded storage value, its default if there is none."""
        key = "0x" + self.metadata.storage_key(pallet, item, *keys).hex()
        value = await self.rpc.call("state_getStorage", key, None if at is None else "0x" + at.hex())
        data = None if value is None else read_hex(value)
        return cast("Json", self.metadata.decode_storage(pallet, item, data, style=self.style))

    async def sign(
        self, call: bytes, seed: bytes, *, tip: int = 0, nonce: int | None = None, immortal: bool = False
    ) -> bytes:
        """Return the signed extrinsic of a call, with the account's next nonce and a mortal era of 64 blocks."""
        signer = public_of(seed)
        extra, birth_hash = await self._make_extra(signer, tip, nonce, immortal=immortal)
        context = SigningContext(
            spec_version=self.spec_version,
            transaction_version=self.transaction_version,
            genesis_hash=self.genesis_hash,
            birth_hash=birth_hash,
        )
        return make_signed(call, seed, signer, extra, context)

    async def draft(self, call: bytes, signer: bytes, *, tip: int = 0) -> bytes:
        """Return the extrinsic that `sign` would make, with zeros for the signature: to ask what it would cost."""
        extra, _ = await self._make_extra(signer, tip, None, immortal=False)
        return assemble_signed(call, signer, extra, bytes(SIGNATURE_BYTES))

    async def submit(self, raw: bytes, *, wait: Wait = "included", timeout_s: float = 60.0) -> Receipt:
        """Submit an extrinsic and follow it as far as `wait` says.

        Raises:
            rpc.errors.RpcError: the node refused it.
            SubmissionFailed: it was dropped or became invalid.
            WaitTimeout: it did not get there in time.
        """
        if wait == "none":
            tx_hash = read_hex(await self.rpc.call("author_submitExtrinsic", "0x" + raw.hex()))
            return Receipt(hash=tx_hash, status="submitted")
        tx_hash = blake2b_256(raw)
        news = await self.rpc.subscribe("author_submitAndWatchExtrinsic", "author_unwatchExtrinsic", "0x" + raw.hex())
        wanted = "inBlock" if wait == "included" else "finalized"
        try:
            async with asyncio.timeout(timeout_s):
                async for status in news:
                    kind, value = read_status(status)
                    if kind == wanted:
                        return await self._read_receipt(tx_hash, kind, read_hex(value), raw)
                    if kind in ("dropped", "invalid", "usurped", "finalityTimeout"):
                        raise SubmissionFailed(await self._explain(tx_hash, kind))
        except TimeoutError as error:
            what = f"0x{tx_hash.hex()} was not {wait} within {timeout_s:g} s; the node has it, so it may still be"
            raise WaitTimeout(what) from error
        raise SubmissionFailed("the node ended the subscription")

    async def get_best_number(self) -> int:
        """Return the best block's height."""
        header = read_object(await self.rpc.call("chain_getHeader"))
        return read_int(header.get("number"))

    async def _make_extra(self, signer: bytes, tip: int, nonce: int | None, *, immortal: bool) -> tuple[bytes, bytes]:
        """Return the signed extensions' bytes, and the hash of the block at which the era begins."""
        if nonce is None:
            nonce = read_int(await self.rpc.call("system_accountNextIndex", "0x" + signer.hex()))
        era, birth_hash = (IMMORTAL, self.genesis_hash) if immortal else await self._make_era()
        return encode_extra(era, nonce, tip), birth_hash

    async def _make_era(self) -> tuple[Era, bytes]:
        """Return an era that begins at the newest final block, which every branch has, if that is near."""
        final_hash, best = await asyncio.gather(self.rpc.call("chain_getFinalizedHead"), self.get_best_number())
        final = read_object(await self.rpc.call("chain_getHeader", final_hash))
        birth = choose_birth(MORTAL_PERIOD, best=best, final=read_int(final.get("number")))
        # The era begins at that block itself unless the phase was quantised, which a period of 64 never is.
        return make_era(MORTAL_PERIOD, birth), read_hex(await self.rpc.call("chain_getBlockHash", birth))

    async def _read_receipt(self, tx_hash: bytes, status: str, block_hash: bytes, raw: bytes) -> Receipt:
        at = "0x" + block_hash.hex()
        block, events = await asyncio.gather(
            self.rpc.call("chain_getBlock", at),
            self.rpc.call("state_getStorage", "0x" + self.metadata.storage_key("System", "Events").hex(), at),
        )
        body = read_object(read_object(block).get("block"))
        extrinsics = body.get("extrinsics")
        assert isinstance(extrinsics, list)
        index = extrinsics.index("0x" + raw.hex())
        found = tuple(
            Event(pallet=record.pallet, name=record.event, fields=read_object(cast("Json", record.values or {})))
            for record in self.metadata.decode_events(read_hex(events), style=self.style)
            if record.extrinsic == index
        )
        return Receipt(
            hash=tx_hash,
            status=status,
            block_hash=block_hash,
            block_number=read_int(read_object(body.get("header")).get("number")),
            index=index,
            error=self._find_error(found),
            events=found,
            fee_planck=_find_fee(found),
        )

    def _find_error(self, events: tuple[Event, ...]) -> str | None:
        for event in events:
            if (event.pallet, event.name) == ("System", "ExtrinsicFailed"):
                return self.metadata.describe_dispatch_error(event.fields["dispatch_error"])
        return None

    async def _explain(self, tx_hash: bytes, kind: str) -> str:
        known = await self.rpc.call("transaction_get", "0x" + tx_hash.hex())
        reason = known.get("reason") if isinstance(known, dict) else None
        return f"0x{tx_hash.hex()} is {kind}" + (f": {reason}" if reason else "")


def _find_fee(events: tuple[Event, ...]) -> int | None:
    for event in events:
        if (event.pallet, event.name) == ("TransactionPayment", "TransactionFeePaid"):
            return read_int(event.fields.get("actual_fee"))
    return None


def read_hex(value: Json) -> bytes:
    """Return the bytes of a 0x-hex answer.

    Raises:
        UnexpectedAnswer: it is none.
    """
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    raise UnexpectedAnswer(f"the node answered {str(value)[:80]!r} where hex was expected")


def read_object(value: Json) -> Mapping[str, Json]:
    """Return an answer that must be an object."""
    if isinstance(value, Mapping):
        return value
    raise UnexpectedAnswer(f"the node answered {str(value)[:80]!r} where an object was expected")


def read_int(value: Json) -> int:
    """Return an answer that must be an integer, a decimal string or 0x-hex."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            return int(value, 16 if value.startswith("0x") else 10)
        except ValueError:
            pass
    raise UnexpectedAnswer(f"the node answered {str(value)[:80]!r} where a number was expected")


def read_status(value: Json) -> tuple[str, Json]:
    """Return an extrinsic status as (word, value)."""
    if isinstance(value, str):
        return value, None
    if isinstance(value, Mapping) and len(value) == 1:
        return next(iter(value.items()))
    raise UnexpectedAnswer(f"the node answered {str(value)[:80]!r} where a status was expected")
