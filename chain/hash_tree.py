"""The state tree's hashes in memory: leaf buckets at one depth and every node above them.

Terms:
    depth: how many bits of a key hash choose its bucket. A local choice; the root does not depend on it.
    bucket: the sorted entries (key hash | value hash, 64 bytes each) that share their first `depth` bits.
    index: a node's number, the root is 1 and the children of i are 2i and 2i+1; bucket b is node 2^depth + b.

Invariants: `nodes[i]` is the hash of the subtree at i; an empty one is the object EMPTY itself, so `is` finds it.

Nothing of this is stored: it is rebuilt from the flat key-values when a store is opened, which checks these too.
Memory is about 100 bytes a leaf for the nodes and as much for the buckets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from chain.pause import Pause, never_pause
from chain.state_hash import EMPTY, NODE_HASHER, compute_inner_hash, compute_leaf_hash, compute_subtree, get_bit
from chain.state_proof import StateProof

DEPTH_MIN = 4
DEPTH_MAX = 24
GROWTH_MAX = 8
ENTRY_SIZE = 64


class TreeChange(msgspec.Struct, frozen=True, kw_only=True):
    """What an update would change.

    Attributes:
        root: The root after it.
        count: Number of leaves after it.
        nodes: New hashes by index, the buckets' own included.
        buckets: New buckets by number.
    """

    root: bytes
    count: int
    nodes: dict[int, bytes]
    buckets: dict[int, bytes]


class HashTree:
    """The hashes of one state."""

    def __init__(self, entries: Iterable[bytes] = (), *, depth: int | None = None) -> None:
        """Build the tree.

        Args:
            entries: One per leaf, any order, key hashes all different.
            depth: Chosen from the number of leaves when None.
        """
        ordered = sorted(entries)
        self.depth = choose_depth(len(ordered)) if depth is None else depth
        self.count = len(ordered)
        self._buckets = _make_buckets(ordered, self.depth)
        self._nodes = _make_nodes(self._buckets, self.depth)

    @property
    def root(self) -> bytes:
        """The state root."""
        return self._nodes[1]

    def compute_change(self, changes: Mapping[bytes, bytes | None], *, pause: Pause = never_pause) -> TreeChange:
        """Return what setting these leaves would change; nothing changes yet.

        Args:
            changes: Value hash by key hash, None to remove the leaf.
        """
        is_bulk = len(changes) > GROWTH_MAX << self.depth
        buckets = self._merge_many(changes) if is_bulk else self._merge_few(changes)
        pause()
        own = self._buckets
        grown = sum(len(bucket) - len(own[number]) for number, bucket in buckets.items())
        nodes = self._compute_nodes(buckets, pause)
        count = self.count + grown // ENTRY_SIZE
        return TreeChange(root=nodes.get(1, self._nodes[1]), count=count, nodes=nodes, buckets=buckets)

    def apply_change(self, change: TreeChange) -> None:
        """Take over what `compute_change` of this very tree returned."""
        nodes, buckets = self._nodes, self._buckets
        for index, node in change.nodes.items():
            nodes[index] = node
        for number, bucket in change.buckets.items():
            buckets[number] = bucket
        self.count = change.count
        if self.count > GROWTH_MAX << self.depth and self.depth < DEPTH_MAX:
            self._deepen()

    def make_proof(self, key_hash: bytes, change: TreeChange | None = None) -> StateProof:
        """Return the proof that the key is in the tree or is not: the path to where its fate is decided.

        Args:
            change: Prove it for the tree with this change of it instead.
        """
        nodes, buckets = ({}, {}) if change is None else (change.nodes, change.buckets)
        siblings: list[bytes] = []
        index = 1
        for level in range(self.depth):
            if self._get_node(index, nodes) is EMPTY or self._is_single(index, nodes, buckets):
                break
            bit = get_bit(key_hash, level)
            siblings.append(self._get_node(2 * index + 1 - bit, nodes))
            index = 2 * index + bit
        entries = self._get_entries(index, nodes, buckets)
        depth = len(siblings)
        while len(entries) > 1:
            bit = get_bit(key_hash, depth)
            sides = ([e for e in entries if not get_bit(e, depth)], [e for e in entries if get_bit(e, depth)])
            depth += 1
            siblings.append(compute_subtree(sides[1 - bit], depth))
            entries = sides[bit]
        is_own = bool(entries) and entries[0][:32] == key_hash
        return StateProof(siblings=tuple(siblings), other=entries[0] if entries and not is_own else None)

    def _get_node(self, index: int, nodes: Mapping[int, bytes]) -> bytes:
        return nodes.get(index) or self._nodes[index]

    def _get_entries(self, index: int, nodes: Mapping[int, bytes], buckets: Mapping[int, bytes]) -> list[bytes]:
        """Return the entries of the bucket at a node, or the only entry below it, or none."""
        while index < len(self._buckets):
            left, right = self._get_node(2 * index, nodes), self._get_node(2 * index + 1, nodes)
            if left is EMPTY and right is EMPTY:
                return []
            index = 2 * index + (left is EMPTY)
        number = index - len(self._buckets)
        return _split_bucket(buckets[number] if number in buckets else self._buckets[number])

    def _merge_few(self, changes: Mapping[bytes, bytes | None]) -> dict[int, bytes]:
        """Return the changed buckets, each entry put in its place."""
        buckets: dict[int, bytes] = {}
        own, shift = self._buckets, 256 - self.depth
        for key_hash, value_hash in changes.items():
            number = int.from_bytes(key_hash, "big") >> shift
            bucket = buckets[number] if number in buckets else own[number]
            buckets[number] = _set_entry(bucket, key_hash, value_hash)
        return buckets

    def _merge_many(self, changes: Mapping[bytes, bytes | None]) -> dict[int, bytes]:
        """Return the same when there are many changes a bucket (a genesis state): each bucket is sorted once."""
        merged: dict[int, dict[bytes, bytes | None]] = {}
        shift = 256 - self.depth
        for key_hash, value_hash in changes.items():
            number = int.from_bytes(key_hash, "big") >> shift
            if number not in merged:
                merged[number] = {entry[:32]: entry[32:] for entry in _split_bucket(self._buckets[number])}
            merged[number][key_hash] = value_hash
        return {
            number: b"".join(key_hash + value for key_hash, value in sorted(entries.items()) if value is not None)
            for number, entries in merged.items()
        }

    def _compute_nodes(self, buckets: Mapping[int, bytes], pause: Pause) -> dict[int, bytes]:
        """Return the new hashes of the changed buckets and of everything above them."""
        first, depth, own = len(self._buckets), self.depth, self._nodes
        nodes = {first + number: _compute_bucket_hash(bucket, depth) for number, bucket in buckets.items()}
        get, copy = nodes.get, NODE_HASHER.copy
        level = set(nodes)
        for _ in range(depth):
            pause()
            level = {index >> 1 for index in level}
            for index in level:
                left_index = index + index
                left = get(left_index) or own[left_index]
                right = get(left_index + 1) or own[left_index + 1]
                if left is EMPTY and right is EMPTY:
                    nodes[index] = EMPTY
                elif (left is EMPTY or right is EMPTY) and self._is_single(
                    left_index + (left is EMPTY), nodes, buckets
                ):
                    nodes[index] = right if left is EMPTY else left
                else:  # `compute_inner_hash`, written out: most of a commit's time is spent here
                    hasher = copy()
                    hasher.update(left + right)
                    nodes[index] = hasher.digest()
        return nodes

    def _is_single(self, index: int, nodes: Mapping[int, bytes], buckets: Mapping[int, bytes]) -> bool:
        """Return whether exactly one leaf lies under a node that is not empty."""
        first = len(self._buckets)
        while index < first:
            left = nodes.get(2 * index) or self._nodes[2 * index]
            right = nodes.get(2 * index + 1) or self._nodes[2 * index + 1]
            if left is not EMPTY and right is not EMPTY:
                return False
            index = 2 * index + (left is EMPTY)
        number = index - first
        return len(buckets[number] if number in buckets else self._buckets[number]) == ENTRY_SIZE

    def _deepen(self) -> None:
        """Choose the depth anew for a tree that has outgrown it."""
        grown = HashTree(entry for bucket in self._buckets for entry in _split_bucket(bucket))
        self.depth, self._buckets, self._nodes = grown.depth, grown._buckets, grown._nodes


def choose_depth(count: int) -> int:
    """Return the depth at which a bucket holds one or two of `count` leaves."""
    return min(DEPTH_MAX, max(DEPTH_MIN, count.bit_length() - 1))


def _make_buckets(ordered: list[bytes], depth: int) -> list[bytes]:
    buckets = [b""] * (1 << depth)
    shift = 256 - depth
    members: list[bytes] = []
    last = -1
    for entry in ordered:
        number = int.from_bytes(entry[:32], "big") >> shift
        if number != last and members:
            buckets[last] = b"".join(members)
            members = []
        members.append(entry)
        last = number
    if members:
        buckets[last] = b"".join(members)
    return buckets


def _make_nodes(buckets: list[bytes], depth: int) -> list[bytes]:
    """Return the nodes over the buckets; index 0 is unused."""
    first = len(buckets)
    nodes = [EMPTY] * first + [_compute_bucket_hash(bucket, depth) for bucket in buckets]
    counts = [0] * first + [len(bucket) // ENTRY_SIZE for bucket in buckets]
    for index in range(first - 1, 0, -1):
        left, right = 2 * index, 2 * index + 1
        counts[index] = counts[left] + counts[right]
        if counts[index] == 1:
            nodes[index] = nodes[left] if counts[left] else nodes[right]
        elif counts[index]:
            nodes[index] = compute_inner_hash(nodes[left], nodes[right])
    return nodes


def _compute_bucket_hash(bucket: bytes, depth: int) -> bytes:
    """Return `compute_subtree` of a bucket; most hold one leaf, or two whose paths part soon, which need no list."""
    if len(bucket) == ENTRY_SIZE:
        return compute_leaf_hash(bucket)
    if len(bucket) == 2 * ENTRY_SIZE:
        path = int.from_bytes(bucket[:8], "big")
        fork = 64 - (path ^ int.from_bytes(bucket[ENTRY_SIZE : ENTRY_SIZE + 8], "big")).bit_length()
        if fork < 64:
            node = compute_inner_hash(compute_leaf_hash(bucket[:ENTRY_SIZE]), compute_leaf_hash(bucket[ENTRY_SIZE:]))
            for level in range(fork - 1, depth - 1, -1):
                node = compute_inner_hash(EMPTY, node) if path >> (63 - level) & 1 else compute_inner_hash(node, EMPTY)
            return node
    return compute_subtree(_split_bucket(bucket), depth)


def _split_bucket(bucket: bytes) -> list[bytes]:
    if len(bucket) == ENTRY_SIZE:
        return [bucket]
    return [bucket[at : at + ENTRY_SIZE] for at in range(0, len(bucket), ENTRY_SIZE)]


def _set_entry(bucket: bytes, key_hash: bytes, value_hash: bytes | None) -> bytes:
    """Return the bucket with one entry set or removed; entries stay sorted."""
    at = 0
    while at < len(bucket) and bucket[at : at + 32] < key_hash:
        at += ENTRY_SIZE
    end = at + ENTRY_SIZE if bucket[at : at + 32] == key_hash else at
    entry = b"" if value_hash is None else key_hash + value_hash
    return bucket[:at] + entry + bucket[end:]
