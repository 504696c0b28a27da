"""Signatures: the one rule, against a reference in plain integers and against another library."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

import chain.ed25519
from chain.ed25519 import (
    GROUP_ORDER,
    NOT_CANONICAL,
    SMALL_ORDER,
    EquationFails,
    InvalidSeed,
    InvalidSignature,
    NotCanonicalPoint,
    ScalarTooLarge,
    SmallOrderPoint,
    UnsuitableLibrary,
    WrongSignatureLength,
    check_signature,
    is_valid_signature,
    public_of,
    sign,
)
from tests.support import edwards25519 as slow

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
MESSAGE = b"a message"
TORSION = slow.make_torsion()
VECTORS = Path(__file__).parents[1] / "vectors" / "keys" / "ed25519_dev_keys.json"


def refuse(error: type[InvalidSignature], public: bytes, message: bytes, signature: bytes) -> None:
    """Expect this refusal, and the same verdict from the fast function."""
    with pytest.raises(error) as caught:
        check_signature(public, message, signature)
    assert type(caught.value) is error
    assert not is_valid_signature(public, message, signature)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def with_scalar(signature: bytes, scalar: int) -> bytes:
    """Return the signature with another S."""
    return signature[:32] + scalar.to_bytes(32, "little")


@pytest.mark.parametrize(
    ("seed", "public", "message", "signature"),
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ],
)
def test_rfc_8032_vectors_hold(seed: str, public: str, message: str, signature: str) -> None:
    assert public_of(bytes.fromhex(seed)).hex() == public
    assert sign(bytes.fromhex(seed), bytes.fromhex(message)).hex() == signature
    check_signature(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))


def test_dev_keys_have_their_published_publics() -> None:
    for entry in json.loads(VECTORS.read_text()).values():
        assert "0x" + public_of(bytes.fromhex(entry["seed"][2:])).hex() == entry["public"]


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200))
def test_signing_agrees_with_another_library(seed: bytes, message: bytes) -> None:
    theirs = Ed25519PrivateKey.from_private_bytes(seed)
    assert sign(seed, message) == theirs.sign(message)
    assert public_of(seed) == theirs.public_key().public_bytes_raw()
    assert is_valid_signature(public_of(seed), message, sign(seed, message))


def test_key_01_wrong_lengths_are_refused() -> None:
    public, signature = public_of(SEED), sign(SEED, MESSAGE)
    refuse(WrongSignatureLength, public[:31], MESSAGE, signature)
    refuse(WrongSignatureLength, public + b"\0", MESSAGE, signature)
    refuse(WrongSignatureLength, public, MESSAGE, signature[:63])
    refuse(WrongSignatureLength, public, MESSAGE, signature + b"\0")


def test_key_02_every_encoding_that_is_not_canonical_is_listed() -> None:
    """An encoding is canonical iff decoding and encoding give it back."""
    tops = [y | sign for y in range(2**255 - 40, 2**255) for sign in (0, 1 << 255)]
    bottoms = [y | sign for y in range(40) for sign in (0, 1 << 255)]
    for value in (*tops, *bottoms):
        data = value.to_bytes(32, "little")
        point = slow.decode(data)
        if point is not None:
            assert (slow.encode(point) != data) == (data in NOT_CANONICAL)
        elif value & (2**255 - 1) >= slow.P:
            assert data in NOT_CANONICAL
    assert len(NOT_CANONICAL) == 40


def test_key_02_a_point_that_is_not_canonical_is_refused_as_a_and_as_r() -> None:
    signature = sign(SEED, MESSAGE)
    for point in NOT_CANONICAL:
        refuse(NotCanonicalPoint, point, MESSAGE, signature)
        refuse(NotCanonicalPoint, public_of(SEED), MESSAGE, point + signature[32:])


def test_key_03_the_points_of_small_order_are_all_listed() -> None:
    assert {slow.encode(point) for point in TORSION} == SMALL_ORDER - NOT_CANONICAL
    assert len(SMALL_ORDER - NOT_CANONICAL) == 8


def test_key_03_a_point_of_small_order_is_refused_even_where_the_equation_holds() -> None:
    """With A, R and S of zero the equation holds for every message."""
    identity = slow.encode(slow.IDENTITY)
    forged = identity + bytes(32)
    assert slow.accepts(identity, MESSAGE, forged, cofactored=False)
    refuse(SmallOrderPoint, identity, MESSAGE, forged)
    signature = sign(SEED, MESSAGE)
    for point in SMALL_ORDER - NOT_CANONICAL:
        refuse(SmallOrderPoint, point, MESSAGE, signature)
        refuse(SmallOrderPoint, public_of(SEED), MESSAGE, point + signature[32:])


def test_key_03_an_r_of_small_order_is_refused_with_an_honest_key() -> None:
    """The signer can choose the nonce 0; then R is the identity and the equation holds."""
    public, forged = slow.sign_with(5**70, MESSAGE, nonce=0)
    assert slow.accepts(public, MESSAGE, forged, cofactored=False)
    refuse(SmallOrderPoint, public, MESSAGE, forged)


def test_key_04_a_scalar_of_l_or_more_is_refused() -> None:
    """S and S + L fit the same equation; only one of them may be a signature."""
    public, signature = public_of(SEED), sign(SEED, MESSAGE)
    scalar = int.from_bytes(signature[32:], "little")
    while scalar + GROUP_ORDER < 2**256:
        scalar += GROUP_ORDER
        refuse(ScalarTooLarge, public, MESSAGE, with_scalar(signature, scalar))
    refuse(ScalarTooLarge, public, MESSAGE, with_scalar(signature, GROUP_ORDER))


def test_key_04_the_largest_scalar_below_l_is_judged_by_the_equation() -> None:
    """For a fixed nonce some key makes S = L - 1, a scalar whose top byte is 0x10."""
    nonce = 7**80 % GROUP_ORDER
    encoded_r = slow.encode(slow.multiply(nonce, slow.BASE))
    signature = with_scalar(encoded_r + bytes(32), GROUP_ORDER - 1)
    assert signature[63] == 0x10
    refuse(EquationFails, public_of(SEED), MESSAGE, signature)


def test_key_05_every_changed_bit_is_refused() -> None:
    public, signature = public_of(SEED), sign(SEED, MESSAGE)
    refuse(EquationFails, public, MESSAGE + b"!", signature)
    refuse(EquationFails, public_of(bytes(32)), MESSAGE, signature)
    for bit in range(512):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not is_valid_signature(public, MESSAGE, bytes(changed))
        with pytest.raises(InvalidSignature):
            check_signature(public, MESSAGE, bytes(changed))


@pytest.mark.parametrize("shift_a", range(8))
@pytest.mark.parametrize("shift_r", range(8))
def test_key_05_points_with_a_small_part_are_judged_without_the_cofactor(shift_a: int, shift_r: int) -> None:
    """With the cofactor all of these would be valid; without it only those whose small parts cancel."""
    for number in range(3):
        message = bytes([number])
        public, signature = slow.sign_with(5, message, nonce=3, shift_a=TORSION[shift_a], shift_r=TORSION[shift_r])
        assert slow.accepts(public, message, signature, cofactored=True)
        expected = slow.accepts(public, message, signature, cofactored=False)
        assert is_valid_signature(public, message, signature) == expected


def test_key_05_a_key_off_the_curve_is_refused() -> None:
    off = next(data for y in range(2, 99) if slow.decode(data := y.to_bytes(32, "little")) is None)
    refuse(EquationFails, off, MESSAGE, sign(SEED, MESSAGE))


def test_key_05_a_library_with_the_cofactor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for a libsodium that multiplies by 8; and for one that accepts nothing."""
    check = chain.ed25519._check_library
    for verdict in (True, False):
        check.cache_clear()
        monkeypatch.setattr("chain.ed25519._equation_holds", lambda *_, verdict=verdict: verdict)
        with pytest.raises(UnsuitableLibrary):
            is_valid_signature(public_of(SEED), MESSAGE, sign(SEED, MESSAGE))
    check.cache_clear()


