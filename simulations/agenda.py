"""What will happen when: actions ordered by their time, then by the order in which they were planned.

Terms:
    now_ms: the world's own time; it moves only from action to action.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

Action = Callable[[], None]


class Agenda:
    """A queue of actions and the clock that they move."""

    def __init__(self, begin_ms: int) -> None:
        self.now_ms = begin_ms
        self._count = 0
        self._queue: list[tuple[int, int, Action]] = []

    def plan(self, at_ms: int, action: Action) -> None:
        """Do something at a time; what is planned for the past happens next."""
        self._count += 1
        heappush(self._queue, (max(at_ms, self.now_ms), self._count, action))

    def step(self, until_ms: int) -> bool:
        """Do the next action if its time is not after `until_ms`, else let the clock run there; say which."""
        if not self._queue or self._queue[0][0] > until_ms:
            self.now_ms = max(self.now_ms, until_ms)
            return False
        self.now_ms, _, action = heappop(self._queue)
        action()
        return True
