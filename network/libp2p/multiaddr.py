"""Multiaddresses: where a node listens, as text and as bytes. Only what this network dials: ip4, ip6, dns, tcp, p2p.

Source: multiformats/multiaddr, `README.md` and `protocols.csv`; docs/spec/network.md.
"""

from __future__ import annotations

import ipaddress
from typing import ClassVar

import msgspec

from chain.base58 import NotBase58, decode_base58
from chain.peer_id import InvalidPeerId, decode_peer_id, encode_peer_id
from network.libp2p.node_key import PeerId
from network.libp2p.protocol_error import BadVarint
from network.libp2p.varint import decode_varint, encode_varint

_IP4, _TCP, _IP6, _P2P = 4, 6, 41, 421
_DNS = {"dns": 53, "dns4": 54, "dns6": 55}
_DNS_NAMES = {code: name for name, code in _DNS.items()}
_PEER_HEAD_BYTES = 6
_BYTES_MAX = 512


class InvalidMultiaddr(ValueError):
    """An address that is none, or of a kind that this network does not dial."""

    rule: ClassVar[str] = "NET-12"


class Multiaddr(msgspec.Struct, frozen=True, kw_only=True):
    """One TCP address, with the peer that is expected there when it is known.

    Attributes:
        kind: `ip4`, `ip6`, `dns`, `dns4` or `dns6`.
        host: An IP address or a name.
        port: TCP port.
        peer_id: The node, or None.
    """

    kind: str
    host: str
    port: int
    peer_id: PeerId | None = None

    def __str__(self) -> str:
        """Return the text form."""
        tail = f"/p2p/{self.peer_id}" if self.peer_id else ""
        return f"/{self.kind}/{self.host}/tcp/{self.port}{tail}"

    def with_peer(self, peer_id: PeerId) -> Multiaddr:
        """Return the same place with a peer's name."""
        return Multiaddr(kind=self.kind, host=self.host, port=self.port, peer_id=peer_id)


def make_ip_address(host: str, port: int) -> Multiaddr:
    """Return the address of a socket.

    Raises:
        InvalidMultiaddr: no IP address.
    """
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        raise InvalidMultiaddr("not an IP address") from None
    return Multiaddr(kind=f"ip{ip.version}", host=str(ip), port=port)


def parse_multiaddr(text: str) -> Multiaddr:
    """Return the address written as `/ip4/127.0.0.1/tcp/30333/p2p/12D3KooW...`.

    Raises:
        InvalidMultiaddr: another form, a bad part, or a kind that is not dialled.
    """
    parts = text.split("/")
    # SPEC NET-12: A multiaddress MUST be one of ip4, ip6, dns, dns4 or dns6, then tcp, then at most one p2p.
    if len(text) > _BYTES_MAX or len(parts) not in (5, 7) or parts[0] != "" or parts[3] != "tcp":
        raise InvalidMultiaddr("an address looks like /ip4/127.0.0.1/tcp/30333, perhaps with /p2p/12D3KooW...")
    kind, host, port = parts[1], parts[2], parts[4]
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65_536):
        raise InvalidMultiaddr("a TCP port is a number below 65536")
    _check_place(kind, host)
    peer_id = None
    if len(parts) == 7:
        if parts[5] not in ("p2p", "ipfs"):
            raise InvalidMultiaddr("only /p2p/ may follow the port")
        peer_id = _check_peer(parts[6])
    return Multiaddr(kind=kind, host=host, port=int(port), peer_id=peer_id)


def encode_multiaddr(address: Multiaddr) -> bytes:
    """Return the binary form."""
    if address.kind in _DNS:
        name = address.host.encode("ascii")
        out = encode_varint(_DNS[address.kind]) + encode_varint(len(name)) + name
    else:
        packed = ipaddress.ip_address(address.host).packed
        out = encode_varint(_IP4 if len(packed) == 4 else _IP6) + packed
    out += encode_varint(_TCP) + address.port.to_bytes(2, "big")
    if address.peer_id is not None:
        try:
            raw = decode_base58(address.peer_id)
        except NotBase58:
            raise InvalidMultiaddr("not a peer id") from None
        out += encode_varint(_P2P) + encode_varint(len(raw)) + raw
    return out


def decode_multiaddr(data: bytes) -> Multiaddr:
    """Return the address.

    Raises:
        InvalidMultiaddr: cut short, or of a kind that is not dialled.
    """
    if len(data) > _BYTES_MAX:
        raise InvalidMultiaddr(f"an address has at most {_BYTES_MAX} bytes")
    code, offset = _read_code(data, 0)
    if code in (_IP4, _IP6):
        size = 4 if code == _IP4 else 16
        kind, host = ("ip4" if size == 4 else "ip6"), _read_ip(data[offset : offset + size], size)
    elif code in _DNS_NAMES:
        size, offset = _read_code(data, offset)
        kind, host = _DNS_NAMES[code], data[offset : offset + size].decode("ascii", "replace")
        _check_place(kind, host)
    else:
        raise InvalidMultiaddr(f"addresses of the kind {code} are not dialled")
    code, offset = _read_code(data, offset + size)
    if code != _TCP or len(data) < offset + 2:
        raise InvalidMultiaddr("only TCP is dialled")
    port = int.from_bytes(data[offset : offset + 2], "big")
    peer_id = None
    if len(data) > offset + 2:
        code, offset = _read_code(data, offset + 2)
        size, offset = _read_code(data, offset)
        if code != _P2P or len(data) != offset + size or size != _PEER_HEAD_BYTES + 32:
            raise InvalidMultiaddr("only an ed25519 peer may follow the port")
        peer_id = PeerId(encode_peer_id(data[offset + _PEER_HEAD_BYTES :]))
    return Multiaddr(kind=kind, host=host, port=port, peer_id=peer_id)


def _read_code(data: bytes, offset: int) -> tuple[int, int]:
    try:
        found = decode_varint(data, offset)
    except BadVarint:
        found = None
    if found is None:
        raise InvalidMultiaddr("the address is cut short")
    return found


def _read_ip(packed: bytes, size: int) -> str:
    if len(packed) != size:
        raise InvalidMultiaddr("the address is cut short")
    return str(ipaddress.ip_address(packed))


def _check_place(kind: str, host: str) -> None:
    if kind in _DNS:
        if not (0 < len(host) <= 253 and host.isascii() and all(c.isalnum() or c in "-._" for c in host)):
            raise InvalidMultiaddr("not a host name")
        return
    if kind not in ("ip4", "ip6"):
        raise InvalidMultiaddr(f"addresses of the kind {kind!r} are not dialled")
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        raise InvalidMultiaddr(f"{host!r} is not an IP address") from None
    if kind != f"ip{version}" or "%" in host:
        raise InvalidMultiaddr(f"{host!r} is not an address of the kind {kind}")


def _check_peer(text: str) -> PeerId:
    try:
        decode_peer_id(text)
    except InvalidPeerId as error:
        raise InvalidMultiaddr(str(error)) from None
    return PeerId(text)
