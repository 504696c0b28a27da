"""Peers that come and say nothing, and peers that do not read: what they can make a host keep, in counted bytes."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable

import pytest

from network.libp2p.connection import Connection
from network.libp2p.host import Host
from network.libp2p.host_config import HostConfig
from network.libp2p.identify import PING, PING_BYTES
from network.libp2p.memory_transport import MemoryNetwork, MemoryPipe
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.stream import Stream, StreamReset
from tests.network.support import make_host, make_key, run_hosts, wait_until


def _run(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scene()

    asyncio.run(bounded())


def _knock(network: MemoryNetwork, opening: bytes = b"") -> Connection:
    """Return the inbound end of a raw connection whose other end says nothing more."""
    connection = network.doors[("10.0.1.1", 1)]()
    near, far = MemoryPipe(("10.0.1.1", 1)), MemoryPipe(("10.0.9.1", 5))
    near.other, far.other, far.connection = far, near, connection
    connection.connection_made(far)
    if opening:
        near.write(opening)
    return connection


def test_net_46_idle_connections_by_the_hundred_keep_no_honest_one_out() -> None:
    """64 may shake hands; a thousand that say nothing, or begin and stop, cost 7 KiB for each of those that may."""

    async def scene() -> None:
        network, now = MemoryNetwork(), [0]
        a = Host(make_key(1), transport=network.make_transport("10.0.1.1"), clock=lambda: now[0])
        async with a, make_host(network, 2) as honest:
            await a.listen(Multiaddr(kind="ip4", host="10.0.1.1", port=1))
            tracemalloc.start()
            knocks = (_knock(network, b"\x13/multistream/1.0.0\n" * (n % 2)) for n in range(1_000))
            standing = [one for one in knocks if not one.is_closed]
            for _ in range(10):
                await asyncio.sleep(0)
            gc.collect()
            kept, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert len(standing) == 64
            assert kept < 1_000_000
            now[0] = 1_000
            assert await honest.dial(a.addresses[0]) == a.peer_id
            assert await honest.ping(a.peer_id) < 5_000
            assert sum(not one.is_closed for one in standing) == 63
            assert len(a._reception.list_connections()) == 64

    _run(scene)


def test_net_46_one_that_has_just_come_does_not_give_way() -> None:
    async def scene() -> None:
        network = MemoryNetwork()
        a = Host(make_key(1), transport=network.make_transport("10.0.1.1"), clock=lambda: 0)
        async with a:
            await a.listen(Multiaddr(kind="ip4", host="10.0.1.1", port=1))
            crowd = [_knock(network) for _ in range(65)]
            assert [one.is_closed for one in crowd] == [False] * 64 + [True]

    _run(scene)


def test_net_47_hosts_that_are_not_read_share_one_bound_and_the_largest_stream_goes() -> None:
    async def scene() -> None:
        config = HostConfig(backlog_bytes_max=1_000_000)
        async with run_hosts(6, config) as (a, good, *bad):
            held: list[Stream] = []

            async def keep(stream: Stream) -> None:
                held.append(stream)
                await asyncio.Event().wait()

            a.set_handler("/bulk/1", keep)
            await good.dial(a.addresses[0])
            small = await good.new_stream(a.peer_id, ["/bulk/1"])
            await small.write(bytes(10_000))
            writers = []
            for host in bad:
                await host.dial(a.addresses[0])
                for _ in range(3):
                    stream = await host.new_stream(a.peer_id, ["/bulk/1"])
                    writers.append(asyncio.create_task(stream.write(bytes(250_000))))
            await wait_until(lambda: len(held) == 13 and sum(stream.is_reset for stream in held) >= 8)
            assert sum(stream.buffered_bytes for stream in held) <= 1_000_000
            assert not held[0].is_reset
            assert held[0].buffered_bytes == 10_000
            assert sum(c.backlog_bytes for c in a.peers.list_connections()) == sum(s.buffered_bytes for s in held)
            assert await good.ping(a.peer_id) < 5_000
            await asyncio.gather(*writers, return_exceptions=True)

    _run(scene)


def test_net_14_what_a_reset_or_an_ended_handler_leaves_is_not_counted_and_not_kept() -> None:
    """Else who resets streams with bytes in them could make the count mean nothing."""

    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            held: list[Stream] = []

            async def keep(stream: Stream) -> None:
                held.append(stream)
                await asyncio.Event().wait()

            async def leave(stream: Stream) -> None:
                async with stream:
                    held.append(stream)
                    await stream.read(1)

            a.set_handler("/keep/1", keep)
            a.set_handler("/leave/1", leave)
            peer = await b.dial(a.addresses[0])
            victim = a.peers.get(b.peer_id)
            assert victim is not None
            for turn in range(20):
                stream = await b.new_stream(peer, ["/keep/1", "/leave/1"][turn % 2 :][:1])
                await stream.write(bytes(5_000))
                await wait_until(lambda: len(held) == turn + 1)  # noqa: B023
                await stream.wait_sent()
                stream.reset()
                await wait_until(lambda: held[-1].is_reset or held[-1].buffered_bytes == 0)
            await b.ping(peer)
            assert victim.backlog_bytes == 0
            assert all(stream.buffered_bytes == 0 for stream in held)

    _run(scene)


def test_net_48_who_pings_and_does_not_read_gets_one_answer_kept_for_each_stream() -> None:
    async def scene() -> None:
        async with run_hosts(3) as (a, bad, good):
            for host in (bad, good):
                await host.dial(a.addresses[0])
            streams = [await bad.new_stream(a.peer_id, [PING]) for _ in range(8)]
            with pytest.raises(StreamReset):
                await bad.new_stream(a.peer_id, [PING])
            victim = a.peers.get(bad.peer_id)
            assert victim is not None
            victim.pause_writing()  # as the transport does when its peer does not read
            for stream in streams:
                await stream.write(bytes(100 * PING_BYTES))
            assert await good.ping(a.peer_id) < 5_000
            assert victim._session is not None
            waiting = [victim.get_pending_bytes(number) for number in victim._streams]
            assert 0 < sum(waiting) <= 8 * PING_BYTES
            assert not any(stream.is_reset for stream in streams)

    _run(scene)
