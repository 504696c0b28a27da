"""What gossip costs: twenty hosts on loopback, 50 messages of 300 bytes a second in all."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from random import Random

import pytest

from network.libp2p.gossip import Received
from network.libp2p.gossip_event import Verdict
from network.libp2p.host import Host
from network.libp2p.multiaddr import parse_multiaddr
from tests.network.support import make_key, wait_until

HOSTS, MESSAGES, PER_SECOND = 20, 250, 50


@pytest.mark.slow
def test_twenty_hosts_get_every_message_for_a_millisecond_each() -> None:
    """CPU time of the process, divided by messages and hosts; connecting takes below 10 ms at the median."""

    async def scene() -> None:
        async with AsyncExitStack() as stack:
            hosts = [await stack.enter_async_context(Host(make_key(n + 1))) for n in range(HOSTS)]
            for host in hosts:
                await host.listen(parse_multiaddr("/ip4/127.0.0.1/tcp/0"))
            connect_ms = sorted([await _dial_ms(*pair) for pair in _list_pairs(hosts)])
            assert connect_ms[len(connect_ms) // 2] < 10
            received: list[bytes] = []

            def take(message: Received) -> Verdict:
                received.append(message.data)
                return Verdict.ACCEPT

            for host in hosts:
                host.subscribe("t", take)
            await wait_until(lambda: all(len(h.gossip.router.list_topic_peers("t")) == len(h.peers) for h in hosts))
            began = time.process_time()
            for number in range(MESSAGES):
                hosts[number % HOSTS].publish("t", number.to_bytes(4, "big") * 75)
                await asyncio.sleep(1 / PER_SECOND)
            async with asyncio.timeout(30):
                while len(received) < MESSAGES * (HOSTS - 1):
                    await asyncio.sleep(0.05)
            assert len(received) == MESSAGES * (HOSTS - 1)
            assert (time.process_time() - began) / MESSAGES / HOSTS < 0.001

    asyncio.run(scene())


def _list_pairs(hosts: list[Host]) -> list[tuple[Host, Host]]:
    chance = Random(1)
    return [(host, other) for host in hosts for other in chance.sample([h for h in hosts if h is not host], 4)]


async def _dial_ms(host: Host, other: Host) -> float:
    began = time.perf_counter()
    await host.dial(other.addresses[0])
    return (time.perf_counter() - began) * 1000
