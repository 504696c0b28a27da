"""States of final blocks, cut into parts for peers that sync fast.

Terms:
    snapshot: one block's whole state, held in memory while peers ask for parts of it.

Invariants: at most SNAPSHOTS_MAX states are held, none for longer than IDLE_MS after it was last asked for; a peer uses
one at a time; a state is that of a final checkpoint, for nothing else can be proven to whoever asks.
"""

from __future__ import annotations

import msgspec

from chain.state_part import Snapshot
from chain.state_tree import StatePruned
from network.messages import PAIRS_MAX, GetStatePart, StatePart
from network.port import Peer
from node.core.importer import Importer
from node.core.steady_clock import SteadyClock

SNAPSHOTS_MAX = 3  # and of so many checkpoints
USERS_MAX = 512
IDLE_MS = 60_000
PLACE_MS = 10_000  # a state that nobody asked for so long gives way to that of a newer block
PAIR_COST_BYTES = 64  # besides its own bytes: a hash, and its place in the answer
SNAPSHOT_COST_MAX = 64 * 1024 * 1024  # what a peer can pay in four seconds


class Held(msgspec.Struct, kw_only=True):
    """A snapshot, its block's number, and when it was last asked for."""

    snapshot: Snapshot
    number: int
    used_ms: int


class StateParts:
    """Serves parts of states; every answer has its cost in bytes, whatever it holds."""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer
        self._clock = SteadyClock(0)
        self._held: dict[bytes, Held] = {}
        self._users: dict[Peer, tuple[bytes, int]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, peer: Peer, request: GetStatePart, now_ms: int, *, bytes_max: int) -> tuple[StatePart | None, int]:
        """Return the part asked for, and what it cost; None if it is not served, or others need the room."""
        self.drop_idle(now_ms)
        time_ms, block_hash = self._clock.read(now_ms), request.block_hash
        if not self._may_use(peer, block_hash, time_ms):
            return None, 0
        held, cost = self._find(block_hash, time_ms)
        if held is None:
            return None, cost
        held.used_ms = time_ms
        self._users.pop(peer, None)
        self._users[peer] = (block_hash, time_ms)
        part = held.snapshot.cut(
            request.start,
            depth_min=request.depth_min,
            bytes_max=min(request.bytes_max, bytes_max),
            pairs_max=PAIRS_MAX,
        )
        if part is None:
            return None, cost
        # SPEC SYN-25: A part of a state MUST cost its peer the bytes that it holds and 64 more for each pair, and the
        # peer for which a state is prepared the bytes of that state, up to 64 MiB.
        cost += sum(len(key) + len(value) + PAIR_COST_BYTES for key, value in part.pairs) + sum(map(len, part.siblings))
        return StatePart(depth=part.depth, pairs=part.pairs, siblings=part.siblings, other=part.other), cost

    def drop_idle(self, now_ms: int) -> None:
        """Forget states that nobody asks for any more, and who used them."""
        # SPEC SYN-21: A clock that is set back MUST NOT keep a node from serving, telling and asking its peers.
        time_ms = self._clock.read(now_ms)
        for block_hash, held in list(self._held.items()):
            if time_ms - held.used_ms >= IDLE_MS:
                del self._held[block_hash]
        while self._users:
            peer, (_, used_ms) = next(iter(self._users.items()))
            if len(self._users) <= USERS_MAX and time_ms - used_ms < PLACE_MS:
                break
            del self._users[peer]

    def _may_use(self, peer: Peer, block_hash: bytes, time_ms: int) -> bool:
        """Say whether a peer uses this state already, or none."""
        used_hash, used_ms = self._users.get(peer, (block_hash, time_ms))
        # SPEC SYN-27: A peer MUST be served parts of one state at a time, of another when it has not asked for 10 s.
        return used_hash == block_hash or time_ms - used_ms >= PLACE_MS

    def _find(self, block_hash: bytes, time_ms: int) -> tuple[Held | None, int]:
        """Return the snapshot of a block, and what preparing it cost."""
        if block_hash in self._held:
            return self._held[block_hash], 0
        chain = self._importer.chain
        record = chain.get_record(block_hash)
        if record is None or chain.get_hash(record.number) != block_hash or not self._is_served(record.number):
            return None, 0
        if len(self._held) >= SNAPSHOTS_MAX and not self._make_room(record.number, time_ms):
            return None, 0
        try:
            view = chain.state.view_at(record.number)
        except StatePruned:
            return None, 0
        snapshot = Snapshot(view.iterate(b""), pause=self._importer.runtime.pause)
        cost = min(snapshot.size, SNAPSHOT_COST_MAX)
        if snapshot.root != record.state_root:
            return None, cost
        self._held[block_hash] = Held(snapshot=snapshot, number=record.number, used_ms=time_ms)
        return self._held[block_hash], cost

    def _is_served(self, number: int) -> bool:
        """Say whether a block is one of the newest final checkpoints."""
        every, final = self._importer.params.finality.checkpoint_blocks, self._importer.final.number
        # SPEC SYN-26: A state MUST be prepared only of the three newest final checkpoints, and at most three be held;
        # the newest finds room at once, another when an older one was not asked for in 10 s.
        return number % every == 0 and final // every - SNAPSHOTS_MAX < number // every <= final // every

    def _make_room(self, number: int, time_ms: int) -> bool:
        """Forget the state that was not asked for longest."""
        is_newest = not self._is_served(number + self._importer.params.finality.checkpoint_blocks)
        older = [
            (held.used_ms, held.number, block_hash)
            for block_hash, held in self._held.items()
            if held.number < number and (is_newest or time_ms - held.used_ms >= PLACE_MS)
        ]
        if older:
            del self._held[min(older)[2]]
        return bool(older)
