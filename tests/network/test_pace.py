"""What a peer may cause with next to no bytes: the account, and floods of every kind against a host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from network.libp2p.connection import Connection
from network.libp2p.guard import OpenGuard
from network.libp2p.host import Host
from network.libp2p.host_config import HostConfig
from network.libp2p.node_key import PeerId
from network.libp2p.pace import Pace, PaceLimits
from network.libp2p.protocol_error import ControlFlood, PieceFlood, RemoteProtocolError
from network.libp2p.yamux_frame import ACK, DATA, PING, RST, SYN, WINDOW_UPDATE, encode_header
from tests.network.support import run_hosts, wait_until


def test_net_45_bytes_pay_for_pieces_and_a_burst_is_free() -> None:
    pace = Pace(PaceLimits(), 0)
    assert pace.take(1_000_000, 256_000_000, 0, 0) == 0  # bulk
    assert pace.take(1_000_000, 0, 64_000_000, 0) == 0  # the window updates of who reads ours
    assert pace.take(10_000, 0, 0, 0) == 0
    assert pace.take(2_000, 0, 0, 0) == 1_001
    assert pace.take(2_000, 0, 0, 2_000) == 0


def test_net_45_a_steady_chatter_below_the_rate_is_never_held() -> None:
    """2,000 pings a second for a minute."""
    pace = Pace(PaceLimits(), 0)
    assert all(pace.take(20, 0, 0, now) == 0 for now in range(10, 60_000, 10))


def test_net_45_a_flood_is_held_back_and_then_ended() -> None:
    """Full reads of empty frames, as fast as they are taken: what was taken is counted."""
    pace, now, taken = Pace(PaceLimits(), 0), 0, 0
    is_held = True
    while is_held:
        taken += 21_845
        try:
            now += pace.take(21_845, 0, 0, now)
        except PieceFlood:
            is_held = False
    assert taken < 120_000
    assert now < 60_000


def test_net_45_one_excess_is_forgiven_with_time() -> None:
    pace = Pace(PaceLimits(), 0)
    for hour in range(10):
        assert pace.take(30_000, 0, 0, hour * 3_600_000) == 10_000


class _CountingGuard(OpenGuard):
    def __init__(self) -> None:
        self.faults: list[tuple[PeerId, RemoteProtocolError]] = []

    def on_fault(self, peer: PeerId, error: RemoteProtocolError) -> None:
        self.faults.append((peer, error))


def _send_raw(connection: Connection, plain: bytes) -> None:
    """Send frames, or a record with nothing in it, past the session that would not."""
    assert connection._transport is not None
    assert connection._send is not None
    connection._transport.write(connection._send.encrypt_records(plain))


def _flood_pings(connection: Connection, turn: int) -> None:
    _send_raw(connection, encode_header(PING, SYN, 0, turn) * 1_000)


def _flood_pongs(connection: Connection, turn: int) -> None:
    _send_raw(connection, encode_header(PING, ACK, 0, turn) * 1_000)


def _flood_windows(connection: Connection, turn: int) -> None:
    _send_raw(connection, encode_header(WINDOW_UPDATE, 0, 1_001, 0) * 1_000)


def _flood_empty_data(connection: Connection, turn: int) -> None:
    _send_raw(connection, encode_header(DATA, 0, 1_001, 0) * 1_000)


def _flood_streams(connection: Connection, turn: int) -> None:
    numbers = range(100_001 + 1_000 * turn + (0 if connection.is_outbound else 1), 100_001 + 1_000 * (turn + 1), 2)
    opened = (encode_header(WINDOW_UPDATE, SYN, n, 0) + encode_header(WINDOW_UPDATE, RST, n, 0) for n in numbers)
    _send_raw(connection, b"".join(opened))


def _flood_records(connection: Connection, turn: int) -> None:
    for _ in range(500):
        _send_raw(connection, b"")


@pytest.mark.parametrize(
    "flood", [_flood_pings, _flood_pongs, _flood_windows, _flood_empty_data, _flood_streams, _flood_records]
)
def test_net_45_a_flood_of_nothing_costs_its_sender_the_connection_and_others_are_served(
    flood: Callable[[Connection, int], None],
) -> None:
    """The times are short here and the victim's clock stands still; the counts are the true ones."""
    config = HostConfig(pace=PaceLimits(wait_ms_max=1, held_ms_max=2))
    scene = _make_flood_scene(flood)

    async def bounded() -> None:
        async with asyncio.timeout(60), run_hosts(3, config) as (a, bad, good):
            await scene(a, bad, good)

    asyncio.run(bounded())


def _make_flood_scene(flood: Callable[[Connection, int], None]):
    async def scene(a: Host, bad: Host, good: Host) -> None:
        guard = _CountingGuard()
        a.guard, a.clock = guard, lambda: 0
        for host in (bad, good):
            await host.dial(a.addresses[0])
        await wait_until(lambda: len(a.peers) == 2)
        connection, victim = bad.peers.get(a.peer_id), a.peers.get(bad.peer_id)
        assert connection is not None
        assert victim is not None
        connection._pace = Pace(PaceLimits(burst=1 << 40), 0)  # the flooder bears the answers
        for turn in range(400):
            if connection.is_closed:
                break
            flood(connection, turn)
            assert await good.ping(a.peer_id) < 5_000
        await wait_until(lambda: len(a.peers) == 1)
        assert [(peer, type(error)) for peer, error in guard.faults] in (
            [(bad.peer_id, PieceFlood)],
            [(bad.peer_id, ControlFlood)],
        )
        assert victim._session is not None
        assert victim._session.frames_received + victim._records_received < 20_000
        assert len(a._tasks) < 80
        assert await good.ping(a.peer_id) < 5_000

    return scene
