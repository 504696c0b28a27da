"""Hosts on a memory network: dialling, streams, who lives of two connections, and what a bad peer achieves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from network.libp2p.handshake import UnexpectedPeer
from network.libp2p.host import Host, NotConnected
from network.libp2p.host_config import HostConfig
from network.libp2p.identify import IDENTIFY, PING
from network.libp2p.limits import ConnectionLimits, TooManyConnections
from network.libp2p.memory_transport import MemoryNetwork, MemoryPipe
from network.libp2p.multiaddr import Multiaddr, parse_multiaddr
from network.libp2p.multistream import ProtocolRefused
from network.libp2p.protocol_error import FrameTooLarge, LocalProtocolError
from network.libp2p.stream import Stream, StreamReset
from tests.network.support import make_host, make_key, run_hosts, wait_until


def _run(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scene()

    asyncio.run(bounded())


async def _echo(stream: Stream) -> None:
    async with stream:
        while data := await stream.read():
            await stream.write(data)


def test_hosts_dial_identify_and_ping() -> None:
    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            peer = await b.dial(a.addresses[0])
            assert peer == a.peer_id
            assert await b.dial(a.addresses[0]) == peer  # serves itself of the connection that stands
            assert await b.ping(peer) < 1000
            info = await b.identify(peer)
            assert {PING, IDENTIFY} <= set(info.protocols)
            assert info.addresses == (parse_multiaddr("/ip4/10.0.1.1/tcp/30333"),)
            assert info.observed is not None
            assert info.observed.host == "10.0.2.1"
            assert await a.ping(b.peer_id) < 1000

    _run(scene)


def test_net_44_both_ends_measure_how_far_the_other_is() -> None:
    async def scene() -> None:
        network, now = MemoryNetwork(), [0]
        async with make_host(network, 1) as a:
            b = Host(make_key(2), transport=network.make_transport("10.0.2.1"), clock=lambda: now[0])
            async with b:
                await a.listen(Multiaddr(kind="ip4", host="10.0.1.1", port=1))
                connection = b.peers.get(await b.dial(a.addresses[0]))
                assert connection is not None
                assert connection._session is not None
                for at_ms, shortest_ms in ((150, 150), (230, 80), (730, 80), (1_230, 80)):
                    assert connection.ping_sent_ms is not None
                    now[0] = at_ms
                    await wait_until(lambda: connection.ping_sent_ms in (None, now[0]))
                    assert connection._session.round_trip_ms == shortest_ms
                assert connection.ping_sent_ms is None  # four are enough

    _run(scene)


def test_hosts_talk_over_tcp_on_loopback() -> None:
    async def scene() -> None:
        async with Host(make_key(1)) as a, Host(make_key(2)) as b:
            a.set_handler("/echo/1", _echo)
            peer = await b.dial(await a.listen(parse_multiaddr("/ip4/127.0.0.1/tcp/0")))
            async with await b.new_stream(peer, ["/echo/2", "/echo/1"]) as stream:
                assert stream.protocol == "/echo/1"
                await stream.write(b"hello")
                stream.close_write()
                assert await stream.read_exactly(5) == b"hello"
                assert await stream.read() == b""

    _run(scene)


def test_a_message_far_above_the_window_arrives() -> None:
    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            got = asyncio.get_running_loop().create_future()

            async def take(stream: Stream) -> None:
                async with stream:
                    got.set_result(await stream.read_frame(4_000_000))

            a.set_handler("/big/1", take)
            async with await b.new_stream(await b.dial(a.addresses[0]), ["/big/1"]) as stream:
                await stream.write_frame(bytes(3_000_000))
                assert await got == bytes(3_000_000)

    _run(scene)


def test_a_ping_passes_bulk_that_nobody_reads() -> None:
    """The bulk's writer waits, the connection does not."""

    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            stuck = asyncio.Event()

            async def never_read(_: Stream) -> None:
                await stuck.wait()

            a.set_handler("/bulk/1", never_read)
            stream = await b.new_stream(await b.dial(a.addresses[0]), ["/bulk/1"])
            writer = asyncio.create_task(stream.write(bytes(5_000_000)))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not writer.done()
            assert await b.ping(a.peer_id) < 1000
            stream.reset()
            with pytest.raises(StreamReset):
                await writer
            stuck.set()

    _run(scene)


