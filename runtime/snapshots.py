"""Which snapshots of a problem were in force lately: what batches may name.

A header was mined in the state of its parent, so its batch must name the snapshot of that state. Orders and laws
change; the state keeps the hash of each for a window of blocks, and of the one in force for ever.

Terms:
    in force: the entry with the largest height that is not above the state's own.

Invariant: a problem's entries are in ascending order of height; only an open problem that may be struck has any.
"""

from __future__ import annotations

from chain.scale_shapes import U64
from consensus.batch import compute_snapshot
from consensus.context import PoolProblem
from runtime.batch_records import SnapshotEntry
from runtime.environment import Environment
from runtime.storage import Overlay, StorageMap

NAME = "Batches"

SNAPSHOTS: StorageMap[int, tuple[SnapshotEntry, ...]] = StorageMap(
    NAME,
    "Snapshots",
    (U64, tuple[SnapshotEntry, ...]),
    hasher="Twox64Concat",
    default=(),
    docs="Snapshots of each open problem that batches may name, oldest first.",
)


def note_snapshot(env: Environment, pool: PoolProblem) -> None:
    """Keep what strikes on a problem run with from this block's state on; forget what is out of the window."""
    before = SNAPSHOTS.get(env.state, pool.problem_id)
    snapshot = compute_snapshot(pool.problem_id, pool.order, pool.law, env.params.work.shots)
    if before and before[-1].snapshot == snapshot:
        return
    oldest = env.number - env.params.batch.window_blocks
    entries = [entry for entry in before if entry.height != env.number]
    entries.append(SnapshotEntry(height=env.number, snapshot=snapshot, strike_gas=pool.gas))
    # SPEC BAT-11: A snapshot MUST be kept while it is in force, and `window_blocks` blocks after.
    while len(entries) > 1 and entries[1].height <= oldest:
        del entries[0]
    SNAPSHOTS.set(env.state, pool.problem_id, tuple(entries))


def forget_snapshots(state: Overlay, problem: int) -> None:
    """Drop a closed problem's entries."""
    SNAPSHOTS.remove(state, problem)


def find_snapshot_at(state: Overlay, problem: int, height: int) -> SnapshotEntry | None:
    """Return the entry that was in force in the state after a block, None if that is unknown."""
    entries = [entry for entry in SNAPSHOTS.get(state, problem) if entry.height <= height]
    return entries[-1] if entries else None


def find_snapshot(env: Environment, problem: int, snapshot: bytes) -> SnapshotEntry | None:
    """Return the entry of this snapshot, if it was in force somewhere in the window."""
    entries = SNAPSHOTS.get(env.state, problem)
    if not entries:
        return None
    ends = [entry.height for entry in entries[1:]] + [env.number + 1]
    oldest = env.number - env.params.batch.window_blocks
    found = (entry for entry, end in zip(entries, ends, strict=True) if end > oldest and entry.snapshot == snapshot)
    return next(found, None)
