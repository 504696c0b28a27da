"""A host in a process of its own under every flood at once, over TCP: what it costs, and whether others are served."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from contextlib import AsyncExitStack

import pytest

from matchstrike.commands.bench_network import Child, run_child
from matchstrike.commands.bench_network_node import BODY, Task
from network.libp2p.host import Host
from network.libp2p.host_config import HostConfig
from network.libp2p.identify import PING
from network.libp2p.multiaddr import Multiaddr, parse_multiaddr
from network.libp2p.pace import PaceLimits
from network.libp2p.protocol_error import RemoteProtocolError
from network.libp2p.yamux_frame import PING as PING_FRAME
from network.libp2p.yamux_frame import SYN, encode_header
from tests.network.support import make_key

MESSAGES, PER_SECOND = 250, 50
FLOODED_S = MESSAGES / PER_SECOND
UNPACED = HostConfig(pace=PaceLimits(burst=1 << 40))


async def _knock_and_wait(address: Multiaddr, opening: bytes) -> None:
    """Connect, say too little or rubbish, and stay; again when it is closed."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            try:
                writer.write(opening)
                while await reader.read(65_536):
                    pass
            finally:
                writer.transport.abort()
        await asyncio.sleep(0.02)


async def _flood_frames(host: Host, address: Multiaddr) -> None:
    """Send nothing but pings, 5,000 in a record, as fast as they are taken; again when it is closed."""
    plain = encode_header(PING_FRAME, SYN, 0, 1) * 5_000
    while True:
        with contextlib.suppress(OSError, RemoteProtocolError):
            connection = host.get_connection(await host.dial(address))
            while connection is not None and not connection.is_closed:
                assert connection._transport is not None
                assert connection._send is not None
                if connection._transport.get_write_buffer_size() < 1_000_000:
                    connection._transport.write(connection._send.encrypt_records(plain))
                await asyncio.sleep(0.002)
        await asyncio.sleep(0.05)


async def _ask_and_not_read(host: Host, address: Multiaddr) -> None:
    """Ask for a gigabyte on each of thirty streams and read none of it; send bulk to pings, and read no answer."""
    with contextlib.suppress(OSError, RemoteProtocolError):
        peer = await host.dial(address)
        for number in itertools.count():
            stream = await host.new_stream(peer, [BODY if number % 2 else PING])
            await stream.write((1 << 30).to_bytes(8, "little") if number % 2 else bytes(200_000))
            if number == 60:
                connection = host.get_connection(peer)
                assert connection is not None
                assert connection._transport is not None
                connection._transport.pause_reading()
                await asyncio.Event().wait()


async def _attack(stack: AsyncExitStack, address: Multiaddr) -> list[asyncio.Task[None]]:
    attacks = [_knock_and_wait(address, b"") for _ in range(200)]
    attacks += [_knock_and_wait(address, b"\x13/multistream/1.0.0\n") for _ in range(50)]
    attacks += [_knock_and_wait(address, b"GET / HTTP/1.1\r\n\r\n" * 1_000) for _ in range(10)]
    for number in range(8):
        host = await stack.enter_async_context(Host(make_key(100 + number), config=UNPACED))
        attacks.append((_flood_frames if number % 2 else _ask_and_not_read)(host, address))
    return [asyncio.create_task(attack) for attack in attacks]


async def _serve_honestly(victim: Child, honest: Child) -> tuple[int, float]:
    """Return how many messages reached the victim, and the 99th percentile of pings in ms."""
    await victim.ask(Task(do="report"))
    publish = Task(do="publish", count=MESSAGES, size=300, interval_s=1 / PER_SECOND)
    await honest.ask(publish)
    pings = [ms for _ in range(100) for ms in (await honest.ask(Task(do="ping", address=victim.address, size=1))).ms]
    received = 0
    for _ in range(20):
        received += (await victim.ask(Task(do="report"))).count
        if received >= MESSAGES:
            break
        await asyncio.sleep(0.25)
    return received, sorted(pings)[len(pings) * 99 // 100]


@pytest.mark.slow
def test_a_host_under_every_flood_serves_others_in_bounded_memory() -> None:
    async def scene() -> None:
        async with AsyncExitStack() as stack:
            victim, honest = [await stack.enter_async_context(run_child()) for _ in range(2)]
            await honest.ask(Task(do="dial", address=victim.address))
            while not (await honest.ask(Task(do="mesh"))).count:
                await asyncio.sleep(0.1)
            calm = await _serve_honestly(victim, honest)
            before = await victim.ask(Task(do="report"))
            attacks = await _attack(stack, parse_multiaddr(victim.address))
            flooded = await _serve_honestly(victim, honest)
            after = await victim.ask(Task(do="report"))
            for attack in attacks:
                attack.cancel()
            results = await asyncio.gather(*attacks, return_exceptions=True)
            used = after.cpu_s - before.cpu_s
            print(f"memory {before.pss_kib} -> {after.pss_kib} KiB, {used:.1f} s of CPU")
            print(f"calm, flooded: (delivered, ping ms p99) {calm}, {flooded}")
            assert [r for r in results if not isinstance(r, asyncio.CancelledError) and r is not None] == []
            assert flooded[0] == calm[0] == MESSAGES
            assert after.pss_kib - before.pss_kib < 64 * 1024

    asyncio.run(scene())
