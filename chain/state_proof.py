"""Proofs that a storage key has a value in a state, or has none.

Terms:
    inclusion: the leaf at the end of the path is the key's own; its hash follows from key and value.
    exclusion: the path ends in an empty subtree, or in another key's leaf that shares the path.

A proof is the siblings along the path, from the root down, and for an exclusion the other leaf if there is one.
Bytes: depth (1), flag of the other leaf (1), bitmap of siblings that are not empty, these siblings, the other entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from chain.state_hash import (
    EMPTY,
    compute_inner_hash,
    compute_leaf_hash,
    compute_value_hash,
    get_bit,
    get_shared_bits,
)

DEPTH_MAX = 255


class InvalidStateProof(Exception):
    """A proof that does not show what it should."""

    rule: ClassVar[str] = "STA-03"


class StateProofMismatch(InvalidStateProof):
    """A proof that leads to another root."""

    rule: ClassVar[str] = "STA-03"


class OtherLeafMisplaced(InvalidStateProof):
    """An exclusion by a leaf that is not on the key's path, or is the key's own; or an inclusion with such a leaf."""

    rule: ClassVar[str] = "STA-04"


class StateProofMalformed(InvalidStateProof):
    """Bytes that are not the one encoding of a proof."""

    rule: ClassVar[str] = "STA-05"


class StateProof(msgspec.Struct, frozen=True, kw_only=True):
    """The siblings of one path.

    Attributes:
        siblings: From the root down; EMPTY for an empty one.
        other: Entry of the foreign leaf that ends the path (64 bytes), or None.
    """

    siblings: tuple[bytes, ...]
    other: bytes | None = None


def check_state_proof(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> None:
    """Refuse a proof that does not show that `key` has `value` (None: is absent) under `root`.

    Raises:
        OtherLeafMisplaced: the foreign leaf proves nothing about this key.
        StateProofMismatch: the siblings lead to another root.
    """
    key_hash = compute_value_hash(key)
    end = _get_path_end(key_hash, value, proof)
    actual = compute_root_from_path(key_hash, end, proof.siblings)
    # SPEC STA-03: The hash at the end of a proof's path, combined with its siblings, MUST give the state root.
    if actual != root:
        raise StateProofMismatch(f"the proof leads to the root {actual.hex()}, not {root.hex()}")


def compute_root_from_path(key_hash: bytes, end: bytes, siblings: Sequence[bytes]) -> bytes:
    """Return the root that the hash at the end of a path and its siblings lead to."""
    node = end
    for level in range(len(siblings) - 1, -1, -1):
        sibling = siblings[level]
        node = compute_inner_hash(sibling, node) if get_bit(key_hash, level) else compute_inner_hash(node, sibling)
    return node


def _get_path_end(key_hash: bytes, value: bytes | None, proof: StateProof) -> bytes:
    if len(proof.siblings) > DEPTH_MAX or any(len(sibling) != 32 for sibling in proof.siblings):
        raise StateProofMalformed(f"a proof has at most {DEPTH_MAX} siblings of 32 bytes")
    other = proof.other
    # SPEC STA-04: A foreign leaf MUST be in a proof of exclusion only, differ from the key and share the path's bits.
    if other is None:
        return EMPTY if value is None else compute_leaf_hash(key_hash + compute_value_hash(value))
    if value is not None or len(other) != 64:
        raise OtherLeafMisplaced("a proof of inclusion holds no foreign leaf, and a leaf has 64 bytes")
    shared = get_shared_bits(key_hash, other)
    if shared == 256 or shared < len(proof.siblings):
        raise OtherLeafMisplaced(
            f"the foreign leaf shares {shared} bits with the key, the path has {len(proof.siblings)}"
        )
    return compute_leaf_hash(other)


def encode_proof(proof: StateProof) -> bytes:
    """Return the bytes of a proof."""
    depth = len(proof.siblings)
    bitmap = bytearray((depth + 7) // 8)
    for level, sibling in enumerate(proof.siblings):
        if sibling != EMPTY:
            bitmap[level >> 3] |= 0x80 >> (level & 7)
    present = b"".join(sibling for sibling in proof.siblings if sibling != EMPTY)
    return bytes((depth, proof.other is not None)) + bytes(bitmap) + present + (proof.other or b"")


def decode_proof(data: bytes) -> StateProof:
    """Return the proof in `data`.

    Raises:
        StateProofMalformed: not the bytes that `encode_proof` makes.
    """
    # SPEC STA-05: An encoded proof MUST have its exact length, a flag 0 or 1, zero padding and no sibling of zeros.
    if len(data) < 2 or data[1] > 1:
        raise StateProofMalformed("the proof has no depth, or its flag is neither 0 nor 1")
    depth, has_other = data[0], data[1] == 1
    first = 2 + (depth + 7) // 8
    bits = int.from_bytes(data[2:first], "big")
    padding = -depth % 8
    if len(data) < first or bits & ((1 << padding) - 1):
        raise StateProofMalformed("the bitmap is cut short or its padding is not zero")
    if len(data) != first + 32 * bits.bit_count() + 64 * has_other:
        raise StateProofMalformed(f"the proof has {len(data)} bytes; its bitmap asks for another length")
    siblings, at = [], first
    for level in range(depth):
        if bits >> (depth + padding - 1 - level) & 1:
            siblings.append(data[at : at + 32])
            at += 32
        else:
            siblings.append(EMPTY)
    if EMPTY in (data[i : i + 32] for i in range(first, at, 32)):
        raise StateProofMalformed("an empty sibling is written out")
    return StateProof(siblings=tuple(siblings), other=data[at:] if has_other else None)
