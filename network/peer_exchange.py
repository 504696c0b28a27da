"""Addresses that one node tells another: one list a stream, asked for by opening it.

Source: docs/spec/network.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from network.libp2p.multiaddr import InvalidMultiaddr, Multiaddr, decode_multiaddr, encode_multiaddr
from network.messages import BadMessage

EXCHANGE_BYTES_MAX = 8_192
ADDRESSES_MAX = 32

Entry = Annotated[bytes, msgspec.Meta(max_length=128)]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Annotated[list[Entry], msgspec.Meta(max_length=ADDRESSES_MAX)])


def encode_addresses(addresses: Sequence[Multiaddr]) -> bytes:
    """Return the message of at most 32 addresses."""
    return _encoder.encode([encode_multiaddr(address) for address in addresses[:ADDRESSES_MAX]])


def decode_addresses(data: bytes) -> list[Multiaddr]:
    """Return the addresses of a message; kinds that are not dialled are left out.

    Raises:
        BadMessage: no such list.
    """
    # SPEC NET-41: A list of addresses MUST be a MessagePack array of at most 32 binary multiaddresses, in at most 8
    # KiB; a peer is given one a minute.
    try:
        entries = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise BadMessage(f"the bytes are no list of addresses: {error}") from error
    addresses = []
    for entry in entries:
        try:
            addresses.append(decode_multiaddr(entry))
        except InvalidMultiaddr:
            continue
    return addresses
