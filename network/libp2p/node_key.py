"""A node's identity: an ed25519 key, its peer id, and the protobuf that carries the public half.

Source: libp2p specification, `peer-ids/peer-ids.md`; docs/spec/keys.md; docs/spec/network.md.
"""

from __future__ import annotations

from typing import ClassVar, NewType

import msgspec

from chain.ed25519 import is_valid_signature, public_of, sign
from chain.peer_id import encode_peer_id
from network.libp2p.protobuf import as_bytes, as_number, decode_fields, encode_bytes, encode_number
from network.libp2p.protocol_error import BadHandshake

PeerId = NewType("PeerId", str)

_ED25519 = 1


class NodeKey(msgspec.Struct, frozen=True, kw_only=True):
    """A node's key pair; made by `make_node_key`.

    Attributes:
        seed: 32 secret bytes.
        public: 32 bytes.
        peer_id: `12D3KooW...`.
    """

    seed: bytes
    public: bytes
    peer_id: PeerId

    def __repr__(self) -> str:
        """Return a text without the secret."""
        return f"NodeKey({self.peer_id})"

    def sign(self, message: bytes) -> bytes:
        """Return the node's signature."""
        return sign(self.seed, message)


def make_node_key(seed: bytes) -> NodeKey:
    """Return the key pair of a 32-byte secret seed."""
    public = public_of(seed)
    return NodeKey(seed=seed, public=public, peer_id=make_peer_id(public))


def make_peer_id(public: bytes) -> PeerId:
    """Return the peer id of a 32-byte ed25519 public key."""
    return PeerId(encode_peer_id(public))


def encode_public_key(public: bytes) -> bytes:
    """Return libp2p's PublicKey message."""
    return encode_number(1, _ED25519) + encode_bytes(2, public)


def decode_public_key(data: bytes) -> bytes:
    """Return the 32 bytes of an ed25519 public key.

    Raises:
        BadProtobuf: not a message; BadHandshake: a key of another kind.
    """
    kind, public = 0, b""
    for number, value in decode_fields(data):
        if number == 1:
            kind = as_number(value)
        elif number == 2:
            public = as_bytes(value)
    # SPEC NET-10: A node's identity key MUST be an ed25519 key of 32 bytes.
    if kind != _ED25519 or len(public) != 32:
        raise NotEd25519("the peer's identity is not an ed25519 key")
    return public


class NotEd25519(BadHandshake):
    """A peer whose identity key is of another kind."""

    rule: ClassVar[str] = "NET-10"


def is_signed_by(public: bytes, message: bytes, signature: bytes) -> bool:
    """Is this the node's signature?"""
    return is_valid_signature(public, message, signature)
