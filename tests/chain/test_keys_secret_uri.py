"""Mnemonics and secret URIs against the vectors of substrate-bip39, sp-core and polkadot.js."""

from __future__ import annotations

import json
import pickle
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.ed25519 import public_of
from chain.hashing import blake2b_256
from chain.mnemonic import (
    DEV_PHRASE,
    InvalidMnemonic,
    UnknownWord,
    WrongWordChecksum,
    WrongWordCount,
    compute_mini_secret,
    entropy_of,
    load_words,
    mnemonic_of,
)
from chain.secret_uri import (
    AmbiguousJunction,
    InvalidPhrase,
    InvalidSecretUri,
    Junction,
    MalformedUri,
    SoftKeyInPath,
    compute_chain_code,
    derive_seed,
    has_ambiguous_junction,
    parse_secret_uri,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "keys"
SP_CORE: dict[str, dict[str, str]] = json.loads((VECTORS / "ed25519_dev_keys.json").read_text())
POLKADOT_JS: dict[str, dict[str, str]] = json.loads((VECTORS / "ed25519_polkadotjs.json").read_text())
BIP39: list[dict[str, str]] = json.loads((VECTORS / "substrate_bip39.json").read_text())
ENTROPY = st.sampled_from([16, 20, 24, 28, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n))
SEED = "0x9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"


def text_of(name: str) -> str:
    """Return the URI of a vector."""
    return "" if name == "(root)" else name


@pytest.mark.parametrize("vector", BIP39, ids=lambda vector: vector["entropy"])
def test_key_24_mini_secrets_are_those_of_substrate_bip39(vector: dict[str, str]) -> None:
    assert entropy_of(vector["phrase"]).hex() == vector["entropy"]
    assert mnemonic_of(bytes.fromhex(vector["entropy"])) == vector["phrase"]
    assert compute_mini_secret(vector["phrase"], "Substrate").hex() == vector["seed"][:64]


def test_key_24_the_dev_phrase_has_its_published_secret() -> None:
    assert entropy_of(DEV_PHRASE).hex() == "1a486a5fbe53639984cb64b070755f7b"
    assert compute_mini_secret(DEV_PHRASE).hex() == "fac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e"


def test_the_word_list_is_the_public_one() -> None:
    data = files("chain").joinpath("data/bip39_english.txt").read_bytes()
    assert sha256(data).hexdigest() == "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
    assert len(set(load_words())) == 2048


@given(entropy=ENTROPY)
def test_every_mnemonic_reads_back(entropy: bytes) -> None:
    assert entropy_of(mnemonic_of(entropy)) == entropy


def test_key_21_other_numbers_of_words_are_refused() -> None:
    for words in (0, 1, 11, 13, 14, 25, 27):
        with pytest.raises(WrongWordCount, match=f"not {words}"):
            entropy_of(" ".join(["abandon"] * words))
    for length in (0, 4, 12, 15, 17, 36):
        with pytest.raises(WrongWordCount):
            mnemonic_of(bytes(length))


def test_key_22_a_word_outside_the_list_is_refused_without_showing_it() -> None:
    for word in ("secretword", "Bottom", "botto"):
        with pytest.raises(UnknownWord, match="word 1 ") as caught:
            entropy_of(DEV_PHRASE.replace("bottom", word))
        assert word not in str(caught.value)


def test_key_23_swapped_words_are_refused() -> None:
    with pytest.raises(WrongWordChecksum):
        entropy_of("drive bottom " + DEV_PHRASE.removeprefix("bottom drive "))


@given(phrase=st.one_of(st.text(), st.lists(st.sampled_from(load_words()), max_size=25).map(" ".join)))
def test_any_phrase_is_refused_or_written_again(phrase: str) -> None:
    try:
        entropy = entropy_of(phrase)
    except InvalidMnemonic:
        return
    assert mnemonic_of(entropy) == " ".join(phrase.split())


@pytest.mark.parametrize("name", SP_CORE)
def test_key_35_seeds_are_those_of_sp_core(name: str) -> None:
    seed = derive_seed(text_of(name))
    assert "0x" + seed.hex() == SP_CORE[name]["seed"]
    assert "0x" + public_of(seed).hex() == SP_CORE[name]["public"]


def test_key_35_a_zero_chain_code_gives_the_vector_of_sp_core() -> None:
    """The hash itself, since the zero chain code is also that of `//0`."""
    expected = "ede3354e133f9c8e337ddd6ee5415ed4b4ffe5fc7d21e933f4930a3730e5b21c"
    assert compute_chain_code("0") == bytes(32)
    assert derive_seed(SEED + "//0").hex() == expected
    assert blake2b_256(b"\x2cEd25519HDKD" + bytes.fromhex(SEED[2:]) + bytes(32)).hex() == expected


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("//Dave", "5e639b43e0052c47447dac87d6fd2b6ec50bdd4d0f614e4299c665249bbd09d9"),
        ("//Alice//stash", "451781cd0c5504504f69ceec484cc66e4c22a2b6a9d20fb1a426d91ad074a2a8"),
        (
            "//a-very-long-junction-name-that-exceeds-thirty-two-bytes",
            "4e8a2e365e6028b7f98c019181a89fdf4034964f76b8d1a6c6900e89fefb590f",
        ),
    ],
)
def test_key_34_longer_paths_have_their_published_keys(uri: str, public: str) -> None:
    assert public_of(derive_seed(uri)).hex() == public
    assert public_of(derive_seed(DEV_PHRASE + uri)).hex() == public


