"""Keystores: those that polkadot.js wrote, our own, and everything that must not open."""

from __future__ import annotations

import json
import pickle
from base64 import b64decode, b64encode
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_secretbox

from chain.ed25519 import public_of
from chain.keystore import (
    SCRYPT_ALLOWED,
    SCRYPT_DEFAULT,
    Box,
    Encoding,
    InvalidKeystore,
    KeyMismatch,
    Keystore,
    MalformedKeystore,
    ScryptParameters,
    ScryptParametersRefused,
    UnsupportedKeystore,
    WrongPassword,
    decode_keystore,
    encode_keystore,
    is_sealed,
    open_keystore,
    read_public,
    seal_keystore,
)
from chain.secret_uri import derive_seed

VECTORS = Path(__file__).parents[1] / "vectors" / "keys"
ALICE = derive_seed("//Alice")
HEADER, DIVIDER = bytes.fromhex("3053020101300506032b657004220420"), bytes.fromhex("a123032100")
LIGHT = ScryptParameters(n=32768, p=1, r=8)
PLAIN = seal_keystore(ALICE, meta={"name": "alice"})
NAMELESS = msgspec.structs.replace(PLAIN, address="")


def load(name: str) -> Keystore:
    """Return a keystore of the vectors."""
    return decode_keystore((VECTORS / f"{name}.json").read_bytes())


def with_bytes(data: bytes, keystore: Keystore = PLAIN) -> Keystore:
    """Return the keystore with another secret part."""
    return msgspec.structs.replace(keystore, encoded=b64encode(data).decode())


def test_a_keystore_of_polkadot_js_opens() -> None:
    keystore = load("alice_ed25519_password")
    assert is_sealed(keystore)
    assert open_keystore(keystore, "correct horse battery staple") == ALICE
    assert keystore.meta["name"] == "alice-test"
    assert encode_keystore(keystore) == (VECTORS / "alice_ed25519_password.json").read_bytes().rstrip()


def test_a_keystore_is_written_byte_for_byte_as_the_one_that_polkadot_js_imports() -> None:
    box = Box(salt=bytes(range(32)), nonce=bytes(range(24)), parameters=SCRYPT_DEFAULT)
    meta: dict[str, object] = {"name": "alice", "whenCreated": 1700000000000}
    data = encode_keystore(seal_keystore(ALICE, meta=meta, password="password", box=box))
    assert data == (VECTORS / "python_alice_ed25519_password.json").read_bytes()
    assert open_keystore(decode_keystore(data), "password") == ALICE


def test_a_plain_keystore_reads_back_and_needs_no_password() -> None:
    again = decode_keystore(encode_keystore(PLAIN))
    assert again == PLAIN
    assert again.encoding.type == ("none",)
    assert not is_sealed(again)
    assert open_keystore(again) == open_keystore(again, "ignored") == ALICE
    assert len(b64decode(again.encoded)) == 117


def test_a_keystore_can_have_the_address_of_another_network() -> None:
    assert open_keystore(seal_keystore(ALICE, meta={}, prefix=0)) == ALICE
    as_hex = msgspec.structs.replace(PLAIN, address="0x" + public_of(ALICE).hex())
    assert open_keystore(as_hex) == ALICE
    assert open_keystore(msgspec.structs.replace(PLAIN, address="")) == ALICE


def test_a_keystore_says_whose_it_is_without_being_opened() -> None:
    public = public_of(ALICE)
    assert read_public(load("alice_ed25519_password")) == public
    assert read_public(msgspec.structs.replace(PLAIN, address="0x" + public.hex())) == public
    for address in ("", "nonsense", "0x12"):
        with pytest.raises(MalformedKeystore):
            read_public(msgspec.structs.replace(PLAIN, address=address))


@pytest.mark.parametrize("version", ["0", "1", "2"])
def test_an_older_keystore_opens(version: str) -> None:
    """They hold the seed alone, in hex, under the password itself, padded with zeros."""
    plain = HEADER + ALICE + DIVIDER + public_of(ALICE)
    nonce = bytes(range(24))
    sealed = nonce + crypto_secretbox(plain, nonce, b"password".ljust(32, b"\0"))
    record = {
        "encoded": "0x" + sealed.hex(),
        "encoding": {"content": ["pkcs8", "ed25519"], "type": "xsalsa20-poly1305", "version": version},
        "address": PLAIN.address,
    }
    assert open_keystore(decode_keystore(json.dumps(record).encode()), "password") == ALICE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"null",
        b"[" * 100_000,
        b'{"meta":' * 5000,
        b'{"encoded":"","encoding":{"content":"pkcs8","type":"none","version":"3"},"address":""}',
        b" " * (1 << 20) + b"{}",
    ],
)
def test_key_41_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedKeystore):
        decode_keystore(data)


@pytest.mark.parametrize("encoded", ["0xzz", "0x123", "!", "QQ", "é"])
def test_key_41_a_secret_that_is_no_text_of_bytes_is_refused(encoded: str) -> None:
    with pytest.raises(MalformedKeystore):
        open_keystore(msgspec.structs.replace(PLAIN, encoded=encoded))


def test_key_41_plain_bytes_of_another_form_are_refused() -> None:
    plain = b64decode(PLAIN.encoded)
    other_public = public_of(bytes(32))
    for changed in (
        b"",
        plain[:-1],
        plain + b"\0",
        b"\0" + plain[1:],
        plain[:80] + b"\0" + plain[81:],
        plain[:48] + other_public + plain[80:],
    ):
        with pytest.raises(MalformedKeystore):
            open_keystore(with_bytes(changed))


