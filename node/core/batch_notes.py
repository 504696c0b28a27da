"""What a node must keep of the strikes that it sold, and who signs for it.

Terms:
    note: everything that an answer needs and the chain does not hold; on disk before the batch is committed.
    conduct: how a node behaves as a solver; all but `honest` exist to show, on development chains, what they cost.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import msgspec

LEAF_BYTES = 32

Conduct: TypeAlias = Literal["honest", "fake-leaves", "silent"]


class BatchNote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One batch.

    Attributes:
        root: Of its leaves; names the note.
        key: What the strikes' seeds come from.
        witness: SCALE of order and law (`consensus.batch.Witness`).
        leaves: 32 bytes a strike, strike 0 first; shots are run again when they are asked for.
        made_at: The height of the head when it was made.
    """

    root: bytes
    key: bytes
    problem: int
    witness: bytes
    gas: int
    leaves: bytes
    made_at: int

    @property
    def name(self) -> bytes:
        """What it is kept by."""
        return self.root

    @property
    def count(self) -> int:
        """How many strikes it has."""
        return len(self.leaves) // LEAF_BYTES

    def list_leaves(self) -> list[bytes]:
        """Return the leaves, strike 0 first."""
        return [self.leaves[at : at + LEAF_BYTES] for at in range(0, len(self.leaves), LEAF_BYTES)]


class BatchSigner(Protocol):
    """The key of the account that sells strikes."""

    @property
    def account(self) -> bytes:
        """Its public key."""

    def sign(self, message: bytes) -> bytes:
        """Return a signature of the message."""