def test_key_34_a_chain_code_is_a_number_or_a_text() -> None:
    assert compute_chain_code("1") == b"\1" + bytes(31)
    assert compute_chain_code("+007") == b"\7" + bytes(31)
    assert compute_chain_code("0" * 5000 + "7") == b"\7" + bytes(31)
    assert compute_chain_code(str(2**64 - 1)) == b"\xff" * 8 + bytes(24)
    assert compute_chain_code(str(2**64)) == b"\x50" + str(2**64).encode() + bytes(11)
    assert compute_chain_code("9" * 5000) == blake2b_256(b"\x21\x4e" + b"9" * 5000)
    assert compute_chain_code("Alice") == b"\x14Alice" + bytes(26)
    assert compute_chain_code("a" * 31) == b"\x7c" + b"a" * 31
    assert compute_chain_code("a" * 32) == blake2b_256(b"\x80" + b"a" * 32)
    assert compute_chain_code("+") == b"\x04+" + bytes(30)
    assert compute_chain_code("é") == b"\x08\xc3\xa9" + bytes(29)
    assert compute_chain_code("²") == b"\x08\xc2\xb2" + bytes(29)


def test_key_36_the_ambiguous_paths_are_those_where_polkadot_js_differs() -> None:
    """The two published sets of vectors differ in exactly these URIs."""
    for name in POLKADOT_JS:
        assert has_ambiguous_junction(text_of(name)) == (POLKADOT_JS[name]["seed"] != SP_CORE[name]["seed"])
        if POLKADOT_JS[name]["seed"] == SP_CORE[name]["seed"]:
            assert derive_seed(text_of(name), refuse_ambiguous=True) == derive_seed(text_of(name))


@pytest.mark.parametrize(
    "path", ["//0x", "//0xabcd", "//a//0xzz", "//18446744073709551616", "//+5", "//1//" + "9" * 5000]
)
def test_key_36_a_wallet_refuses_ambiguous_paths(path: str) -> None:
    assert has_ambiguous_junction(path)
    assert len(derive_seed(path)) == 32
    with pytest.raises(AmbiguousJunction):
        derive_seed(path, refuse_ambiguous=True)


