"""Who may be heard: what the host asks of whoever keeps count of its peers' behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from network.libp2p.connection import Connection
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.node_key import PeerId
from network.libp2p.protocol_error import RemoteProtocolError


class PeerGuard(Protocol):
    """Answers at once; called from within the host, so it must not call back before it returns."""

    def admits(self, remote: Multiaddr | None) -> bool:
        """May a connection from this place begin its handshake?"""

    def find_leaver(self, newcomer: Connection, standing: Sequence[Connection]) -> Connection | None:
        """All inbound places are taken; whose does the newcomer get? None refuses it."""

    def on_stream(self, peer: PeerId) -> bool:
        """A peer opens a stream; False resets it."""

    def on_gossip(self, peer: PeerId, count: int) -> bool:
        """A frame of gossip came that counts as so many messages; False passes over it."""

    def on_fault(self, peer: PeerId, error: RemoteProtocolError) -> None:
        """A peer broke a rule of transport, of a stream or of gossip."""


class OpenGuard:
    """Hears everybody."""

    def admits(self, remote: Multiaddr | None) -> bool:
        """May a connection from this place begin its handshake?"""
        return True

    def find_leaver(self, newcomer: Connection, standing: Sequence[Connection]) -> Connection | None:
        """All inbound places are taken; whose does the newcomer get? None refuses it."""
        return None

    def on_stream(self, peer: PeerId) -> bool:
        """A peer opens a stream; False resets it."""
        return True

    def on_gossip(self, peer: PeerId, count: int) -> bool:
        """A frame of gossip came that counts as so many messages; False passes over it."""
        return True

    def on_fault(self, peer: PeerId, error: RemoteProtocolError) -> None:
        """A peer broke a rule of transport, of a stream or of gossip."""
