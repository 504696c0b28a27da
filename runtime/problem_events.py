"""What happens to problems, as clients see it in a block's events."""

from __future__ import annotations

import msgspec

from chain.scale_shapes import I64, U32, U64, U128, AccountId


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """A problem was posted; `strike_gas` 0 means bounty only."""

    problem: U64
    poster: AccountId
    bounty: U128
    target_energy: I64
    deadline: U32
    strike_gas: U64


class OrderImproved(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody gave a cheaper measurement order."""

    problem: U64
    who: AccountId
    order_cost: U64
    strike_gas: U64


class SolutionImproved(msgspec.Struct, frozen=True, kw_only=True):
    """A solution better than all before."""

    problem: U64
    solver: AccountId
    energy: I64


class Solved(msgspec.Struct, frozen=True, kw_only=True):
    """The target was reached; the bounty is paid when the block is final."""

    problem: U64
    solver: AccountId
    energy: I64


class BountyPaid(msgspec.Struct, frozen=True, kw_only=True):
    """The bounty was paid and the rest refunded."""

    problem: U64
    solver: AccountId
    amount: U128


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """The deadline passed without a solution that reaches the target; everything was refunded."""

    problem: U64
    poster: AccountId
    refunded: U128


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """The poster took the problem back; after a first solution that costs the deposit."""

    problem: U64
    refunded: U128
    burnt: U128