@pytest.mark.parametrize(
    "path", ["", "//x0", "//Alice", "//18446744073709551615", "//007", "//+", "//+a", "//-5", "//5a"]
)
def test_key_36_a_wallet_accepts_the_other_paths(path: str) -> None:
    assert not has_ambiguous_junction(path)
    assert derive_seed(path, refuse_ambiguous=True) == derive_seed(path)


@pytest.mark.parametrize(
    ("text", "phrase", "path", "password"),
    [
        ("///", DEV_PHRASE, "", ""),
        ("////////", DEV_PHRASE, "", "/////"),
        ("a b///asda", "a b", "", "asda"),
        ("sdasd//asda", "sdasd", "//asda", None),
        ("sdasd/xx//a/b//c///pass", "sdasd", "/xx//a/b//c", "pass"),
        ("sdasd//asd.a", "sdasd", "//asd.a", None),
        ("//a b//\n", DEV_PHRASE, "//a b//\n", None),
        ("///p//a///q", DEV_PHRASE, "", "p//a///q"),
    ],
)
def test_key_31_uris_are_taken_apart_as_sp_core_does(text: str, phrase: str, path: str, password: str | None) -> None:
    uri = parse_secret_uri(text)
    assert uri.phrase == phrase
    assert "".join(("//" if step.hard else "/") + step.code for step in uri.junctions) == path
    assert uri.password == password


@pytest.mark.parametrize(
    "text",
    ["sdasd//", "sdasd/xx//", "sdasd/", "sd.asd", "sd.asd//a", "///\n", "///a\n", "//\ud800", "///\udcff", "_", "é"],
)
def test_key_31_other_forms_are_refused(text: str) -> None:
    with pytest.raises(MalformedUri):
        parse_secret_uri(text)
    with pytest.raises(MalformedUri):
        derive_seed(text)


def test_key_31_a_password_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(MalformedUri):
        derive_seed("//Alice", password="\udcff")


@pytest.mark.parametrize(
    "phrase", ["hello", SEED[:-1], SEED + "0", "0x" + "g" * 64, "0X" + "0" * 64, " ", DEV_PHRASE + " x"]
)
def test_key_32_a_phrase_that_is_no_mnemonic_and_no_seed_is_refused(phrase: str) -> None:
    with pytest.raises(InvalidPhrase):
        derive_seed(phrase)
    with pytest.raises(InvalidPhrase):
        derive_seed(phrase + "//Alice///password")


def test_key_32_a_raw_seed_is_taken_as_it_is_and_ignores_passwords() -> None:
    assert derive_seed(SEED) == bytes.fromhex(SEED[2:])
    assert derive_seed(SEED.replace("9d61", "9D61") + "///password") == bytes.fromhex(SEED[2:])


def test_key_33_soft_junctions_are_refused() -> None:
    for path in ("/Alice", "//Alice/soft", "/0x12"):
        with pytest.raises(SoftKeyInPath):
            derive_seed(path)


def test_a_given_password_replaces_that_of_the_uri() -> None:
    assert derive_seed("//Alice///x", password="password") == derive_seed("//Alice///password")
    assert derive_seed("//Alice///x", password="") == derive_seed("//Alice")
    assert derive_seed("//Alice///") == derive_seed("//Alice")


def test_a_parsed_uri_does_not_show_its_secret() -> None:
    uri = parse_secret_uri(SEED + "//Alice///password")
    assert SEED[2:] not in repr(uri)
    assert "password" not in repr(uri)
    assert uri.junctions == (Junction(code="Alice", hard=True),)


@given(text=st.one_of(st.text(), st.text(alphabet="0x9/+ab \n\ud800é", max_size=30).map(lambda path: SEED + path)))
def test_any_text_is_derived_or_refused_with_our_own_error(text: str) -> None:
    for refuse in (False, True):
        failure: InvalidSecretUri | None = None
        try:
            assert len(derive_seed(text, refuse_ambiguous=refuse)) == 32
        except InvalidSecretUri as error:
            failure = error
        assert SEED not in str(failure)
        assert str(pickle.loads(pickle.dumps(failure))) == str(failure)
