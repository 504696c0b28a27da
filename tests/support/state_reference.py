"""The state root by plain recursion, bit by bit: the executable form of docs/spec/state.md."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b


def digest(data: bytes) -> bytes:
    """Return blake2b-256."""
    return blake2b(data, digest_size=32).digest()


def compute_reference_root(values: Mapping[bytes, bytes]) -> bytes:
    """Return the state root of these storage keys and values."""
    return compute_reference_subtree({digest(key): digest(value) for key, value in values.items()}, 0)


def compute_reference_subtree(leaves: Mapping[bytes, bytes], depth: int) -> bytes:
    """Return the hash of the subtree `depth` bits down that holds these value hashes by key hash."""
    if not leaves:
        return bytes(32)
    if len(leaves) == 1:
        key_hash, value_hash = next(iter(leaves.items()))
        return blake2b(key_hash + value_hash, digest_size=32, person=b"leaf").digest()
    sides: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
    for key_hash, value_hash in leaves.items():
        sides[key_hash[depth // 8] >> (7 - depth % 8) & 1][key_hash] = value_hash
    left, right = (compute_reference_subtree(side, depth + 1) for side in sides)
    return blake2b(left + right, digest_size=32, person=b"node").digest()
