"""What the service keeps of one connected peer: its rates, what waits for it, what is asked of it and by it.

Lives exactly as long as the peer's connection stands.
"""

from __future__ import annotations

import asyncio
from typing import Literal, TypeAlias

from network.libp2p.connection import Connection
from network.libp2p.host import Host
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.node_key import PeerId
from network.libp2p.stream import Stream
from network.messages import Request, Status
from network.notice_lane import NoticeLane
from network.port import Topic
from network.rates import TokenBucket
from network.settings import ServiceLimits

Use: TypeAlias = Literal["header", "news"]


class PeerSession:
    """One peer.

    Attributes:
        is_greeted: It showed that it speaks our chain's protocols; the core knows of it.
        is_gone: Nothing may be told of it any more.
        is_outbound: Did we dial? A second connection may have turned it round since.
        status: What it last said of itself.
        place: Where we dialled it.
        listens: Where it can be dialled, by its own word and its IP address.
        agent: Its software, by its own word.
        asked: Our requests that it has not answered, by the core's number.
        asking: Its requests that our core has not answered, by ours.
        reading: Its open notice streams, one a protocol.
        serving: Places for its requests that are with the core, or whose answers it reads.
        solicited_bytes: What its answers to us may still have, which its rate does not count.
    """

    def __init__(
        self, host: Host, connection: Connection, lanes: tuple[NoticeLane, NoticeLane], *, served_max: int
    ) -> None:
        """`lanes` are those of statuses and of inventories."""
        self._host = host
        self.peer: PeerId = connection.peer_id
        self.remote: Multiaddr | None = connection.remote
        self.is_outbound = connection.is_outbound
        self.since_ms = host.clock()
        self.statuses, self.inventories = lanes
        self.is_greeted = self.is_gone = False
        self.status: Status | None = None
        self.place: Multiaddr | None = None
        self.listens: tuple[Multiaddr, ...] = ()
        self.agent = ""
        self.asked: dict[int, Request] = {}
        self.asking: dict[int, asyncio.Future[bytes | None]] = {}
        self.reading: dict[str, Stream] = {}
        self.serving = asyncio.Semaphore(served_max)
        self.solicited_bytes = 0
        self._counted = (connection, 0)

    @property
    def waiting_bytes(self) -> int:
        """How much of notices waits to be sent to the peer."""
        return self.statuses.waiting_bytes + self.inventories.waiting_bytes

    def take_unsolicited(self) -> int:
        """Return how many bytes came since the last look that we did not ask for."""
        connection = self._host.get_connection(self.peer)
        if connection is None:
            return 0
        known, before = self._counted
        if known is not connection:
            before = 0
        self._counted = (connection, connection.received_bytes)
        received = connection.received_bytes - before
        free = min(received, self.solicited_bytes)
        self.solicited_bytes = self.solicited_bytes - free if self.asked else 0
        return received - free

    def close(self) -> None:
        """The peer is gone."""
        self.is_gone = True
        self.statuses.close()
        self.inventories.close()
        for waiter in self.asking.values():
            if not waiter.done():
                waiter.set_result(None)


class PeerMeter:
    """The buckets of one peer, and when it was last of use.

    Attributes:
        since_ms: When it came.
        used_ms: When it last was the first to bring something valid, by kind.
    """

    def __init__(self, limits: ServiceLimits, now_ms: int) -> None:
        """All full."""
        rates = limits.rates
        self.since_ms = now_ms
        self.used_ms: dict[Use, int] = {}
        self.messages = TokenBucket(rates.messages, now_ms)
        self.bytes = TokenBucket(rates.bytes, now_ms)
        self.inventory = TokenBucket(rates.inventory, now_ms)
        self.exchanges = TokenBucket(rates.exchanges, now_ms)
        self.gossip: dict[Topic, TokenBucket] = {
            "headers": TokenBucket(rates.headers, now_ms),
            "votes": TokenBucket(rates.votes, now_ms),
        }