def test_a_ping_beside_bulk_waits_for_little_of_it() -> None:
    """Over TCP, in bytes that came meanwhile, which no busy machine changes; its stream is new each time."""

    async def scene() -> None:
        async with Host(make_key(1)) as a, Host(make_key(2)) as b:

            async def pour(stream: Stream) -> None:
                async with stream:
                    for _ in range(300):
                        await stream.write(bytes(131_072))

            a.set_handler("/bulk/1", pour)
            peer = await b.dial(await a.listen(parse_multiaddr("/ip4/127.0.0.1/tcp/0")))
            connection = b.get_connection(peer)
            assert connection is not None
            stream = await b.new_stream(peer, ["/bulk/1"])
            bulk, passed = asyncio.create_task(stream.read_exactly(300 * 131_072)), []
            while not bulk.done():
                before = connection.received_bytes
                assert await b.ping(peer) < 5_000
                passed.append(connection.received_bytes - before)
            assert await bulk == bytes(300 * 131_072)
            assert len(passed) > 10
            assert sorted(passed)[len(passed) // 2] < 2_000_000
            stream.close_write()

    _run(scene)


def test_net_14_streams_that_nobody_reads_cannot_fill_the_memory() -> None:
    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            held: list[Stream] = []

            async def keep(stream: Stream) -> None:
                held.append(stream)
                await asyncio.Event().wait()

            a.set_handler("/bulk/1", keep)
            peer = await b.dial(a.addresses[0])
            streams = [await b.new_stream(peer, ["/bulk/1"]) for _ in range(45)]
            writers = [asyncio.create_task(stream.write(bytes(300_000))) for stream in streams]
            await wait_until(lambda: any(stream.is_reset for stream in streams))
            assert sum(stream.buffered_bytes for stream in held if not stream.is_reset) <= 8_388_608
            assert await b.ping(peer) < 1000
            for stream in streams:
                stream.reset()
            await asyncio.gather(*writers, return_exceptions=True)

    _run(scene)


def test_a_handler_that_fails_costs_its_stream_only() -> None:
    async def scene() -> None:
        async with run_hosts(2) as (a, b):

            async def fail(stream: Stream) -> None:
                raise ValueError("a bug")

            a.set_handler("/bad/1", fail)
            peer = await b.dial(a.addresses[0])
            with pytest.raises(StreamReset):
                await (await b.new_stream(peer, ["/bad/1"])).read()
            assert await b.ping(peer) < 1000

    with capture_logs() as lines:
        _run(scene)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["a handler failed; this is a bug"]


def test_net_03_a_frame_beyond_its_limit_is_refused_by_the_reader() -> None:
    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            a.set_handler("/echo/1", _echo)
            stream = await b.new_stream(await b.dial(a.addresses[0]), ["/echo/1"])
            await stream.write_frame(bytes(100))
            with pytest.raises(FrameTooLarge):
                await stream.read_frame(99)
            stream.reset()

    _run(scene)


def test_protocols_and_peers_that_are_not_there_are_named() -> None:
    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            with pytest.raises(NotConnected):
                await b.new_stream(a.peer_id, ["/x"])
            peer = await b.dial(a.addresses[0])
            with pytest.raises(ProtocolRefused):
                await b.new_stream(peer, ["/x", "/y"])
            with pytest.raises(LocalProtocolError):
                await b.dial(b.addresses[0])
            with pytest.raises(ConnectionRefusedError):
                await b.dial(Multiaddr(kind="ip4", host="10.9.9.9", port=1))

    _run(scene)


def test_net_13_a_node_with_another_key_is_not_connected() -> None:
    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            with pytest.raises(UnexpectedPeer):
                await b.dial(a.addresses[0].with_peer(make_key(9).peer_id))
            assert len(b.peers) == 0

    _run(scene)


def test_net_17_of_two_connections_both_ends_keep_the_same() -> None:
    """Both dial at once; the smaller key's connection lives at both ends, and nobody sees the peer go."""

    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            seen: list[bool] = []
            a.add_watcher(lambda _, is_connected: seen.append(is_connected))
            await asyncio.gather(a.dial(b.addresses[0]), b.dial(a.addresses[0]))
            for _ in range(200):
                await asyncio.sleep(0)
            smaller = a if a.key.public < b.key.public else b
            for host, other in ((a, b), (b, a)):
                connection = host.peers.get(other.peer_id)
                assert connection is not None
                assert connection.is_outbound == (host is smaller)
            assert await a.ping(b.peer_id) < 1000
            assert await b.ping(a.peer_id) < 1000
            assert seen == [True]

    _run(scene)


def test_net_16_a_crowd_from_one_address_is_refused_and_others_are_served() -> None:
    async def scene() -> None:
        config = HostConfig(connections=ConnectionLimits(counts_private=True))
        network = MemoryNetwork()
        async with make_host(network, 1, config=config) as a, make_host(network, 2) as honest:
            await a.listen(Multiaddr(kind="ip4", host="10.0.1.1", port=1))
            crowd = [make_host(network, 10 + n, ip="10.0.7.7") for n in range(6)]
            for host in crowd:
                await host.__aenter__()
            results = await asyncio.gather(*(host.dial(a.addresses[0]) for host in crowd), return_exceptions=True)
            assert sum(isinstance(result, ConnectionError) for result in results) == 2
            assert await honest.dial(a.addresses[0]) == a.peer_id
            for host in crowd:
                await host.__aexit__(None, None, None)

    _run(scene)


def test_net_16_our_own_dialling_is_bounded() -> None:
    async def scene() -> None:
        network = MemoryNetwork()
        config = HostConfig(connections=ConnectionLimits(outbound_max=0))
        async with make_host(network, 1, config=config) as a:
            with pytest.raises(TooManyConnections):
                await a.dial(Multiaddr(kind="ip4", host="10.0.2.1", port=1))

    _run(scene)


def test_net_01_junk_ends_its_connection_and_a_silent_half_open_one_is_closed() -> None:
    async def scene() -> None:
        network = MemoryNetwork()
        config = HostConfig(handshake_s=0.05)
        async with make_host(network, 1, config=config) as a:
            await a.listen(Multiaddr(kind="ip4", host="10.0.1.1", port=1))
            ends = []
            for opening in (b"GET / HTTP/1.1\r\n\r\n", b""):
                connection = network.doors[("10.0.1.1", 1)]()
                near, far = MemoryPipe(("10.0.1.1", 1)), MemoryPipe(("10.0.9.1", 5))
                near.other, far.other, far.connection = far, near, connection
                connection.connection_made(far)
                near.write(opening)
                ends.append(connection)
            await asyncio.gather(*(end.wait_closed() for end in ends))
            assert all(end.is_closed for end in ends)
            assert len(a.peers) == 0

    _run(scene)


def test_net_18_a_silent_peer_is_pinged_and_then_dropped() -> None:
    async def scene() -> None:
        network = MemoryNetwork()
        now = [0]
        async with make_host(network, 1) as a:
            b = Host(make_key(2), transport=network.make_transport("10.0.2.1"), clock=lambda: now[0])
            async with b:
                await a.listen(Multiaddr(kind="ip4", host="10.0.1.1", port=1))
                peer = await b.dial(a.addresses[0])
                connection = b.peers.get(peer)
                assert connection is not None
                now[0] = 30_000
                b.check_connections(now[0])
                assert connection.ping_sent_ms is not None or connection.last_received_ms == 30_000
                await wait_until(lambda: connection.ping_sent_ms is None)  # the pong
                assert connection.last_received_ms == 30_000
                for pipe in network.pipes:
                    pipe.hold()
                b.check_connections(60_000)
                assert connection.ping_sent_ms == 60_000
                b.check_connections(90_000)
                assert connection.is_closed
                for pipe in network.pipes:
                    pipe.release()
                await wait_until(lambda: len(b.peers) == 0)

    _run(scene)


def test_streams_that_ended_are_forgotten() -> None:
    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            peer = await b.dial(a.addresses[0])
            for _ in range(100):
                await b.ping(peer)
            connection = b.peers.get(peer)
            assert connection is not None
            await wait_until(lambda: connection.stream_count <= 2)  # gossip's two stay

    _run(scene)


def test_closing_does_not_wait_for_a_peer_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("network.libp2p.connection.CLOSE_S", 0.02)

    async def scene() -> None:
        network = MemoryNetwork()
        async with make_host(network, 1) as a, make_host(network, 2) as b:
            await a.listen(Multiaddr(kind="ip4", host="10.0.1.1", port=1))
            connection = b.peers.get(await b.dial(a.addresses[0]))
            assert connection is not None
            for pipe in network.pipes:
                pipe.hold()
            b.disconnect(a.peer_id)
            await connection.wait_closed()
            assert len(b.peers) == 0

    _run(scene)
