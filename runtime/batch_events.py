"""What the batches pallet tells: bonds, commits, challenges, and how batches end."""

from __future__ import annotations

import msgspec

from chain.scale_shapes import U32, U64, U128, AccountId


class SolverBonded(msgspec.Struct, frozen=True, kw_only=True):
    """A solver bonded more."""

    solver: AccountId
    amount: U128


class SolverUnbonded(msgspec.Struct, frozen=True, kw_only=True):
    """A solver began to take stake back; it can be slashed until the height `ripe_at`."""

    solver: AccountId
    amount: U128
    ripe_at: U32


class BondWithdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """Ripe stake of a solver is free again."""

    solver: AccountId
    amount: U128


class BatchCommitted(msgspec.Struct, frozen=True, kw_only=True):
    """A batch was committed; the block at `audit_at` selects its leaves."""

    batch: U64
    solver: AccountId
    problem: U64
    count: U32
    payment: U128
    audit_at: U32


class BatchChallenged(msgspec.Struct, frozen=True, kw_only=True):
    """The leaves to show were selected; answers are taken below the height `answer_before`."""

    batch: U64
    solver: AccountId
    leaves: U32
    answer_before: U32


class BatchPaid(msgspec.Struct, frozen=True, kw_only=True):
    """Every selected leaf was right."""

    batch: U64
    solver: AccountId
    amount: U128


class BatchVoided(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody answered in time: nothing is paid and the deposit is burnt, but not the bond."""

    batch: U64
    solver: AccountId
    burnt: U128


class SolverSlashed(msgspec.Struct, frozen=True, kw_only=True):
    """A leaf was wrong.

    Attributes:
        batch: Of an audit or a report of a batch on the chain; None for a signed statement.
        reporter: Whoever reported it; in an audit, the solver itself.
        reward: What the reporter got of the bond; the rest of `amount` is burnt.
    """

    batch: U64 | None
    solver: AccountId
    index: U32
    amount: U128
    reporter: AccountId
    reward: U128
