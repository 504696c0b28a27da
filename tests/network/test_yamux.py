"""yamux: streams, windows, turns; a model of two sessions joined by a wire; and junk."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network.libp2p.protocol_error import BadFrame, ControlFlood, LocalProtocolError, RemoteProtocolError, WindowOverrun
from network.libp2p.yamux import (
    DataReceived,
    PongReceived,
    StreamFinished,
    StreamOpened,
    StreamWasReset,
    WentAway,
    YamuxLimits,
    YamuxSession,
)
from network.libp2p.yamux_frame import ACK, DATA, FIN, PING, RST, SYN, WINDOW_BYTES, WINDOW_UPDATE, encode_header

ALL = 1 << 30


def _make_pair() -> tuple[YamuxSession, YamuxSession]:
    return YamuxSession(is_client=True), YamuxSession(is_client=False)


def _pass(sender: YamuxSession, receiver: YamuxSession) -> list:
    return receiver.receive(sender.take_output(ALL))


def test_a_stream_carries_bytes_both_ways_and_ends() -> None:
    client, server = _make_pair()
    stream = client.open_stream()
    client.send(stream, b"ask")
    client.close_write(stream)
    assert _pass(client, server) == [StreamOpened(1), DataReceived(1, b"ask"), StreamFinished(1)]
    server.send(1, b"answer")
    server.close_write(1)
    events = [event for event in _pass(server, client) if isinstance(event, DataReceived | StreamFinished)]
    assert events == [DataReceived(1, b"answer"), StreamFinished(1)]
    assert (client.stream_count, server.stream_count) == (0, 0)


def test_a_sender_stops_at_the_window_and_goes_on_when_the_reader_has_read() -> None:
    client, server = _make_pair()
    stream = client.open_stream()
    client.send(stream, bytes(3 * WINDOW_BYTES))
    received = 0
    while received < 3 * WINDOW_BYTES:
        data = sum(len(event.data) for event in _pass(client, server) if isinstance(event, DataReceived))
        assert 0 < data <= WINDOW_BYTES
        assert client.take_output(ALL) == b""
        received += data
        server.consume(1, data)
        _pass(server, client)


def test_a_small_message_does_not_wait_for_bulk() -> None:
    """It is sent within one frame of the bulk's."""
    client, _ = _make_pair()
    bulk, small = client.open_stream(), client.open_stream()
    client.send(bulk, bytes(200_000))
    client.take_output(20_000)
    client.send(small, b"urgent")
    assert b"urgent" in client.take_output(40_000)


def test_streams_take_turns() -> None:
    client, server = _make_pair()
    for _ in range(4):
        client.send(client.open_stream(), bytes(100_000))
    server.receive(client.take_output(100))
    order = [event.stream for event in server.receive(client.take_output(130_000)) if isinstance(event, DataReceived)]
    assert order[:8] == [1, 3, 5, 7, 1, 3, 5, 7] or order[:7] == [3, 5, 7, 1, 3, 5, 7]


def test_net_08_data_beyond_the_window_is_refused() -> None:
    server = YamuxSession(is_client=False)
    server.receive(encode_header(DATA, SYN, 1, WINDOW_BYTES) + bytes(WINDOW_BYTES))
    with pytest.raises(WindowOverrun):
        server.receive(encode_header(DATA, 0, 1, 1))
    with pytest.raises(WindowOverrun):
        YamuxSession(is_client=False).receive(encode_header(DATA, SYN, 1, WINDOW_BYTES + 1))
    with pytest.raises(WindowOverrun):
        YamuxSession(is_client=False).receive(encode_header(DATA, 0, 9, 2**31))


def test_net_08_a_window_that_overflows_is_refused() -> None:
    server = YamuxSession(is_client=False)
    with pytest.raises(WindowOverrun):
        server.receive(encode_header(WINDOW_UPDATE, SYN, 1, 2**32 - 1))


def test_net_09_a_peer_that_asks_and_does_not_read_is_refused() -> None:
    server = YamuxSession(is_client=False)
    with pytest.raises(ControlFlood):
        server.receive(encode_header(PING, SYN, 0, 1) * 6_000)