def test_odd_signatures_are_refused_whatever_the_library_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """KEY-02 to KEY-04 with a library that accepts everything: the checks in front stand alone."""
    public, signature = public_of(SEED), sign(SEED, MESSAGE)
    assert is_valid_signature(public, MESSAGE, signature)
    monkeypatch.setattr("chain.ed25519._equation_holds", lambda *_: True)
    assert is_valid_signature(public, MESSAGE, with_scalar(signature, GROUP_ORDER - 1))
    for scalar in (GROUP_ORDER, GROUP_ORDER + 1, 2**253, 2**256 - 1):
        refuse(ScalarTooLarge, public, MESSAGE, with_scalar(signature, scalar))
    for point in NOT_CANONICAL | SMALL_ORDER:
        assert not is_valid_signature(point, MESSAGE, signature)
        assert not is_valid_signature(public, MESSAGE, point + signature[32:])


def test_key_05_the_shifted_probe_is_valid_only_with_the_cofactor() -> None:
    probe = (chain.ed25519._PROBE_PUBLIC, b"", chain.ed25519._SHIFTED_PROBE)
    assert slow.accepts(*probe, cofactored=True)
    assert not slow.accepts(*probe, cofactored=False)
    assert slow.accepts(chain.ed25519._PROBE_PUBLIC, b"", chain.ed25519._PLAIN_PROBE, cofactored=False)


def test_key_06_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidSeed):
        public_of(bytes(31))
    with pytest.raises(InvalidSeed):
        sign(bytes(33), MESSAGE)


@given(public=st.binary(max_size=40), message=st.binary(max_size=40), signature=st.binary(max_size=70))
def test_both_judges_agree_on_noise(public: bytes, message: bytes, signature: bytes) -> None:
    refuse_or_accept(public, message, signature)


@given(public=st.binary(min_size=32, max_size=32), signature=st.binary(min_size=64, max_size=64))
def test_both_judges_agree_on_noise_of_the_right_length(public: bytes, signature: bytes) -> None:
    refuse_or_accept(public, b"", signature)


def refuse_or_accept(public: bytes, message: bytes, signature: bytes) -> None:
    """Expect the two functions to agree."""
    try:
        check_signature(public, message, signature)
    except InvalidSignature:
        assert not is_valid_signature(public, message, signature)
    else:
        assert is_valid_signature(public, message, signature)
