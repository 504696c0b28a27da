"""Network services joined by a memory network, each with a list of what its core was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import TypeVar

import msgspec

from network.libp2p.host import Host
from network.libp2p.host_config import HostConfig
from network.libp2p.memory_transport import MemoryNetwork
from network.libp2p.multiaddr import Multiaddr
from network.messages import Status
from network.port import NetworkEvent, PeerConnected
from network.service import NetworkService
from network.settings import NetworkSettings, ServiceLimits
from tests.network.support import make_key, wait_until

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

    def __init__(self, service: NetworkService, events: list[NetworkEvent], clock: FakeClock) -> None:
        self.service = service
        self.events = events
        self.clock = clock
        self.peer = service.host.peer_id
        self.network: MemoryNetwork | None = None

    @property
    def address(self) -> Multiaddr:
        return self.service.host.addresses[0]

    def list_events(self, kind: type[T]) -> list[T]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def dial(self, other: Node) -> None:
        """Connect."""
        await self.service.host.dial(other.address)


async def wait_events(node: Node, kind: type[T], count: int, turns: int = 200_000) -> list[T]:
    """Return the events of a kind once there are so many."""
    await wait_until(lambda: len(node.list_events(kind)) >= count, turns)
    return node.list_events(kind)


async def connect(one: Node, other: Node) -> None:
    """Connect, and wait until both cores know."""
    await one.dial(other)
    names = {one.peer, other.peer}
    await wait_until(
        lambda: all(any(event.peer in names for event in node.list_events(PeerConnected)) for node in (one, other))
    )


def make_settings(**options: object) -> NetworkSettings:
    """Return settings for a test chain; unknown names are those of the limits."""
    limits = {name: options.pop(name) for name in ServiceLimits.__struct_fields__ if name in options}
    return NetworkSettings(
        **{"genesis": GENESIS, "allows_private": True, "limits": ServiceLimits(**limits), **options}  # type: ignore[arg-type]
    )


def make_service(
    network: MemoryNetwork,
    number: int,
    settings: NetworkSettings | None = None,
    *,
    ip: str | None = None,
    config: HostConfig | None = None,
) -> Node:
    """Return the n-th node, at `10.0.n.1` unless told otherwise; its clocks stand until they are set."""
    host_ip = ip or f"10.0.{number}.1"
    clock = FakeClock()
    host = Host(make_key(number), transport=network.make_transport(host_ip), config=config, clock=clock)
    events: list[NetworkEvent] = []
    listen = (Multiaddr(kind="ip4", host=host_ip, port=30_333),)
    settings = msgspec.structs.replace(settings or make_settings(), listen=listen)
    service = NetworkService(host, settings, events.append, chance=Random(number), wall_ms=clock)
    node = Node(service, events, clock)
    node.network = network
    return node


@asynccontextmanager
async def run_nodes(
    count: int, settings: NetworkSettings | None = None, *, like: Node | None = None
) -> AsyncIterator[list[Node]]:
    """Run nodes that listen, none of them connected; in the network of another, behind its number."""
    network = like.network if like is not None and like.network is not None else MemoryNetwork()
    first = 100 if like is not None else 1
    async with AsyncExitStack() as stack:
        nodes = [make_service(network, number + first, settings) for number in range(count)]
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
