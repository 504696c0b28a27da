"""Secret URIs: one line of text from which a secret key is derived, `phrase//hard/soft///password`.

Terms:
    phrase: a mnemonic, `0x` and 64 hex digits (a raw seed), or nothing, which means the public DEV_PHRASE.
    junction: one step of derivation; `//name` is hard, `/name` soft. Ed25519 knows only hard ones.
    ambiguous: a junction that sp-core and polkadot.js turn into different keys.

Source: docs/spec/keys.md; Substrate, `sp_core::{address_uri, crypto, ed25519}`; polkadot.js, `util-crypto/key`.
"""

from __future__ import annotations

import re
from typing import ClassVar

import msgspec

from chain.hashing import blake2b_256
from chain.mnemonic import DEV_PHRASE, InvalidMnemonic, compute_mini_secret
from chain.scale import encode_compact

SEED_BYTES = 32

_URI = re.compile(r"(?P<phrase>[a-zA-Z0-9 ]+)?(?P<path>(?://?[^/]+)*)(?:///(?P<password>[^\n]*))?")
_JUNCTION = re.compile(r"/(?P<hard>/?)(?P<code>[^/]+)")
_RAW_SEED = re.compile(r"0x[0-9a-fA-F]{64}")
_NUMBER = re.compile(r"\+?[0-9]+")  # as Rust reads an integer, plus sign and leading zeros included
_HARD_TAG = encode_compact(len(b"Ed25519HDKD")) + b"Ed25519HDKD"


class InvalidSecretUri(Exception):
    """A text from which no key can be derived. Its message never repeats the text, which may be a secret."""

    rule: ClassVar[str] = "KEY-31"


class MalformedUri(InvalidSecretUri):
    """A text that is not of the form `phrase//hard///password`."""

    rule: ClassVar[str] = "KEY-31"


class InvalidPhrase(InvalidSecretUri):
    """A phrase that is neither a mnemonic nor a raw seed."""

    rule: ClassVar[str] = "KEY-32"


class SoftKeyInPath(InvalidSecretUri):
    """A soft junction, which ed25519 cannot derive."""

    rule: ClassVar[str] = "KEY-33"


class AmbiguousJunction(InvalidSecretUri):
    """A junction from which other software derives another key."""

    rule: ClassVar[str] = "KEY-36"


class Junction(msgspec.Struct, frozen=True, kw_only=True):
    """One step of derivation.

    Attributes:
        code: Its text, without slashes.
        hard: Written with two slashes.
    """

    code: str
    hard: bool


class SecretUri(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a secret URI.

    Attributes:
        phrase: A mnemonic or a raw seed in hex; DEV_PHRASE where the text has none.
        junctions: The path, first step first.
        password: What follows `///`; None where there is no `///`.
    """

    phrase: str
    junctions: tuple[Junction, ...]
    password: str | None

    def __repr__(self) -> str:
        """Return the form without the secret, so that no log ever shows it."""
        return f"SecretUri(<phrase>, {len(self.junctions)} junctions)"


def parse_secret_uri(text: str) -> SecretUri:
    """Return the parts of the text; the phrase is not yet checked.

    Raises:
        MalformedUri: the text does not have the form of a secret URI.
    """
    match = _URI.fullmatch(text)
    # SPEC KEY-31: A secret URI MUST match `([a-zA-Z0-9 ]+)?(//?[^/]+)*(///[^\n]*)?` and be valid Unicode.
    if match is None:
        raise MalformedUri("not a secret URI; its form is: phrase//hard//path///password")
    _check_unicode(text)
    junctions = tuple(
        Junction(code=step["code"], hard=bool(step["hard"])) for step in _JUNCTION.finditer(match["path"])
    )
    return SecretUri(phrase=match["phrase"] or DEV_PHRASE, junctions=junctions, password=match["password"])


def derive_seed(text: str, *, password: str | None = None, refuse_ambiguous: bool = False) -> bytes:
    """Return the 32-byte secret seed that the URI stands for, as sp-core derives it.

    Args:
        password: Replaces the password of the URI, when given.
        refuse_ambiguous: Refuse junctions on which implementations differ; wallets do.

    Raises:
        InvalidSecretUri: MalformedUri, InvalidPhrase, SoftKeyInPath or AmbiguousJunction.
    """
    uri = parse_secret_uri(text)
    # SPEC KEY-36: A wallet MUST refuse a URI with a junction that begins with `0x`, or is a number with a plus sign or
    # of 2^64 or more.
    if refuse_ambiguous and any(_is_ambiguous(junction) for junction in uri.junctions):
        raise AmbiguousJunction("programs derive different keys from this path; use names or numbers below 2^64")
    seed = compute_root_seed(uri, password=password)
    for junction in uri.junctions:
        # SPEC KEY-33: Every junction MUST be hard, because ed25519 has no soft derivation.
        if not junction.hard:
            raise SoftKeyInPath("ed25519 has no soft junctions: write //name instead of /name")
        # SPEC KEY-35: A hard junction MUST turn a seed into blake2b-256 of compact(11), "Ed25519HDKD", the seed and the
        # chain code.
        seed = blake2b_256(_HARD_TAG + seed + compute_chain_code(junction.code))
    return seed


def compute_root_seed(uri: SecretUri, *, password: str | None = None) -> bytes:
    """Return the seed before any junction.

    Raises:
        InvalidPhrase: the phrase is neither a mnemonic nor a raw seed.
    """
    # SPEC KEY-32: The phrase MUST be a mnemonic, or `0x` and 64 hex digits, which are the seed itself.
    if uri.phrase.startswith("0x"):
        if _RAW_SEED.fullmatch(uri.phrase) is None:
            raise InvalidPhrase("a raw seed is 0x and 64 hex digits")
        return bytes.fromhex(uri.phrase[2:])
    chosen = (uri.password if password is None else password) or ""
    _check_unicode(chosen)
    try:
        return compute_mini_secret(uri.phrase, chosen)
    except InvalidMnemonic as error:
        raise InvalidPhrase(str(error)) from None


def compute_chain_code(code: str) -> bytes:
    """Return the 32 bytes that a junction's text stands for."""
    # SPEC KEY-34: The chain code of a junction MUST be its number as u64 in little endian if it reads as one, else its
    # text in SCALE; padded with zeros to 32 bytes, or hashed with blake2b-256 where it is longer.
    number = _read_u64(code)
    if number is not None:
        data = number.to_bytes(8, "little")
    else:
        data = encode_compact(len(code.encode())) + code.encode()
    return blake2b_256(data) if len(data) > SEED_BYTES else data.ljust(SEED_BYTES, b"\0")


def has_ambiguous_junction(text: str) -> bool:
    """Does the URI have a junction from which sp-core and polkadot.js derive different keys?

    Raises:
        MalformedUri: the text does not have the form of a secret URI.
    """
    return any(_is_ambiguous(junction) for junction in parse_secret_uri(text).junctions)


def _is_ambiguous(junction: Junction) -> bool:
    code = junction.code
    if _NUMBER.fullmatch(code) is not None:
        return code.startswith("+") or _read_u64(code) is None
    return code.startswith("0x")


def _read_u64(code: str) -> int | None:
    """Return the number, or None where the text is none or is 2^64 or more."""
    if _NUMBER.fullmatch(code) is None:
        return None
    digits = code.lstrip("+").lstrip("0")
    # 2^64 has 20 digits; Python refuses to read more than 4300
    if len(digits) > 20 or int(digits or "0") >= 2**64:
        return None
    return int(digits or "0")


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedUri("a secret URI and its password must be valid Unicode") from None
