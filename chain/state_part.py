"""Parts of a state that prove themselves: all leaves below one place of the tree, and the siblings of the path to it.

Terms:
    part: the pairs whose key hash begins with the same `depth` bits. start: the smallest key hash below that place.

Invariants: a part that passes holds every pair of its place and no other, so that parts which cover the whole range of
key hashes are the whole state.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import ClassVar

import msgspec

from chain.hash_tree import HashTree, choose_depth
from chain.pause import Pause, never_pause
from chain.state_hash import EMPTY, compute_leaf_hash, compute_subtree, compute_value_hash, get_shared_bits
from chain.state_proof import compute_root_from_path

PART_DEPTH_MAX = 255
KEY_HASH_BITS = 256
PAUSE_PAIRS = 1_024


class InvalidPart(Exception):
    """Pairs that are not what the state root says of a place."""

    rule: ClassVar[str] = "LGT-08"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """All pairs of one place.

    Attributes:
        depth: Bits that all key hashes of the place share.
        pairs: Key and value, by key hash.
        siblings: Of the path, from the root down; fewer than `depth` where a higher place holds one leaf or none.
        other: Key hash and value hash of the one leaf that ends a shorter path and is not of this place.
    """

    depth: int
    pairs: tuple[tuple[bytes, bytes], ...]
    siblings: tuple[bytes, ...]
    other: bytes | None = None


def check_part(root: bytes, start: bytes, part: Part) -> bytes | None:
    """Refuse pairs that are not exactly those of the place that begins at `start`.

    Returns:
        The start of what follows; None at the end of the state.

    Raises:
        InvalidPart
    """
    first, entries = int.from_bytes(start, "big"), _make_entries(part)
    if not 0 <= part.depth <= PART_DEPTH_MAX or first & ((1 << (KEY_HASH_BITS - part.depth)) - 1):
        raise InvalidPart(f"no place of depth {part.depth} begins at {start.hex()}")
    if len(part.siblings) > part.depth or any(len(sibling) != 32 for sibling in part.siblings):
        raise InvalidPart("the path to the place is longer than the place is deep, or no path")
    # SPEC LGT-08: The pairs of a part MUST be, by rising key hash, all those whose key hashes begin with its bits: with
    # the siblings of its path they give the state root.
    if any(get_shared_bits(entry, start) < part.depth for entry in entries):
        raise InvalidPart("a pair belongs to another place")
    if any(one[:32] >= two[:32] for one, two in pairwise(entries)):
        raise InvalidPart("the pairs are not in the order of their key hashes")
    if compute_root_from_path(start, _compute_end(part, start, entries), part.siblings) != root:
        raise InvalidPart(f"the pairs from {start.hex()} on do not lead to the state root")
    following = first + (1 << (KEY_HASH_BITS - part.depth))
    return None if following >> KEY_HASH_BITS else following.to_bytes(32, "big")


def _make_entries(part: Part) -> list[bytes]:
    return [compute_value_hash(key) + compute_value_hash(value) for key, value in part.pairs]


def _compute_end(part: Part, start: bytes, entries: Sequence[bytes]) -> bytes:
    """Return the hash at the end of the path."""
    if part.other is not None:
        shared = get_shared_bits(part.other, start)
        if entries or len(part.other) != 64 or not len(part.siblings) <= shared < part.depth:
            raise InvalidPart("a leaf of another place proves nothing here")
        return compute_leaf_hash(part.other)
    if len(part.siblings) == part.depth:
        return compute_subtree(entries, part.depth)
    if len(entries) > 1:
        raise InvalidPart("a path that ends early ends at one pair at most")
    return compute_leaf_hash(entries[0]) if entries else EMPTY


class Snapshot:
    """One block's whole state, from which parts are cut."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]], *, pause: Pause = never_pause) -> None:
        """Take over all pairs of a state, in any order; it must not change at a pause."""
        rows: list[tuple[bytes, bytes, bytes]] = []
        values: dict[bytes, bytes | None] = {}
        for number, (key, value) in enumerate(pairs):
            if number % PAUSE_PAIRS == 0:
                pause()
            key_hash = compute_value_hash(key)
            rows.append((key_hash, key, value))
            values[key_hash] = compute_value_hash(value)
        rows.sort()
        self._hashes = [row[0] for row in rows]
        self._ends = list(accumulate((len(key) + len(value) + 16 for _, key, value in rows), initial=0))
        self._rows = rows
        self._tree = HashTree(depth=choose_depth(len(rows)))
        pause()
        self._tree.apply_change(self._tree.compute_change(values, pause=pause))

    @property
    def root(self) -> bytes:
        """The state root."""
        return self._tree.root

    @property
    def size(self) -> int:
        """Bytes of all keys and values, and 16 more for each pair."""
        return self._ends[-1]

    def cut(self, start: bytes, *, depth_min: int, bytes_max: int, pairs_max: int) -> Part | None:
        """Return the largest part that begins at `start` and fits; None if no place of this depth begins there."""
        first = int.from_bytes(start, "big")
        depth = max(depth_min, KEY_HASH_BITS - ((first & -first).bit_length() - 1) if first else 0)
        while depth <= PART_DEPTH_MAX:
            low, high = self._find(first, depth)
            size = self._ends[high] - self._ends[low]
            if (size <= bytes_max and high - low <= pairs_max) or high - low <= 1:
                return self._make_part(start, depth, (low, high))
            depth += 1
        return None

    def _find(self, first: int, depth: int) -> tuple[int, int]:
        low = bisect_left(self._hashes, first.to_bytes(32, "big"))
        end = first + (1 << (KEY_HASH_BITS - depth))
        high = len(self._hashes) if end >> KEY_HASH_BITS else bisect_left(self._hashes, end.to_bytes(32, "big"))
        return low, high

    def _make_part(self, start: bytes, depth: int, span: tuple[int, int]) -> Part:
        pairs = tuple((key, value) for _, key, value in self._rows[span[0] : span[1]])
        path = self._tree.make_proof(start if not pairs else self._hashes[span[0]])
        is_foreign = len(path.siblings) < depth and not pairs
        return Part(
            depth=depth,
            pairs=pairs,
            siblings=path.siblings[:depth],
            other=path.other if is_foreign else None,
        )
