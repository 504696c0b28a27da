"""From a raw connection to a secured one: select /noise, shake hands, select /yamux/1.0.0 inside. No I/O here.

Source: libp2p specification, `connections/README.md`; docs/spec/network.md.
"""

from __future__ import annotations

from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from network.libp2p.multistream import Negotiation, Proposer, Responder
from network.libp2p.node_key import PeerId, make_peer_id
from network.libp2p.noise import NOISE, CipherState, NoiseHandshake, NoiseIdentity, RecordReader
from network.libp2p.protocol_error import BadHandshake, BadNegotiation
from network.libp2p.yamux import YAMUX

_BYTES_MAX = 65_536  # what a handshake may take in all


class UnexpectedPeer(BadHandshake):
    """Another node answered than the one that was dialled."""

    rule: ClassVar[str] = "NET-13"


class Handshake:
    """One end of the upgrade: bytes in, bytes out, until `is_over`.

    Attributes:
        peer_id: The other end, once it has proved its key.
        is_over: Is the connection secured, with yamux agreed?
    """

    def __init__(
        self,
        identity: NoiseIdentity,
        ephemeral: X25519PrivateKey,
        *,
        is_initiator: bool,
        expected: PeerId | None = None,
    ) -> None:
        """`expected` is the node that was dialled, when its name was known."""
        self._noise = NoiseHandshake(identity, ephemeral, is_initiator=is_initiator)
        self._is_initiator = is_initiator
        self._expected = expected
        self._security = _negotiate(NOISE, is_initiator)
        self._muxer = _negotiate(YAMUX, is_initiator)
        self._records = RecordReader()
        self._received = 0
        self._ciphers: tuple[CipherState, CipherState] | None = None
        self._rest = b""
        self.peer_id: PeerId | None = None
        self.is_over = False

    def start(self) -> bytes:
        """Return what is sent before anything was received."""
        return self._security.start() if isinstance(self._security, Proposer) else b""

    def receive(self, data: bytes) -> bytes:
        """Return the bytes to answer with.

        Raises:
            RemoteProtocolError: whatever a correct peer would not send; UnexpectedPeer.
        """
        self._received += len(data)
        if self._received > _BYTES_MAX and not self.is_over:
            raise BadHandshake("a handshake of more than 64 KiB")
        out = b""
        if not self._security.is_over:
            out += self._security.receive(data)
            if self._security.has_failed:
                raise BadNegotiation(f"the peer does not speak {NOISE}")
            if self._security.agreed is None:
                return out
            data = self._security.take_rest()
            if self._is_initiator:
                out += _add_length(self._noise.start())
        self._records.add(data)
        while not self.is_over and (record := self._records.take()) is not None:
            out += self._on_record(record)
        return out

    def take_result(self) -> tuple[CipherState, CipherState, RecordReader, bytes]:
        """Return the ciphers for sending and receiving, the records that follow, and plaintext that came early."""
        assert self.is_over
        assert self._ciphers is not None
        return *self._ciphers, self._records, self._rest

    def _on_record(self, record: bytes) -> bytes:
        if self._ciphers is not None:
            return self._on_plain(self._ciphers[1].decrypt(record))
        message = self._noise.receive(record)
        out = _add_length(message) if message else b""
        if self._noise.is_over:
            self._check_peer()
            self._ciphers = self._noise.split()
            if isinstance(self._muxer, Proposer):
                out += self._ciphers[0].encrypt_records(self._muxer.start())
        return out

    def _on_plain(self, plain: bytes) -> bytes:
        assert self._ciphers is not None
        answer = self._muxer.receive(plain)
        if self._muxer.has_failed:
            raise BadNegotiation(f"the peer does not speak {YAMUX}")
        if self._muxer.agreed is not None:
            self.is_over = True
            self._rest = self._muxer.take_rest()
        return self._ciphers[0].encrypt_records(answer) if answer else b""

    def _check_peer(self) -> None:
        assert self._noise.remote_public is not None
        self.peer_id = make_peer_id(self._noise.remote_public)
        # SPEC NET-13: A dialled node MUST prove the key of the peer id under which it was dialled.
        if self._expected is not None and self.peer_id != self._expected:
            raise UnexpectedPeer(f"dialled {self._expected}, {self.peer_id} answered")


def _negotiate(protocol: str, is_initiator: bool) -> Negotiation:
    return Proposer([protocol]) if is_initiator else Responder(protocol.__eq__)


def _add_length(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message
