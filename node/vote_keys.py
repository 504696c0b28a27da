"""The keys of a node: vote keys and the mining account's, from its keystore, and those of a development account.

Source: Substrate's keystore: one file a key, named by key type and public key, holding the secret URI as JSON.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from chain.ed25519 import public_of, sign
from chain.secret_uri import InvalidSecretUri, derive_seed
from node.failures import CommandFailure

KEY_TYPE = "vote"
MINING_KEY_TYPE = "mine"


class HeldKeys:
    """Vote keys in memory (`node.core.voting.VoteSigner`)."""

    def __init__(self, seeds: tuple[bytes, ...]) -> None:
        self._seeds = {public_of(seed): seed for seed in seeds}

    def keys(self) -> tuple[bytes, ...]:
        """Return the public keys."""
        return tuple(self._seeds)

    def sign(self, public: bytes, message: bytes) -> bytes:
        """Return the signature of one of the keys."""
        return sign(self._seeds[public], message)


class AccountKey:
    """The key of an account in memory (`node.core.batch_notes.BatchSigner`)."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self.account = public_of(seed)

    def sign(self, message: bytes) -> bytes:
        """Return a signature of the message."""
        return sign(self._seed, message)


def find_account_key(keystore: Path, account: bytes, dev_name: str | None) -> AccountKey | None:
    """Return the key of the account that mines: a development account's, or one of the keystore's `mine` keys.

    Raises:
        CommandFailure: as `load_seeds`.
    """
    seeds = load_seeds(keystore, MINING_KEY_TYPE)
    if dev_name is not None:
        seeds = (*seeds, derive_dev_seed(dev_name))
    return next((AccountKey(seed) for seed in seeds if public_of(seed) == account), None)


def load_vote_seeds(keystore: Path) -> tuple[bytes, ...]:
    """Return the seeds of the keystore's vote keys, by file name.

    Raises:
        CommandFailure: as `load_seeds`.
    """
    return load_seeds(keystore, KEY_TYPE)


def load_seeds(keystore: Path, key_type: str) -> tuple[bytes, ...]:
    """Return the seeds of the keystore's keys of a type, by file name.

    Raises:
        CommandFailure: a file that cannot be read, is no secret URI, or is not the key that its name says.
    """
    prefix = key_type.encode().hex()
    if not keystore.is_dir():
        return ()
    files = sorted(path for path in keystore.iterdir() if path.name.startswith(prefix) and len(path.name) == 72)
    return tuple(_read_seed(path, path.name[len(prefix) :]) for path in files)


def derive_dev_seed(name: str) -> bytes:
    """Return the seed with which a development account votes, e.g. //Alice."""
    return derive_seed(f"//{name.title()}")


def _read_seed(path: Path, public_hex: str) -> bytes:
    try:
        uri = msgspec.json.decode(path.read_bytes(), type=str)
        seed = derive_seed(uri)
    except OSError as error:
        raise CommandFailure(f"the key {path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, InvalidSecretUri) as error:
        raise CommandFailure(f"the key {path} holds no secret URI: {error}") from error
    if public_of(seed).hex() != public_hex:
        raise CommandFailure(f"the key {path} holds another key than its name says; it is stored without a password")
    return seed
