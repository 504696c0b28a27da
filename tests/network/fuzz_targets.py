"""Every parser that reads a peer's bytes, with inputs that it takes and what must hold whatever it is given."""

from __future__ import annotations

from collections.abc import Hashable
from random import Random

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from network.libp2p.gossip_event import Forward, GossipParams, SendRpc
from network.libp2p.gossip_router import GossipRouter
from network.libp2p.gossip_wire import GossipMessage, MessageId, Prune, Rpc, compute_message_id, decode_rpc, encode_rpc
from network.libp2p.handshake import Handshake
from network.libp2p.identify import PeerInfo, decode_identify, encode_identify
from network.libp2p.multiaddr import InvalidMultiaddr, decode_multiaddr, encode_multiaddr, parse_multiaddr
from network.libp2p.multistream import LINE_BYTES_MAX, Proposer, Responder, encode_line
from network.libp2p.node_key import PeerId, encode_public_key
from network.libp2p.noise import CipherState, NoiseHandshake, NoiseIdentity, RecordReader, make_noise_identity
from network.libp2p.protobuf import decode_fields, encode_bytes, encode_number
from network.libp2p.protocol_error import RemoteProtocolError
from network.libp2p.varint import FrameReader, decode_varint, encode_frame, encode_varint
from network.libp2p.yamux import YamuxLimits, YamuxSession
from network.libp2p.yamux_event import DataReceived
from network.libp2p.yamux_frame import DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE, encode_header
from network.messages import (
    Bodies,
    ExtrinsicInventory,
    Extrinsics,
    FinalitySteps,
    GetAncestors,
    GetBodies,
    GetExtrinsics,
    GetFinality,
    GetHeaders,
    GetStatePart,
    Headers,
    StatePart,
    Status,
    decode_answer,
    decode_notice,
    decode_request,
    encode_message,
)
from network.peer_exchange import decode_addresses, encode_addresses
from tests.network.fuzzing import Target
from tests.network.proposal_targets import PROPOSAL_TARGETS
from tests.network.support import make_key

_REMOTE = (RemoteProtocolError,)
_HASH = bytes(range(32))


