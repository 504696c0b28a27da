"""Extrinsics, version 4, byte for byte as Substrate has them, with seven signed extensions.

`compact(len) || 0x84 || MultiAddress::Id || MultiSignature::Ed25519 || extra || call` when signed, `compact(len) ||
0x04 || call` when bare (an inherent). The extensions, in order: CheckSpecVersion, CheckTxVersion, CheckGenesis,
CheckMortality, CheckNonce, CheckWeight, ChargeTransactionPayment; of these mortality, nonce and tip have bytes in
`extra`, and spec version, transaction version, genesis hash and birth hash are signed but not sent.

The call stays bytes here: only the runtime knows calls.

Source: sp_runtime::generic::UncheckedExtrinsic.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from chain.ed25519 import sign
from chain.era import Era, decode_era, encode_era
from chain.hashing import blake2b_256
from chain.scale import CodecError, TrailingBytes, UnexpectedEnd, decode_compact, encode_compact

EXTRINSIC_VERSION = 4
_SIGNED = 0x80 | EXTRINSIC_VERSION
_BARE = EXTRINSIC_VERSION
_SIGNED_PREFIX = bytes((_SIGNED, 0))  # version, then MultiAddress::Id
SIGNED_EXTENSIONS = (
    "CheckSpecVersion",
    "CheckTxVersion",
    "CheckGenesis",
    "CheckMortality",
    "CheckNonce",
    "CheckWeight",
    "ChargeTransactionPayment",
)


class InvalidExtrinsic(CodecError):
    """Bytes that are no extrinsic of version 4."""

    rule: ClassVar[str] = "EXT-01"


class UnsupportedAddress(InvalidExtrinsic):
    """A signer that is not a plain 32-byte account."""

    rule: ClassVar[str] = "EXT-02"


class UnsupportedScheme(InvalidExtrinsic):
    """A signature that is not ed25519."""

    rule: ClassVar[str] = "EXT-03"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed, the signature, and the extensions' bytes."""

    signer: bytes
    signature: bytes
    era: Era
    nonce: int
    tip: int


class Extrinsic(msgspec.Struct, frozen=True, kw_only=True):
    """One decoded extrinsic.

    Attributes:
        signed: None for an inherent.
        call: SCALE bytes of the call (pallet index, call index, arguments).
        raw: The bytes as received, length prefix included.
        extra: The signed extensions' bytes, as signed.
    """

    signed: Signature | None
    call: bytes
    raw: bytes
    extra: bytes = b""

    @property
    def hash(self) -> bytes:
        """blake2b-256 of the raw bytes."""
        return blake2b_256(self.raw)


class SigningContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a signature covers but an extrinsic does not carry.

    Attributes:
        birth_hash: Hash of the block the era begins at; genesis if immortal.
    """

    spec_version: int
    transaction_version: int
    genesis_hash: bytes
    birth_hash: bytes


def decode_extrinsic(raw: bytes) -> Extrinsic:
    """Return the extrinsic whose bytes are exactly `raw`; signature and call are not judged.

    Raises:
        InvalidExtrinsic: wrong version; UnsupportedAddress; UnsupportedScheme.
        CodecError: the bytes are not canonical.
    """
    length, start = decode_compact(raw, 0, 4)
    if start + length > len(raw):
        raise UnexpectedEnd(f"an extrinsic of {len(raw) - start} bytes says that it has {length}")
    if start + length < len(raw):
        raise TrailingBytes(f"an extrinsic of {len(raw) - start} bytes says that it has {length}")
    if length == 0:
        raise UnexpectedEnd("an extrinsic without bytes")
    version = raw[start]
    if version == _BARE:
        return Extrinsic(signed=None, call=raw[start + 1 :], raw=raw)
    # SPEC EXT-01: An extrinsic MUST have the version 4, bare (0x04) or signed (0x84).
    if version != _SIGNED:
        raise InvalidExtrinsic(f"an extrinsic begins with {version:#04x} instead of 0x84 or 0x04")
    if len(raw) < start + 102:
        raise UnexpectedEnd("the bytes end inside an extrinsic's signature")
    # SPEC EXT-02: The signer MUST be a MultiAddress::Id (tag 0).
    if raw[start + 1] != 0:
        raise UnsupportedAddress(f"a signer has the address kind {raw[start + 1]} instead of 0 (Id)")
    # SPEC EXT-03: The signature MUST be a MultiSignature::Ed25519 (tag 0).
    if raw[start + 34] != 0:
        raise UnsupportedScheme(f"a signature has the scheme {raw[start + 34]} instead of 0 (ed25519)")
    body = start + 99
    era, end = decode_era(raw, body)
    nonce, end = decode_compact(raw, end, 4)
    tip, end = decode_compact(raw, end, 16)
    signed = Signature(
        signer=raw[start + 2 : start + 34], signature=raw[start + 35 : body], era=era, nonce=nonce, tip=tip
    )
    return Extrinsic(signed=signed, call=raw[end:], raw=raw, extra=raw[body:end])


def is_bare(raw: bytes) -> bool:
    """Return whether the bytes are those of an inherent; what else they say is not judged."""
    first = raw[0] & 3 if raw else 3
    return first != 3 and raw[1 << first : (1 << first) + 1] == bytes((_BARE,))


def make_bare(call: bytes) -> bytes:
    """Return the bytes of an inherent."""
    return _with_length(bytes((_BARE,)) + call)


def make_signed(call: bytes, seed: bytes, signer: bytes, extra: bytes, context: SigningContext) -> bytes:
    """Return the bytes of an extrinsic signed with the ed25519 key of `seed`."""
    return assemble_signed(call, signer, extra, sign(seed, compute_signing_payload(call, extra, context)))


def assemble_signed(call: bytes, signer: bytes, extra: bytes, signature: bytes) -> bytes:
    """Return the bytes of an extrinsic with a signature made elsewhere."""
    return _with_length(_SIGNED_PREFIX + signer + b"\x00" + signature + extra + call)


def encode_extra(era: Era, nonce: int, tip: int) -> bytes:
    """Return the signed extensions' bytes."""
    return encode_era(era) + encode_compact(nonce) + encode_compact(tip)


def compute_signing_payload(call: bytes, extra: bytes, context: SigningContext) -> bytes:
    """Return the bytes that are signed: hashed if longer than 256."""
    payload = b"".join(
        (
            call,
            extra,
            context.spec_version.to_bytes(4, "little"),
            context.transaction_version.to_bytes(4, "little"),
            context.genesis_hash,
            context.birth_hash,
        )
    )
    # SPEC EXT-04: A signing payload of more than 256 bytes MUST be replaced by its blake2b-256 hash.
    return blake2b_256(payload) if len(payload) > 256 else payload


def _with_length(body: bytes) -> bytes:
    return encode_compact(len(body)) + body
