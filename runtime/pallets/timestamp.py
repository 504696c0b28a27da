"""Timestamp: the block's time, set by an inherent that must repeat the digest.

Terms:
    now: milliseconds since the Unix epoch, as the block's author says in the digest.

Invariants: every block sets the time exactly once, to what its digest says.
"""

from __future__ import annotations

from typing import ClassVar

from chain.metadata import ConstantMeta
from chain.params import Params
from chain.scale import codec_of_alias
from chain.scale_shapes import U64, CompactU64
from runtime.dispatch import ModuleFailure, Pallet, call
from runtime.environment import Environment
from runtime.storage import StorageValue
from runtime.weights import TIMESTAMP_SET

# ---- parameters

NAME = "Timestamp"

# ---- storage

NOW: StorageValue[int] = StorageValue(NAME, "Now", U64, 0, docs="The current time for the current block.")
DID_UPDATE: StorageValue[bool] = StorageValue(
    NAME, "DidUpdate", bool, False, docs="Whether the time was set in this block; false again at its end."
)

# ---- errors


class AlreadySet(ModuleFailure):
    """The block's time was set before in this block."""

    rule: ClassVar[str] = "RUN-06"


class DisagreesWithDigest(ModuleFailure):
    """The block's time differs from the one in its digest."""

    rule: ClassVar[str] = "RUN-07"


class NotSet(Exception):
    """A block that does not set its time."""

    rule: ClassVar[str] = "RUN-08"


# ---- calls


@call(index=0, weight=TIMESTAMP_SET, is_inherent=True)
def set(env: Environment, now: CompactU64) -> None:
    """Set the current time, as the digest says it."""
    # SPEC RUN-06: A block's time MUST NOT be set twice.
    if DID_UPDATE.get(env.state):
        raise AlreadySet("the time was already set in this block")
    # SPEC RUN-07: The timestamp inherent MUST equal the timestamp in the block's digest.
    if now != env.block.work.timestamp_ms:
        raise DisagreesWithDigest(f"the inherent says {now} ms, the digest {env.block.work.timestamp_ms} ms")
    NOW.set(env.state, now)
    DID_UPDATE.set(env.state, True)


# ---- hooks


def on_finalize(env: Environment) -> None:
    """Refuse a block without a time.

    Raises:
        NotSet: no inherent set it.
    """
    # SPEC RUN-08: A block MUST set its time.
    if not DID_UPDATE.get(env.state):
        raise NotSet(f"block {env.number} has no timestamp inherent")
    DID_UPDATE.remove(env.state)


def make_constants(params: Params) -> tuple[ConstantMeta, ...]:
    """Return what clients read from the metadata (half of the block target, as clients expect)."""
    value = codec_of_alias(U64).encode(params.work.block_target_ms // 2)
    return (ConstantMeta(name="MinimumPeriod", annotation=U64, value=value),)


TIMESTAMP = Pallet(
    name=NAME,
    index=1,
    storage=(NOW, DID_UPDATE),
    errors=(AlreadySet, DisagreesWithDigest),
    calls=(set,),
    constants=make_constants,
    on_finalize=on_finalize,
)
