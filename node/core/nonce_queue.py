"""One account's extrinsics in the pool, by nonce.

Invariant: the entries with nonces `next_nonce .. ready_end - 1` are all present, `ready_end` is not.
"""

from __future__ import annotations

import msgspec

from chain.extrinsic import Extrinsic


class PoolEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An extrinsic in the pool.

    Attributes:
        dies_at: First block that may no longer include it, None if it is immortal.
        signature_key: By which its checked signature is known; another one on a fork with another birth block.
        sequence: Order of arrival.
    """

    extrinsic: Extrinsic
    hash: bytes
    signer: bytes
    nonce: int
    priority: int
    dies_at: int | None
    signature_key: bytes
    fee_planck: int
    sequence: int

    @property
    def size(self) -> int:
        """Length of its bytes."""
        return len(self.extrinsic.raw)


class NonceQueue:
    """One account's extrinsics."""

    def __init__(self, next_nonce: int) -> None:
        self.next_nonce = next_nonce
        self.ready_end = next_nonce
        self.entries: dict[int, PoolEntry] = {}

    @property
    def ready_count(self) -> int:
        """How many a block may include."""
        return self.ready_end - self.next_nonce

    @property
    def has_ready(self) -> bool:
        """True if a block may include at least one."""
        return self.ready_end > self.next_nonce

    def get_head(self) -> PoolEntry:
        """Return the entry with the account's next nonce; it must be ready."""
        return self.entries[self.next_nonce]

    def is_ready(self, nonce: int) -> bool:
        """Return whether the entry with this nonce is there and may be included."""
        return self.next_nonce <= nonce < self.ready_end

    def add(self, entry: PoolEntry) -> None:
        """Put an entry in, in place of one with the same nonce."""
        self.entries[entry.nonce] = entry
        self._extend()

    def remove(self, nonce: int) -> None:
        """Take an entry out; those after it wait for its nonce."""
        del self.entries[nonce]
        if self.next_nonce <= nonce < self.ready_end:
            self.ready_end = nonce

    def set_next_nonce(self, next_nonce: int) -> None:
        """Take over the state's nonce; smaller ones must be out already."""
        self.next_nonce = next_nonce
        self.ready_end = next_nonce
        self._extend()

    def _extend(self) -> None:
        while self.ready_end in self.entries:
            self.ready_end += 1
