"""identify and ping: what a peer says of itself, and whether it still answers.

Source: libp2p specification, `identify/README.md`, `ping/ping.md`; docs/spec/network.md.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec

from network.libp2p.multiaddr import InvalidMultiaddr, Multiaddr, decode_multiaddr, encode_multiaddr
from network.libp2p.node_key import PeerId, encode_public_key
from network.libp2p.protobuf import as_bytes, as_text, decode_fields, encode_bytes
from network.libp2p.stream import Stream

IDENTIFY = "/ipfs/id/1.0.0"
IDENTIFY_PUSH = "/ipfs/id/push/1.0.0"
PING = "/ipfs/ping/1.0.0"
PING_BYTES = 32
IDENTIFY_BYTES_MAX = 8_192
_ADDRESSES_MAX = 16
_PROTOCOLS_MAX = 128
_TEXT_MAX = 256
_PING_STREAMS_MAX = 8
_PING_PAUSE_S = 0.01


class PeerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer says of itself; nothing of it is proved but its key.

    Attributes:
        agent: Its software.
        protocol_version: Its family of networks.
        protocols: What it speaks.
        addresses: Where it says it listens; kinds that are not dialled are left out.
        observed: How it sees us.
    """

    agent: str = ""
    protocol_version: str = ""
    protocols: tuple[str, ...] = ()
    addresses: tuple[Multiaddr, ...] = ()
    observed: Multiaddr | None = None


def encode_identify(info: PeerInfo, public: bytes) -> bytes:
    """Return the Identify message of a node with this key."""
    out = encode_bytes(1, encode_public_key(public))
    out += b"".join(encode_bytes(2, encode_multiaddr(address)) for address in info.addresses)
    out += b"".join(encode_bytes(3, name.encode("utf-8")) for name in info.protocols)
    if info.observed is not None:
        out += encode_bytes(4, encode_multiaddr(info.observed))
    return out + encode_bytes(5, info.protocol_version.encode()) + encode_bytes(6, info.agent.encode())


def decode_identify(data: bytes) -> PeerInfo:
    """Return what an Identify message says; more than we keep is dropped.

    Raises:
        BadProtobuf: not such a message.
    """
    texts = {5: "", 6: ""}
    protocols: list[str] = []
    addresses: list[Multiaddr] = []
    observed = None
    for number, value in decode_fields(data):
        if number in (2, 4):
            address = _decode_address(as_bytes(value))
            if number == 4:
                observed = address
            elif address is not None and len(addresses) < _ADDRESSES_MAX:
                addresses.append(address)
        elif number == 3 and len(protocols) < _PROTOCOLS_MAX:
            protocols.append(as_text(value)[:_TEXT_MAX])
        elif number in texts:
            texts[number] = as_text(value)[:_TEXT_MAX]
    return PeerInfo(
        agent=texts[6],
        protocol_version=texts[5],
        protocols=tuple(protocols),
        addresses=tuple(addresses),
        observed=observed,
    )


async def read_identify(stream: Stream) -> PeerInfo:
    """Return what the peer sends on an identify stream.

    Raises:
        RemoteProtocolError: not an Identify message. StreamReset: the stream broke off.
    """
    frame = await stream.read_frame(IDENTIFY_BYTES_MAX)
    return decode_identify(frame or b"")


class PingDesk:
    """Answers pings: on a few streams of each peer, each when the answer before has left."""

    def __init__(self) -> None:
        """Nobody has asked."""
        self._open: Counter[PeerId] = Counter()

    async def answer(self, stream: Stream) -> None:
        """Send back every 32 bytes until the peer is done."""
        # SPEC NET-48: A peer MUST be answered pings on at most 8 streams at a time, and 100 a second on each when it
        # does not wait for the answers.
        if self._open[stream.peer_id] >= _PING_STREAMS_MAX:
            stream.reset()
            return
        self._open[stream.peer_id] += 1
        try:
            async with stream:
                while data := await stream.read(PING_BYTES):
                    if len(data) < PING_BYTES:
                        data += await stream.read_exactly(PING_BYTES - len(data))
                    await stream.write(data)
                    await stream.wait_sent()
                    if stream.buffered_bytes:  # it did not wait for the answer
                        await asyncio.sleep(_PING_PAUSE_S)
        finally:
            self._open[stream.peer_id] -= 1
            if not self._open[stream.peer_id]:
                del self._open[stream.peer_id]


def _decode_address(data: bytes) -> Multiaddr | None:
    try:
        return decode_multiaddr(data)
    except InvalidMultiaddr:
        return None
