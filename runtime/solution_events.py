"""What happens to commits, as clients see it in a block's events."""

from __future__ import annotations

import msgspec

from chain.scale_shapes import H256, I64, U64, U128, AccountId


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """An account committed to a solution that it does not show yet."""

    problem: U64
    account: AccountId
    commitment: H256
    place: U64
    deposit: U128


class Revealed(msgspec.Struct, frozen=True, kw_only=True):
    """A commit was opened and its deposit given back."""

    problem: U64
    account: AccountId
    place: U64
    energy: I64


class NotRevealed(msgspec.Struct, frozen=True, kw_only=True):
    """A commit was not opened in time; its deposit was burnt."""

    problem: U64
    account: AccountId
    place: U64
    burnt: U128
