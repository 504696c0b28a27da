"""Commitments: what somebody publishes to be first, without showing the solution yet.

The account is inside, so a copied commitment is worth nothing to who copies it; the genesis hash and the problem are,
so it is for one problem of one chain; the salt keeps solutions with few bits from being guessed.
"""

from __future__ import annotations

import msgspec

from chain.hashing import blake2b_256

SALT_BYTES = 32
_TAG = b"matchstrike/solution/1\x00"


class Committer(msgspec.Struct, frozen=True, kw_only=True):
    """Who commits, and to which problem of which chain."""

    genesis_hash: bytes
    problem_id: int
    account: bytes


def compute_commitment(committer: Committer, salt: bytes, bits: bytes) -> bytes:
    """Return the hash that commits to `bits`."""
    # SPEC SOL-01: A commitment MUST be H(tag "solution", genesis hash, problem as u64, account, salt of 32 bytes,
    # bits).
    problem = committer.problem_id.to_bytes(8, "little")
    return blake2b_256(b"".join((_TAG, committer.genesis_hash, problem, committer.account, salt, bits)))
