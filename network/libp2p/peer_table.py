"""One connection a peer: which of two lives is decided the same way at both ends. No I/O here."""

from __future__ import annotations

from collections.abc import Iterator

from chain.peer_id import decode_peer_id
from network.libp2p.connection import Connection
from network.libp2p.node_key import PeerId


class PeerTable:
    """The living connection of each peer."""

    def __init__(self, own: PeerId) -> None:
        """`own` is this node."""
        self._own = decode_peer_id(own)
        self._connections: dict[PeerId, Connection] = {}

    def __len__(self) -> int:
        """Return how many peers are connected."""
        return len(self._connections)

    def __iter__(self) -> Iterator[PeerId]:
        """Go through the peers."""
        return iter(tuple(self._connections))

    def get(self, peer: PeerId) -> Connection | None:
        """Return the peer's connection."""
        return self._connections.get(peer)

    def list_connections(self) -> list[Connection]:
        """Return every living connection."""
        return list(self._connections.values())

    def add(self, connection: Connection) -> Connection | None:
        """Keep the connection or the one that stood before; return the one to be closed."""
        standing = self._connections.get(connection.peer_id)
        if standing is None or standing.is_closed:
            self._connections[connection.peer_id] = connection
            return None
        if self._prefers(connection, standing):
            self._connections[connection.peer_id] = connection
            return standing
        return connection

    def remove(self, connection: Connection) -> bool:
        """Forget a connection that is gone; was it the peer's living one?"""
        if self._connections.get(connection.peer_id) is not connection:
            return False
        del self._connections[connection.peer_id]
        return True

    def _prefers(self, new: Connection, standing: Connection) -> bool:
        # SPEC NET-17: Of two connections between the same nodes the one that the node with the smaller public key
        # dialled MUST live; of two that the same node dialled, the later one.
        if new.is_outbound == standing.is_outbound:
            return True
        is_own_smaller = self._own < decode_peer_id(new.peer_id)
        return new.is_outbound == is_own_smaller
