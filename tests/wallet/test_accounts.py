"""The folder of accounts: made, brought in, opened, listed and deleted, and never overwritten."""

from __future__ import annotations

import json
import pickle
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.ed25519 import public_of
from chain.keystore import ScryptParameters, decode_keystore, open_keystore
from chain.secret_uri import derive_seed
from chain.ss58 import encode_address
from wallet.accounts import (
    AccountExists,
    AccountFailure,
    AccountFolder,
    InvalidAccountName,
    InvalidSecret,
    KeyFileFailure,
    LockedAccount,
    UnknownAccount,
    derive_dev_seed,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "keys"
LIGHT = (VECTORS / "python_alice_ed25519_N32768.json").read_bytes()
ALICE = derive_seed("//Alice")
MINE = "0x" + "11" * 32
NOW_MS = 1_700_000_000_000


def say(password: str) -> Callable[[], str]:
    """Return a user who types this password."""
    return lambda: password


def never() -> str:
    """Fail: no password should have been asked for."""
    raise AssertionError("a password was asked for")


@pytest.fixture
def folder(tmp_path: Path) -> AccountFolder:
    """Return an empty folder that seals cheaply."""
    return AccountFolder(tmp_path / "keys", scrypt=ScryptParameters(n=32768, p=1, r=8))


def test_a_new_account_opens_with_its_password_and_comes_back_from_its_phrase(folder: AccountFolder) -> None:
    account, phrase = folder.create("mine", ask_password=say("secret"), now_ms=NOW_MS, words=15)
    assert folder.find("mine") == account
    assert account.sealed
    assert account.created_ms == NOW_MS
    seed = folder.unlock("mine", ask_password=say("secret"))
    assert derive_seed(phrase) == seed
    assert len(phrase.split()) == 15
    assert public_of(seed) == account.public


def test_files_are_for_their_owner_alone(folder: AccountFolder) -> None:
    account = folder.import_uri("mine", MINE, ask_password=None, now_ms=NOW_MS)
    assert account.path == folder.path / "mine.json"
    assert stat.S_IMODE(account.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert [path.name for path in folder.path.iterdir()] == ["mine.json"]


def test_an_open_account_needs_no_password(folder: AccountFolder) -> None:
    assert not folder.import_uri("mine", MINE, ask_password=None, now_ms=NOW_MS).sealed
    assert folder.unlock("mine", ask_password=never) == bytes.fromhex(MINE[2:])


def test_a_wrong_or_empty_password_opens_and_seals_nothing(folder: AccountFolder) -> None:
    folder.import_uri("mine", MINE, ask_password=say("right"), now_ms=NOW_MS)
    for password in ("wrong", "", "\udcff"):
        with pytest.raises(LockedAccount):
            folder.unlock("mine", ask_password=say(password))
    for password in ("", "\udcff"):
        with pytest.raises(LockedAccount):
            folder.import_uri("other", "0x" + "22" * 32, ask_password=say(password), now_ms=NOW_MS)
    assert len(folder.list_accounts().accounts) == 1


def test_a_keystore_of_polkadot_js_is_kept_as_it_is(folder: AccountFolder) -> None:
    account = folder.import_keystore("from-js", LIGHT, ask_password=say("password"))
    assert account.public == public_of(ALICE)
    assert json.loads(folder.export("from-js")) == json.loads(LIGHT)
    assert open_keystore(decode_keystore(folder.export("from-js")), "password") == ALICE


def test_a_keystore_that_does_not_open_is_not_saved(folder: AccountFolder) -> None:
    with pytest.raises(LockedAccount):
        folder.import_keystore("from-js", LIGHT, ask_password=say("wrong"))
    for data in (b"{}", LIGHT.replace(b'"ed25519"', b'"sr25519"')):
        with pytest.raises(InvalidSecret):
            folder.import_keystore("from-js", data, ask_password=never)
    assert not folder.path.exists()


@pytest.mark.parametrize("uri", ["hello", "//Alice/soft", "//", MINE + "//0xabcd", MINE + "//18446744073709551616"])
def test_key_36_bad_and_ambiguous_uris_are_refused_before_a_password_is_asked_for(
    folder: AccountFolder, uri: str
) -> None:
    with pytest.raises(InvalidSecret):
        folder.import_uri("mine", uri, ask_password=never, now_ms=NOW_MS)
    assert not folder.path.exists()


@pytest.mark.parametrize(
    "name", ["", ".", "../x", "a/b", "-x", ".hidden", "a b", "ä", "a" * 64, "alice", "Ferdie", "a\n"]
)
def test_names_that_no_account_can_have_are_refused(folder: AccountFolder, name: str) -> None:
    with pytest.raises(InvalidAccountName):
        folder.import_uri(name, MINE, ask_password=None, now_ms=NOW_MS)


def test_an_address_cannot_be_a_name(folder: AccountFolder) -> None:
    with pytest.raises(InvalidAccountName):
        folder.create(encode_address(public_of(ALICE)), ask_password=None, now_ms=NOW_MS)


def test_nothing_is_overwritten(folder: AccountFolder) -> None:
    folder.import_uri("mine", MINE, ask_password=None, now_ms=NOW_MS)
    before = folder.export("mine")
    with pytest.raises(AccountExists, match="called 'mine'"):
        folder.create("mine", ask_password=never, now_ms=NOW_MS)
    with pytest.raises(AccountExists, match="as 'mine'"):
        folder.import_uri("again", MINE, ask_password=never, now_ms=NOW_MS)
    assert folder.export("mine") == before


def test_an_account_is_found_by_name_address_and_key(folder: AccountFolder) -> None:
    account = folder.import_uri("mine", MINE, ask_password=None, now_ms=NOW_MS)
    for who in ("mine", encode_address(account.public), encode_address(account.public, 0), "0x" + account.public.hex()):
        assert folder.find(who) == account
        assert folder.unlock(who, ask_password=never) == bytes.fromhex(MINE[2:])
    for who in ("yours", "", "../mine", encode_address(bytes(32)), MINE, "\0"):
        with pytest.raises(UnknownAccount):
            folder.find(who)


def test_development_accounts_are_always_there(folder: AccountFolder) -> None:
    for who in ("alice", "Alice", "//Alice"):
        assert folder.find(who).public == public_of(ALICE)
        assert folder.unlock(who, ask_password=never) == ALICE
    assert derive_dev_seed("//Alice//stash") == derive_seed("//Alice//stash")
    assert derive_dev_seed("alicia") is None
    for who in ("//", "//Alice/soft", "//0xabcd"):
        with pytest.raises(InvalidSecret):
            folder.find(who)
    for work in (folder.export, folder.remove):
        with pytest.raises(UnknownAccount, match="development account"):
            work("alice")


def test_any_address_resolves_and_foreign_ones_are_refused_where_a_network_is_expected(folder: AccountFolder) -> None:
    public = public_of(bytes(32))
    assert folder.resolve(encode_address(public, 0)) == public
    assert folder.resolve("0x" + public.hex(), prefix=42) == public
    assert folder.resolve("bob", prefix=42) == public_of(derive_seed("//Bob"))
    with pytest.raises(UnknownAccount, match="network 0, not to 42"):
        folder.resolve(encode_address(public, 0), prefix=42)
    with pytest.raises(UnknownAccount):
        folder.resolve("nobody")


def test_damaged_files_are_listed_apart_and_say_so_when_used(folder: AccountFolder) -> None:
    folder.import_uri("mine", MINE, ask_password=None, now_ms=NOW_MS)
    (folder.path / "broken.json").write_text("{")
    (folder.path / "nameless.json").write_bytes(LIGHT.replace(b"5FA9nQDVg267DEd8m1", b""))
    (folder.path / "folder.json").mkdir()
    listing = folder.list_accounts()
    assert [account.name for account in listing.accounts] == ["mine"]
    assert [file.path.stem for file in listing.unreadable] == ["broken", "folder", "nameless"]
    for name in ("broken", "folder", "nameless"):
        with pytest.raises(KeyFileFailure, match=name):
            folder.find(name)


def test_a_removed_account_is_gone(folder: AccountFolder) -> None:
    folder.import_uri("mine", MINE, ask_password=None, now_ms=NOW_MS)
    folder.remove("mine")
    assert folder.list_accounts().accounts == ()
    with pytest.raises(UnknownAccount):
        folder.remove("mine")


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file")
    with pytest.raises(KeyFileFailure, match="cannot write"):
        AccountFolder(tmp_path / "keys").import_uri("mine", MINE, ask_password=None, now_ms=NOW_MS)


@given(who=st.one_of(st.text(max_size=40), st.text(alphabet="/0x9+Al.", max_size=12)))
def test_any_text_names_an_account_or_is_refused(who: str) -> None:
    failure: AccountFailure | None = None
    try:
        AccountFolder(Path("does-not-exist")).unlock(who, ask_password=never)
    except AccountFailure as error:
        failure = error
    assert str(pickle.loads(pickle.dumps(failure))) == str(failure)
