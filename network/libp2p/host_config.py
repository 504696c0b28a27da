"""What a host is told at its start.

Source: docs/spec/network.md.
"""

from __future__ import annotations

import time

import msgspec

from network.libp2p.gossip_event import GossipParams
from network.libp2p.limits import ConnectionLimits
from network.libp2p.pace import PaceLimits
from network.libp2p.yamux import YamuxLimits


class HostConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a host is told at its start.

    Attributes:
        agent: Our software, as identify tells it.
        protocol_version: Our family of networks.
        handshake_s: How long a connection may take to be secured; four round trips, TCP's among them.
        visit_s: How long a newcomer is heard for whom there is no place.
        negotiation_s: How long a stream may take to agree on its protocol.
        tick_s: How often connections are looked at.
        idle_ms: After this silence the peer is pinged; after twice as long it is dropped.
        connections: Limits of connections.
        streams: Limits of each connection.
        pace: How much handling a connection may cause.
        backlog_bytes_max: What all connections together keep that was received and not read.
        gossip: Degrees, times and bounds of gossip.
    """

    agent: str = "matchstrike"
    protocol_version: str = "matchstrike/1"
    handshake_s: float = 20.0
    visit_s: float = 10.0
    negotiation_s: float = 10.0
    tick_s: float = 1.0
    idle_ms: int = 30_000
    connections: ConnectionLimits = msgspec.field(default_factory=ConnectionLimits)
    streams: YamuxLimits = msgspec.field(default_factory=YamuxLimits)
    pace: PaceLimits = msgspec.field(default_factory=PaceLimits)
    backlog_bytes_max: int = 67_108_864
    gossip: GossipParams = msgspec.field(default_factory=GossipParams)


def read_clock_ms() -> int:
    """Return milliseconds of a clock that never goes back."""
    return time.monotonic_ns() // 1_000_000
