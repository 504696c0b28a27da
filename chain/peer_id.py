"""The libp2p name of a node: its ed25519 public key, marked as such, in base58.

Source: docs/spec/keys.md; libp2p specification, `peer-ids/peer-ids.md`: keys of at most 42 bytes are not hashed.
"""

from __future__ import annotations

from typing import ClassVar

from chain.base58 import NotBase58, decode_base58, encode_base58

# identity multihash (0x00) of 36 bytes: protobuf PublicKey{type = Ed25519 (1), data = 32 bytes}
_HEAD = bytes.fromhex("002408011220")
_PUBLIC_BYTES = 32


class InvalidPeerId(Exception):
    """A text that names no node with an ed25519 key."""

    rule: ClassVar[str] = "KEY-51"


def encode_peer_id(public: bytes) -> str:
    """Return the peer id, `12D3KooW...`.

    Raises:
        InvalidPeerId: the key is not 32 bytes.
    """
    if len(public) != _PUBLIC_BYTES:
        raise InvalidPeerId(f"a node's public key has {_PUBLIC_BYTES} bytes, not {len(public)}")
    return encode_base58(_HEAD + public)


def decode_peer_id(text: str) -> bytes:
    """Return the 32-byte public key.

    Raises:
        InvalidPeerId: not base58, or not an ed25519 key in an identity multihash.
    """
    try:
        data = decode_base58(text)
    except NotBase58 as error:
        raise InvalidPeerId(f"not a peer id: {error}") from None
    # SPEC KEY-51: A peer id MUST be base58 of the bytes 00 24 08 01 12 20 and an ed25519 public key of 32 bytes.
    if data[: len(_HEAD)] != _HEAD or len(data) != len(_HEAD) + _PUBLIC_BYTES:
        raise InvalidPeerId("not the peer id of an ed25519 key, which begins with 12D3KooW")
    return data[len(_HEAD) :]
