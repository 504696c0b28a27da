"""News for subscribers: one bounded queue for each, filled by the driver, read by the RPC server.

Invariant: a reader who is too slow loses the feed, never the node its memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
QUEUE_MAX = 1024


class QueueFeed(Generic[T]):
    """A bounded stream of news, ended by `close`, by its last item, or by falling behind."""

    def __init__(self, on_close: Callable[[QueueFeed[T]], None], *, queue_max: int = QUEUE_MAX) -> None:
        self._items: deque[T] = deque()
        self._on_close = on_close
        self._queue_max = queue_max
        self._is_open = True
        self._has_news = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """True while more may come."""
        return self._is_open

    def push(self, item: T) -> None:
        """Add an item; a full queue ends the feed."""
        if not self._is_open:
            return
        if len(self._items) >= self._queue_max:
            self._items.clear()
            self.close()
            return
        self._items.append(item)
        self._has_news.set()

    def finish(self) -> None:
        """End the feed after what is in the queue was read."""
        if self._is_open:
            self._is_open = False
            self._on_close(self)
        self._has_news.set()

    def close(self) -> None:
        """End the feed and free its queue."""
        self._items.clear()
        self.finish()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if not self._is_open:
                raise StopAsyncIteration
            self._has_news.clear()
            await self._has_news.wait()
        return self._items.popleft()


class Hub(Generic[T]):
    """The feeds of one kind of news."""

    def __init__(self, *, queue_max: int = QUEUE_MAX) -> None:
        self._feeds: set[QueueFeed[T]] = set()
        self._queue_max = queue_max

    def __len__(self) -> int:
        return len(self._feeds)

    def subscribe(self) -> QueueFeed[T]:
        """Return a new feed."""
        feed: QueueFeed[T] = QueueFeed(self._feeds.discard, queue_max=self._queue_max)
        self._feeds.add(feed)
        return feed

    def publish(self, item: T) -> None:
        """Give an item to every feed."""
        for feed in list(self._feeds):
            feed.push(item)

    def close(self) -> None:
        """End every feed after its queue was read."""
        for feed in list(self._feeds):
            feed.finish()
