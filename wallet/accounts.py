"""The user's accounts: a folder of polkadot.js keystores, one file an account, and the public development accounts.

Terms:
    name: the file's name without `.json`; `alice` to `ferdie`, `one` and `two` are the development accounts.
    sealed: protected by a password; an open account's secret can be read by whoever reads the file.

Invariant: files are written whole or not at all, are never overwritten, and can be read by their owner only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from chain.ed25519 import public_of
from chain.keystore import (
    NONCE_BYTES,
    SALT_BYTES,
    SCRYPT_DEFAULT,
    Box,
    InvalidKeystore,
    Keystore,
    ScryptParameters,
    decode_keystore,
    encode_keystore,
    is_sealed,
    open_keystore,
    read_public,
    seal_keystore,
)
from chain.mnemonic import WORDS_BY_ENTROPY_BYTES, mnemonic_of
from chain.secret_uri import InvalidSecretUri, derive_seed
from chain.ss58 import InvalidAddress, decode_address

DEV_NAMES = ("alice", "bob", "charlie", "dave", "eve", "ferdie", "one", "two")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
AskPassword = Callable[[], str]


class AccountFailure(Exception):
    """Something about a key that the user must put right; its text says what."""


class InvalidAccountName(AccountFailure):
    """A name that no account can have."""


class UnknownAccount(AccountFailure):
    """No account has this name or address."""


class AccountExists(AccountFailure):
    """The name or the key is already in the folder."""


class InvalidSecret(AccountFailure):
    """A phrase, URI or keystore from which no key of this chain comes."""


class LockedAccount(AccountFailure):
    """The password is missing or wrong."""


class KeyFileFailure(AccountFailure):
    """A file that cannot be read or written."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about an account without opening it.

    Attributes:
        sealed: False also for the development accounts, whose secret everybody knows.
        path: None for the development accounts.
    """

    name: str
    public: bytes
    sealed: bool
    created_ms: int | None
    path: Path | None


class UnreadableFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the folder that holds no account, and why."""

    path: Path
    reason: str


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """The accounts of a folder, by name, and the files that hold none."""

    accounts: tuple[Account, ...]
    unreadable: tuple[UnreadableFile, ...]


