"""Why a call of the staking pallet fails: one class per rule."""

from __future__ import annotations

from typing import ClassVar

from chain.ed25519 import NOT_CANONICAL, PUBLIC_BYTES, SMALL_ORDER
from runtime.dispatch import ModuleFailure


class AlreadyBonded(ModuleFailure):
    """The account has a ledger."""

    rule: ClassVar[str] = "STK-01"


class BondTooSmall(ModuleFailure):
    """Less than the least bond would be active."""

    rule: ClassVar[str] = "STK-02"


class NotBonded(ModuleFailure):
    """The account has no ledger."""

    rule: ClassVar[str] = "STK-03"


class WrongAmount(ModuleFailure):
    """Nothing, or more than the active stake, cannot be unbonded."""

    rule: ClassVar[str] = "STK-04"


class Validating(ModuleFailure):
    """A candidate must keep the least bond; chill first."""

    rule: ClassVar[str] = "STK-05"


class NothingRipe(ModuleFailure):
    """Nothing that was unbonded may be withdrawn yet."""

    rule: ClassVar[str] = "STK-06"


class TooManyChunks(ModuleFailure):
    """Too many amounts are being unbonded at once."""

    rule: ClassVar[str] = "STK-07"


class InvalidVoteKey(ModuleFailure):
    """No signature by this vote key can be valid."""

    rule: ClassVar[str] = "STK-08"


class KeyTaken(ModuleFailure):
    """The vote key belongs to another account, or was slashed."""

    rule: ClassVar[str] = "STK-09"


class NotValidating(ModuleFailure):
    """The account is no candidate."""

    rule: ClassVar[str] = "STK-10"


class LastValidator(ModuleFailure):
    """Nobody else stands for the next set."""

    rule: ClassVar[str] = "STK-10"


class CandidatesFull(ModuleFailure):
    """Enough accounts with as much stake or more stand."""

    rule: ClassVar[str] = "STK-11"


def is_vote_key(key: bytes) -> bool:
    """Say whether a signature by this key can be valid."""
    # SPEC STK-08: A vote key MUST be a canonical point of large order, so that a signature by it can be valid.
    return len(key) == PUBLIC_BYTES and key not in NOT_CANONICAL and key not in SMALL_ORDER
