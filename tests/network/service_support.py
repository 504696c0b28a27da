"""Network services joined by a memory network, each with a list of what its core was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import TypeVar

from network.libp2p.host import Host
from network.libp2p.host_config import HostConfig
from network.libp2p.memory_transport import MemoryNetwork
from network.libp2p.multiaddr import Multiaddr
from network.messages import Status
from network.port import NetworkEvent
from network.service import NetworkService
from network.settings import NetworkSettings
from tests.network.support import make_key

GENESIS = bytes(range(32))
T = TypeVar("T")


class FakeClock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


class Node:
    """A service and the events it gave."""

    def __init__(self, service: NetworkService, events: list[NetworkEvent]) -> None:
        self.service = service
        self.events = events
        self.peer = service.host.peer_id

    @property
    def address(self) -> Multiaddr:
        return self.service.host.addresses[0]

    def list_events(self, kind: type[T]) -> list[T]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def dial(self, other: Node) -> None:
        """Connect, and wait until both cores know."""
        await self.service.host.dial(other.address)


def make_service(
    network: MemoryNetwork,
    number: int,
    settings: NetworkSettings | None = None,
    *,
    ip: str | None = None,
    clock: FakeClock | None = None,
    config: HostConfig | None = None,
) -> Node:
    """Return the n-th node, at `10.0.n.1` unless told otherwise."""
    host_ip = ip or f"10.0.{number}.1"
    transport = network.make_transport(host_ip)
    host = Host(make_key(number), transport=transport, config=config, **({"clock": clock} if clock else {}))
    events: list[NetworkEvent] = []
    base = settings or NetworkSettings(genesis=GENESIS, allows_private=True)
    listen = base.listen or (Multiaddr(kind="ip4", host=host_ip, port=30_333),)
    options = {name: getattr(base, name) for name in NetworkSettings.__struct_fields__}
    service = NetworkService(
        host, NetworkSettings(**{**options, "listen": listen}), events.append, chance=Random(number)
    )
    return Node(service, events)


@asynccontextmanager
async def run_nodes(count: int, settings: NetworkSettings | None = None) -> AsyncIterator[list[Node]]:
    """Run nodes that listen, none of them connected."""
    network = MemoryNetwork()
    async with AsyncExitStack() as stack:
        nodes = [make_service(network, number + 1, settings) for number in range(count)]
        for node in nodes:
            await stack.enter_async_context(node.service)
        yield nodes


def make_status(number: int = 0, genesis: bytes = GENESIS) -> Status:
    """Return a status."""
    return Status(
        version=1,
        genesis=genesis,
        best_number=number,
        best_hash=bytes([number]) * 32,
        justified_height=0,
        work=b"\1",
        final_number=0,
        final_hash=genesis,
        is_authority=False,
    )


def run_scene(scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene to its end."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scene()

    asyncio.run(bounded())
