"""`matchstrike wallet tx`: what became of an extrinsic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import click

from chain.extrinsic import decode_extrinsic
from chain.scale import CodecError
from matchstrike.commands.amounts import format_amount
from matchstrike.commands.session import emit, not_found, output_option, run, url_option
from rpc.api import Json
from wallet.chain_client import ChainClient, open_chain, read_hex, read_int, read_object

HASH_BYTES = 32


class HashType(click.ParamType[bytes]):
    """A hash of 32 bytes in hexadecimal, with 0x."""

    name = "hash"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Return the bytes."""
        text = str(value)
        try:
            data = bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            data = b""
        if len(data) != HASH_BYTES or not text.startswith("0x"):
            self.fail(f"{text[:80]!r} is no hash; write 0x and 64 hexadecimal digits", param, ctx)
        return data


@click.command()
@click.argument("extrinsic_hash", metavar="HASH", type=HashType())
@url_option
@output_option
def tx(extrinsic_hash: bytes, url: str, output: str) -> None:
    """Show what became of the extrinsic with a HASH: waiting, dropped and why, or in a block and with what outcome."""
    run(_show(extrinsic_hash, url, output))


async def _show(extrinsic_hash: bytes, url: str, output: str) -> None:
    async with open_chain(url) as chain:
        answer = await chain.rpc.call("transaction_get", "0x" + extrinsic_hash.hex())
        if answer is None:
            raise not_found(
                f"this node does not know 0x{extrinsic_hash.hex()}: it is in no block of its best chain, and its pool "
                "neither has it nor remembers dropping it"
            )
        record = read_object(answer)
        emit(answer, format_transaction(chain, record) if output == "text" else "", output)


def format_transaction(chain: ChainClient, record: Mapping[str, Json]) -> str:
    """Return a transaction for people."""
    events = [read_object(event) for event in cast("list[Json]", record.get("events") or [])]
    rows = {
        "hash": str(record.get("hash")),
        "status": _describe_place(record),
        "call": _describe_call(chain, record.get("extrinsic")),
        "signer": None if record.get("signer") is None else f"{record['signer']}, nonce {record.get('nonce')}",
        "outcome": _describe_outcome(record),
        "fee": _describe_fee(chain, record, events),
    }
    lines = [f"{name:<9} {value}" for name, value in rows.items() if value is not None]
    return "\n".join([*lines, *(f"{'event':<9} {event.get('pallet')}.{event.get('event')}" for event in events)])


def _describe_place(record: Mapping[str, Json]) -> str:
    match record.get("status"):
        case "finalized":
            return f"final in block {record.get('blockNumber')} as extrinsic {record.get('index')}"
        case "inBlock":
            return f"included in block {record.get('blockNumber')} as extrinsic {record.get('index')}, not final yet"
        case "ready":
            return "waits for a block"
        case "future":
            return "waits for another extrinsic of its signer, with a nonce before its own"
        case other:
            reason = record.get("reason")
            return f"{other}" + (f": {reason}" if reason else "")


def _describe_call(chain: ChainClient, raw: Json) -> str | None:
    if raw is None:
        return None
    try:
        decoded = chain.metadata.decode_call(decode_extrinsic(read_hex(raw)).call, style=chain.style)
    except CodecError:
        return "of a runtime that this node does not run any more"
    return f"{decoded.pallet}.{decoded.call}"


def _describe_outcome(record: Mapping[str, Json]) -> str | None:
    if "success" not in record:
        return None
    return "succeeded" if record["success"] else f"failed (its fee is paid): {record.get('error')}"


def _describe_fee(chain: ChainClient, record: Mapping[str, Json], events: list[Mapping[str, Json]]) -> str | None:
    """Return what was paid, else what is going to be."""
    fee = record.get("fee")
    for event in events:
        if (event.get("pallet"), event.get("event")) == ("TransactionPayment", "TransactionFeePaid"):
            fee = read_object(event.get("values")).get("actual_fee")
    return None if fee is None else format_amount(read_int(fee), chain.token_symbol, chain.token_decimals)
