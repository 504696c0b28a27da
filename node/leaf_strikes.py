"""Running strikes of a batch again, in a worker process."""

from __future__ import annotations

from consensus.batch import run_batch_strike
from consensus.work import compute_shots_bytes
from node.core.batch_conduct import make_fake_shots
from node.core.effects import RunLeaves


def run_leaves(command: RunLeaves) -> tuple[bytes, ...]:
    """Return the packed shots of each strike that is asked for."""
    if command.is_fake:
        size = compute_shots_bytes(command.pool.problem.n, command.shots)
        return tuple(make_fake_shots(command.key, index, size) for index in command.indices)
    return tuple(run_batch_strike(command.pool, command.key, i, shots=command.shots) for i in command.indices)
