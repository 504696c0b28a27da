"""States of final blocks, cut into parts for peers that sync fast.

Invariants: at most SNAPSHOTS_MAX states are held, none for longer than IDLE_MS after it was last asked for; a state is
that of a final checkpoint, for nothing else can be proven to whoever asks.
"""

from __future__ import annotations

from chain.state_part import Snapshot
from chain.state_tree import StatePruned
from network.messages import PAIRS_MAX, GetStatePart, StatePart
from node.core.importer import Importer

SNAPSHOTS_MAX = 2
IDLE_MS = 60_000
PLACE_MS = 10_000  # a state that nobody asked for so long gives way to that of a newer block


class StateParts:
    """Serves parts of states."""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer
        self._held: dict[bytes, tuple[Snapshot, int]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, request: GetStatePart, now_ms: int, *, bytes_max: int) -> StatePart | None:
        """Return the part asked for; None if its block is not final here, its state is gone, or others need room."""
        self.drop_idle(now_ms)
        snapshot = self._find(request.block_hash, now_ms)
        if snapshot is None:
            return None
        self._held[request.block_hash] = (snapshot, now_ms)
        part = snapshot.cut(
            request.start,
            depth_min=request.depth_min,
            bytes_max=min(request.bytes_max, bytes_max),
            pairs_max=PAIRS_MAX,
        )
        if part is None:
            return None
        return StatePart(depth=part.depth, pairs=part.pairs, siblings=part.siblings, other=part.other)

    def drop_idle(self, now_ms: int) -> None:
        """Forget states that nobody asks for any more."""
        for block_hash, (_, used_ms) in list(self._held.items()):
            if now_ms - used_ms >= IDLE_MS:
                del self._held[block_hash]

    def _find(self, block_hash: bytes, now_ms: int) -> Snapshot | None:
        if block_hash in self._held:
            return self._held[block_hash][0]
        chain = self._importer.chain
        record = chain.get_record(block_hash)
        is_final = record is not None and record.number <= self._importer.final.number
        if record is None or not is_final or chain.get_hash(record.number) != block_hash:
            return None
        if len(self._held) >= SNAPSHOTS_MAX and not self._make_room(record.number, now_ms):
            return None
        try:
            view = chain.state.view_at(record.number)
        except StatePruned:
            return None
        snapshot = Snapshot(view.iterate(b""), pause=self._importer.runtime.pause)
        return snapshot if snapshot.root == record.state_root else None

    def _make_room(self, number: int, now_ms: int) -> bool:
        """Forget a state for that of a newer block, if nobody is about to ask for the next part of it."""
        for block_hash, (_, used_ms) in list(self._held.items()):
            record = self._importer.chain.get_record(block_hash)
            if now_ms - used_ms >= PLACE_MS and (record is None or record.number < number):
                del self._held[block_hash]
                return True
        return False
