"""Where an extrinsic is, as the RPC tells it: in the pool, in a block with its outcome, or dropped and why."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from chain.extrinsic import decode_extrinsic
from chain.params import Params
from chain.portable_decode import Style
from chain.runtime_metadata import RuntimeMetadata
from chain.ss58 import encode_address
from node.chain_layout import ExtrinsicPlace
from node.core.machine import Machine
from node.core.nonce_queue import PoolEntry
from rpc.api import Json


def describe_extrinsic(machine: Machine, extrinsic_hash: bytes) -> dict[str, Json] | None:
    """Return where an extrinsic is, None if this node has never seen it, or has forgotten it."""
    importer, pool = machine.importer, machine.pool
    name = f"0x{extrinsic_hash.hex()}"
    place = importer.chain.find_extrinsic(extrinsic_hash)
    if place is not None:
        header = importer.get_header(place.block_hash)
        number = 0 if header is None else header.number
        body = importer.chain.get_body(place.block_hash) or ()
        return {
            "hash": name,
            "status": "finalized" if number <= importer.final.number else "inBlock",
            "blockHash": f"0x{place.block_hash.hex()}",
            "blockNumber": number,
            "index": place.index,
            "extrinsic": f"0x{body[place.index].hex()}" if place.index < len(body) else None,
            **_describe_signer(body[place.index], importer.params),
            **_describe_outcome(machine, place),
        }
    entry = pool.get(extrinsic_hash)
    if entry is not None:
        return {"hash": name, **describe_entry(entry, is_ready=pool.is_ready(entry), params=importer.params)}
    drop = pool.get_drop(extrinsic_hash)
    if drop is not None:
        return {"hash": name, "status": drop.kind, "reason": drop.reason, "atMs": drop.at_ms}
    return None


def describe_entry(entry: PoolEntry, *, is_ready: bool, params: Params) -> dict[str, Json]:
    """Return what the pool knows of an extrinsic."""
    return {
        "status": "ready" if is_ready else "future",
        "extrinsic": f"0x{entry.extrinsic.raw.hex()}",
        "signer": encode_address(entry.signer, params.ss58_prefix),
        "nonce": entry.nonce,
        "priority": str(entry.priority),
        "fee": str(entry.fee_planck),
        "diesAt": entry.dies_at,
    }


def _describe_outcome(machine: Machine, place: ExtrinsicPlace) -> dict[str, Json]:
    """Return whether the call succeeded, the error if not, and the extrinsic's events."""
    importer = machine.importer
    execution = importer.chain.get_execution(place.block_hash)
    if execution is None:
        return {}
    metadata = _read_metadata(importer.runtime.metadata)
    style = Style(is_json=True, ss58_prefix=importer.params.ss58_prefix)
    own = [event for event in metadata.decode_events(execution.events, style=style) if event.extrinsic == place.index]
    error: str | None = None
    for event in own:
        if (event.pallet, event.event) == ("System", "ExtrinsicFailed") and isinstance(event.values, dict):
            error = metadata.describe_dispatch_error(event.values["dispatch_error"])
    return {
        "success": error is None,
        "error": error,
        "events": [{"pallet": e.pallet, "event": e.event, "values": cast("Json", e.values)} for e in own],
    }


@lru_cache(maxsize=1)
def _read_metadata(data: bytes) -> RuntimeMetadata:
    return RuntimeMetadata.decode(data)


def _describe_signer(raw: bytes, params: Params) -> dict[str, Json]:
    signed = decode_extrinsic(raw).signed
    if signed is None:
        return {"signer": None}
    return {"signer": encode_address(signed.signer, params.ss58_prefix), "nonce": signed.nonce}
