"""Keystores of polkadot.js: one account's secret in a JSON file, sealed by a password.

Terms:
    plain: PKCS#8-like bytes, header | secret (64: seed and public; or 32: seed) | divider | public.
    box: plain, encrypted with xsalsa20-poly1305 under a key that scrypt makes of the password.

Chance is an argument: the writer takes salt and nonce. A salt or nonce MUST be drawn afresh for every file.

Source: docs/spec/keys.md; polkadot.js, `util-crypto/json`, `util-crypto/scrypt` and `keyring/pair`.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from hashlib import scrypt
from typing import ClassVar

import msgspec
from nacl.bindings import crypto_secretbox, crypto_secretbox_open
from nacl.exceptions import CryptoError

from chain.ed25519 import public_of
from chain.ss58 import InvalidAddress, decode_address, encode_address

SALT_BYTES = 32
NONCE_BYTES = 24
FILE_BYTES_MAX = 1 << 20

_HEADER = bytes.fromhex("3053020101300506032b657004220420")
_DIVIDER = bytes.fromhex("a123032100")
_SCRYPT_HEAD_BYTES = SALT_BYTES + 12
_PLAIN_BYTES = {64: len(_HEADER) + 64 + len(_DIVIDER) + 32, 32: len(_HEADER) + 32 + len(_DIVIDER) + 32}


class InvalidKeystore(Exception):
    """A file that is no keystore, or cannot be opened."""

    rule: ClassVar[str] = "KEY-41"


class MalformedKeystore(InvalidKeystore):
    """JSON of another form, or bytes that hold no key."""

    rule: ClassVar[str] = "KEY-41"


class UnsupportedKeystore(InvalidKeystore):
    """A keystore of another kind of key, another version, or another cipher."""

    rule: ClassVar[str] = "KEY-42"


class ScryptParametersRefused(InvalidKeystore):
    """Parameters that could exhaust the machine, or protect nothing."""

    rule: ClassVar[str] = "KEY-43"


class WrongPassword(InvalidKeystore):
    """The password does not open the box."""

    rule: ClassVar[str] = "KEY-44"


class KeyMismatch(InvalidKeystore):
    """The file holds another key than it says."""

    rule: ClassVar[str] = "KEY-45"


class ScryptParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What scrypt costs: memory of 128 * n * r bytes, p times."""

    n: int
    p: int
    r: int


class Encoding(msgspec.Struct, frozen=True, kw_only=True):
    """How the secret of a keystore is written."""

    content: tuple[str, ...]
    type: tuple[str, ...] | str
    version: str


class Keystore(msgspec.Struct, frozen=True, kw_only=True):
    """A keystore file; unknown fields are dropped.

    Attributes:
        encoded: The box or the plain bytes, in base64 (in hex before version 3).
        encoding: How it is written.
        address: SS58 or hex of the public key; not needed to open it.
        meta: What wallets note beside it: name, whenCreated, genesisHash and others.
    """

    encoded: str
    encoding: Encoding
    address: str
    meta: dict[str, object] = msgspec.field(default_factory=dict)


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """What a password needs to seal a keystore.

    Attributes:
        salt: 32 fresh random bytes.
        nonce: 24 fresh random bytes.
        parameters: One of SCRYPT_ALLOWED.
    """

    salt: bytes
    nonce: bytes
    parameters: ScryptParameters


SCRYPT_DEFAULT = ScryptParameters(n=131072, p=1, r=8)
SCRYPT_ALLOWED = frozenset(
    ScryptParameters(n=n, p=p, r=8)
    for n, p in ((8192, 10), (16384, 5), (32768, 3), (32768, 1), (65536, 2), (131072, 1))
)


