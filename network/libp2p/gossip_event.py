"""What the gossip router is told and what it answers: parameters, verdicts, effects.

Source: libp2p specification, `pubsub/gossipsub/gossipsub-v1.1.md`; docs/spec/network.md.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from network.libp2p.gossip_score import ScoreParams
from network.libp2p.gossip_wire import GossipMessage, MessageId, Rpc
from network.libp2p.node_key import PeerId


class Verdict(Enum):
    """What the application says of a message."""

    ACCEPT = "accept"
    IGNORE = "ignore"
    REJECT = "reject"


class GossipParams(msgspec.Struct, frozen=True, kw_only=True):
    """Degrees, times and bounds; the names of the specification are given where they differ.

    Attributes:
        degree, degree_low, degree_high: Peers in a mesh: wanted, least, most (D, D_lo, D_hi).
        degree_lazy: Least peers to whom ids are offered (D_lazy).
        degree_score: Best peers kept when a mesh is cut (D_score).
        degree_outbound: Peers that we dialled kept in a mesh, against being surrounded (D_out).
        accept_score, publish_score, gossip_score: Below them a peer is heard no more, gets nothing of ours, no gossip.
        graft_median: Below this median of a mesh better peers are grafted now and then.
    """

    degree: int = 6
    degree_low: int = 4
    degree_high: int = 12
    degree_lazy: int = 6
    degree_score: int = 4
    degree_outbound: int = 2
    heartbeat_ms: int = 1_000
    backoff_ms: int = 60_000
    backoffs_max: int = 4_096
    seen_ms: int = 120_000
    seen_max: int = 100_000
    windows: int = 5
    gossip_windows: int = 3
    cache_bytes_max: int = 16_777_216
    message_bytes_max: int = 65_536
    pending_max: int = 2_048
    ihave_frames_max: int = 10
    ihave_ids_max: int = 5_000
    iwant_sends_max: int = 3
    iwant_bytes_max: int = 2_097_152
    promise_ms: int = 3_000
    peer_topics_max: int = 128
    floods_own: bool = True
    gossip_score: float = -40.0
    publish_score: float = -80.0
    accept_score: float = -160.0
    graft_median: float = 1.0
    score: ScoreParams = msgspec.field(default_factory=ScoreParams)


class SendRpc(msgspec.Struct, frozen=True):
    """Send a frame to a peer."""

    peer: PeerId
    rpc: Rpc


class Forward(msgspec.Struct, frozen=True):
    """Send one message to several peers; may be dropped for a peer whose queue is full."""

    peers: tuple[PeerId, ...]
    message: GossipMessage


class Deliver(msgspec.Struct, frozen=True):
    """Give a message to the application, which answers with `GossipRouter.on_verdict`."""

    message_id: MessageId
    message: GossipMessage
    source: PeerId


Effect = SendRpc | Forward | Deliver
