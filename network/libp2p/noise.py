"""Noise XX with libp2p's payload: who the other end is, and two keys that nobody else has. No I/O here.

Noise_XX_25519_ChaChaPoly_SHA256, empty prologue. Three messages, each behind a length of two bytes:

    initiator -> e
    responder -> e, ee, s, es, payload
    initiator -> s, se, payload

Terms:
    static key: an X25519 key of this process; the payload carries the node key's signature of it.
    record: at most 65,535 bytes behind two bytes of length; the last 16 are the tag.

Source: noiseprotocol.org, revision 34, sections 5 and 7; libp2p specification, `noise/README.md`.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import ClassVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from network.libp2p.node_key import NodeKey, decode_public_key, encode_public_key, is_signed_by
from network.libp2p.protobuf import as_bytes, decode_fields, encode_bytes
from network.libp2p.protocol_error import BadHandshake, LocalProtocolError

NOISE = "/noise"
PLAIN_BYTES_MAX = 65_519
_NAME = b"Noise_XX_25519_ChaChaPoly_SHA256"
_SIGNED_PREFIX = b"noise-libp2p-static-key:"
_TAG_BYTES = 16
_KEY_BYTES = 32


class BadRecord(BadHandshake):
    """A record that was not written by the other end of the handshake."""

    rule: ClassVar[str] = "NET-06"


class NoiseIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The static key of this process and the payload that binds it to the node key; made once."""

    static: X25519PrivateKey
    static_public: bytes
    payload: bytes


def make_noise_identity(key: NodeKey, static: X25519PrivateKey) -> NoiseIdentity:
    """Return the static key with the node's signature of it."""
    public = static.public_key().public_bytes_raw()
    payload = encode_bytes(1, encode_public_key(key.public)) + encode_bytes(2, key.sign(_SIGNED_PREFIX + public))
    return NoiseIdentity(static=static, static_public=public, payload=payload)


class CipherState:
    """One direction's key and its counter."""

    def __init__(self, key: bytes) -> None:
        """The counter starts at 0."""
        self._cipher = ChaCha20Poly1305(key)
        self._count = 0

    def encrypt(self, plain: bytes, associated: bytes | None = None) -> bytes:
        """Return the ciphertext with its tag."""
        nonce = b"\0\0\0\0" + self._count.to_bytes(8, "little")
        self._count += 1
        return self._cipher.encrypt(nonce, plain, associated)

    def decrypt(self, data: bytes, associated: bytes | None = None) -> bytes:
        """Return the plaintext.

        Raises:
            BadRecord: forged, replayed, or out of order.
        """
        nonce = b"\0\0\0\0" + self._count.to_bytes(8, "little")
        try:
            plain = self._cipher.decrypt(nonce, data, associated)
        except InvalidTag:
            raise BadRecord("a record does not authenticate") from None
        self._count += 1
        return plain

    def encrypt_records(self, plain: bytes) -> bytes:
        """Return the plaintext as records, each behind its length."""
        if len(plain) <= PLAIN_BYTES_MAX:
            record = self.encrypt(plain)
            return len(record).to_bytes(2, "big") + record
        return b"".join(
            self.encrypt_records(plain[start : start + PLAIN_BYTES_MAX])
            for start in range(0, len(plain), PLAIN_BYTES_MAX)
        )


class RecordReader:
    """Cuts bytes into records of at most 65,535 bytes."""

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self._buffer = bytearray()

    def add(self, data: bytes) -> None:
        """Keep bytes for `take`."""
        self._buffer += data

    def take(self) -> bytes | None:
        """Return the next complete record without its length, or None."""
        if len(self._buffer) < 2:
            return None
        end = 2 + (self._buffer[0] << 8 | self._buffer[1])
        if len(self._buffer) < end:
            return None
        record = bytes(self._buffer[2:end])
        del self._buffer[:end]
        return record


