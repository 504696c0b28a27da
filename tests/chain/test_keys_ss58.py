"""Addresses and peer ids against published vectors, and their refusals."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.base58 import ALPHABET, CHARACTERS_MAX, NotBase58, decode_base58, encode_base58
from chain.ed25519 import public_of
from chain.peer_id import InvalidPeerId, decode_peer_id, encode_peer_id
from chain.ss58 import (
    AddressNotBase58,
    ForeignAddress,
    InvalidAddress,
    WrongAddressChecksum,
    WrongAddressLength,
    WrongAddressPrefix,
    decode_address,
    decode_payload,
    encode_address,
    encode_payload,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "keys"
ADDRESSES: dict[str, str] = json.loads((VECTORS / "ss58.json").read_text())
DEV_KEYS: dict[str, dict[str, str]] = json.loads((VECTORS / "ed25519_dev_keys.json").read_text())
ALICE = bytes.fromhex("88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee")
ALICE_ADDRESS = ADDRESSES["42"]
PREFIXES = st.integers(0, 16383).filter(lambda prefix: prefix not in (46, 47))


def write_anything(data: bytes, checksum_bytes: int = 2) -> str:
    """Return base58 of the data with a right checksum, whatever the data are."""
    return encode_base58(data + blake2b(b"SS58PRE" + data).digest()[:checksum_bytes])


@pytest.mark.parametrize("prefix", [int(name) for name in ADDRESSES if name.isdigit()])
def test_addresses_of_alice_are_the_published_ones(prefix: int) -> None:
    address = ADDRESSES[str(prefix)]
    assert encode_address(ALICE, prefix) == address
    assert decode_address(address) == (ALICE, prefix)
    assert decode_address(address, prefix=prefix) == (ALICE, prefix)


@pytest.mark.parametrize("length", [1, 2, 4, 8, 33])
def test_short_payloads_have_the_published_addresses(length: int) -> None:
    payload, address = bytes(range(1, length + 1)), ADDRESSES[f"len{length}"]
    assert encode_payload(payload, 42) == address
    assert decode_payload(address) == (payload, 42)


def test_dev_keys_have_their_published_addresses() -> None:
    for entry in DEV_KEYS.values():
        public = bytes.fromhex(entry["public"][2:])
        assert encode_address(public, 42) == entry["ss58_42"]
        assert encode_address(public, 0) == entry["ss58_0"]


def test_key_11_a_foreign_character_is_refused() -> None:
    for text in ("0" + ALICE_ADDRESS, ALICE_ADDRESS + " ", ALICE_ADDRESS[:-1] + "ü", "l", "1" * (CHARACTERS_MAX + 1)):
        with pytest.raises(AddressNotBase58):
            decode_address(text)


def test_key_12_other_lengths_are_refused() -> None:
    for text in ("", "1", ALICE_ADDRESS[:-3], ALICE_ADDRESS * 2, write_anything(bytes([42]) + bytes(31))):
        with pytest.raises(WrongAddressLength):
            decode_payload(text)
    with pytest.raises(WrongAddressLength):
        encode_payload(bytes(3), 42)


def test_key_12_an_account_has_32_bytes() -> None:
    for length in (1, 2, 4, 8, 33):
        with pytest.raises(WrongAddressLength):
            decode_address(ADDRESSES[f"len{length}"])
        with pytest.raises(WrongAddressLength):
            encode_address(bytes(length), 42)


@pytest.mark.parametrize("prefix", [46, 47, -1, 16384])
def test_key_13_reserved_prefixes_and_those_out_of_range_have_no_address(prefix: int) -> None:
    with pytest.raises(WrongAddressPrefix):
        encode_address(ALICE, prefix)
    with pytest.raises(WrongAddressPrefix):
        encode_payload(b"\1", prefix)


@pytest.mark.parametrize("head", [b"\x2e", b"\x2f", b"\x80", b"\xff", b"\x40\x00", b"\x4a\x80"])
def test_key_13_a_reserved_or_long_prefix_is_refused(head: bytes) -> None:
    """46, 47, the reserved top bit, and 0 and 42 written in two bytes."""
    with pytest.raises(WrongAddressPrefix):
        decode_address(write_anything(head + ALICE))


def test_key_14_every_changed_character_is_refused() -> None:
    assert ALICE_ADDRESS.endswith("TTpu")
    with pytest.raises(WrongAddressChecksum):
        decode_address(ALICE_ADDRESS[:-1] + "v")
    for place in range(len(ALICE_ADDRESS)):
        for character in "1Az":
            changed = ALICE_ADDRESS[:place] + character + ALICE_ADDRESS[place + 1 :]
            if changed != ALICE_ADDRESS:
                with pytest.raises(InvalidAddress):
                    decode_address(changed)


def test_key_15_an_address_of_another_network_is_refused_where_one_is_expected() -> None:
    with pytest.raises(ForeignAddress, match="network 0, not to 42"):
        decode_address(ADDRESSES["0"], prefix=42)


@given(
    payload=st.sampled_from([1, 2, 4, 8, 32, 33]).flatmap(lambda n: st.binary(min_size=n, max_size=n)), prefix=PREFIXES
)
def test_every_address_reads_back(payload: bytes, prefix: int) -> None:
    assert decode_payload(encode_payload(payload, prefix)) == (payload, prefix)


@given(text=st.one_of(st.text(max_size=60), st.text(alphabet=ALPHABET, max_size=60)))
def test_any_text_is_refused_or_is_the_only_one_for_its_payload(text: str) -> None:
    try:
        payload, prefix = decode_payload(text)
    except InvalidAddress:
        return
    assert encode_payload(payload, prefix) == text


@given(body=st.binary(min_size=1, max_size=40), checksum_bytes=st.sampled_from([1, 2]))
def test_any_checked_bytes_are_refused_or_the_only_ones_for_their_payload(body: bytes, checksum_bytes: int) -> None:
    text = write_anything(body, checksum_bytes)
    try:
        payload, prefix = decode_payload(text)
    except InvalidAddress:
        return
    assert encode_payload(payload, prefix) == text


@given(data=st.binary(max_size=64))
def test_base58_reads_back(data: bytes) -> None:
    assert decode_base58(encode_base58(data)) == data


def test_base58_keeps_leading_zeros_and_refuses_foreign_characters() -> None:
    assert encode_base58(b"\0\0\1") == "112"
    assert encode_base58(b"Hello World!") == "2NEpo7TZRRrLZSi2U"  # the example of draft-msporny-base58
    with pytest.raises(NotBase58):
        decode_base58("O")


def test_key_51_peer_ids_are_the_ones_of_every_tutorial() -> None:
    for number, name in (
        (1, "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"),
        (2, "12D3KooWHdiAxVd8uMQR1hGWXccidmfCwLqcMpGwR6QcTP6QRMuD"),
    ):
        public = public_of(number.to_bytes(32, "big"))
        assert encode_peer_id(public) == name
        assert decode_peer_id(name) == public


@given(text=st.one_of(st.text(max_size=60), st.binary(max_size=45).map(encode_base58)))
def test_key_51_other_texts_name_no_node(text: str) -> None:
    with pytest.raises(InvalidPeerId):
        decode_peer_id(text)


def test_key_51_a_hashed_key_or_a_key_of_another_length_is_refused() -> None:
    for data in (
        b"\x12\x20" + bytes(32),
        bytes.fromhex("002408021220") + bytes(32),
        bytes.fromhex("002408011220") + bytes(31),
    ):
        with pytest.raises(InvalidPeerId):
            decode_peer_id(encode_base58(data))
    with pytest.raises(InvalidPeerId):
        encode_peer_id(bytes(31))
