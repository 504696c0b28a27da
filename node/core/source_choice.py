"""Which peer to follow next: one that claims more than we have, and has let us down least.

Invariant: a claim only says whom to ask; it decides nothing else.
"""

from __future__ import annotations

from collections.abc import Collection

from network.port import Peer
from node.core.chain_view import get_rank, has_block
from node.core.desk_limits import DeskLimits
from node.core.importer import Importer
from node.core.peer_table import PeerState, PeerTable, Rank


def choose_source(
    importer: Importer, table: PeerTable, limits: DeskLimits, *, asked: Collection[Peer], now_ms: int
) -> PeerState | None:
    """Return the peer to follow: rested, fewest failures, known good, chosen by us, with the greatest claim.

    Args:
        asked: Peers whose headers are under way.
    """
    own = get_rank(importer)
    candidates = [
        (not state.is_resting(now_ms), -state.failures, state.good > 0, state.is_outbound, state.claim, -index, state)
        for index, state in enumerate(table)
        if state.peer not in asked and _is_ahead(state, importer, own, limits, now_ms=now_ms)
    ]
    return max(candidates)[-1] if candidates else None


def _is_ahead(state: PeerState, importer: Importer, own: Rank, limits: DeskLimits, *, now_ms: int) -> bool:
    """Say whether a peer seems to have what we lack, beyond what gossip is about to bring."""
    if not state.is_askable(now_ms):
        return False
    if state.hint_number is not None and state.hint_number > importer.final.number:
        return True
    if state.status is None or state.claim <= own:
        return False
    is_far = state.best_number > importer.head.number + limits.settle_blocks
    is_settled = now_ms - state.status_ms >= limits.settle_ms
    return (is_far or is_settled) and not has_block(importer, state.status.best_hash)
