"""Mnemonics: random bytes as English words, and the secret that Substrate makes of them.

Terms:
    entropy: 16, 20, 24, 28 or 32 random bytes, written as 12, 15, 18, 21 or 24 words with a checksum.
    mini-secret: 32 bytes from entropy and password. It is NOT the seed of BIP-39, which hashes the words instead of
        the entropy; wallets that follow BIP-39 find other accounts.

Invariant: `mnemonic_of(entropy_of(phrase)) == phrase` for every accepted phrase with single spaces.

Source: docs/spec/keys.md; BIP-39; Substrate, `substrate-bip39`.
"""

from __future__ import annotations

from functools import cache
from hashlib import pbkdf2_hmac, sha256
from importlib.resources import files
from typing import ClassVar

WORDS_BY_ENTROPY_BYTES = {16: 12, 20: 15, 24: 18, 28: 21, 32: 24}
DEV_PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"

_BITS_PER_WORD = 11
_ROUNDS = 2048


class InvalidMnemonic(Exception):
    """A phrase that is no mnemonic."""

    rule: ClassVar[str] = "KEY-21"


class WrongWordCount(InvalidMnemonic):
    """A number of words, or of bytes, for which there is no mnemonic."""

    rule: ClassVar[str] = "KEY-21"


class UnknownWord(InvalidMnemonic):
    """A word that is not in the list."""

    rule: ClassVar[str] = "KEY-22"


class WrongWordChecksum(InvalidMnemonic):
    """Words of the list that do not belong together."""

    rule: ClassVar[str] = "KEY-23"


def mnemonic_of(entropy: bytes) -> str:
    """Return the phrase for 16, 20, 24, 28 or 32 bytes of chance.

    Raises:
        WrongWordCount: another number of bytes.
    """
    words = WORDS_BY_ENTROPY_BYTES.get(len(entropy))
    if words is None:
        raise WrongWordCount(f"a mnemonic holds 16, 20, 24, 28 or 32 bytes, not {len(entropy)}")
    checksum_bits = len(entropy) // 4
    number = int.from_bytes(entropy, "big") << checksum_bits | _compute_checksum(entropy)
    indices = [number >> _BITS_PER_WORD * place & 2047 for place in reversed(range(words))]
    return " ".join(load_words()[index] for index in indices)


def entropy_of(phrase: str) -> bytes:
    """Return the entropy that the phrase stands for.

    Raises:
        InvalidMnemonic: WrongWordCount, UnknownWord or WrongWordChecksum.
    """
    words = phrase.split()
    # SPEC KEY-21: A mnemonic MUST have 12, 15, 18, 21 or 24 words, separated by spaces.
    if len(words) not in WORDS_BY_ENTROPY_BYTES.values():
        raise WrongWordCount(f"a mnemonic has 12, 15, 18, 21 or 24 words, not {len(words)}")
    number = 0
    for place, word in enumerate(words):
        index = _load_indices().get(word)
        # SPEC KEY-22: Every word of a mnemonic MUST be of the English list of BIP-39, in lower case.
        if index is None:
            raise UnknownWord(f"word {place + 1} of the mnemonic is not in the list of 2048 English words")
        number = number << _BITS_PER_WORD | index
    checksum_bits = len(words) // 3
    entropy = (number >> checksum_bits).to_bytes(len(words) // 3 * 4, "big")
    # SPEC KEY-23: A mnemonic MUST end with the first bits of the SHA-256 of its entropy, one for each 32 bits of it.
    if number & ((1 << checksum_bits) - 1) != _compute_checksum(entropy):
        raise WrongWordChecksum("the words of the mnemonic do not belong together: one is wrong or out of place")
    return entropy


def compute_mini_secret(phrase: str, password: str = "") -> bytes:
    """Return the 32-byte secret seed of a phrase.

    Raises:
        InvalidMnemonic: see `entropy_of`.
    """
    # SPEC KEY-24: The seed of a mnemonic MUST be the first 32 bytes of PBKDF2-HMAC-SHA512 over its entropy, with the
    # salt "mnemonic" and the password and 2048 rounds.
    return pbkdf2_hmac("sha512", entropy_of(phrase), b"mnemonic" + password.encode(), _ROUNDS, 64)[:32]


@cache
def load_words() -> tuple[str, ...]:
    """Return the 2048 English words of BIP-39, which are in alphabetical order."""
    return tuple(files("chain").joinpath("data/bip39_english.txt").read_text(encoding="ascii").split())


@cache
def _load_indices() -> dict[str, int]:
    return {word: index for index, word in enumerate(load_words())}


def _compute_checksum(entropy: bytes) -> int:
    return sha256(entropy).digest()[0] >> 8 - len(entropy) // 4
