"""The connections between a devnet's nodes, led through the devnet itself, so that it can cut, delay and spoil them.

Every node is told of every other one as a boot node at a port of this program that is theirs alone. It believes nobody
who tells it of other private addresses (`--no-private-ip`), so it never goes round its links.

Terms:
    link: the way between two nodes, for the connections that either of them makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from random import Random
from typing import TypeAlias

import msgspec

from matchstrike.devnet.failure import DevnetFailed
from matchstrike.devnet.link_flow import CONNECT_RETRY_S, Sky, Weather, carry

HOST = "127.0.0.1"
Route: TypeAlias = tuple[str, str]  # who dials, and whom
Place: TypeAlias = tuple[str, int]


class Links:
    """All links of a devnet.

    Attributes:
        carried: How many connections were made, by who dialled whom.
    """

    def __init__(self, names: Iterable[str], locate: Callable[[str], Place], *, seed: int = 0) -> None:
        """Begin in fine weather.

        Args:
            locate: Where a node listens now.
        """
        self._names = tuple(names)
        self._locate = locate
        chance = Random(seed)
        self._skies = {_pair(one, two): Sky(chance) for one in self._names for two in self._names if one < two}
        self.carried: dict[Route, int] = {}

    def get_weather(self, one: str, two: str) -> Weather:
        """Return what the link of two nodes is like."""
        return self._skies[_pair(one, two)].weather

    def split(self, groups: Iterable[Iterable[str]]) -> None:
        """Let nothing pass between the groups; nodes in no group are together."""
        sides = {name: side for side, group in enumerate(groups, start=1) for name in group}
        for (one, two), sky in self._skies.items():
            sky.set(msgspec.structs.replace(sky.weather, is_cut=sides.get(one, 0) != sides.get(two, 0)))

    def set_delay(self, delay_s: float, nodes: Iterable[str] = ()) -> None:
        """Let everything take so long one way, on the links of these nodes or on all."""
        for sky in self._choose(nodes):
            sky.set(msgspec.structs.replace(sky.weather, delay_s=delay_s))

    def set_loss(self, loss: float, nodes: Iterable[str] = ()) -> None:
        """Lose this share of segments, on the links of these nodes or on all."""
        for sky in self._choose(nodes):
            sky.set(msgspec.structs.replace(sky.weather, loss=loss))

    def heal(self) -> None:
        """Let everything pass again, at once and whole."""
        for sky in self._skies.values():
            sky.set(Weather())

    async def serve(self, route: Route, port: int) -> asyncio.Server:
        """Listen for the connections that one node makes to another."""

        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.carried[route] = self.carried.get(route, 0) + 1
            with suppress(asyncio.CancelledError):  # the devnet ends
                await self._connect(route, reader, writer)

        try:
            return await asyncio.start_server(on_connection, HOST, port)
        except OSError as error:
            raise DevnetFailed(
                f"the link from {route[0]} to {route[1]} has no port {port}: {error.strerror}"
            ) from error

    async def _connect(self, route: Route, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry both directions of a connection until both have ended, or one has broken."""
        sky = self._skies[_pair(*route)]
        writers = [writer]
        try:
            await asyncio.sleep(sky.draw_time_s(CONNECT_RETRY_S))
            await sky.wait_passable()
            far_reader, far_writer = await asyncio.open_connection(*self._locate(route[1]))
            writers.append(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(carry(reader, far_writer, sky))
                group.create_task(carry(far_reader, writer, sky))
        except* OSError:
            for one in writers:
                one.transport.abort()  # one side is gone; so the other one is told
        finally:
            for one in writers:
                one.close()

    def _choose(self, nodes: Iterable[str]) -> list[Sky]:
        chosen = set(nodes)
        return [sky for pair, sky in self._skies.items() if not chosen or chosen.intersection(pair)]


@asynccontextmanager
async def open_links(
    ports: Mapping[Route, int], locate: Callable[[str], Place], *, seed: int = 0
) -> AsyncIterator[Links]:
    """Serve all links until the context ends.

    Raises:
        DevnetFailed: a port is taken.
    """
    links = Links(sorted({name for route in ports for name in route}), locate, seed=seed)
    async with AsyncExitStack() as stack:
        for route, port in ports.items():
            stack.push_async_callback(_end, await links.serve(route, port))
        yield links


async def _end(server: asyncio.Server) -> None:
    server.close()


def _pair(one: str, two: str) -> tuple[str, str]:
    return (one, two) if one < two else (two, one)
