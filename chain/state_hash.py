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
_LEAF = blake2b(digest_size=32, person=b"leaf")
_NODE = blake2b(digest_size=32, person=b"node")
_PLAIN = blake2b(digest_size=32)


def compute_value_hash(value: bytes) -> bytes:
    """Return blake2b-256 of `value` (also the hash of a key)."""
    hasher = _PLAIN.copy()
    hasher.update(value)
    return hasher.digest()


def compute_leaf_hash(entry: bytes) -> bytes:
    """Return the hash of the leaf `key hash | value hash`."""
    hasher = _LEAF.copy()
    hasher.update(entry)
    return hasher.digest()


def compute_inner_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node; one side may be EMPTY."""
    hasher = _NODE.copy()
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
    fork = get_shared_bits(entries[0], entries[-1])
    middle = bisect_left(entries, _get_split(entries[-1], fork))
    node = compute_inner_hash(compute_subtree(entries[:middle], fork + 1), compute_subtree(entries[middle:], fork + 1))
    path = int.from_bytes(entries[0][:32], "big")
    for level in range(fork - 1, depth - 1, -1):
        node = compute_inner_hash(EMPTY, node) if path >> (255 - level) & 1 else compute_inner_hash(node, EMPTY)
    return node


def get_shared_bits(left: bytes, right: bytes) -> int:
    """Return how many leading bits two key hashes (or entries) share; 256 when they are equal."""
    difference = int.from_bytes(left[:32], "big") ^ int.from_bytes(right[:32], "big")
    return 256 - difference.bit_length()


def get_bit(key_hash: bytes, level: int) -> int:
    """Return the bit that decides at `level`: 0 goes left, 1 goes right."""
    return key_hash[level >> 3] >> (7 - (level & 7)) & 1


def _get_split(right: bytes, fork: int) -> bytes:
    """Return the smallest key hash on the right of the fork: the bits of `right` up to and with the fork's 1."""
    shift = 255 - fork
    return (int.from_bytes(right[:32], "big") >> shift << shift).to_bytes(32, "big")