def decode_keystore(data: bytes) -> Keystore:
    """Return the record of a keystore file; the secret stays sealed.

    Raises:
        MalformedKeystore: too long, not JSON, or of another form.
        UnsupportedKeystore: not one ed25519 key in a version that is known.
    """
    if len(data) > FILE_BYTES_MAX:
        raise MalformedKeystore(f"a keystore has no more than {FILE_BYTES_MAX} bytes")
    # SPEC KEY-41: A keystore MUST be JSON with encoded, encoding and address, and hold a key in PKCS#8 form.
    try:
        keystore = _decode_json(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedKeystore(f"not a keystore: {error}") from None
    _check_encoding(keystore.encoding)
    return keystore


def encode_keystore(keystore: Keystore) -> bytes:
    """Return the file: JSON with an indent of two, which polkadot.js reads as it does its own."""
    return msgspec.json.format(msgspec.json.encode(keystore), indent=2)


def is_sealed(keystore: Keystore) -> bool:
    """Does the keystore need a password?"""
    return "xsalsa20-poly1305" in _list_types(keystore.encoding)


def read_public(keystore: Keystore) -> bytes:
    """Return the public key that the file names; only opening it shows whether this is true.

    Raises:
        MalformedKeystore: the file names none.
    """
    public = _read_address(keystore.address)
    if public is None or len(public) != 32:
        raise MalformedKeystore("the keystore does not say whose it is: its address cannot be read")
    return public


def open_keystore(keystore: Keystore, password: str | None = None) -> bytes:
    """Return the 32-byte seed, checked to belong to the public key and the address of the file.

    Raises:
        InvalidKeystore: WrongPassword, MalformedKeystore, ScryptParametersRefused, UnsupportedKeystore or KeyMismatch.
    """
    _check_encoding(keystore.encoding)
    data = _decode_bytes(keystore)
    plain = _open_box(keystore.encoding, data, password) if is_sealed(keystore) else data
    seed, public = _split_plain(plain)
    # SPEC KEY-45: The seed of a keystore MUST give its public key, and the address, if any, MUST be that key's.
    if public_of(seed) != public:
        raise KeyMismatch("the secret of the keystore does not give its public key")
    if keystore.address and _read_address(keystore.address) != public:
        raise KeyMismatch("the address of the keystore is not that of its key")
    return seed


def seal_keystore(
    seed: bytes, *, meta: dict[str, object], password: str | None = None, box: Box | None = None, prefix: int = 42
) -> Keystore:
    """Return the keystore, version 3, of a seed.

    Args:
        password: With `box`, seals the secret; both or neither.

    Raises:
        ScryptParametersRefused: the parameters of the box are not allowed.
    """
    assert bool(password) == (box is not None), "a password goes with a box, and is not empty"
    public = public_of(seed)
    data = _HEADER + seed + public + _DIVIDER + public
    types: tuple[str, ...] = ("none",)
    if password and box is not None:
        data, types = _seal_box(data, password, box), ("scrypt", "xsalsa20-poly1305")
    return Keystore(
        encoded=b64encode(data).decode(),
        encoding=Encoding(content=("pkcs8", "ed25519"), type=types, version="3"),
        address=encode_address(public, prefix),
        meta=meta,
    )


def _decode_json(data: bytes) -> Keystore:
    return msgspec.json.decode(data, type=Keystore)


def _list_types(encoding: Encoding) -> tuple[str, ...]:
    return (encoding.type,) if isinstance(encoding.type, str) else encoding.type


def _check_encoding(encoding: Encoding) -> None:
    # SPEC KEY-42: A keystore MUST hold one ed25519 key in PKCS#8 form, of version 0 to 3, plain or sealed by
    # xsalsa20-poly1305, from version 3 on with scrypt.
    if encoding.content[:1] == ("batch-pkcs8",):
        raise UnsupportedKeystore("the file holds several accounts; export them one by one")
    if encoding.version not in {"0", "1", "2", "3"}:
        raise UnsupportedKeystore(f"keystores of version {encoding.version!r} are not known")
    scheme = encoding.content[1:] or ("unknown",)
    if encoding.content[:1] != ("pkcs8",) or scheme != ("ed25519",):
        raise UnsupportedKeystore(f"the keystore holds a key of kind {scheme[0]!r}; this chain has ed25519 only")
    scrypted = ("scrypt", "xsalsa20-poly1305")
    allowed = {("none",), scrypted} if encoding.version == "3" else {("none",), ("xsalsa20-poly1305",)}
    if _list_types(encoding) not in allowed:
        raise UnsupportedKeystore(f"the keystore is sealed by {', '.join(_list_types(encoding))!r}, which is not known")


def _decode_bytes(keystore: Keystore) -> bytes:
    text = keystore.encoded
    try:
        if text.startswith("0x"):
            return binascii.unhexlify(text[2:])
        return b64decode(text, validate=True)
    except ValueError:
        raise MalformedKeystore("the secret of the keystore is neither base64 nor hex") from None


def _open_box(encoding: Encoding, data: bytes, password: str | None) -> bytes:
    if not password:
        raise WrongPassword("the keystore is sealed; it needs a password")
    key = _encode_password(password)
    if "scrypt" in _list_types(encoding):
        salt, parameters = _split_scrypt_head(data)
        key, data = _stretch(key, salt, parameters), data[_SCRYPT_HEAD_BYTES:]
    key = key[:32].ljust(32, b"\0")
    # SPEC KEY-44: A sealed keystore MUST be opened by its password only.
    try:
        return crypto_secretbox_open(data[NONCE_BYTES:], data[:NONCE_BYTES], key)
    except (CryptoError, ValueError):
        raise WrongPassword("the password does not open the keystore, or the file is damaged") from None


def _seal_box(plain: bytes, password: str, box: Box) -> bytes:
    assert len(box.salt) == SALT_BYTES, "a salt has 32 bytes"
    assert len(box.nonce) == NONCE_BYTES, "a nonce has 24 bytes"
    parameters = box.parameters
    key = _stretch(_encode_password(password), box.salt, parameters)[:32]
    head = b"".join(value.to_bytes(4, "little") for value in (parameters.n, parameters.p, parameters.r))
    return box.salt + head + box.nonce + crypto_secretbox(plain, box.nonce, key)


def _encode_password(password: str) -> bytes:
    try:
        return password.encode()
    except UnicodeEncodeError:
        raise WrongPassword("a password must be valid Unicode") from None


def _split_scrypt_head(data: bytes) -> tuple[bytes, ScryptParameters]:
    if len(data) < _SCRYPT_HEAD_BYTES + NONCE_BYTES:
        raise MalformedKeystore(f"the secret of the keystore has only {len(data)} bytes")
    n, p, r = (int.from_bytes(data[start : start + 4], "little") for start in (32, 36, 40))
    return data[:SALT_BYTES], ScryptParameters(n=n, p=p, r=r)


def _stretch(password: bytes, salt: bytes, parameters: ScryptParameters) -> bytes:
    # SPEC KEY-43: The scrypt parameters (N, p) MUST be (8192, 10), (16384, 5), (32768, 3), (32768, 1), (65536, 2) or
    # (131072, 1), with r = 8.
    if parameters not in SCRYPT_ALLOWED:
        raise ScryptParametersRefused(
            f"scrypt with N={parameters.n}, p={parameters.p}, r={parameters.r} is not allowed"
        )
    memory_max = 128 * parameters.r * (parameters.n + parameters.p + 2) + (1 << 20)  # OpenSSL's own default is too low
    return scrypt(password, salt=salt, n=parameters.n, r=parameters.r, p=parameters.p, maxmem=memory_max, dklen=64)


def _split_plain(plain: bytes) -> tuple[bytes, bytes]:
    """Return seed and public key."""
    for secret_bytes, length in _PLAIN_BYTES.items():
        divider_start = len(_HEADER) + secret_bytes
        public = plain[divider_start + len(_DIVIDER) :]
        if (
            len(plain) == length
            and plain.startswith(_HEADER)
            and plain[divider_start : divider_start + len(_DIVIDER)] == _DIVIDER
            and plain[len(_HEADER) + 32 : divider_start] in (b"", public)
        ):
            return plain[len(_HEADER) : len(_HEADER) + 32], public
    raise MalformedKeystore("the keystore holds no ed25519 key in PKCS#8 form")


def _read_address(text: str) -> bytes | None:
    if text.startswith("0x"):
        try:
            return bytes.fromhex(text[2:])
        except ValueError:
            return None
    try:
        return decode_address(text)[0]
    except InvalidAddress:
        return None
