"""Who runs the pool strikes that a node sells in batches: honestly, or not at all.

The node's own batch desk commits, answers and checks; it believes what its workers say, so a liar is a worker.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Protocol

from consensus.batch import run_batch_strike
from consensus.context import PoolProblem
from consensus.work import compute_shots_bytes, make_leaf
from node.core.batch_conduct import make_fake_shots
from node.core.effects import RunLeaves

STRIKES = 64  # the least that a batch holds


class Striker(Protocol):
    """Workers of one node."""

    def strike(self, pool: PoolProblem, key: bytes, shots: int) -> bytes:
        """Return the leaves of the first strikes of a key."""

    def run_again(self, order: RunLeaves) -> tuple[bytes, ...]:
        """Return the packed shots of strikes that an audit asks for."""


class LyingStriker:
    """Invents some strikes; honest where it invents none.

    Attributes:
        ran: How many strikes were really run, by key.
    """

    def __init__(self, is_fake: Callable[[bytes, int], bool], *, is_shy: bool = False) -> None:
        """Begin.

        Args:
            is_fake: Says of key and index whether to invent that strike.
            is_shy: Tell the node the truth when an audit asks, so that it is silent where it lied.
        """
        self._is_fake = is_fake
        self._is_shy = is_shy
        self.ran: dict[bytes, int] = {}

    def strike(self, pool: PoolProblem, key: bytes, shots: int) -> bytes:
        """Return the leaves of the first strikes of a key."""
        self.ran[key] = sum(not self._is_fake(key, index) for index in range(STRIKES))
        return b"".join(make_leaf(index, self._run(pool, key, index, shots)) for index in range(STRIKES))

    def run_again(self, order: RunLeaves) -> tuple[bytes, ...]:
        """Return the shots, the invented ones again unless it is shy."""
        return tuple(
            run_batch_strike(order.pool, order.key, index, shots=order.shots)
            if self._is_shy
            else self._run(order.pool, order.key, index, order.shots)
            for index in order.indices
        )

    def _run(self, pool: PoolProblem, key: bytes, index: int, shots: int) -> bytes:
        if self._is_fake(key, index):
            return make_fake_shots(key, index, compute_shots_bytes(pool.problem.n, shots))
        return run_batch_strike(pool, key, index, shots=shots)


def make_honest_striker() -> LyingStriker:
    """Return workers that run every strike."""
    return LyingStriker(lambda key, index: False)


def make_share_faker(share: float) -> Callable[[bytes, int], bool]:
    """Return what picks this share of all strikes, the same ones whenever it is asked."""
    limit = round(share * 2**32)

    def is_fake(key: bytes, index: int) -> bool:
        mark = blake2b(key + index.to_bytes(8, "little"), digest_size=4).digest()
        return int.from_bytes(mark, "little") < limit

    return is_fake
