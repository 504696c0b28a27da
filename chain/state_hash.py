"""The hashes of the state tree: what a leaf, an inner node and a whole subtree are.

Terms:
    key hash: blake2b-256 of a storage key; its bits, first byte and highest bit first, are the leaf's path.
    value hash: blake2b-256 of a value.
    entry: key hash and value hash of one leaf, 64 bytes.

Source: reference design of compact sparse Merkle trees (Diem's Jellyfish, without pages); rules in docs/spec/state.md.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from hashlib import blake2b

EMPTY = bytes(32)
_LEAF_HASHER = blake2b(digest_size=32, person=b"leaf")
NODE_HASHER = blake2b(digest_size=32, person=b"node")
_PLAIN_HASHER = blake2b(digest_size=32)


def compute_value_hash(value: bytes) -> bytes:
    """Return blake2b-256 of `value` (also the hash of a key)."""
    hasher = _PLAIN_HASHER.copy()
    hasher.update(value)
    return hasher.digest()


def compute_leaf_hash(entry: bytes) -> bytes:
    """Return the hash of the leaf `key hash | value hash`."""
    hasher = _LEAF_HASHER.copy()
    hasher.update(entry)
    return hasher.digest()


def compute_inner_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node; one side may be EMPTY."""
    hasher = NODE_HASHER.copy()
    hasher.update(left + right)
    return hasher.digest()


def compute_subtree(entries: Sequence[bytes], depth: int) -> bytes:
    """Return the hash of the subtree that holds `entries`, whose root lies `depth` bits below the tree's root.

    Args:
        entries: Sorted, of different key hashes that agree in their first `depth` bits.
    """
    # SPEC STA-01: A subtree without leaves MUST hash to 32 zero bytes, and a subtree of one leaf to that leaf's hash.
    if not entries:
        return EMPTY
    if len(entries) == 1:
        return compute_leaf_hash(entries[0])
    # SPEC STA-02: A subtree of more leaves MUST be hashed from its two halves, also when one of them is empty.
    first, last = int.from_bytes(entries[0][:32], "big"), int.from_bytes(entries[-1][:32], "big")
    fork = 256 - (first ^ last).bit_length()
    if len(entries) == 2:
        node = compute_inner_hash(compute_leaf_hash(entries[0]), compute_leaf_hash(entries[1]))
    else:
        shift = 255 - fork
        middle = bisect_left(entries, (last >> shift << shift).to_bytes(32, "big"))
        left, right = compute_subtree(entries[:middle], fork + 1), compute_subtree(entries[middle:], fork + 1)
        node = compute_inner_hash(left, right)
    for level in range(fork - 1, depth - 1, -1):
        node = compute_inner_hash(EMPTY, node) if first >> (255 - level) & 1 else compute_inner_hash(node, EMPTY)
    return node


def get_shared_bits(left: bytes, right: bytes) -> int:
    """Return how many leading bits two key hashes (or entries) share; 256 when they are equal."""
    difference = int.from_bytes(left[:32], "big") ^ int.from_bytes(right[:32], "big")
    return 256 - difference.bit_length()


def get_bit(key_hash: bytes, level: int) -> int:
    """Return the bit that decides at `level`: 0 goes left, 1 goes right."""
    return key_hash[level >> 3] >> (7 - (level & 7)) & 1
