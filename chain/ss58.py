"""SS58: an account or another short payload as a checked text with the network's number in it.

Terms:
    prefix: the network's number, 0..16383; 42 is "any Substrate chain".
    payload: what is encoded, for an account its 32-byte public key.

Invariant: `encode_payload(*decode_payload(text)) == text` for every text that is accepted.

Source: docs/spec/keys.md; Substrate, `sp_core::crypto::Ss58Codec`; polkadot.js, `address/`.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import ClassVar

from chain.base58 import NotBase58, decode_base58, encode_base58

ACCOUNT_BYTES = 32
PREFIX_SUBSTRATE = 42
PREFIX_MAX = 16383
PREFIXES_RESERVED = frozenset({46, 47})

_CONTEXT = b"SS58PRE"
_CHECKSUM_BYTES = {1: 1, 2: 1, 4: 1, 8: 1, 32: 2, 33: 2}  # by length of the payload
_PREFIX_ONE_BYTE_MAX = 63


class InvalidAddress(Exception):
    """A text that is no address, or a value that has none."""

    rule: ClassVar[str] = "KEY-11"


class AddressNotBase58(InvalidAddress):
    """A character that is not of base58."""

    rule: ClassVar[str] = "KEY-11"


class WrongAddressLength(InvalidAddress):
    """A payload of a length that has no address."""

    rule: ClassVar[str] = "KEY-12"


class WrongAddressPrefix(InvalidAddress):
    """A reserved network number, one out of range, or one that is not in its shortest form."""

    rule: ClassVar[str] = "KEY-13"


class WrongAddressChecksum(InvalidAddress):
    """A mistyped address."""

    rule: ClassVar[str] = "KEY-14"


class ForeignAddress(InvalidAddress):
    """A good address of another network."""

    rule: ClassVar[str] = "KEY-15"


def encode_address(public: bytes, prefix: int = PREFIX_SUBSTRATE) -> str:
    """Return the address of a 32-byte account.

    Raises:
        InvalidAddress: not 32 bytes, or a prefix that is reserved or out of range.
    """
    _check_account(public)
    return encode_payload(public, prefix)


def decode_address(text: str, *, prefix: int | None = None) -> tuple[bytes, int]:
    """Return the 32-byte account and the prefix.

    Args:
        prefix: Refuse every other network than this one, when given.

    Raises:
        InvalidAddress: one of its classes says which rule is broken.
    """
    public, found = decode_payload(text, prefix=prefix)
    _check_account(public)
    return public, found


def encode_payload(payload: bytes, prefix: int) -> str:
    """Return the address of a payload of 1, 2, 4, 8, 32 or 33 bytes.

    Raises:
        InvalidAddress: another length, or a prefix that is reserved or out of range.
    """
    checksum_bytes = _CHECKSUM_BYTES.get(len(payload))
    if checksum_bytes is None:
        raise WrongAddressLength(f"a payload of {len(payload)} bytes has no address")
    _check_prefix(prefix)
    body = _encode_prefix(prefix) + payload
    return encode_base58(body + _hash(body)[:checksum_bytes])


def decode_payload(text: str, *, prefix: int | None = None) -> tuple[bytes, int]:
    """Return the payload and the prefix.

    Raises:
        InvalidAddress: one of its classes says which rule is broken.
    """
    # SPEC KEY-11: An address MUST be text in base58.
    try:
        data = decode_base58(text)
    except NotBase58 as error:
        raise AddressNotBase58(f"not an address: {error}") from None
    found, prefix_bytes = _decode_prefix(data)
    for payload_bytes, checksum_bytes in _CHECKSUM_BYTES.items():
        if len(data) == prefix_bytes + payload_bytes + checksum_bytes:
            break
    # SPEC KEY-12: The payload of an address MUST have 1, 2, 4, 8, 32 or 33 bytes; that of an account 32.
    else:
        raise WrongAddressLength(f"not an address: its {len(data)} bytes are of no known length")
    body, checksum = data[:-checksum_bytes], data[-checksum_bytes:]
    # SPEC KEY-14: An address MUST end with the first bytes of blake2b-512 of "SS58PRE" and what precedes them.
    if _hash(body)[:checksum_bytes] != checksum:
        raise WrongAddressChecksum("not an address: its checksum is wrong, so it was mistyped or cut")
    _check_prefix(found)
    # SPEC KEY-15: Where a network is expected, an address of another network MUST be refused.
    if prefix is not None and found != prefix:
        raise ForeignAddress(f"the address belongs to network {found}, not to {prefix}")
    return body[prefix_bytes:], found


def _check_account(public: bytes) -> None:
    if len(public) != ACCOUNT_BYTES:
        raise WrongAddressLength(f"an account has {ACCOUNT_BYTES} bytes, not {len(public)}")


def _check_prefix(prefix: int) -> None:
    # SPEC KEY-13: A prefix MUST be 0..16383, neither 46 nor 47, in one byte below 64 and in two bytes from there.
    if not 0 <= prefix <= PREFIX_MAX or prefix in PREFIXES_RESERVED:
        raise WrongAddressPrefix(f"{prefix} is no network: 0..{PREFIX_MAX} without 46 and 47")


def _encode_prefix(prefix: int) -> bytes:
    if prefix <= _PREFIX_ONE_BYTE_MAX:
        return bytes([prefix])
    return bytes([((prefix & 0xFC) >> 2) | 0x40, (prefix >> 8) | ((prefix & 3) << 6)])


def _decode_prefix(data: bytes) -> tuple[int, int]:
    """Return the prefix and its length in bytes."""
    if len(data) < 3:
        raise WrongAddressLength(f"not an address: it has only {len(data)} bytes")
    if data[0] <= _PREFIX_ONE_BYTE_MAX:
        return data[0], 1
    if data[0] & 0x80:
        raise WrongAddressPrefix("not an address: its first byte is reserved")
    prefix = ((data[0] & 0x3F) << 2) | (data[1] >> 6) | ((data[1] & 0x3F) << 8)
    if prefix <= _PREFIX_ONE_BYTE_MAX:
        raise WrongAddressPrefix(f"not an address: network {prefix} is written in two bytes")
    return prefix, 2


def _hash(body: bytes) -> bytes:
    return blake2b(_CONTEXT + body).digest()
