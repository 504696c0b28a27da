"""One direction of a connection that passes through a link: bytes come out later, in order, or when the link heals.

Terms:
    segment: what TCP sends in one packet, at most 1,448 bytes here.
    loss: the share of segments that get lost. The nodes speak TCP, which sends a lost segment again after a time-out
        that doubles, and hands over nothing that came after it before. So loss is made as that: a lost segment, and
        all behind it, comes late. TCP's smaller window and its quicker repair by later packets are not imitated.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

import msgspec

SEGMENT_BYTES = 1_448
SEGMENTS_MAX = 4_096  # on the way at a time; a sender of more has to wait, as with TCP's window
RETRY_S = 0.2  # Linux's least time-out
CONNECT_RETRY_S = 1.0  # and that of a connection's first packet
RETRY_S_MAX = 120.0


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """What a link is like just now, in both directions.

    Attributes:
        is_cut: Nothing passes, not even the end of a connection.
        delay_s: Time one way.
        loss: Share of segments that get lost, 0 to below 1.
    """

    is_cut: bool = False
    delay_s: float = 0.0
    loss: float = 0.0


class Sky:
    """The weather of one link, and the wait for a better one."""

    def __init__(self, chance: Random) -> None:
        self.weather = Weather()
        self._chance = chance
        self._is_passable = asyncio.Event()
        self._is_passable.set()

    def set(self, weather: Weather) -> None:
        """Change the weather; what is on the way keeps its time of arrival."""
        self.weather = weather
        (self._is_passable.clear if weather.is_cut else self._is_passable.set)()

    async def wait_passable(self) -> None:
        """Wait while the link is cut."""
        await self._is_passable.wait()

    def draw_time_s(self, retry_s: float = RETRY_S) -> float:
        """Return how long the next segment takes."""
        weather, retry_s = self.weather, retry_s + 2 * self.weather.delay_s
        time_s = weather.delay_s
        while retry_s < RETRY_S_MAX and self._chance.random() < weather.loss:
            time_s += retry_s
            retry_s *= 2
        return time_s


async def carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sky: Sky, clock: Callable[[], float] = time.monotonic
) -> None:
    """Carry one direction until its end has been handed over.

    Raises:
        ConnectionError: the receiver is gone.
    """
    segments: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(SEGMENTS_MAX)
    async with asyncio.TaskGroup() as group:
        group.create_task(_receive(reader, segments, sky, clock))
        group.create_task(_deliver(writer, segments, sky, clock))


async def _receive(
    reader: asyncio.StreamReader,
    segments: asyncio.Queue[tuple[float, bytes]],
    sky: Sky,
    clock: Callable[[], float],
) -> None:
    due = 0.0
    while True:
        try:
            data = await reader.read(SEGMENT_BYTES)
        except ConnectionError:
            data = b""  # a connection that broke ends like one that was closed
        due = max(due, clock() + sky.draw_time_s())
        await segments.put((due, data))
        if not data:
            return


async def _deliver(
    writer: asyncio.StreamWriter,
    segments: asyncio.Queue[tuple[float, bytes]],
    sky: Sky,
    clock: Callable[[], float],
) -> None:
    while True:
        due, data = await segments.get()
        wait_s = due - clock()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        await sky.wait_passable()
        if not data:
            if writer.can_write_eof():
                writer.write_eof()
            return
        writer.write(data)
        await writer.drain()
