"""The node's peers for the RPC (`rpc.api.SystemApi`)."""

from __future__ import annotations

from chain.peer_id import InvalidPeerId, decode_peer_id
from network.libp2p.multiaddr import InvalidMultiaddr
from network.service import NetworkService
from node.network_options import parse_peer_address
from rpc.api import PeerView
from rpc.errors import MALFORMED_PEER, RpcError


class PeerService:
    """Answers about peers; without a network there are none."""

    def __init__(self, network: NetworkService | None) -> None:
        self._network = network

    def list_peers(self) -> list[PeerView]:
        """Return the peers that told their status."""
        if self._network is None:
            return []
        return [
            PeerView(
                peer_id=session.peer,
                roles="AUTHORITY" if session.status.is_authority else "FULL",
                best_hash=session.status.best_hash,
                best_number=session.status.best_number,
            )
            for session in self._network.sessions.values()
            if session.status is not None
        ]

    def list_listen_addresses(self) -> list[str]:
        """Return where peers reach the node, with its name."""
        if self._network is None:
            return []
        return [str(address) for address in self._network.addresses]

    def list_reserved(self) -> list[str]:
        """Return the reserved peers' ids."""
        return [] if self._network is None else sorted(self._network.list_reserved())

    def add_reserved(self, address: str) -> None:
        """Keep a peer at all times.

        Raises:
            RpcError: no address with a peer, or no network.
        """
        if self._network is None:
            raise RpcError(MALFORMED_PEER, "Peer cannot be reserved", "this node has no network")
        try:
            self._network.add_reserved(parse_peer_address(address))
        except InvalidMultiaddr as error:
            raise RpcError(MALFORMED_PEER, "Peer cannot be reserved", str(error)) from error

    def remove_reserved(self, peer: str) -> None:
        """Treat a peer as any other again.

        Raises:
            RpcError: no peer id.
        """
        try:
            decode_peer_id(peer)
        except InvalidPeerId as error:
            raise RpcError(MALFORMED_PEER, "Peer cannot be reserved", str(error)) from error
        if self._network is not None:
            self._network.remove_reserved(peer)
