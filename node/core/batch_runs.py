"""Which strikes were run for the templates on the present head: the leaves of each, without a gap from strike 0.

Worker processes share one range of strikes, so their chunks come in any order; what is beyond a gap waits.

Invariants: only templates with a pool problem are kept, at most `RUNS_MAX` of one parent.
"""

from __future__ import annotations

import msgspec

from chain.header import Header
from consensus.context import PoolProblem
from node.core.author import Template
from node.core.batch_notes import LEAF_BYTES

RUNS_MAX = 64
LEAVES_MAX = 65_536


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The strikes of one header.

    Attributes:
        leaves: 32 bytes each, strike 0 first.
    """

    header: Header
    key: bytes
    pool: PoolProblem
    leaves: bytes

    @property
    def count(self) -> int:
        """How many strikes there are."""
        return len(self.leaves) // LEAF_BYTES


class BatchRuns:
    """The runs on one parent."""

    def __init__(self) -> None:
        self._templates: dict[int, Template] = {}
        self._leaves: dict[int, bytearray] = {}
        self._waiting: dict[int, dict[int, bytes]] = {}

    def on_template(self, generation: int, template: Template) -> None:
        """Expect strikes for a template."""
        if template.context.pool is None:
            return
        self._templates[generation] = template
        self._leaves[generation], self._waiting[generation] = bytearray(), {}
        while len(self._templates) > RUNS_MAX:
            poorest = min(self._templates, key=lambda each: (len(self._leaves[each]), each))
            del self._templates[poorest], self._leaves[poorest], self._waiting[poorest]

    def add(self, generation: int, start: int, leaves: bytes) -> None:
        """Take the leaves of the strikes from `start` on."""
        known = self._leaves.get(generation)
        if known is None or start >= LEAVES_MAX or start * LEAF_BYTES < len(known):
            return
        waiting = self._waiting[generation]
        waiting[start] = leaves
        while (following := waiting.pop(len(known) // LEAF_BYTES, None)) is not None:
            known += following

    def take_longest(self) -> Run | None:
        """Return the run with the most strikes, and forget all."""
        best = max(self._leaves, key=lambda each: (len(self._leaves[each]), -each), default=None)
        run = None if best is None else self._make_run(best)
        self._templates.clear()
        self._leaves.clear()
        self._waiting.clear()
        return run

    def _make_run(self, generation: int) -> Run | None:
        template, leaves = self._templates[generation], bytes(self._leaves[generation])
        pool = template.context.pool
        assert pool is not None, "only templates with a problem are kept"
        return Run(header=template.header, key=template.job.work_key, pool=pool, leaves=leaves) if leaves else None
