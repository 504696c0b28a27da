"""How far behind the node is, for RPC, informant and author."""

from __future__ import annotations

import msgspec

MAJOR_BLOCKS = 5


class SyncStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One look at it.

    Attributes:
        peers: Connected.
        starting: Height of the best block when this sync began; the current one when there is none.
        current: Height of the best block.
        highest: Height the network seems to have: the median of the peers' claims, at least our own.
        bodies_held: Bodies that wait for import, with their bytes.
        headers_held: Unproven headers that wait for their bodies.
    """

    peers: int
    starting: int
    current: int
    highest: int
    headers_held: int = 0
    bodies_held: int = 0
    bytes_held: int = 0

    @property
    def is_major(self) -> bool:
        """Whether the node seems to be far behind."""
        return self.highest - self.current > MAJOR_BLOCKS