@pytest.mark.parametrize(
    "encoding",
    [
        Encoding(content=("pkcs8", "sr25519"), type=("none",), version="3"),
        Encoding(content=("pkcs8",), type=("none",), version="3"),
        Encoding(content=(), type=("none",), version="3"),
        Encoding(content=("batch-pkcs8",), type=("none",), version="3"),
        Encoding(content=("pkcs8", "ed25519"), type=("none",), version="4"),
        Encoding(content=("pkcs8", "ed25519"), type=("rot13",), version="3"),
        Encoding(content=("pkcs8", "ed25519"), type=("xsalsa20-poly1305",), version="3"),
        Encoding(content=("pkcs8", "ed25519"), type=("scrypt", "xsalsa20-poly1305"), version="2"),
        Encoding(content=("pkcs8", "ed25519"), type=(), version="3"),
    ],
)
def test_key_42_other_kinds_of_keystore_are_refused(encoding: Encoding) -> None:
    keystore = msgspec.structs.replace(PLAIN, encoding=encoding)
    with pytest.raises(UnsupportedKeystore):
        open_keystore(keystore)
    with pytest.raises(UnsupportedKeystore):
        decode_keystore(encode_keystore(keystore))


def test_key_43_scrypt_parameters_off_the_list_are_refused() -> None:
    """Too cheap, too dear for any machine, and with N and p swapped."""
    sealed = load("python_alice_ed25519_N32768")
    data = b64decode(sealed.encoded)
    for n, p, r in ((4096, 1, 8), (2**31, 1, 8), (131072, 1, 9), (131072, 2, 8), (1, 131072, 8), (0, 0, 0)):
        head = b"".join(value.to_bytes(4, "little") for value in (n, p, r))
        with pytest.raises(ScryptParametersRefused, match=f"N={n}, p={p}, r={r}"):
            open_keystore(with_bytes(data[:32] + head + data[44:], sealed), "password")
    assert SCRYPT_DEFAULT in SCRYPT_ALLOWED
    box = Box(salt=bytes(32), nonce=bytes(24), parameters=ScryptParameters(n=4096, p=1, r=8))
    with pytest.raises(ScryptParametersRefused):
        seal_keystore(ALICE, meta={}, password="password", box=box)


@pytest.mark.slow
@pytest.mark.parametrize("parameters", sorted(SCRYPT_ALLOWED, key=lambda p: (p.n, p.p)), ids=str)
def test_key_43_every_allowed_parameter_works(parameters: ScryptParameters) -> None:
    """Python's scrypt has its own bound of memory, which must not be in the way."""
    box = Box(salt=bytes(32), nonce=bytes(24), parameters=parameters)
    assert open_keystore(seal_keystore(ALICE, meta={}, password="password", box=box), "password") == ALICE


def test_key_44_a_wrong_password_opens_nothing() -> None:
    sealed = load("python_alice_ed25519_N32768")
    assert open_keystore(sealed, "password") == ALICE
    for password in ("Password", "", None, "\udcff"):
        with pytest.raises(WrongPassword):
            open_keystore(sealed, password)


def test_key_44_a_damaged_box_does_not_open() -> None:
    sealed = load("python_alice_ed25519_N32768")
    data = b64decode(sealed.encoded)
    for changed in (data[:-1], data[:100] + bytes([data[100] ^ 1]) + data[101:], data[:70]):
        with pytest.raises(WrongPassword):
            open_keystore(with_bytes(changed, sealed), "password")
    with pytest.raises(MalformedKeystore):
        open_keystore(with_bytes(data[:67], sealed), "password")


def test_key_45_a_file_that_names_another_key_is_refused() -> None:
    public = public_of(bytes(32))
    with pytest.raises(KeyMismatch):
        open_keystore(with_bytes(HEADER + ALICE + public + DIVIDER + public, NAMELESS))
    for address in (load_address(bytes(32)), "nonsense", "0xzz", "0x" + public.hex()):
        with pytest.raises(KeyMismatch):
            open_keystore(msgspec.structs.replace(PLAIN, address=address))


def load_address(seed: bytes) -> str:
    """Return the address in a keystore of this seed."""
    return seal_keystore(seed, meta={}).address


@given(seed=st.binary(min_size=32, max_size=32), meta=st.dictionaries(st.text(), st.text() | st.integers(0, 2**53)))
def test_every_plain_keystore_reads_back(seed: bytes, meta: dict[str, object]) -> None:
    keystore = decode_keystore(encode_keystore(seal_keystore(seed, meta=meta)))
    assert open_keystore(keystore) == seed
    assert keystore.meta == meta


@given(data=st.binary(max_size=300))
def test_any_bytes_are_refused_with_our_own_error(data: bytes) -> None:
    with pytest.raises(InvalidKeystore) as caught:
        open_keystore(decode_keystore(data))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists)


@given(
    encoded=st.one_of(st.binary(max_size=240).map(lambda data: b64encode(data).decode()), JSON),
    content=st.one_of(st.lists(st.sampled_from(["pkcs8", "ed25519", "sr25519"])), st.just(["pkcs8", "ed25519"]), JSON),
    kind=st.one_of(st.just(["none"]), st.just("xsalsa20-poly1305"), JSON),
    version=st.one_of(st.sampled_from(["0", "1", "2", "3"]), JSON),
    address=st.one_of(st.text(), JSON),
)
def test_any_json_is_refused_with_our_own_error(
    encoded: object, content: object, kind: object, version: object, address: object
) -> None:
    record = {
        "encoded": encoded,
        "encoding": {"content": content, "type": kind, "version": version},
        "address": address,
    }
    with pytest.raises(InvalidKeystore):
        open_keystore(decode_keystore(json.dumps(record).encode()), "password")
