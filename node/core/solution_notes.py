"""What a node must keep of the solutions that it committed to.

The salt is a hash of a signature by the author's key, which only its owner can make and always makes the same.
"""

from __future__ import annotations

import msgspec

from chain.hashing import blake2b_256
from node.core.batch_notes import BatchSigner

_TAG = b"matchstrike/salt/1\x00"


class SolutionNote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A solution that this node committed to.

    Attributes:
        commitment: Names the note.
        made_at: The height of the head when it was made.
    """

    commitment: bytes
    problem: int
    salt: bytes
    energy: int
    bits: bytes
    made_at: int

    @property
    def name(self) -> bytes:
        """What it is kept by."""
        return self.commitment


def make_salt(signer: BatchSigner, genesis_hash: bytes, problem: int, bits: bytes) -> bytes:
    """Return the salt of a commit, the same whenever it is asked for."""
    return blake2b_256(signer.sign(b"".join((_TAG, genesis_hash, problem.to_bytes(8, "little"), bits))))
