"""How chain data look in JSON, as Substrate's RPC prints them."""

from __future__ import annotations

from chain.block import Block
from chain.header import Header, encode_digest_item
from rpc.api import Json, NodeApi


def to_hex(data: bytes) -> str:
    """Return 0x and lower-case hex digits."""
    return "0x" + data.hex()


def format_header(header: Header) -> dict[str, Json]:
    """Return a header; the number is hex without padding."""
    return {
        "parentHash": to_hex(header.parent_hash),
        "number": hex(header.number),
        "stateRoot": to_hex(header.state_root),
        "extrinsicsRoot": to_hex(header.extrinsics_root),
        "digest": {"logs": [to_hex(encode_digest_item(item)) for item in header.digest.logs]},
    }


def format_block(block: Block) -> dict[str, Json]:
    """Return a signed block without justifications."""
    return {
        "block": {"header": format_header(block.header), "extrinsics": [to_hex(raw) for raw in block.extrinsics]},
        "justifications": None,
    }


def resolve(api: NodeApi, at: bytes | None) -> bytes:
    """Return the hash that a call means: the given one, or the best block's."""
    return api.get_best_hash() if at is None else at
