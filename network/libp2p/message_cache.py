"""What gossip remembers: which ids were seen, and the last messages for those who ask. No I/O here.

Invariants: both are bounded by time and by size; the oldest goes first.
"""

from __future__ import annotations

from collections import Counter, deque

from network.libp2p.gossip_wire import GossipMessage, MessageId
from network.libp2p.node_key import PeerId


class SeenIds:
    """Ids of the last minutes."""

    def __init__(self, kept_ms: int, count_max: int) -> None:
        """At most `count_max` ids, each for `kept_ms`."""
        self._kept_ms = kept_ms
        self._count_max = count_max
        self._times: dict[MessageId, int] = {}  # in the order of their coming

    def __contains__(self, message_id: MessageId) -> bool:
        """Was it seen?"""
        return message_id in self._times

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._times)

    def add(self, message_id: MessageId, now_ms: int) -> bool:
        """Remember an id; was it new?"""
        if message_id in self._times:
            return False
        self._times[message_id] = now_ms
        if len(self._times) > self._count_max:
            del self._times[next(iter(self._times))]
        return True

    def forget_old(self, now_ms: int) -> None:
        """Drop what is older than its time."""
        while self._times:
            oldest = next(iter(self._times))
            if now_ms - self._times[oldest] < self._kept_ms:
                return
            del self._times[oldest]


class MessageCache:
    """The messages of the last heartbeats."""

    def __init__(self, *, windows: int, gossip_windows: int, bytes_max: int, sends_max: int) -> None:
        """Messages live `windows` heartbeats and are offered for `gossip_windows`."""
        self._gossip_windows = gossip_windows
        self._bytes_max = bytes_max
        self._sends_max = sends_max
        self._windows: deque[list[tuple[MessageId, str]]] = deque([[]], maxlen=windows)
        self._messages: dict[MessageId, GossipMessage] = {}
        self._sends: dict[MessageId, Counter[PeerId]] = {}
        self._bytes = 0

    def put(self, message_id: MessageId, message: GossipMessage) -> None:
        """Keep a message; the oldest leave when there are too many bytes."""
        if message_id in self._messages:
            return
        self._messages[message_id] = message
        self._windows[0].append((message_id, message.topic))
        self._bytes += len(message.data)
        while self._bytes > self._bytes_max:
            self._drop(next(iter(self._messages)))

    def take_for(self, message_id: MessageId, peer: PeerId) -> GossipMessage | None:
        """Return a message to send to who asked, None when it is gone or was sent to them often enough."""
        message = self._messages.get(message_id)
        if message is None:
            return None
        sends = self._sends.setdefault(message_id, Counter())
        sends[peer] += 1
        return message if sends[peer] <= self._sends_max else None

    def list_ids(self, topic: str) -> list[MessageId]:
        """Return the ids of a topic that are worth offering."""
        return [
            message_id
            for window in list(self._windows)[: self._gossip_windows]
            for message_id, its_topic in window
            if its_topic == topic and message_id in self._messages
        ]

    def shift(self) -> None:
        """A heartbeat has passed."""
        if len(self._windows) == self._windows.maxlen:
            for message_id, _ in self._windows[-1]:
                self._drop(message_id)
        self._windows.appendleft([])

    def _drop(self, message_id: MessageId) -> None:
        message = self._messages.pop(message_id, None)
        self._sends.pop(message_id, None)
        if message is not None:
            self._bytes -= len(message.data)
