"""What can happen to a node. `Machine.handle` takes one of these and the time."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from consensus.digest import WorkSeal
from consensus.finality import Evidence
from network.port import NetworkEvent

Origin: TypeAlias = Literal["own", "network", "file", "rpc"]


class BlockReceived(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of a block came in."""

    data: bytes
    origin: Origin


class ExtrinsicReceived(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of an extrinsic came in."""

    raw: bytes


class ExtrinsicsRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """The operator wants extrinsics out of the pool."""

    hashes: tuple[bytes, ...]


class TicketFound(msgspec.Struct, frozen=True, kw_only=True):
    """A worker found a ticket under the target for the job of this generation."""

    generation: int
    seal: WorkSeal


class BestShotFound(msgspec.Struct, frozen=True, kw_only=True):
    """A worker measured bits that may be the best solution seen so far.

    Attributes:
        bits: One bit a spin, spin i at bit i % 8 of byte i // 8.
    """

    problem_id: int
    energy: int
    bits: bytes


class OffenceReported(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on this machine brings two votes that one key must not have signed both."""

    evidence: Evidence


class StrikesRun(msgspec.Struct, frozen=True, kw_only=True):
    """A worker ran the pool strikes from `start` on for the job of this generation.

    Attributes:
        leaves: 32 bytes a strike.
    """

    generation: int
    start: int
    leaves: bytes


class LeavesRun(msgspec.Struct, frozen=True, kw_only=True):
    """Workers ran strikes of a batch again."""

    batch: int
    indices: tuple[int, ...]
    shots: tuple[bytes, ...]


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """Time passed."""


class SyncStep(msgspec.Struct, frozen=True, kw_only=True):
    """The turn that `ContinueSync` asked for."""


Event: TypeAlias = (
    BlockReceived
    | ExtrinsicReceived
    | ExtrinsicsRemoved
    | TicketFound
    | BestShotFound
    | OffenceReported
    | StrikesRun
    | LeavesRun
    | Tick
    | SyncStep
    | NetworkEvent
)
