"""Keys against programs that are not ours: scalecodec, Rust's bip39, and ed25519-zebra, which Substrate uses."""

from __future__ import annotations

import itertools

import bip39
import ed25519_zebra
from hypothesis import given, settings
from hypothesis import strategies as st
from scalecodec.utils.ss58 import ss58_decode, ss58_encode

from chain.ed25519 import is_valid_signature, public_of, sign
from chain.mnemonic import InvalidMnemonic, compute_mini_secret, load_words, mnemonic_of
from chain.ss58 import InvalidAddress, decode_address, encode_address
from tests.support import edwards25519 as slow

BYTES_32 = st.binary(min_size=32, max_size=32)
PREFIXES = st.integers(0, 16383).filter(lambda prefix: prefix not in (46, 47))
TORSION = slow.make_torsion()


@given(public=BYTES_32, prefix=PREFIXES)
def test_addresses_are_those_of_scalecodec(public: bytes, prefix: int) -> None:
    address = encode_address(public, prefix)
    assert address == ss58_encode(public, ss58_format=prefix)
    assert ss58_decode(address) == public.hex()


@given(public=BYTES_32, prefix=PREFIXES, place=st.integers(0, 46), character=st.characters(codec="ascii"))
def test_what_we_accept_as_an_address_scalecodec_accepts(
    public: bytes, prefix: int, place: int, character: str
) -> None:
    address = encode_address(public, prefix)
    changed = address[:place] + character + address[place + 1 :]
    try:
        decoded, _ = decode_address(changed)
    except InvalidAddress:
        return
    assert ss58_decode(changed) == decoded.hex()


@settings(max_examples=30)
@given(
    entropy=st.sampled_from([16, 20, 24, 28, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    password=st.text(),
)
def test_mini_secrets_are_those_of_the_rust_crate(entropy: bytes, password: str) -> None:
    phrase = mnemonic_of(entropy)
    assert compute_mini_secret(phrase, password) == bytes(bip39.bip39_to_mini_secret(phrase, password))


@settings(max_examples=200)
@given(words=st.lists(st.sampled_from([*load_words()[:40], "Abandon", "x"]), min_size=11, max_size=16))
def test_phrases_are_judged_as_the_rust_crate_does(words: list[str]) -> None:
    phrase = " ".join(words)
    try:
        compute_mini_secret(phrase)
    except InvalidMnemonic:
        valid = False
    else:
        valid = True
    assert valid == bip39.bip39_validate(phrase)


@given(seed=BYTES_32, message=st.binary(max_size=100))
def test_ordinary_signatures_are_valid_for_both(seed: bytes, message: bytes) -> None:
    public, signature = public_of(seed), sign(seed, message)
    assert ed25519_zebra.ed_verify(signature, message, public)
    assert is_valid_signature(public, message, signature)


def test_substrate_accepts_what_we_accept_and_more() -> None:
    """Over points with a part of small order ours is the stricter rule, never the other way round."""
    ours = theirs = 0
    for a, r, number in itertools.product(range(8), range(8), range(3)):
        message = bytes([number])
        public, signature = slow.sign_with(5, message, nonce=3, shift_a=TORSION[a], shift_r=TORSION[r])
        accepted = is_valid_signature(public, message, signature)
        assert ed25519_zebra.ed_verify(signature, message, public) or not accepted
        ours += accepted
        theirs += ed25519_zebra.ed_verify(signature, message, public)
    assert 3 <= ours < theirs == 192
