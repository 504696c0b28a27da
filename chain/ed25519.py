"""Ed25519 with one strict rule for what a valid signature is.

Libraries disagree on odd signatures (points of small order, encodings that are not canonical, the cofactor), and a
chain whose nodes disagree splits. So the odd ones are refused here, before the library sees them; what remains is
decided by the equation without cofactor, and a library that decides otherwise is refused at its first use.

Terms:
    A, R, S: the public key, the first and the second half of a signature.
    L: order of the base point B, 2^252 + 27742317777372353535851937790883648493.
    small order: one of the 8 points P with 8*P = 0.

Source: docs/spec/keys.md; RFC 8032, section 5.1; Chalkias, Garillot, Nikolaenko, SSR 2020, eprint 2020/1244.
"""

from __future__ import annotations

from functools import cache
from typing import ClassVar

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

PUBLIC_BYTES = 32
SEED_BYTES = 32
SIGNATURE_BYTES = 64
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
FIELD_PRIME = 2**255 - 19

_SIGN_BIT = 1 << 255
# y of the points of order 8; with 0 (order 4), 1 and -1 these are all y of small order
_Y_OF_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


class InvalidSignature(Exception):
    """A signature that no node accepts."""

    rule: ClassVar[str] = "KEY-05"


class WrongSignatureLength(InvalidSignature):
    """A public key that is not 32 bytes, or a signature that is not 64."""

    rule: ClassVar[str] = "KEY-01"


class NotCanonicalPoint(InvalidSignature):
    """A or R is written in another way than the one that encoding gives."""

    rule: ClassVar[str] = "KEY-02"


class SmallOrderPoint(InvalidSignature):
    """A or R is one of the 8 points of small order."""

    rule: ClassVar[str] = "KEY-03"


class ScalarTooLarge(InvalidSignature):
    """S is L or more, so that S and S - L would both be valid."""

    rule: ClassVar[str] = "KEY-04"


class EquationFails(InvalidSignature):
    """The signature was not made for this message by this key."""

    rule: ClassVar[str] = "KEY-05"


class UnsuitableLibrary(Exception):
    """The installed libsodium judges signatures by another rule than the chain's."""


class InvalidSeed(Exception):
    """A secret seed that is not 32 bytes."""

    rule: ClassVar[str] = "KEY-06"


def _make_small_order_encodings() -> frozenset[bytes]:
    small = (0, 1, FIELD_PRIME - 1, _Y_OF_ORDER_8, FIELD_PRIME - _Y_OF_ORDER_8)
    return frozenset((y | sign).to_bytes(32, "little") for y in small for sign in (0, _SIGN_BIT))


def _make_other_encodings() -> frozenset[bytes]:
    too_large = range(FIELD_PRIME, 2**255)
    negative_zero = (1 | _SIGN_BIT, FIELD_PRIME - 1 | _SIGN_BIT)
    signs = (0, _SIGN_BIT)
    return frozenset(
        value.to_bytes(32, "little") for value in (*(y | sign for y in too_large for sign in signs), *negative_zero)
    )


NOT_CANONICAL = _make_other_encodings()  # 38 with y >= p, and 2 with x = 0 and the sign bit
SMALL_ORDER = _make_small_order_encodings()  # 10: 8 points, two of which have a second, not canonical encoding
_REFUSED = NOT_CANONICAL | SMALL_ORDER
_PROBE_PUBLIC = bytes.fromhex("30ca4b063177cd3d86cc35832bf74a8484c5aa53b2c7706f30dfe68ddef87bf9")
_PLAIN_PROBE = bytes.fromhex(
    "f7f454c88d0613d09d7bf70200deb1f2aef64480a67733201072ba6c794e4640"
    "8c4c926709d63f56706a98ec1a4604921bbda68545b9c75d09489d0794a83903"
)
_SHIFTED_PROBE = bytes.fromhex(
    "f60aab3772f9ec2f628408fdff214e0d5109bb7f5988ccdfef8d459386b1b9bf"
    "371847dd758d5fe12488b328ff2b539910adc458f5a750d93010d22860137104"
)
_SCALAR_TOP_CLEAR = 0x10  # a last byte of S below this puts S below 2^252, which is below L


def is_valid_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Is this a signature of `message` by `public`, by the rules KEY-01 to KEY-05?"""
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    if public in _REFUSED or signature[:32] in _REFUSED:
        return False
    if signature[63] >= _SCALAR_TOP_CLEAR and int.from_bytes(signature[32:], "little") >= GROUP_ORDER:
        return False
    _check_library()
    return _equation_holds(public, message, signature)


def check_signature(public: bytes, message: bytes, signature: bytes) -> None:
    """Refuse whatever is not a signature of `message` by `public`, naming the rule that it breaks.

    Raises:
        InvalidSignature: WrongSignatureLength, NotCanonicalPoint, SmallOrderPoint, ScalarTooLarge or EquationFails.
    """
    # SPEC KEY-01: A public key MUST be 32 bytes and a signature 64 bytes.
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        raise WrongSignatureLength(f"a key of {len(public)} and a signature of {len(signature)} bytes, not 32 and 64")
    for name, point in (("public key", public), ("R of the signature", signature[:32])):
        # SPEC KEY-02: A and R MUST be encoded canonically: y below 2^255 - 19, and no sign bit when x is 0.
        if point in NOT_CANONICAL:
            raise NotCanonicalPoint(f"the {name} {point.hex()} is not canonical")
        # SPEC KEY-03: Neither A nor R MUST be one of the 8 points of small order.
        if point in SMALL_ORDER:
            raise SmallOrderPoint(f"the {name} {point.hex()} has a small order")
    # SPEC KEY-04: S MUST be below the group order L.
    if int.from_bytes(signature[32:], "little") >= GROUP_ORDER:
        raise ScalarTooLarge("the second half of the signature is not below the group order")
    _check_library()
    # SPEC KEY-05: A and R MUST be points of the curve with S*B = R + h*A, h = SHA-512(R | A | message), no cofactor.
    if not _equation_holds(public, message, signature):
        raise EquationFails("the signature does not fit the key and the message")


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the 64-byte signature of `message`, deterministic as in RFC 8032.

    Raises:
        InvalidSeed: the seed is not 32 bytes.
    """
    return crypto_sign(message, _expand(seed)[1])[:SIGNATURE_BYTES]


def public_of(seed: bytes) -> bytes:
    """Return the public key of a 32-byte secret seed.

    Raises:
        InvalidSeed: the seed is not 32 bytes.
    """
    return _expand(seed)[0]


def _expand(seed: bytes) -> tuple[bytes, bytes]:
    # SPEC KEY-06: A secret seed MUST be 32 bytes.
    if len(seed) != SEED_BYTES:
        raise InvalidSeed(f"a secret seed has {SEED_BYTES} bytes, not {len(seed)}")
    return crypto_sign_seed_keypair(seed)


def _equation_holds(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True


@cache
def _check_library() -> None:
    """Refuse a libsodium whose equation has the cofactor in it (some versions do), or that accepts nothing.

    The probes are a plain signature of the empty message, and one whose R was shifted by the point of order 2.
    """
    plain, shifted = (_equation_holds(_PROBE_PUBLIC, b"", probe) for probe in (_PLAIN_PROBE, _SHIFTED_PROBE))
    if not plain or shifted:
        raise UnsuitableLibrary(
            "the installed libsodium accepts other signatures than the chain does; install pynacl from its own wheels"
        )
