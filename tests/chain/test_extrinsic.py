"""Extrinsics: byte for byte those of polkadot.js, and an error of its own for every other form."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.ed25519 import is_valid_signature, public_of
from chain.era import IMMORTAL, Era, InvalidEra, make_era
from chain.extrinsic import (
    Extrinsic,
    InvalidExtrinsic,
    SigningContext,
    UnsupportedAddress,
    UnsupportedScheme,
    assemble_signed,
    compute_signing_payload,
    decode_extrinsic,
    encode_extra,
    make_bare,
    make_signed,
)
from chain.hashing import blake2b_256
from chain.scale import CodecError, NotCanonical, TrailingBytes, UnexpectedEnd, encode_compact

SEED = bytes.fromhex("abf8e5bdbe30c65656c0a3cbd181ff8a56294a69dfedd27982aace4a76909115")
ALICE = bytes.fromhex("88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee")
BOB = bytes.fromhex("d17c2d7823ebf260fd138f2d7e27d114c0145d968b5ff5006125f2414fadae69")
CALL = b"\x04\x03\x00" + BOB + encode_compact(12345)
CONTEXT = SigningContext(spec_version=100, transaction_version=1, genesis_hash=bytes(32), birth_hash=bytes(32))
# Made by polkadot.js: //Alice to //Bob, transfer_keep_alive 12345, nonce 0, tip 0, immortal, genesis 0x00...
VECTOR = bytes.fromhex(
    "2d02840088dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee0027dda1a79df0550d882f4c029680aba9dbe0fdfc"
    "572a3fc33d6b5482668c43a36df631331c913b9b634a97a10a7997e970b1d281886271d756cde581576c3b0c000000040300d17c2d7823ebf2"
    "60fd138f2d7e27d114c0145d968b5ff5006125f2414fadae69e5c0"
)


def _sign(call: bytes = CALL, era: Era = IMMORTAL, nonce: int = 0, tip: int = 0) -> bytes:
    return make_signed(call, SEED, ALICE, encode_extra(era, nonce, tip), CONTEXT)


def _with_length(body: bytes) -> bytes:
    return encode_compact(len(body)) + body


BODY = VECTOR[2:]


def test_a_signed_transfer_is_byte_identical_to_polkadot_js() -> None:
    assert _sign() == VECTOR
    assert public_of(SEED) == ALICE


def test_the_hash_is_that_of_polkadot_js() -> None:
    expected = "d5681298ef1fc09fc1e160c8233eecafc7ca71f1b04734e82ff67686c64b6f1b"
    assert decode_extrinsic(VECTOR).hash.hex() == expected


def test_a_timestamp_inherent_is_byte_identical_to_polkadot_js() -> None:
    call = b"\x01\x00" + encode_compact(1_700_000_000_000)
    assert make_bare(call).hex() == "280401000b0068e5cf8b01"
    decoded = decode_extrinsic(make_bare(call))
    assert decoded.signed is None
    assert decoded.call == call


def test_a_decoded_extrinsic_has_what_was_signed() -> None:
    decoded = decode_extrinsic(VECTOR)
    assert decoded.signed is not None
    assert decoded.signed.signer == ALICE
    assert (decoded.signed.era, decoded.signed.nonce, decoded.signed.tip) == (IMMORTAL, 0, 0)
    assert decoded.call == CALL
    assert decoded.raw == VECTOR
    payload = compute_signing_payload(decoded.call, decoded.extra, CONTEXT)
    assert is_valid_signature(ALICE, payload, decoded.signed.signature)


eras = st.one_of(st.just(IMMORTAL), st.builds(make_era, st.integers(4, 70000), st.integers(0, 2**32 - 1)))


@given(st.binary(max_size=400), eras, st.integers(0, 2**32 - 1), st.integers(0, 2**128 - 1))
def test_every_signed_extrinsic_comes_back(call: bytes, era: Era, nonce: int, tip: int) -> None:
    extra = encode_extra(era, nonce, tip)
    decoded = decode_extrinsic(assemble_signed(call, ALICE, extra, bytes(64)))
    assert decoded.signed is not None
    assert (decoded.signed.era, decoded.signed.nonce, decoded.signed.tip) == (era, nonce, tip)
    assert (decoded.call, decoded.extra) == (call, extra)


@given(st.binary(max_size=300), st.booleans())
def test_a_strangers_bytes_are_an_extrinsic_or_a_codec_error(data: bytes, is_framed: bool) -> None:
    raw = _with_length(b"\x84\x00" + data) if is_framed else data
    try:
        decoded = decode_extrinsic(raw)
    except CodecError:
        return
    assert _rebuild(decoded) == raw


def _rebuild(extrinsic: Extrinsic) -> bytes:
    signed = extrinsic.signed
    if signed is None:
        return make_bare(extrinsic.call)
    extra = encode_extra(signed.era, signed.nonce, signed.tip)
    return assemble_signed(extrinsic.call, signed.signer, extra, signed.signature)


def test_ext_01_another_version_is_refused() -> None:
    for version in (0x00, 0x03, 0x05, 0x44, 0x83, 0x85, 0xFF):
        with pytest.raises(InvalidExtrinsic, match=f"begins with {version:#04x}"):
            decode_extrinsic(_with_length(bytes((version,)) + BODY[1:]))


def test_ext_02_another_kind_of_address_is_refused() -> None:
    for kind in (1, 2, 3, 4, 255):
        with pytest.raises(UnsupportedAddress, match=f"kind {kind} "):
            decode_extrinsic(_with_length(BODY[:1] + bytes((kind,)) + BODY[2:]))


def test_ext_03_another_signature_scheme_is_refused() -> None:
    for scheme in (1, 2, 3, 255):
        with pytest.raises(UnsupportedScheme, match=f"scheme {scheme} "):
            decode_extrinsic(_with_length(BODY[:34] + bytes((scheme,)) + BODY[35:]))


def test_ext_04_a_payload_of_more_than_256_bytes_is_hashed() -> None:
    extra = encode_extra(IMMORTAL, 0, 0)
    rest = len(compute_signing_payload(b"", extra, CONTEXT))
    longest = compute_signing_payload(bytes(256 - rest), extra, CONTEXT)
    assert len(longest) == 256
    assert longest.startswith(bytes(256 - rest))
    hashed = compute_signing_payload(bytes(257 - rest), extra, CONTEXT)
    assert hashed == blake2b_256(bytes(1) + longest)


def test_ext_04_every_part_of_the_context_is_signed() -> None:
    payloads = {compute_signing_payload(CALL, b"\x00\x00\x00", CONTEXT)}
    for field, value in (
        ("spec_version", 101),
        ("transaction_version", 2),
        ("genesis_hash", b"\x01" * 32),
        ("birth_hash", b"\x01" * 32),
    ):
        changed = msgspec.structs.replace(CONTEXT, **{field: value})
        payloads.add(compute_signing_payload(CALL, b"\x00\x00\x00", changed))
    assert len(payloads) == 5


def test_ext_05_an_era_that_does_not_exist_is_refused() -> None:
    for era in ("1000", "4100"):
        with pytest.raises(InvalidEra):
            decode_extrinsic(_with_length(BODY[:99] + bytes.fromhex(era) + BODY[100:]))


def test_scl_02_a_cut_off_extrinsic_is_refused() -> None:
    for length in range(len(VECTOR)):
        with pytest.raises(UnexpectedEnd):
            decode_extrinsic(VECTOR[:length])
    for length in range(102):
        with pytest.raises(UnexpectedEnd):
            decode_extrinsic(_with_length(BODY[:length]))


def test_scl_02_a_length_beyond_the_bytes_is_refused() -> None:
    for length in (len(BODY) + 1, 2**30, 2**32 - 1):
        with pytest.raises(UnexpectedEnd, match=f"says that it has {length}"):
            decode_extrinsic(encode_compact(length) + BODY)


def test_scl_03_bytes_after_an_extrinsic_are_refused() -> None:
    with pytest.raises(TrailingBytes):
        decode_extrinsic(VECTOR + b"\x00")


def test_scl_04_nonce_tip_and_length_in_longer_forms_are_refused() -> None:
    longer_length = bytes.fromhex("2e020000") if len(BODY) == 139 else b""
    assert longer_length
    with pytest.raises(NotCanonical):
        decode_extrinsic(longer_length + BODY)
    with pytest.raises(NotCanonical):
        decode_extrinsic(_with_length(BODY[:100] + b"\x01\x00" + BODY[101:]))
    with pytest.raises(NotCanonical):
        decode_extrinsic(_with_length(BODY[:101] + b"\x02\x00\x00\x00" + BODY[102:]))
    with pytest.raises(NotCanonical, match="more than 4 bytes"):
        decode_extrinsic(_with_length(BODY[:100] + encode_compact(2**32) + BODY[101:]))
    with pytest.raises(NotCanonical, match="more than 16 bytes"):
        decode_extrinsic(_with_length(BODY[:101] + encode_compact(2**128) + BODY[102:]))