def _cut(data: bytes) -> tuple[bytes, bytes]:
    """Return the input in two pieces; its length decides where."""
    return data[: len(data) // 2], data[len(data) // 2 :]


# -- lengths, protobuf, negotiation


def _check_varint(data: bytes) -> Hashable:
    found = decode_varint(data)
    if found is None:
        assert len(data) < 9
        return None
    value, end = found
    assert encode_varint(value) == data[:end]
    return end


def _check_frames(data: bytes) -> Hashable:
    frames = FrameReader(300).receive(data)
    assert all(len(frame) <= 300 for frame in frames)
    halves, reader = _cut(data), FrameReader(300)
    assert [frame for half in halves for frame in reader.receive(half)] == frames
    assert b"".join(encode_frame(frame) for frame in frames) == data[: sum(len(encode_frame(f)) for f in frames)]
    return min(len(frames), 4)


def _check_protobuf(data: bytes) -> Hashable:
    fields = decode_fields(data)
    again = b"".join(
        encode_number(number, value) if isinstance(value, int) else encode_bytes(number, value)
        for number, value in fields
    )
    assert decode_fields(again) == fields
    return tuple(type(value) for _, value in fields[:4])


def _check_negotiation(data: bytes) -> Hashable:
    responder, proposer = Responder(lambda name: name == "/a"), Proposer(["/a", "/b"])
    answers = []
    for machine in (responder, proposer):
        try:
            answer = machine.receive(data)
        except RemoteProtocolError:
            answers.append(-1)
            continue
        assert machine.agreed in (None, "/a", "/b")
        assert len(answer) <= 21 * (LINE_BYTES_MAX + 2)
        assert len(machine.take_rest()) <= len(data)
        answers.append(len(answer))
    return (*answers, responder.agreed, proposer.agreed, proposer.has_failed)


# -- noise


def _make_x25519(number: int) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(bytes([number]) * 32)


_ALICE = make_noise_identity(make_key(1), _make_x25519(11))
_BOB = make_noise_identity(make_key(2), _make_x25519(12))


def _make_ends() -> tuple[Handshake, Handshake]:
    return (
        Handshake(_ALICE, _make_x25519(21), is_initiator=True),
        Handshake(_BOB, _make_x25519(22), is_initiator=False),
    )


def _record_handshake() -> tuple[bytes, bytes]:
    """Return all that the dialler and all that the listener sent."""
    dialler, listener = _make_ends()
    to_listener, to_dialler, sent = dialler.start(), b"", [b"", b""]
    while to_listener or to_dialler:
        sent[0] += to_listener
        to_dialler = listener.receive(to_listener)
        sent[1] += to_dialler
        to_listener = dialler.receive(to_dialler) if to_dialler else b""
    return sent[0], sent[1]


_FROM_DIALLER, _FROM_LISTENER = _record_handshake()


def _check_handshake(data: bytes) -> Hashable:
    """The first byte says which end reads the rest: keys are fixed, so a recorded handshake is a whole one."""
    dialler, listener = _make_ends()
    end = dialler if data[:1] == b"\0" else listener
    end.start()
    for piece in _cut(data[1:]):
        end.receive(piece)
    if end.is_over:
        assert end.peer_id in (make_key(1).peer_id, make_key(2).peer_id), "nobody can take another's name"
    return (end is dialler, end.is_over, end.peer_id is None)


def _check_payload(data: bytes) -> Hashable:
    """A dialler whose identity payload is the input: the first bytes that a stranger gets behind the encryption."""
    forged = NoiseIdentity(static=_ALICE.static, static_public=_ALICE.static_public, payload=data)
    dialler = NoiseHandshake(forged, _make_x25519(21), is_initiator=True)
    listener = NoiseHandshake(_BOB, _make_x25519(22), is_initiator=False)
    last = dialler.receive(listener.receive(dialler.start()))
    listener.receive(last)
    assert listener.remote_public == make_key(1).public, "nobody can take another's name"
    return listener.is_over


def _check_records(data: bytes) -> Hashable:
    reader, cipher, plains = RecordReader(), CipherState(bytes(32)), []
    for piece in _cut(data):
        reader.add(piece)
        while (record := reader.take()) is not None:
            plains.append(cipher.decrypt(record))
    written = CipherState(bytes(32))
    assert b"".join(written.encrypt_records(plain) for plain in plains) == data[: sum(18 + len(p) for p in plains)]
    return len(plains)


# -- yamux


def _check_yamux(data: bytes) -> Hashable:
    """The first byte says which end reads; odd ones read slowly, so that windows run out."""
    role = data[0] if data else 0
    limits = YamuxLimits(inbound_streams_max=4)
    session, held = YamuxSession(is_client=role % 4 > 1, limits=limits), 0
    session.round_trip_ms, own = 100, [session.open_stream() for _ in range(2)]
    session.send(own[0], bytes(1_000))
    kinds = set()
    for piece in _cut(data[1:]):
        for event in session.receive(piece):
            kinds.add(type(event).__name__)
            if isinstance(event, DataReceived):
                held += len(event.data)
                if role % 2:
                    session.consume(event.stream, len(event.data), held)
                    held -= len(event.data)
        assert session.inbound_count <= 4
        assert session.stream_count <= 6
        assert held <= len(data)
        assert len(session.take_output(4_096)) <= 4_096 + limits.control_bytes_max
    session.close_write(own[0])
    session.take_output(1 << 20)
    return (frozenset(kinds), session.inbound_count)


def _make_yamux_seeds() -> tuple[bytes, ...]:
    hello = encode_header(DATA, SYN, 1, 5) + b"hello"
    even = encode_header(WINDOW_UPDATE, SYN, 2, 0) + encode_header(DATA, FIN, 2, 3) + b"end"
    rest = [
        encode_header(PING, SYN, 0, 7),
        encode_header(PING, 2, 0, 7),
        encode_header(GO_AWAY, 0, 0, 0),
        encode_header(WINDOW_UPDATE, 0, 1, 1_000),
        encode_header(WINDOW_UPDATE, RST, 1, 0),
        encode_header(DATA, FIN, 3, 0),
    ]
    opens = b"".join(encode_header(WINDOW_UPDATE, SYN, number, 0) for number in (1, 3, 5, 7, 9))
    frames = [hello, even, opens, hello + b"".join(rest), *rest]
    return tuple(bytes([role]) + frame for role in range(4) for frame in frames)


# -- identify, addresses


def _check_identify(data: bytes) -> Hashable:
    info = decode_identify(data)
    assert decode_identify(encode_identify(info, bytes(32))) == info
    assert len(info.addresses) <= 16
    assert len(info.protocols) <= 128
    return (bool(info.agent), len(info.addresses) > 0, len(info.protocols) > 1, info.observed is None)


def _check_multiaddr(data: bytes) -> Hashable:
    address = decode_multiaddr(data)
    assert parse_multiaddr(str(address)) == address
    assert decode_multiaddr(encode_multiaddr(address)) == address
    return (address.kind, address.peer_id is None)


def _check_address_text(data: bytes) -> Hashable:
    address = parse_multiaddr(data.decode("utf-8", "replace"))
    assert decode_multiaddr(encode_multiaddr(address)).port == address.port
    assert parse_multiaddr(str(address)) == address
    return (address.kind, address.peer_id is None)


def _check_exchange(data: bytes) -> Hashable:
    addresses = decode_addresses(data)
    assert len(addresses) <= 32
    assert decode_addresses(encode_addresses(addresses)) == addresses
    return min(len(addresses), 3)


# -- gossip


def _check_rpc(data: bytes) -> Hashable:
    rpc = decode_rpc(data)
    assert decode_rpc(encode_rpc(rpc)) == rpc
    parts = (rpc.subscriptions, rpc.messages, rpc.ihave, rpc.iwant, rpc.graft, rpc.prune)
    return tuple(min(len(part), 2) for part in parts)


def _check_router(data: bytes) -> Hashable:
    """A router that takes part in "t" and reads the frame from one of three peers, then beats."""
    rpc = decode_rpc(data)
    router, live = GossipRouter(GossipParams(), Random(1)), [PeerId(f"peer{n}") for n in range(3)]
    router.subscribe("t", 0)
    for peer in live:
        router.add_peer(peer, is_outbound=True, place=None)
        router.on_rpc(peer, Rpc(subscriptions=(("t", True),)), 0)
    effects = [*router.on_rpc(live[0], rpc, 1), *router.on_rpc(live[1], rpc, 2), *router.heartbeat(1_000)]
    for effect in effects:
        if isinstance(effect, SendRpc):
            assert effect.peer in live
            assert decode_rpc(encode_rpc(effect.rpc)) == effect.rpc
        elif isinstance(effect, Forward):
            assert set(effect.peers) <= set(live)
    assert all(members <= set(live) for members in router.mesh.values())
    return frozenset(type(effect).__name__ for effect in effects)


def _make_rpc_seeds() -> tuple[bytes, ...]:
    name = compute_message_id("t", b"hello")
    frames = [
        Rpc(subscriptions=(("t", True), ("u", False))),
        Rpc(messages=(GossipMessage("t", b"hello"), GossipMessage("u", b""))),
        Rpc(ihave=(("t", (name, MessageId(b"x"))),)),
        Rpc(iwant=(name, name)),
        Rpc(graft=("t", "u")),
        Rpc(prune=(Prune("t", 60), Prune("u", 0))),
    ]
    peer_info = encode_bytes(1, bytes(38)) + encode_bytes(2, bytes(60))
    exchange = encode_bytes(3, encode_bytes(4, encode_bytes(1, b"t") + encode_bytes(2, peer_info) * 3))
    seeds = [encode_rpc(frame) for frame in frames]
    return (*seeds, b"".join(seeds), exchange, encode_bytes(2, encode_bytes(1, b"author") + encode_bytes(4, b"t")))


# -- the chain's messages


def _check_messages(data: bytes) -> Hashable:
    kinds = []
    for decode in (decode_notice, decode_request, decode_answer):
        try:
            message = decode(data)
        except RemoteProtocolError:
            continue
        assert encode_message(message) == data
        kinds.append(type(message).__name__)
    assert len(kinds) <= 1
    return tuple(kinds)


_STATUS = Status(
    version=1,
    genesis=_HASH,
    best_number=7,
    best_hash=_HASH,
    justified_height=5,
    work=b"\x01\x00",
    final_number=0,
    final_hash=_HASH,
    is_authority=True,
)
_MESSAGES = (
    _STATUS,
    ExtrinsicInventory(hashes=(_HASH, _HASH)),
    GetHeaders(locator=(_HASH,), count=512),
    GetBodies(hashes=(_HASH, _HASH)),
    GetExtrinsics(hashes=(_HASH,)),
    Headers(headers=(b"header", b"")),
    Bodies(bodies=((b"one", b""), None, ())),
    Extrinsics(extrinsics=(b"one", bytes(300))),
    GetFinality(start=_HASH),
    GetAncestors(start=_HASH, count=512),
    GetStatePart(block_hash=_HASH, start=_HASH, depth_min=4, bytes_max=65_536),
    FinalitySteps(steps=(b"step", b"")),
    StatePart(depth=4, pairs=((b"key", b"value"), (b"", b"")), siblings=(_HASH,), other=None),
    StatePart(depth=4, pairs=(), siblings=(), other=bytes(64)),
)
_PEER = make_key(3).peer_id
_TEXTS = tuple(
    f"{place}/tcp/{port}{tail}"
    for place in ("/ip4/127.0.0.1", "/ip6/2001:db8::1", "/dns/boot.example.org", "/dns4/a.b", "/dns6/a.b")
    for port in (0, 30_333, 65_535)
    for tail in ("", f"/p2p/{_PEER}")
)
_ADDRESSES = tuple(parse_multiaddr(text) for text in _TEXTS)
_INFO = PeerInfo(
    agent="a/1", protocol_version="v", protocols=("/x", "/y"), addresses=_ADDRESSES[:3], observed=_ADDRESSES[6]
)
_LINES = encode_line("/multistream/1.0.0") + encode_line("/b") + encode_line("na") + encode_line("/a")
_FIELDS = encode_number(1, 300) + encode_bytes(2, b"ab") + b"\x1d\x01\x02\x03\x04" + b"\x21" + bytes(8)

TARGETS = (
    *PROPOSAL_TARGETS,
    Target(
        name="varint",
        seeds=tuple(encode_varint(n) for n in (0, 127, 128, 2**14, 2**62)),
        check=_check_varint,
        errors=_REMOTE,
    ),
    Target(
        name="frames",
        seeds=tuple(encode_frame(bytes(n)) * 2 for n in (0, 1, 127, 128, 300)),
        check=_check_frames,
        errors=_REMOTE,
    ),
    Target(
        name="protobuf",
        seeds=(_FIELDS, encode_bytes(2, _FIELDS), encode_public_key(_HASH)),
        check=_check_protobuf,
        errors=_REMOTE,
    ),
    Target(name="multistream", seeds=(_LINES, _LINES[:24]), check=_check_negotiation, errors=_REMOTE),
    Target(
        name="handshake",
        seeds=(b"\1" + _FROM_DIALLER, b"\0" + _FROM_LISTENER),
        check=_check_handshake,
        errors=_REMOTE,
    ),
    Target(name="noise payload", seeds=(_ALICE.payload, _BOB.payload), check=_check_payload, errors=_REMOTE),
    Target(
        name="noise records",
        seeds=(CipherState(bytes(32)).encrypt_records(b"hello"), CipherState(bytes(32)).encrypt_records(bytes(1_000))),
        check=_check_records,
        errors=_REMOTE,
    ),
    Target(name="yamux", seeds=_make_yamux_seeds(), check=_check_yamux, errors=_REMOTE),
    Target(name="identify", seeds=(encode_identify(_INFO, _HASH), b""), check=_check_identify, errors=_REMOTE),
    Target(name="gossip frame", seeds=_make_rpc_seeds(), check=_check_rpc, errors=_REMOTE),
    Target(name="gossip router", seeds=_make_rpc_seeds(), check=_check_router, errors=_REMOTE),
    Target(
        name="multiaddr",
        seeds=tuple(encode_multiaddr(address) for address in _ADDRESSES),
        check=_check_multiaddr,
        errors=(InvalidMultiaddr,),
    ),
    Target(
        name="multiaddr text",
        seeds=tuple(text.encode() for text in _TEXTS),
        check=_check_address_text,
        errors=(InvalidMultiaddr,),
    ),
    Target(
        name="peer exchange",
        seeds=(encode_addresses(_ADDRESSES), encode_addresses([])),
        check=_check_exchange,
        errors=_REMOTE,
    ),
    Target(
        name="chain messages",
        seeds=tuple(encode_message(message) for message in _MESSAGES),
        check=_check_messages,
        errors=_REMOTE,
    ),
)
