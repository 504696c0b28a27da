"""What the runtime answers: records only."""

from __future__ import annotations

import msgspec

from chain.block import Block
from chain.substrate_types import DispatchError
from consensus.finality import FinalityStatus

EventRow = tuple[int, msgspec.Struct]


class ApplyOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One extrinsic that is in the block.

    Attributes:
        error: None when the call succeeded.
        failure: The error in words, empty when the call succeeded.
        fee: What it cost, tip included; 0 for an inherent.
        weight: Picoseconds of the call, without the base.
    """

    error: DispatchError | None = None
    failure: str = ""
    fee: int = 0
    weight: int = 0

    @property
    def is_success(self) -> bool:
        """True if the call succeeded."""
        return self.error is None


class BlockOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a block did.

    Attributes:
        changes: Storage keys to their new bytes, None for a removed key.
        events: SCALE of the block's event records; the state holds their hash.
        event_rows: (phase, event), the phase an extrinsic index, or INITIALIZATION or FINALIZATION.
        weight: Picoseconds used by signed extrinsics and by inherents.
        finality: What is justified and final in the state after the block.
    """

    changes: dict[bytes, bytes | None]
    events: bytes
    event_rows: tuple[EventRow, ...]
    extrinsic_results: tuple[ApplyOutcome, ...]
    weight: int
    finality: FinalityStatus


class ImportedBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A block that was checked, executed, and has the state root that it says."""

    block: Block
    outcome: BlockOutcome


class ValidTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """An extrinsic that the next block may hold.

    Attributes:
        requires: Tags that must be provided before: the signer's previous nonce, if it is not used yet.
        longevity_blocks: For how many blocks this verdict holds.
        next_nonce: The account's nonce in the state that was asked.
        birth: The block at which its era begins, 0 if immortal.
        dies_at: The first block that may no longer hold it, None if immortal.
        signature_key: What `is_signature_checked` is asked with; it covers the bytes and the birth hash.
    """

    signer: bytes
    nonce: int
    priority: int
    requires: tuple[bytes, ...]
    provides: tuple[bytes, ...]
    longevity_blocks: int
    next_nonce: int
    birth: int
    dies_at: int | None
    fee_planck: int
    weight: int
    signature_key: bytes