def test_net_11_the_65th_stream_is_refused_and_the_others_live() -> None:
    client, server = _make_pair()
    for _ in range(65):
        client.open_stream()
    assert len(_pass(client, server)) == 64
    assert [event for event in _pass(server, client) if isinstance(event, StreamWasReset)] == [StreamWasReset(129)]
    assert (client.stream_count, server.inbound_count) == (64, 64)
    client.reset(1)
    _pass(client, server)
    assert server.inbound_count == 63


@pytest.mark.parametrize(
    "frame",
    [
        b"\x01" + bytes(11),
        encode_header(4, 0, 1, 0),
        encode_header(DATA, 16, 1, 0),
        encode_header(DATA, 0, 0, 0),
        encode_header(PING, SYN, 1, 0),
        encode_header(WINDOW_UPDATE, SYN, 2, 0),
        encode_header(WINDOW_UPDATE, SYN, 1, 0) * 2,
        encode_header(DATA, SYN | FIN, 1, 0) + encode_header(DATA, 0, 1, 1) + b"x",
    ],
)
def test_net_07_a_frame_that_cannot_be_is_refused(frame: bytes) -> None:
    with pytest.raises(BadFrame):
        YamuxSession(is_client=False).receive(frame)


def test_data_behind_our_reset_is_dropped_within_what_was_granted() -> None:
    client, server = _make_pair()
    stream = client.open_stream()
    client.send(stream, bytes(100_000))
    on_the_way = client.take_output(ALL)
    server.receive(on_the_way[:12])
    server.reset(1)
    assert server.receive(on_the_way[12:]) == []
    with pytest.raises(WindowOverrun):
        server.receive(encode_header(DATA, 0, 1, WINDOW_BYTES - 99_999))


def test_pings_are_answered_and_farewells_heard() -> None:
    client, server = _make_pair()
    client.ping(7)
    _pass(client, server)
    assert _pass(server, client) == [PongReceived(7)]
    server.go_away(0)
    assert _pass(server, client) == [WentAway(0)]
    client.open_stream()
    _pass(client, server)
    assert _pass(server, client) == [StreamWasReset(1)]


def test_writing_behind_ones_own_end_is_our_own_bug() -> None:
    client, _ = _make_pair()
    stream = client.open_stream()
    client.close_write(stream)
    with pytest.raises(LocalProtocolError):
        client.send(stream, b"x")
    with pytest.raises(LocalProtocolError):
        YamuxSession(is_client=True, limits=YamuxLimits(window_bytes=1))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60_000), st.integers(13, 90_000)), max_size=30))
def test_whatever_is_sent_arrives_in_order_and_nothing_stays(plan: list[tuple[int, int, int]]) -> None:
    """Four streams, any order of writes and of partial passes; then everything is drained."""
    client, server = _make_pair()
    streams = [client.open_stream() for _ in range(4)]
    sent = {stream: bytearray() for stream in streams}
    got = {stream: bytearray() for stream in streams}

    def take(events: list) -> None:
        for event in events:
            if isinstance(event, DataReceived):
                got[event.stream] += event.data
                server.consume(event.stream, len(event.data))

    for number, (which, size, room) in enumerate(plan):
        data = bytes([number + 1]) * size
        client.send(streams[which], data)
        sent[streams[which]] += data
        take(server.receive(client.take_output(room)))
    take(_pass(client, server))  # from here on the server knows every stream
    for stream in streams:
        client.close_write(stream)
        server.close_write(stream)
    for _ in range(60):
        take(_pass(client, server))
        _pass(server, client)
    assert got == sent
    assert (client.stream_count, server.stream_count) == (0, 0)


HEADERS = st.builds(
    encode_header,
    st.integers(0, 4),
    st.sampled_from([0, SYN, ACK, FIN, RST, SYN | FIN, 31]),
    st.integers(0, 6),
    st.one_of(st.integers(0, 64), st.sampled_from([WINDOW_BYTES, 2**32 - 1])),
)


@given(st.lists(st.one_of(st.binary(max_size=30), HEADERS), max_size=20), st.booleans())
def test_no_bytes_upset_a_session(pieces: list[bytes], is_client: bool) -> None:
    session = YamuxSession(is_client=is_client)
    with contextlib.suppress(RemoteProtocolError):
        for piece in pieces:
            session.receive(piece)
            session.take_output(1000)
    assert session.inbound_count <= 64
