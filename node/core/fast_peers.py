"""Whom fast sync asks: its peers, what they claim, and how often they were asked in vain.

Terms:
    barren: an answer without what was asked for: none, too late, less than promised, or what others have brought.
    place: where the proof of finality stands; a peer that has nothing there is not asked again before it moves on.

Invariants: what a peer says changes no count in its favour, nor does a new connection; claims only order equals.
"""

from __future__ import annotations

import msgspec

from network.messages import Status
from network.port import Peer

REST_MS = 2_000
BARREN_MS_MIN = 500  # what a barren answer costs however quickly it comes
TRIES_MAX = 3
KEPT_MAX = 512


class FastPeer(msgspec.Struct, kw_only=True):
    """What is known of a peer.

    Attributes:
        is_here: It is connected.
        barren_ms: How long its barren answers were waited for since fast sync began.
        tries: Requests for the proof at this place that it left without an answer.
        has_no_more: Its answer at this place was barren.
    """

    status: Status | None = None
    is_here: bool = True
    barren_ms: int = 0
    rests_until_ms: int = 0
    tries: int = 0
    has_no_more: bool = False

    @property
    def final_number(self) -> int:
        """The final block that it claims."""
        return 0 if self.status is None else self.status.final_number


class FastPeers:
    """The peers of one fast sync; times are those of its steady clock."""

    def __init__(self) -> None:
        self._peers: dict[Peer, FastPeer] = {}

    def join(self, peer: Peer) -> None:
        """Note a connection; what is known of the peer from an earlier one stays."""
        known = self._peers.pop(peer, None) or FastPeer()
        known.is_here, known.status = True, None
        self._peers[peer] = known
        self._forget()

    def leave(self, peer: Peer) -> None:
        """Note the end of a connection."""
        if peer in self._peers:
            self._peers[peer].is_here = False

    def get(self, peer: Peer) -> FastPeer | None:
        """Return a connected peer."""
        state = self._peers.get(peer)
        return state if state is not None and state.is_here else None

    def list_told(self) -> list[tuple[Peer, FastPeer]]:
        """Return the connected peers that have said a status, those to be asked first in front."""
        told = [(peer, state) for peer, state in self._peers.items() if state.is_here and state.status is not None]
        # SPEC SYN-22: The time for which a peer's barren answers were waited MUST be added up for the whole of a fast
        # sync, and the peers with the least be asked first, whatever they claim.
        return sorted(told, key=lambda row: (row[1].barren_ms, -row[1].final_number))

    def list_fresh(self, above: int) -> list[tuple[Peer, FastPeer]]:
        """Return those that claim a final block above this one and were not asked at this place in vain."""
        return [
            (peer, state)
            for peer, state in self.list_told()
            if state.final_number > above and not state.has_no_more and state.tries < TRIES_MAX
        ]

    def note_barren(self, peer: Peer, asked_ms: int, now_ms: int) -> None:
        """Note a barren answer to what was asked at `asked_ms`, and leave the peer alone for a moment.

        Not the answers are counted but the time, or whoever says at once that it has nothing would come after those
        who let everybody wait.
        """
        state = self._peers.get(peer)
        if state is not None:
            state.barren_ms += max(BARREN_MS_MIN, now_ms - asked_ms)
            state.rests_until_ms = now_ms + REST_MS

    def begin_place(self) -> None:
        """Forget who had nothing at the last place of the proof."""
        for state in self._peers.values():
            state.tries, state.has_no_more = 0, False

    def _forget(self) -> None:
        """Keep the memory of those who went within bounds; the least barren are forgotten first."""
        gone = [(state.barren_ms, peer) for peer, state in self._peers.items() if not state.is_here]
        for _, peer in sorted(gone)[: max(0, len(gone) - KEPT_MAX)]:
            del self._peers[peer]
