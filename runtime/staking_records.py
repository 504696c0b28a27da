"""The records of staking: what an account has bonded, whose a vote key is, and when dynasties began.

Terms:
    active: bonded stake that can stand for the next set. chunk: unbonded stake that waits and can still be slashed.
    ripe: a chunk that may be withdrawn; it counted in no set for `unbonding_blocks` blocks.
"""

from __future__ import annotations

import msgspec

from chain.scale_shapes import U32, U128, AccountId

CHUNKS_MAX = 32
DYNASTIES_UNTIL_OUT = 3  # stake that leaves in dynasty d is in the sets of d, d + 1 (current) and d + 2 (previous)


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Unbonded stake.

    Attributes:
        dynasty: The first dynasty in whose sets it does not count.
    """

    amount: U128
    dynasty: U32


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has bonded; the sum is on hold."""

    active: U128
    chunks: tuple[Chunk, ...] = ()

    @property
    def total(self) -> int:
        """Everything that can be slashed."""
        return self.active + sum(chunk.amount for chunk in self.chunks)


class KeyOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a vote key is, for ever."""

    account: AccountId
    is_slashed: bool = False


class Dynasty(msgspec.Struct, frozen=True, kw_only=True):
    """The present dynasty.

    Attributes:
        started_at: The checkpoint in whose block it began.
        oldest: The oldest dynasty whose beginning is kept.
    """

    number: U32 = 0
    started_at: U32 = 0
    oldest: U32 = 0


def add_chunk(ledger: Ledger, amount: int, dynasty: int) -> Ledger:
    """Return the ledger with `amount` moved from active to a chunk; chunks of one dynasty are one."""
    chunks = ledger.chunks
    if chunks and chunks[-1].dynasty == dynasty:
        amount_before, chunks = chunks[-1].amount, chunks[:-1]
    else:
        amount_before = 0
    chunk = Chunk(amount=amount_before + amount, dynasty=dynasty)
    return Ledger(active=ledger.active - amount, chunks=(*chunks, chunk))


def leak_stake(ledger: Ledger, *, part: int, whole: int, dynasty: int) -> Ledger:
    """Return the ledger with `part / whole` less of its active stake and of every chunk that counts in `dynasty`.

    Each of these loses the same fraction, rounded down: whatever of them backs a set's stake, whose loss is rounded up,
    still does so when the others have been withdrawn.
    """
    lowered = [
        Chunk(amount=chunk.amount - chunk.amount * part // whole, dynasty=chunk.dynasty)
        if chunk.dynasty > dynasty
        else chunk
        for chunk in ledger.chunks
    ]
    active = ledger.active - ledger.active * part // whole
    return Ledger(active=active, chunks=tuple(chunk for chunk in lowered if chunk.amount))
