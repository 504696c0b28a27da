"""What the chain stores about solvers and their batches.

Terms:
    solver: an account with a bond that commits batches.
    audit height: the block whose ticket selects the leaves of a batch; the next block reads it.
    settled: paid, void or slashed; the batch waits for nothing any more, and is kept for reports of fraud.
"""

from __future__ import annotations

from enum import IntEnum, nonmember
from typing import Annotated, ClassVar, TypeAlias

import msgspec

from chain.scale_shapes import H256, U32, U64, U128, AccountId, Bytes64, Enum
from consensus.batch import Statement

CHUNKS_MAX = 32


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Unbonded stake that can still be slashed until the height `ripe_at`."""

    scale_path: ClassVar[tuple[str, ...]] = ("matchstrike_runtime", "BondChunk")
    amount: U128
    ripe_at: U32


class Solver(msgspec.Struct, frozen=True, kw_only=True):
    """A solver's bond and what became of its batches.

    Attributes:
        active: Bonded; each open batch needs its share of it.
        open_batches: Batches committed and not settled.
        counter: The counter of its next batch that belongs to no header.
        last_parent: Height of the parent of its last batch of a header; the next one's must be above it.
        reputation: +1 for each batch paid, down to two thirds for each one slashed.
        paid: Batches paid. voided: batches nobody answered for. slashed: statements that were wrong.
    """

    active: U128
    chunks: tuple[Chunk, ...] = ()
    open_batches: U32 = 0
    counter: U64 = 0
    last_parent: U32 = 0
    reputation: U64 = 0
    paid: U32 = 0
    voided: U32 = 0
    slashed: U32 = 0

    @property
    def total(self) -> int:
        """Everything that can be slashed."""
        return self.active + sum(chunk.amount for chunk in self.chunks)

    @property
    def has_history(self) -> bool:
        """Whether the record must stay when nothing is bonded."""
        return bool(self.counter or self.last_parent or self.reputation or self.slashed)


class BatchStatus(IntEnum):
    """How far a batch got."""

    scale_path = nonmember(("matchstrike_runtime", "BatchStatus"))
    Open = 0
    Challenged = 1
    Paid = 2
    Void = 3
    Slashed = 4


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A committed batch.

    Attributes:
        key: Work key or batch key of its strikes.
        is_of_header: The key is a work key.
        strike_gas: Gas limit of one strike with the order of the snapshot.
        payment: The most that it earns, reserved from the problem's work budget; once it is paid, what it earned.
        deposit: What its solver has on hold for it until it is settled; 0 then.
        audit_at: The height whose ticket selects its leaves.
        leaves: The selected leaves, empty before.
        settled_at: The height that settled it; 0 until then.
    """

    solver: AccountId
    problem: U64
    key: H256
    is_of_header: bool
    root: H256
    count: U32
    snapshot: H256
    strike_gas: U64
    payment: U128
    deposit: U128
    committed_at: U32
    audit_at: U32
    leaves: tuple[U32, ...] = ()
    status: BatchStatus = BatchStatus.Open
    settled_at: U32 = 0

    @property
    def is_open(self) -> bool:
        """Whether it still waits for its audit or its answer."""
        return self.status in (BatchStatus.Open, BatchStatus.Challenged)


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """The audits of one height: the weight that their answers will take, and the batches."""

    scale_path: ClassVar[tuple[str, ...]] = ("matchstrike_runtime", "AuditSlot")
    weight: U64 = 0
    batches: tuple[U64, ...] = ()


class SnapshotEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that is in force from the state after `height` on, until the next entry's height."""

    height: U32
    snapshot: H256
    strike_gas: U64


class BatchDeed(IntEnum):
    """What the agenda asks for."""

    scale_path = nonmember(("matchstrike_runtime", "BatchDeed"))
    Void = 0
    Forget = 1


class BatchItem(msgspec.Struct, frozen=True, kw_only=True):
    """One deed at one height."""

    deed: BatchDeed
    batch: U64


class OnChain(msgspec.Struct, frozen=True, kw_only=True):
    """A claim against a batch that the state holds."""

    scale_index: ClassVar[int] = 0
    batch: U64


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A claim against a statement that its solver signed, on a chain or anywhere else."""

    scale_index: ClassVar[int] = 1
    statement: Statement
    signature: Bytes64


FraudClaim: TypeAlias = Annotated[OnChain | Signed, Enum(("matchstrike_runtime", "FraudClaim"))]
