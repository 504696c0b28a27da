"""What the post-state of the parent says about the work of the next block.

The runtime makes a `WorkContext` from state; consensus compares headers with it. So what changes while a block is mined
does not matter: everything is read at the parent.
"""

from __future__ import annotations

import msgspec

from vm.law import AngleLaw
from vm.problem import IsingProblem


class PoolProblem(msgspec.Struct, frozen=True, kw_only=True):
    """A posted problem as the pool strikes of the next block run it.

    Attributes:
        problem_id: Its id in the runtime.
        problem: The Ising record; strikeable.
        depth: Layers of the circuit.
        order: Measurement order in force.
        law: Angle law in force; its depth is `depth`.
        gas: Gas limit of one strike with the chain's number of shots.
    """

    problem_id: int
    problem: IsingProblem
    depth: int
    order: tuple[int, ...]
    law: AngleLaw
    gas: int


class WorkContext(msgspec.Struct, frozen=True, kw_only=True):
    """Everything outside a header that its work is judged by.

    Attributes:
        height: Height of the block to come.
        parent_hash: Hash of its parent, seal included.
        parent_timestamp_ms: The parent's time.
        recent_timestamps_ms: Times of the last ancestors, at most 11, oldest first; genesis has none.
        target: Target of the block to come.
        core_epoch: Its epoch.
        core_seed: Seed of that epoch's core problem.
        pool: The problem that the header names, None if it names none or if that one may not be struck.
    """

    height: int
    parent_hash: bytes
    parent_timestamp_ms: int
    recent_timestamps_ms: tuple[int, ...]
    target: int
    core_epoch: int
    core_seed: bytes
    pool: PoolProblem | None
