"""Hosts joined by a memory network, for the tests of this room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from network.libp2p.host import Host
from network.libp2p.host_config import HostConfig
from network.libp2p.memory_transport import MemoryNetwork
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.node_key import NodeKey, make_node_key


def make_key(number: int) -> NodeKey:
    """Return the node key of a test's n-th node."""
    return make_node_key(bytes([number]) * 32)


def make_host(network: MemoryNetwork, number: int, *, ip: str | None = None, config: HostConfig | None = None) -> Host:
    """Return the n-th host, at `10.0.n.1` unless told otherwise."""
    return Host(make_key(number), transport=network.make_transport(ip or f"10.0.{number}.1"), config=config)


@asynccontextmanager
async def run_hosts(count: int, config: HostConfig | None = None) -> AsyncIterator[list[Host]]:
    """Run hosts that listen, none of them connected."""
    network = MemoryNetwork()
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(make_host(network, n + 1, config=config)) for n in range(count)]
        for number, host in enumerate(hosts, start=1):
            await host.listen(Multiaddr(kind="ip4", host=f"10.0.{number}.1", port=30_333))
        yield hosts


async def wait_until(condition: Callable[[], bool], turns: int = 20_000) -> None:
    """Let the loop turn until the condition holds."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition never held")
