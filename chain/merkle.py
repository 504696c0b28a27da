"""Merkle commitments to an ordered list, with proofs for several of its leaves at once.

Used for the extrinsics root (leaves: the encoded extrinsics, in the order of the block) and for batches of strikes.

Terms:
    tag: the byte that begins each hashed message, so that no leaf is a node and no node a root.
    odd node: the last node of a level without a partner; it moves up as it is and is never doubled.
    multiproof: the hashes that the verifier cannot compute, level by level from the leaves up, left to right.

All hashes are blake2b-256 with the personalisation "merkle".
Source: RFC 6962 section 2.1 (leaf and node tags, the shape); the root that binds the count is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import ClassVar, TypeAlias

HASH_SIZE = 32
COUNT_MAX = 2**32
NO_LEAVES = bytes(HASH_SIZE)
_HASHER = blake2b(digest_size=HASH_SIZE, person=b"merkle")

Multiproof: TypeAlias = tuple[bytes, ...]


class InvalidMultiproof(Exception):
    """A multiproof that does not show what it should."""

    rule: ClassVar[str] = "MRK-03"


class LeafOutOfRange(InvalidMultiproof):
    """An index that the list does not have, or a count that no list has."""

    rule: ClassVar[str] = "MRK-03"


class NothingProven(InvalidMultiproof):
    """A multiproof of no leaf."""

    rule: ClassVar[str] = "MRK-04"


class MultiproofSizeWrong(InvalidMultiproof):
    """A multiproof with more or fewer hashes than its indices need, or with hashes of another length."""

    rule: ClassVar[str] = "MRK-05"


class MultiproofMismatch(InvalidMultiproof):
    """A multiproof that leads to another root."""

    rule: ClassVar[str] = "MRK-06"


def compute_root(leaves: Sequence[bytes]) -> bytes:
    """Return the 32-byte commitment to `leaves`, their order and their number."""
    level = _compute_leaf_hashes(leaves)
    while len(level) > 1:
        level = _compute_level_above(level)
    return _bind_count(len(leaves), level[0] if level else NO_LEAVES)


def make_multiproof(leaves: Sequence[bytes], indices: Iterable[int]) -> Multiproof:
    """Return the hashes that, with the leaves at `indices`, lead to the root.

    Raises:
        LeafOutOfRange: an index that `leaves` does not have.
        NothingProven: no index.
    """
    known = sorted(set(indices))
    _check_indices(known, len(leaves))
    proof: list[bytes] = []
    level = _compute_leaf_hashes(leaves)
    while len(level) > 1:
        proof += [level[index] for index in _get_missing(known, len(level))]
        known = _get_parents(known)
        level = _compute_level_above(level)
    return tuple(proof)


def check_multiproof(root: bytes, count: int, leaves: Mapping[int, bytes], proof: Sequence[bytes]) -> None:
    """Refuse a multiproof that does not show that a list of `count` leaves with this root holds `leaves`.

    Args:
        count: Length of the list; the root binds it.
        leaves: Leaf by index. The verifier chooses the indices.

    Raises:
        LeafOutOfRange: an index is not below `count`.
        NothingProven: `leaves` is empty.
        MultiproofSizeWrong: hashes are missing, left over or of a wrong length.
        MultiproofMismatch: the hashes lead to another root.
    """
    known = sorted(leaves)
    _check_indices(known, count)
    # SPEC MRK-05: A multiproof MUST hold exactly the hashes that its count and indices need, 32 bytes each.
    needed = compute_multiproof_size(known, count)
    if len(proof) != needed or any(len(item) != HASH_SIZE for item in proof):
        raise MultiproofSizeWrong(f"the indices need {needed} hashes of {HASH_SIZE} bytes, the proof has {len(proof)}")
    nodes = dict(zip(known, _compute_leaf_hashes([leaves[index] for index in known]), strict=True))
    at, width = 0, count
    while width > 1:
        for index in _get_missing(known, width):
            nodes[index] = proof[at]
            at += 1
        known = _get_parents(known)
        nodes = {i: _join(nodes[2 * i], nodes[2 * i + 1]) if 2 * i + 1 < width else nodes[2 * i] for i in known}
        width = (width + 1) // 2
    actual = _bind_count(count, nodes[0])
    # SPEC MRK-06: The leaves and hashes of a multiproof MUST lead to the root, which binds the count.
    if actual != root:
        raise MultiproofMismatch(f"the multiproof leads to the root {actual.hex()}, not {root.hex()}")


def compute_multiproof_size(indices: Iterable[int], count: int) -> int:
    """Return how many hashes a multiproof of these leaves has."""
    known, width, size = sorted(set(indices)), count, 0
    while width > 1:
        size += len(_get_missing(known, width))
        known = _get_parents(known)
        width = (width + 1) // 2
    return size


def _compute_leaf_hashes(leaves: Sequence[bytes]) -> list[bytes]:
    # SPEC MRK-01: A leaf MUST be hashed after 0x00 and a pair of nodes after 0x01; an odd node MUST move up unchanged.
    hashes, copy = [], _HASHER.copy
    for leaf in leaves:
        hasher = copy()
        hasher.update(b"\x00" + leaf)
        hashes.append(hasher.digest())
    return hashes


def _compute_level_above(level: list[bytes]) -> list[bytes]:
    above, copy = [], _HASHER.copy
    for at in range(0, len(level) - 1, 2):
        hasher = copy()
        hasher.update(b"\x01" + level[at] + level[at + 1])
        above.append(hasher.digest())
    if len(level) & 1:
        above.append(level[-1])
    return above


def _join(left: bytes, right: bytes) -> bytes:
    hasher = _HASHER.copy()
    hasher.update(b"\x01" + left + right)
    return hasher.digest()


def _bind_count(count: int, top: bytes) -> bytes:
    # SPEC MRK-02: A root MUST be the hash of 0x02, the count (u64, little endian) and the top node (zeros when empty).
    hasher = _HASHER.copy()
    hasher.update(b"\x02" + count.to_bytes(8, "little") + top)
    return hasher.digest()


def _check_indices(indices: Sequence[int], count: int) -> None:
    # SPEC MRK-04: A multiproof MUST prove at least one leaf.
    if not indices:
        raise NothingProven("a multiproof proves at least one leaf")
    # SPEC MRK-03: Each index of a multiproof MUST be below the count, and the count below 2^32.
    if indices[0] < 0 or not indices[-1] < count < COUNT_MAX:
        raise LeafOutOfRange(f"the indices {indices[0]} to {indices[-1]} are not in a list of {count} leaves")


def _get_missing(known: Sequence[int], width: int) -> list[int]:
    """Return the partners of known nodes that are not known themselves, left to right."""
    present = set(known)
    return [index ^ 1 for index in known if index ^ 1 < width and index ^ 1 not in present]


def _get_parents(known: Sequence[int]) -> list[int]:
    return sorted({index >> 1 for index in known})
