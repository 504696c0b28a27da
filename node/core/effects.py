"""What a node wants done. `Machine.handle` returns these, in order; the driver carries them out.

What touches the disk is not among them: a block is written, in one synced batch, before the effects that tell of it
are returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from chain.header import Header
from consensus.context import PoolProblem
from consensus.ticket import TicketJob
from network.port import NetworkCommand
from node.core.events import Origin
from node.core.mempool import ExtrinsicNews


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """A line for the operator."""

    level: Literal["error", "warn", "info", "debug", "trace"]
    target: str
    message: str


class ExtrinsicAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The pool took an extrinsic; pass it on."""

    hash: bytes
    raw: bytes


class ExtrinsicRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The pool did not take an extrinsic; the pool is as it was."""

    error: Exception


class ExtrinsicsMoved(msgspec.Struct, frozen=True, kw_only=True):
    """Steps in extrinsics' lives."""

    news: tuple[ExtrinsicNews, ...]


class BlockImported(msgspec.Struct, frozen=True, kw_only=True):
    """A block was judged, executed and written; pass it on.

    Attributes:
        changes: What it changed in the state (None: removed).
        events: SCALE of its event records.
        extrinsic_count: Extrinsics in its body.
        is_best: True if it is now the best block.
    """

    hash: bytes
    header: Header
    data: bytes
    changes: Mapping[bytes, bytes | None]
    events: bytes
    extrinsic_count: int
    is_best: bool
    origin: Origin


class BlockRefused(msgspec.Struct, frozen=True, kw_only=True):
    """A block breaks a rule; nothing changed."""

    error: Exception
    origin: Origin


class BlockPostponed(msgspec.Struct, frozen=True, kw_only=True):
    """A block waits: its parent is missing, or it comes from the near future."""

    hash: bytes
    reason: str


class ReportRefused(msgspec.Struct, frozen=True, kw_only=True):
    """An offence that was reported here is none, or none that this node does not have."""

    error: Exception


class BestChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Another block is the best.

    Attributes:
        retracted: Blocks that left the best chain, newest first.
        enacted: Blocks that joined it, oldest first.
    """

    retracted: tuple[bytes, ...]
    enacted: tuple[bytes, ...]


class Finalized(msgspec.Struct, frozen=True, kw_only=True):
    """Blocks became final, oldest first."""

    headers: tuple[Header, ...]


class StartMining(msgspec.Struct, frozen=True, kw_only=True):
    """Search tickets for this job and forget every earlier one."""

    generation: int
    job: TicketJob


class RunLeaves(msgspec.Struct, frozen=True, kw_only=True):
    """Run strikes of a batch again, and give the node a `LeavesRun` with their shots.

    Attributes:
        is_fake: Invent them instead; for nodes that were told to misbehave.
    """

    batch: int
    pool: PoolProblem
    key: bytes
    indices: tuple[int, ...]
    shots: int
    is_fake: bool = False


class StopMining(msgspec.Struct, frozen=True, kw_only=True):
    """Search nothing."""


class ContinueSync(msgspec.Struct, frozen=True, kw_only=True):
    """Give the node a `SyncStep` soon, after whatever else waits: it has work left from a bounded call."""


Effect: TypeAlias = (
    Log
    | ExtrinsicAccepted
    | ExtrinsicRefused
    | ExtrinsicsMoved
    | BlockImported
    | BlockRefused
    | BlockPostponed
    | ReportRefused
    | BestChanged
    | Finalized
    | StartMining
    | RunLeaves
    | StopMining
    | ContinueSync
    | NetworkCommand
)
