"""yamux: streams, windows, turns; a model of two sessions joined by a wire; and junk."""

from __future__ import annotations

import contextlib
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network.libp2p.protocol_error import BadFrame, ControlFlood, LocalProtocolError, RemoteProtocolError, WindowOverrun
from network.libp2p.yamux import YamuxLimits, YamuxSession
from network.libp2p.yamux_event import (
    DataReceived,
    PongReceived,
    StreamFinished,
    StreamOpened,
    StreamWasReset,
    WentAway,
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
    limits = YamuxLimits(window_bytes_max=WINDOW_BYTES)
    client, server = YamuxSession(is_client=True), YamuxSession(is_client=False, limits=limits)
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


def _send_over_a_long_way(limits: YamuxLimits, size: int, delay_ms: int) -> int:
    """Return after how many milliseconds the reader, who reads at once, has everything."""
    client, server = YamuxSession(is_client=True), YamuxSession(is_client=False, limits=limits)
    server.round_trip_ms = 2 * delay_ms
    stream = client.open_stream()
    client.send(stream, bytes(size))
    to_server, to_client, received = deque[tuple[int, bytes]](), deque[tuple[int, bytes]](), 0
    for now in range(0, 1_000_000, 5):
        while to_server and to_server[0][0] <= now:
            for event in server.receive(to_server.popleft()[1]):
                if isinstance(event, DataReceived):
                    received += len(event.data)
                    server.consume(stream, len(event.data), now)
        while to_client and to_client[0][0] <= now:
            client.receive(to_client.popleft()[1])
        if received == size:
            return now
        to_server.append((now + delay_ms, client.take_output(ALL)))
        to_client.append((now + delay_ms, server.take_output(ALL)))
    raise AssertionError("the transfer stands still")


def test_net_44_a_window_grows_for_a_quick_reader_far_away() -> None:
    """8 MiB at 100 ms there and back: 32 windows of 256 KiB take as many round trips, growing ones seven."""
    fixed = YamuxLimits(window_bytes_max=WINDOW_BYTES)
    assert 3_000 < _send_over_a_long_way(fixed, 8 << 20, 50) < 3_500
    assert _send_over_a_long_way(YamuxLimits(), 8 << 20, 50) <= 800
    assert _send_over_a_long_way(YamuxLimits(), 300_000, 50) <= 150
    assert 1_500 < _send_over_a_long_way(YamuxLimits(growth_bytes=WINDOW_BYTES), 8 << 20, 50) < 2_000


def test_net_44_windows_grow_within_what_the_connection_has_for_them() -> None:
    limits = YamuxLimits(window_bytes_max=4 * WINDOW_BYTES, growth_bytes=4 * WINDOW_BYTES)
    client, server = YamuxSession(is_client=True), YamuxSession(is_client=False, limits=limits)
    server.round_trip_ms = 20
    streams = [client.open_stream() for _ in range(3)]
    server.receive(client.take_output(ALL))

    def pass_window(stream: int, now_ms: int) -> int:
        """Send what the window allows, read it all, and return how much it was."""
        events = server.receive(client.take_output(ALL))
        count = sum(len(event.data) for event in events if isinstance(event, DataReceived))
        server.consume(stream, count, now_ms)
        client.receive(server.take_output(ALL))
        return count

    def measure_window(stream: int) -> int:
        """Send bulk to a quick reader; return how many windows passed at once in the end."""
        client.send(stream, bytes(40 * WINDOW_BYTES))
        counts = [pass_window(stream, turn) for turn in range(6)]
        while client.get_pending_bytes(stream):
            pass_window(stream, 6)
        return counts[-1] // WINDOW_BYTES

    assert [measure_window(stream) for stream in streams] == [4, 2, 1]
    server.reset(streams[0])
    assert measure_window(streams[2]) == 4


@pytest.mark.parametrize(("round_trip_ms", "turn_ms"), [(100, 101), (19, 0), (0, 0)])
def test_net_44_for_a_slow_reader_or_a_near_peer_the_window_stays(round_trip_ms: int, turn_ms: int) -> None:
    """Near by it would only fill buffers, in which small messages wait."""
    client, server = _make_pair()
    server.round_trip_ms = round_trip_ms
    stream = client.open_stream()
    client.send(stream, bytes(20 * WINDOW_BYTES))
    for turn in range(15):
        data = sum(len(event.data) for event in _pass(client, server) if isinstance(event, DataReceived))
        assert 0 < data <= WINDOW_BYTES
        server.consume(stream, data, turn * turn_ms)
        _pass(server, client)


def test_a_frame_as_large_as_the_window_is_not_kept_until_it_is_whole() -> None:
    """Go's and JavaScript's frames may be; what has come of one is passed on at once."""
    server = YamuxSession(is_client=False)
    server.receive(encode_header(DATA, SYN | FIN, 1, WINDOW_BYTES))
    got = 0
    for _ in range(4):
        events = server.receive(bytes(WINDOW_BYTES // 4))
        got += sum(len(event.data) for event in events if isinstance(event, DataReceived))
        assert (got == WINDOW_BYTES) == (StreamFinished(1) in events)
    assert got == WINDOW_BYTES


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
