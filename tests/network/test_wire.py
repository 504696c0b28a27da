"""Varints, frames, protobuf, multistream and addresses: what they mean, and that no bytes upset them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.peer_id import encode_peer_id
from network.libp2p.identify import PeerInfo, decode_identify, encode_identify
from network.libp2p.multiaddr import InvalidMultiaddr, decode_multiaddr, encode_multiaddr, parse_multiaddr
from network.libp2p.multistream import PROPOSALS_MAX, Proposer, Responder, encode_line
from network.libp2p.protobuf import as_bytes, as_number, as_text, decode_fields, encode_bytes, encode_number
from network.libp2p.protocol_error import (
    BadNegotiation,
    BadProtobuf,
    BadVarint,
    FrameTooLarge,
    LocalProtocolError,
    RemoteProtocolError,
)
from network.libp2p.varint import FrameReader, decode_varint, encode_frame, encode_varint

PEER = encode_peer_id(bytes(range(32)))
ADDRESSES = [
    "/ip4/127.0.0.1/tcp/30333",
    f"/ip4/10.1.2.3/tcp/1/p2p/{PEER}",
    "/ip6/::1/tcp/65535",
    f"/dns/boot.example.org/tcp/30333/p2p/{PEER}",
    "/dns4/a.b/tcp/2",
    "/dns6/a.b/tcp/2",
]


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_net_02_every_number_comes_back(value: int) -> None:
    data = encode_varint(value)
    assert decode_varint(data) == (value, len(data))
    assert decode_varint(data[:-1]) is None


@pytest.mark.parametrize("data", ["8000", "80808080808080808001", "ffffffffffffffffffff"])
def test_net_02_a_varint_that_is_long_is_refused(data: str) -> None:
    with pytest.raises(BadVarint):
        decode_varint(bytes.fromhex(data))


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(min_value=1, max_value=9))
def test_frames_come_back_however_they_are_cut(frames: list[bytes], step: int) -> None:
    data = b"".join(encode_frame(frame) for frame in frames)
    reader = FrameReader(40)
    assert [f for i in range(0, len(data), step) for f in reader.receive(data[i : i + step])] == frames


def test_net_03_a_frame_is_refused_by_its_length_alone() -> None:
    with pytest.raises(FrameTooLarge):
        FrameReader(1024).receive(encode_varint(1025))
    assert FrameReader(1024).receive(encode_frame(bytes(1024))) == [bytes(1024)]


def test_net_04_fields_are_read_in_order_and_unknown_ones_kept() -> None:
    data = encode_number(1, 300) + encode_bytes(2, b"ab") + b"\x1d\x01\x02\x03\x04" + encode_number(1, 0)
    assert decode_fields(data) == [(1, 300), (2, b"ab"), (3, b"\1\2\3\4"), (1, 0)]


@pytest.mark.parametrize("data", ["0a05616263", "0b", "00", "08", "0c", "ffffffffffffffffffff7f", "0d0102"])
def test_net_04_what_is_no_message_is_refused(data: str) -> None:
    with pytest.raises(BadProtobuf):
        decode_fields(bytes.fromhex(data))


def test_net_04_a_field_of_another_type_is_refused() -> None:
    for wrong in (lambda: as_bytes(1), lambda: as_number(b""), lambda: as_text(b"\xff")):
        with pytest.raises(BadProtobuf):
            wrong()


def test_two_ends_agree_on_the_first_protocol_that_both_know() -> None:
    proposer, responder = Proposer(["/a", "/b", "/c"]), Responder({"/b", "/c"}.__contains__)
    to_responder = proposer.start()
    while not (proposer.is_over and responder.is_over):
        to_responder = proposer.receive(responder.receive(to_responder))
    assert proposer.agreed == responder.agreed == "/b"


def test_bytes_behind_the_agreement_belong_to_the_protocol() -> None:
    responder = Responder(lambda name: name == "/a")
    responder.receive(Proposer(["/a"]).start() + b"early")
    assert (responder.agreed, responder.take_rest()) == ("/a", b"early")
    with pytest.raises(LocalProtocolError):
        responder.receive(b"more")


def test_a_proposer_gives_up_when_everything_was_refused() -> None:
    proposer, responder = Proposer(["/a"]), Responder(lambda _: False)
    proposer.receive(responder.receive(proposer.start()))
    assert proposer.has_failed
    assert proposer.agreed is None


def test_net_05_a_negotiation_has_an_end() -> None:
    responder = Responder(lambda _: False)
    responder.receive(encode_line("/multistream/1.0.0"))
    for _ in range(PROPOSALS_MAX):
        assert responder.receive(encode_line("/x")) == encode_line("na")
    with pytest.raises(BadNegotiation):
        responder.receive(encode_line("/x"))
    with pytest.raises(FrameTooLarge):
        Responder(lambda _: True).receive(encode_frame(bytes(1025)))
    for opening in (encode_line("/http/1.1"), encode_frame(b"no newline"), encode_frame(b"\xff\n")):
        with pytest.raises(BadNegotiation):
            Responder(lambda _: True).receive(opening)


@pytest.mark.parametrize("text", ADDRESSES)
def test_net_12_an_address_has_a_text_and_bytes(text: str) -> None:
    address = parse_multiaddr(text)
    assert str(address) == text
    assert decode_multiaddr(encode_multiaddr(address)) == address


def test_an_address_has_the_bytes_that_multiformats_gives() -> None:
    assert encode_multiaddr(parse_multiaddr("/ip4/127.0.0.1/tcp/4001")).hex() == "047f000001060fa1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/ip4/127.0.0.1",
        "/ip4/127.0.0.1/udp/1",
        "/ip4/127.0.0.1/tcp/65536",
        "/ip4/127.0.0.1/tcp/-1",
        "/ip4/::1/tcp/1",
        "/ip4/1.2.3/tcp/1",
        "/dns/a b/tcp/1",
        "/unix/x/tcp/1",
        "/ip4/127.0.0.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        "/ip4/127.0.0.1/tcp/1/ws/x",
    ],
)
def test_net_12_another_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidMultiaddr):
        parse_multiaddr(text)


def test_identify_comes_back_and_drops_what_it_does_not_know() -> None:
    info = PeerInfo(
        agent="a",
        protocol_version="v",
        protocols=("/x", "/y"),
        addresses=(parse_multiaddr(ADDRESSES[1]),),
        observed=None,
    )
    data = encode_identify(info, bytes(32)) + encode_bytes(2, b"\x91\x02junk") + encode_bytes(8, b"record")
    assert decode_identify(data) == info


@given(st.binary(max_size=200))
def test_no_bytes_upset_a_parser(data: bytes) -> None:
    """Only their own errors leave them."""
    for parse, own in (
        (decode_fields, RemoteProtocolError),
        (decode_identify, RemoteProtocolError),
        (decode_varint, RemoteProtocolError),
        (FrameReader(100).receive, RemoteProtocolError),
        (Responder(lambda name: len(name) % 2 == 0).receive, RemoteProtocolError),
        (Proposer(["/a", "/b"]).receive, RemoteProtocolError),
        (decode_multiaddr, InvalidMultiaddr),
    ):
        with contextlib.suppress(own):
            parse(data)
    if len(data) < 100:
        with contextlib.suppress(RemoteProtocolError):
            Responder(lambda name: len(name) % 2 == 0).receive(encode_line("/multistream/1.0.0") + encode_frame(data))


@given(st.text(max_size=80))
def test_no_text_upsets_the_address_parser(text: str) -> None:
    for candidate in (text, f"/ip4/{text}/tcp/1", f"/dns/{text}/tcp/{text}", f"/ip6/::1/tcp/1/p2p/{text}"):
        with contextlib.suppress(InvalidMultiaddr):
            encode_multiaddr(parse_multiaddr(candidate))
