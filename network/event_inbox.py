"""Events on their way to the core: in order, a few in each turn of the loop, so that nothing else waits long.

Invariant: the core is never entered from within a command of its own or a handler of the network.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable

import structlog

from network.port import NetworkEvent, NoticeReceived

EVENTS_A_TURN = 16
TURN_S = 0.01
LOG = structlog.get_logger("network")


class EventInbox:
    """Holds what the core has not taken; whoever puts events in bounds their number."""

    def __init__(self, deliver: Callable[[NetworkEvent], None], notices_max: int) -> None:
        """Empty."""
        self._deliver = deliver
        self._notices_max = notices_max
        self._events: deque[tuple[NetworkEvent, str | None]] = deque()
        self._notices: Counter[str] = Counter()
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._is_planned = False

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._events)

    def put(self, event: NetworkEvent) -> None:
        """Add an event."""
        self._add(event, None)

    def put_notice(self, event: NoticeReceived) -> None:
        """Add a notice, for which the reader waited until there was room."""
        self._notices[event.peer] += 1
        self._add(event, event.peer)

    async def wait_room(self, peer: str) -> None:
        """Return when fewer than `notices_max` notices of the peer wait."""
        while self._notices.get(peer, 0) >= self._notices_max:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.setdefault(peer, []).append(waiter)
            await waiter

    def _add(self, event: NetworkEvent, notice_of: str | None) -> None:
        self._events.append((event, notice_of))
        if not self._is_planned:
            self._is_planned = True
            asyncio.get_running_loop().call_soon(self._drain)

    def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for _ in range(EVENTS_A_TURN):
            if not self._events or loop.time() - begin > TURN_S:
                break
            event, notice_of = self._events.popleft()
            if notice_of is not None:
                self._release(notice_of)
            try:
                self._deliver(event)
            except Exception:
                LOG.exception("the node failed at an event of the network; this is a bug")
        self._is_planned = bool(self._events)
        if self._is_planned:
            loop.call_soon(self._drain)

    def _release(self, peer: str) -> None:
        self._notices[peer] -= 1
        if not self._notices[peer]:
            del self._notices[peer]
        for waiter in self._waiters.pop(peer, ()):
            if not waiter.done():
                waiter.set_result(None)
