"""Feeds: in order, bounded, and ended for certain."""

from __future__ import annotations

import asyncio

from node.feeds import Hub, QueueFeed


async def read(feed: QueueFeed[int]) -> list[int]:
    """Return everything until the feed ends."""
    return [item async for item in feed]


def test_every_subscriber_reads_every_item_in_order() -> None:
    async def run() -> None:
        hub: Hub[int] = Hub()
        feeds = [hub.subscribe(), hub.subscribe()]
        readers = [asyncio.create_task(read(feed)) for feed in feeds]
        for item in range(3):
            hub.publish(item)
            await asyncio.sleep(0)
        hub.close()
        assert [await reader for reader in readers] == [[0, 1, 2], [0, 1, 2]]
        assert len(hub) == 0

    asyncio.run(run())


def test_a_reader_who_is_too_slow_loses_the_feed() -> None:
    async def run() -> None:
        hub: Hub[int] = Hub(queue_max=2)
        feed = hub.subscribe()
        for item in range(3):
            hub.publish(item)
        assert len(hub) == 0
        assert await read(feed) == []

    asyncio.run(run())


def test_closing_wakes_a_waiting_reader() -> None:
    async def run() -> None:
        hub: Hub[int] = Hub()
        feed = hub.subscribe()
        reader = asyncio.create_task(read(feed))
        await asyncio.sleep(0)
        feed.close()
        assert await asyncio.wait_for(reader, 1) == []

    asyncio.run(run())
