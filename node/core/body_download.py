"""Bodies of a row of headers, from several peers at once, in a bounded window before the import.

Terms:
    batch: hashes asked of one peer in one request.
    lacking: peers that were asked for a body and did not bring it; those that denied to have it, and those too late.

Invariants: a body is kept only with its header's root; the bytes kept and those that may be under way stay below the
limit, but for the batch with the block that import waits for.

Source: docs/spec/sync.md.
"""

from __future__ import annotations

from itertools import islice

import msgspec

from network.messages import ANSWER_BYTES_MAX, BODIES_MAX, Bodies, GetBodies
from network.port import Failure, Peer
from node.core.block_body import WrongBody, check_body_of, measure_body
from node.core.desk_limits import DeskLimits
from node.core.header_row import HeaderRow, PendingHeader
from node.core.outbox import LATE_POINTS, Ask, Outbox
from node.core.peer_table import PeerState, PeerTable

BATCH_MIN = 8
ROUNDS_MAX = 2


class ReceivedBody(msgspec.Struct, frozen=True, kw_only=True):
    """A body with its header's root, and who brought it."""

    peer: Peer
    extrinsics: tuple[bytes, ...]
    bytes_held: int


class BodyDownload:
    """Bodies on their way to one row."""

    def __init__(self, table: PeerTable, outbox: Outbox, limits: DeskLimits, *, block_bytes_max: int) -> None:
        self._table = table
        self._outbox = outbox
        self._limits = limits
        self._block_bytes_max = block_bytes_max
        self._bodies: dict[bytes, ReceivedBody] = {}
        self._asks: dict[int, Ask] = {}
        self._asked: dict[bytes, set[int]] = {}
        self._lacking: dict[bytes, dict[Peer, bool]] = {}
        self._rounds = 0
        self.progress_ms = 0
        self.bytes_held = 0

    def __len__(self) -> int:
        return len(self._bodies)

    def has(self, block_hash: bytes) -> bool:
        """Return whether a body is here."""
        return block_hash in self._bodies

    def take(self, block_hash: bytes) -> ReceivedBody | None:
        """Take out a body for import."""
        body = self._bodies.pop(block_hash, None)
        if body is not None:
            self.bytes_held -= body.bytes_held
        self._lacking.pop(block_hash, None)
        return body

    def reset(self) -> None:
        """Forget everything; answers under way will be passed over."""
        self._bodies.clear()
        self._asks.clear()
        self._asked.clear()
        self._lacking.clear()
        self._rounds = 0
        self.bytes_held = 0

    # Asking

    def schedule(self, row: HeaderRow, now_ms: int) -> None:
        """Ask for what is missing in the window."""
        self._hedge(row, now_ms)
        window = islice(row, self._limits.bodies_ahead_max)
        missing = [item for item in window if item.hash not in self._bodies and item.hash not in self._asked]
        while missing:
            peer = self._choose(missing[0], row, now_ms)
            if peer is None or not self._has_room(missing[0], row):
                return
            size = min(BODIES_MAX, max(BATCH_MIN, -(-len(missing) // max(1, len(self._table)))))
            batch = [item for item in missing[:size] if peer.peer not in self._lacking.get(item.hash, ())]
            self._ask(peer, batch, now_ms)
            taken = {item.hash for item in batch}
            missing = [item for item in missing if item.hash not in taken]

    def is_stuck(self, row: HeaderRow, now_ms: int) -> bool:
        """Return whether nobody is left who could bring the body that import waits for."""
        first = row.first
        if first is None or first.hash in self._bodies or first.hash in self._asked:
            return False
        if any(self._is_candidate(state, first, row, now_ms) for state in self._table):
            return False
        lacking = self._lacking.get(first.hash, {})
        late = [peer for peer, is_denied in lacking.items() if not is_denied and self._table.get(peer) is not None]
        if not late or self._rounds >= ROUNDS_MAX:
            return True
        self._rounds += 1
        for peer in late:
            del lacking[peer]
        return False

    def has_denied(self, row: HeaderRow) -> bool:
        """Return whether the row's source said that it lacks the block that import waits for."""
        return row.first is not None and self._lacking.get(row.first.hash, {}).get(row.source, False)

    def _hedge(self, row: HeaderRow, now_ms: int) -> None:
        """Ask a second peer for the body that import waits for, when the first takes its time."""
        first = row.first
        if first is None or first.hash in self._bodies:
            return
        asks = [self._asks[request_id] for request_id in self._asked.get(first.hash, ())]
        if len(asks) != 1:
            return
        patience_ms = self._table.compute_patience_ms(asks[0].peer, self._limits.hedge_ms)
        if now_ms - asks[0].sent_ms >= patience_ms:
            peer = self._choose(first, row, now_ms)
            if peer is not None:
                late = asks[0].request
                assert isinstance(late, GetBodies)
                batch = [item for name in late.hashes if (item := row.get(name)) and name not in self._bodies]
                self._ask(peer, batch, now_ms)

    def _choose(self, item: PendingHeader, row: HeaderRow, now_ms: int) -> PeerState | None:
        """Return who shall bring a body: the least busy, the good first, the row's source last of all."""
        asked = {self._asks[request_id].peer for request_id in self._asked.get(item.hash, ())}
        free = [
            (state.is_resting(now_ms), busy, state.peer == row.source, -state.good, index, state)
            for index, state in enumerate(self._table)
            if state.peer not in asked
            and self._is_candidate(state, item, row, now_ms)
            and (busy := self._count(state.peer)) < self._limits.body_asks_peer_max
        ]
        return min(free)[-1] if free else None

    def _is_candidate(self, state: PeerState, item: PendingHeader, row: HeaderRow, now_ms: int) -> bool:
        if state.peer in self._lacking.get(item.hash, ()) or not state.is_askable(now_ms):
            return False
        return state.peer == row.source or state.has_block(item.number)

    def _has_room(self, item: PendingHeader, row: HeaderRow) -> bool:
        if item is row.first:
            return True
        under_way = len(self._asks) + 1
        is_within = self.bytes_held + under_way * ANSWER_BYTES_MAX <= self._limits.bodies_bytes_max
        return is_within and under_way <= self._limits.body_asks_max

    def _count(self, peer: Peer) -> int:
        return sum(ask.peer == peer for ask in self._asks.values())

    def _ask(self, state: PeerState, batch: list[PendingHeader], now_ms: int) -> None:
        request = GetBodies(hashes=tuple(item.hash for item in batch))
        timeout_ms = self._limits.bodies_timeout_ms
        ask = self._outbox.ask(state.peer, "bodies", request, timeout_ms=timeout_ms, now_ms=now_ms)
        self._asks[ask.request_id] = ask
        for item in batch:
            self._asked.setdefault(item.hash, set()).add(ask.request_id)

    # Answers

    def on_answer(self, ask: Ask, answer: Bodies, row: HeaderRow | None, now_ms: int) -> None:
        """Keep the bodies that belong to the row's headers, and punish for those that do not."""
        hashes = self._close(ask)
        if row is None or not hashes:
            return
        if len(answer.bodies) > len(hashes):
            self._outbox.punish(ask.peer, 25, "sent more bodies than were asked for")
        if not answer.bodies:
            self._note_lacking(ask.peer, hashes, is_denied=True)
        state = self._table.get(ask.peer)
        if state is not None and len(answer.bodies) < len(hashes) and _measure(answer) < ANSWER_BYTES_MAX // 2:
            state.rest(now_ms, self._limits.rest_ms)  # it could have sent more
        for block_hash, extrinsics in zip(hashes, answer.bodies, strict=False):
            item = row.get(block_hash)
            if extrinsics is None:
                self._note_lacking(ask.peer, (block_hash,), is_denied=True)
            elif item is not None and block_hash not in self._bodies:
                try:
                    check_body_of(extrinsics, item.extrinsics_root, bytes_max=self._block_bytes_max)
                except WrongBody as error:
                    self._outbox.punish(ask.peer, 100, str(error))
                    self._note_lacking(ask.peer, hashes, is_denied=True)
                    return
                self._keep(block_hash, ask.peer, extrinsics, now_ms)

    def on_failure(self, ask: Ask, failure: Failure, now_ms: int) -> None:
        """Ask elsewhere for what a peer did not bring."""
        self._note_lacking(ask.peer, self._close(ask), is_denied=False)
        state = self._table.get(ask.peer)
        if state is not None:
            state.rest(now_ms, self._limits.rest_ms)
            if failure == "timeout":
                self._outbox.punish(ask.peer, LATE_POINTS, "did not send bodies in time")

    def _keep(self, block_hash: bytes, peer: Peer, extrinsics: tuple[bytes, ...], now_ms: int) -> None:
        size = measure_body(extrinsics)
        self._bodies[block_hash] = ReceivedBody(peer=peer, extrinsics=extrinsics, bytes_held=size)
        self.bytes_held += size
        self._rounds = 0
        self.progress_ms = now_ms

    def _close(self, ask: Ask) -> tuple[bytes, ...]:
        """Return the hashes of a batch that is over, none if it was forgotten."""
        if self._asks.pop(ask.request_id, None) is None or not isinstance(ask.request, GetBodies):
            return ()
        for block_hash in ask.request.hashes:
            asked = self._asked.get(block_hash, set())
            asked.discard(ask.request_id)
            if not asked:
                self._asked.pop(block_hash, None)
        return ask.request.hashes

    def _note_lacking(self, peer: Peer, hashes: tuple[bytes, ...], *, is_denied: bool) -> None:
        for block_hash in hashes:
            self._lacking.setdefault(block_hash, {})[peer] = is_denied


def _measure(answer: Bodies) -> int:
    return sum(sum(map(len, body)) for body in answer.bodies if body is not None)