class NoiseHandshake:
    """Either end of the XX handshake.

    Attributes:
        remote_public: The peer's ed25519 key, once its payload was checked.
        is_over: Are both keys known?
    """

    def __init__(self, identity: NoiseIdentity, ephemeral: X25519PrivateKey, *, is_initiator: bool) -> None:
        """The ephemeral key must be fresh: chance comes from outside."""
        self._identity = identity
        self._ephemeral = ephemeral
        self._is_initiator = is_initiator
        self._hash = self._chain = _NAME  # exactly 32 bytes, so it is not hashed
        self._cipher: CipherState | None = None
        self._remote_ephemeral: X25519PublicKey | None = None
        self._step = 0
        self.remote_public: bytes | None = None
        self.is_over = False
        self._mix_hash(b"")  # the prologue, once, though it is empty

    def start(self) -> bytes:
        """Return the initiator's first message."""
        if not self._is_initiator or self._step:
            raise LocalProtocolError("only an initiator starts, and once")
        self._step = 1
        return self._write_ephemeral() + self._encrypt_and_hash(b"")

    def receive(self, message: bytes) -> bytes:
        """Return the next message to send, empty when there is none.

        Raises:
            RemoteProtocolError: BadHandshake, NotEd25519, BadProtobuf.
        """
        self._step += 1
        if self._is_initiator and self._step == 2:
            return self._answer_second(message)
        if not self._is_initiator and self._step == 1:
            return self._answer_first(message)
        if not self._is_initiator and self._step == 2:
            rest = self._read_static(message)
            self._mix_key(self._exchange(self._ephemeral, self._remote_static))
            self._read_payload(rest)
            self.is_over = True
            return b""
        raise LocalProtocolError("the handshake has no such step")

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the ciphers for sending and for receiving."""
        if not self.is_over:
            raise LocalProtocolError("the handshake is not over")
        first, second = _derive(self._chain, b"")
        keys = (first, second) if self._is_initiator else (second, first)
        return CipherState(keys[0]), CipherState(keys[1])

    def _answer_first(self, message: bytes) -> bytes:
        rest = self._read_ephemeral(message)
        self._decrypt_and_hash(rest)
        out = self._write_ephemeral()
        self._mix_key(self._exchange(self._ephemeral, self._their_ephemeral()))
        out += self._encrypt_and_hash(self._identity.static_public)
        self._mix_key(self._exchange(self._identity.static, self._their_ephemeral()))
        return out + self._encrypt_and_hash(self._identity.payload)

    def _answer_second(self, message: bytes) -> bytes:
        rest = self._read_ephemeral(message)
        self._mix_key(self._exchange(self._ephemeral, self._their_ephemeral()))
        rest = self._read_static(rest)
        self._mix_key(self._exchange(self._ephemeral, self._remote_static))
        self._read_payload(rest)
        out = self._encrypt_and_hash(self._identity.static_public)
        self._mix_key(self._exchange(self._identity.static, self._their_ephemeral()))
        out += self._encrypt_and_hash(self._identity.payload)
        self.is_over = True
        return out

    def _write_ephemeral(self) -> bytes:
        public = self._ephemeral.public_key().public_bytes_raw()
        self._mix_hash(public)
        return public

    def _read_ephemeral(self, message: bytes) -> bytes:
        if len(message) < _KEY_BYTES:
            raise BadHandshake("a handshake message is cut short")
        self._mix_hash(message[:_KEY_BYTES])
        self._remote_ephemeral = X25519PublicKey.from_public_bytes(message[:_KEY_BYTES])
        return message[_KEY_BYTES:]

    def _read_static(self, message: bytes) -> bytes:
        end = _KEY_BYTES + _TAG_BYTES
        if len(message) < end:
            raise BadHandshake("a handshake message is cut short")
        self._static_bytes = self._decrypt_and_hash(message[:end])
        self._remote_static = X25519PublicKey.from_public_bytes(self._static_bytes)
        return message[end:]

    def _read_payload(self, data: bytes) -> None:
        fields = dict(decode_fields(self._decrypt_and_hash(data)))
        public = decode_public_key(as_bytes(fields.get(1, b"")))
        signature = as_bytes(fields.get(2, b""))
        # SPEC NET-06: A connection MUST be secured by Noise XX, and the node key MUST have signed the static key that
        # the peer used.
        if not is_signed_by(public, _SIGNED_PREFIX + self._static_bytes, signature):
            raise BadHandshake("the node key did not sign this connection's static key")
        self.remote_public = public

    def _their_ephemeral(self) -> X25519PublicKey:
        assert self._remote_ephemeral is not None
        return self._remote_ephemeral

    def _exchange(self, private: X25519PrivateKey, public: X25519PublicKey) -> bytes:
        try:
            return private.exchange(public)
        except ValueError:
            raise BadHandshake("a key of small order") from None

    def _mix_hash(self, data: bytes) -> None:
        self._hash = sha256(self._hash + data).digest()

    def _mix_key(self, shared: bytes) -> None:
        self._chain, key = _derive(self._chain, shared)
        self._cipher = CipherState(key)

    def _encrypt_and_hash(self, plain: bytes) -> bytes:
        data = plain if self._cipher is None else self._cipher.encrypt(plain, self._hash)
        self._mix_hash(data)
        return data

    def _decrypt_and_hash(self, data: bytes) -> bytes:
        plain = data if self._cipher is None else self._cipher.decrypt(data, self._hash)
        self._mix_hash(data)
        return plain


def _derive(chain: bytes, material: bytes) -> tuple[bytes, bytes]:
    """Return HKDF's first two outputs (section 4.3)."""
    secret = hmac.digest(chain, material, sha256)
    first = hmac.digest(secret, b"\x01", sha256)
    return first, hmac.digest(secret, first + b"\x02", sha256)