class AccountFolder:
    """A folder of accounts; it is made when the first one is saved."""

    def __init__(self, path: Path, *, scrypt: ScryptParameters = SCRYPT_DEFAULT) -> None:
        self.path = path
        self._scrypt = scrypt

    def list_accounts(self) -> Listing:
        """Return all accounts, by name."""
        accounts: list[Account] = []
        unreadable: list[UnreadableFile] = []
        for path in sorted(self.path.glob("*.json")):
            try:
                accounts.append(_make_account(path.stem, self._load(path), path))
            except AccountFailure as error:
                unreadable.append(UnreadableFile(path=path, reason=str(error)))
        return Listing(accounts=tuple(accounts), unreadable=tuple(unreadable))

    def find(self, who: str) -> Account:
        """Return the account with this name, address or public key; `alice` and `//Alice` are always there.

        Raises:
            UnknownAccount: there is none.
        """
        seed = derive_dev_seed(who)
        if seed is not None:
            return Account(name=who, public=public_of(seed), sealed=False, created_ms=None, path=None)
        path = self._get_path(who) if _NAME.fullmatch(who) else None
        if path is not None and path.exists():
            return _make_account(who, self._load(path), path)
        public = _read_public_text(who)
        for account in self.list_accounts().accounts if public is not None else ():
            if account.public == public:
                return account
        raise UnknownAccount(f"no account is called {who!r} in {self.path}; `matchstrike wallet list` shows them")

    def resolve(self, who: str, *, prefix: int | None = None) -> bytes:
        """Return the public key of a name, of any address, or of `0x` and 64 hex digits.

        Args:
            prefix: Refuse addresses of other networks, when given.

        Raises:
            UnknownAccount: the text is none of them.
        """
        public = _read_public_text(who, prefix=prefix)
        return self.find(who).public if public is None else public

    def check_free(self, name: str) -> None:
        """Refuse a name that a new account cannot have.

        Raises:
            AccountFailure: InvalidAccountName or AccountExists.
        """
        if name.lower() in DEV_NAMES:
            raise InvalidAccountName(f"{name!r} is the name of a public development account; choose another")
        if not _NAME.fullmatch(name) or _read_public_text(name) is not None:
            raise InvalidAccountName(f"{name!r} is no name: use up to 63 letters, digits, dots, dashes and underscores")
        if self._get_path(name).exists():
            raise AccountExists(f"an account called {name!r} is already there")

    def create(
        self, name: str, *, ask_password: AskPassword | None, now_ms: int, words: int = 12
    ) -> tuple[Account, str]:
        """Save a new account and return it with its phrase, which is kept nowhere else.

        Raises:
            AccountFailure: the name is bad or taken, or the file cannot be written.
        """
        sizes = {count: size for size, count in WORDS_BY_ENTROPY_BYTES.items()}
        if words not in sizes:
            raise InvalidSecret("a phrase has 12, 15, 18, 21 or 24 words")
        phrase = mnemonic_of(os.urandom(sizes[words]))
        return self.import_uri(name, phrase, ask_password=ask_password, now_ms=now_ms), phrase

    def import_uri(self, name: str, uri: str, *, ask_password: AskPassword | None, now_ms: int) -> Account:
        """Save the account of a phrase, raw seed or secret URI.

        Args:
            ask_password: Returns what seals the file, once all else is in order; None leaves the secret open.

        Raises:
            AccountFailure: InvalidSecret also for URIs from which other programs derive another key.
        """
        self.check_free(name)
        try:
            seed = derive_seed(uri, refuse_ambiguous=True)
        except InvalidSecretUri as error:
            raise InvalidSecret(str(error)) from None
        self._check_new(public_of(seed))
        password = None if ask_password is None else ask_password()
        if password == "":
            raise LockedAccount("the password is empty")
        box = None
        if password is not None:
            box = Box(salt=os.urandom(SALT_BYTES), nonce=os.urandom(NONCE_BYTES), parameters=self._scrypt)
        meta: dict[str, object] = {"name": name, "whenCreated": now_ms}
        try:
            keystore = seal_keystore(seed, meta=meta, password=password, box=box)
        except InvalidKeystore as error:
            raise LockedAccount(str(error)) from None
        return self._save(name, keystore)

    def import_keystore(self, name: str, data: bytes, *, ask_password: AskPassword) -> Account:
        """Save a polkadot.js keystore as it is, once its password was seen to open it.

        Raises:
            AccountFailure: InvalidSecret for files of another kind, LockedAccount for a wrong password.
        """
        self.check_free(name)
        try:
            keystore = decode_keystore(data)
        except InvalidKeystore as error:
            raise InvalidSecret(str(error)) from None
        self._check_new(public_of(_open(keystore, ask_password)))
        return self._save(name, keystore)

    def export(self, name: str) -> bytes:
        """Return the keystore file of an account, sealed as it is.

        Raises:
            UnknownAccount: there is none, or it is a development account.
        """
        return encode_keystore(self._load(self._get_file(name)))

    def remove(self, name: str) -> None:
        """Delete an account's file.

        Raises:
            UnknownAccount: there is none, or it is a development account.
        """
        path = self._get_file(name)
        try:
            path.unlink()
        except OSError as error:
            raise KeyFileFailure(f"cannot delete {path}: {error.strerror}") from None

    def unlock(self, who: str, *, ask_password: AskPassword) -> bytes:
        """Return the 32-byte secret seed of an account; the password is asked for only where one is needed.

        Raises:
            AccountFailure: UnknownAccount, LockedAccount, InvalidSecret or KeyFileFailure.
        """
        seed = derive_dev_seed(who)
        if seed is not None:
            return seed
        account = self.find(who)
        assert account.path is not None, "only development accounts have no file"
        return _open(self._load(account.path), ask_password)

    def _check_new(self, public: bytes) -> None:
        for account in self.list_accounts().accounts:
            if account.public == public:
                raise AccountExists(f"this key is already there, as {account.name!r}")

    def _get_path(self, name: str) -> Path:
        return self.path / f"{name}.json"

    def _get_file(self, name: str) -> Path:
        path = self.find(name).path
        if path is None:
            raise UnknownAccount(f"{name!r} is a public development account; it has no file")
        return path

    def _load(self, path: Path) -> Keystore:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise KeyFileFailure(f"cannot read {path}: {error.strerror}") from None
        try:
            return decode_keystore(data)
        except InvalidKeystore as error:
            raise KeyFileFailure(f"{path}: {error}") from None

    def _save(self, name: str, keystore: Keystore) -> Account:
        path = self._get_path(name)
        try:
            _write_new(path, encode_keystore(keystore))
        except OSError as error:
            if path.exists():
                raise AccountExists(f"an account called {name!r} is already there") from None
            raise KeyFileFailure(f"cannot write {path}: {error.strerror}") from None
        return _make_account(name, keystore, path)


def derive_dev_seed(who: str) -> bytes | None:
    """Return the seed of `alice`, `//Alice` or any other path below the public phrase; None for other texts.

    Raises:
        InvalidSecret: a path that cannot be derived, or not by all programs alike.
    """
    if who.lower() in DEV_NAMES:
        who = f"//{who.title()}"
    if not who.startswith("//"):
        return None
    try:
        return derive_seed(who, refuse_ambiguous=True)
    except InvalidSecretUri as error:
        raise InvalidSecret(str(error)) from None


def _open(keystore: Keystore, ask_password: AskPassword) -> bytes:
    password = ask_password() if is_sealed(keystore) else None
    try:
        return open_keystore(keystore, password)
    except InvalidKeystore as error:
        raise LockedAccount(str(error)) from None


def _make_account(name: str, keystore: Keystore, path: Path) -> Account:
    try:
        public = read_public(keystore)
    except InvalidKeystore as error:
        raise KeyFileFailure(f"{path}: {error}") from None
    created = keystore.meta.get("whenCreated")
    return Account(
        name=name,
        public=public,
        sealed=is_sealed(keystore),
        created_ms=created if isinstance(created, int) else None,
        path=path,
    )


def _read_public_text(text: str, *, prefix: int | None = None) -> bytes | None:
    """Return the public key that an address or hex stands for; None for other texts.

    Raises:
        UnknownAccount: an address that is mistyped, or of another network than the one that is wanted.
    """
    if re.fullmatch(r"0x[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text[2:])
    try:
        public, found = decode_address(text)
    except InvalidAddress as error:
        # Names this long are rare and addresses mistyped often: say what is wrong with the address.
        if re.fullmatch(r"[A-Za-z0-9]{46,50}", text):
            raise UnknownAccount(f"{text} is no address: {error}") from None
        return None
    if prefix is not None and found != prefix:
        raise UnknownAccount(f"the address {text} belongs to network {found}, not to {prefix}")
    return public


def _write_new(path: Path, data: bytes) -> None:
    """Write a file for its owner's eyes, whole or not at all; an existing one stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename, a link does not replace a file
    finally:
        temporary.unlink()
