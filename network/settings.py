"""What the network's service is told at its start.

Source: docs/spec/network.md.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from network.libp2p.multiaddr import Multiaddr
from network.rates import PeerRates


class ServiceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of time and memory.

    Attributes:
        greeting_s: How long a new peer may take to show that it speaks our chain's protocols.
        request_s: How long a peer may take to send its request on the stream it opened.
        answer_s: How long our core may take to answer.
        writing_s: How long a peer may take to read our answer.
        status_pause_s: Least time between two statuses to one peer.
        requests_max: Unanswered requests of one peer, in each direction.
        served_max: Requests of one peer with our core, or whose answers it reads; further ones wait.
        answer_bytes_max: Answers of ours that wait to be read by all peers together.
        asked_max: Unanswered requests of ours to all peers.
        outgoing_bytes_max: Notices that may wait for one peer before it is disconnected.
        notices_max: Notices of one peer that wait for our core.
    """

    greeting_s: float = 10.0
    request_s: float = 10.0
    answer_s: float = 20.0
    writing_s: float = 30.0
    status_pause_s: float = 0.1
    requests_max: int = 16
    asked_max: int = 64
    outgoing_bytes_max: int = 8_388_608
    served_max: int = 2
    answer_bytes_max: int = 67_108_864
    notices_max: int = 4
    rates: PeerRates = msgspec.field(default_factory=PeerRates)


class NetworkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which chain, and whom to look for.

    Attributes:
        genesis: Hash of block 0.
        listen: Where to listen.
        public: Where others reach us, as the operator says.
        bootnodes: Who is asked first.
        reserved: Peers that are always kept.
        reserved_only: Speak with nobody else.
        out_peers: Connections that we look for.
        allows_private: Learn, exchange and dial addresses that nobody can have in the open net.
        meeting_folder: Where nodes of this machine find each other; None does not look.
        memory_file: Where known peers and bans outlive the process; None forgets them.
    """

    genesis: bytes
    listen: tuple[Multiaddr, ...] = ()
    public: tuple[Multiaddr, ...] = ()
    bootnodes: tuple[Multiaddr, ...] = ()
    reserved: tuple[Multiaddr, ...] = ()
    reserved_only: bool = False
    out_peers: int = 16
    allows_private: bool = False
    meeting_folder: Path | None = None
    memory_file: Path | None = None
    limits: ServiceLimits = msgspec.field(default_factory=ServiceLimits)
