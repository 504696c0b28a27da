"""The authenticated state: flat storage values in a store, their hash tree in memory, undo records for the last blocks.

Terms:
    storage key: the key as the runtime and the RPC know it; the tree's path is its blake2b-256.
    height: the block whose post-state the tree holds; -1 before genesis.
    undo record: the old values that one block replaced, and the roots before and after it.
    prepared: a computed step that is not applied. Its entries belong into the block's one synced batch; only when that
        is written may `commit` take it over.

Layout in the store: `s | storage key` -> value, `u | height` -> undo record, `t` -> height and root.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Self

import msgspec

from chain.hash_tree import HashTree, TreeChange
from chain.pause import Pause, never_pause
from chain.state_hash import EMPTY, compute_value_hash
from chain.state_overlay import Changes, StateOverlay
from chain.state_proof import StateProof
from chain.store import BatchEntry, Store, StoreDamaged
from chain.value_cache import Unknown, ValueCache

VALUE_PREFIX = b"s"
UNDO_PREFIX = b"u"
HEAD_KEY = b"t"
CACHE_BYTES_MAX = 32 * 2**20
UNDO_CACHE_MAX = 64


class StateDamaged(StoreDamaged):
    """A stored state that is not the whole state of one block."""

    rule: ClassVar[str] = "STA-06"


class UndoMissing(StateDamaged):
    """A gap in the undo records."""

    rule: ClassVar[str] = "STA-07"


class StatePruned(Exception):
    """A height whose state is outside the window of undo records."""

    rule: ClassVar[str] = "STA-08"


class StaleCommit(Exception):
    """A prepared step that does not stand on the tree's present state: a programming error of the caller."""


class StateHead(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Which state the store holds."""

    height: int
    root: bytes


class UndoLink(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The roots on both sides of one block; the front of an undo record."""

    root_before: bytes
    root_after: bytes


class UndoRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What takes one block back: its roots and the values it replaced (None: the key was absent)."""

    root_before: bytes
    root_after: bytes
    old_values: dict[bytes, bytes | None]


class PreparedCommit(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the state, computed and not yet applied.

    Attributes:
        height: The height that the tree holds after the step.
        root: The state root after the step.
        entries: What the store must hold; to be written in one batch with the rest of the block.
        changes: The values that differ.
        base_root: The root the step stands on.
        base_height: The height the step stands on.
        oldest_height: Lowest height that can be read after the step.
        tree: The change of the hash tree.
    """

    height: int
    root: bytes
    entries: tuple[BatchEntry, ...]
    changes: dict[bytes, bytes | None]
    base_root: bytes
    base_height: int
    oldest_height: int
    tree: TreeChange


_encoder = msgspec.msgpack.Encoder()
_head_decoder = msgspec.msgpack.Decoder(StateHead)
_link_decoder = msgspec.msgpack.Decoder(UndoLink)
_undo_decoder = msgspec.msgpack.Decoder(UndoRecord)


class StateTree:
    """The state of the head block, and of the blocks before it that undo records reach."""

    def __init__(self, store: Store, head: StateHead, hashes: HashTree, *, cache_bytes_max: int) -> None:
        """Hold what `open` has read and checked; use `open`."""
        self._store = store
        self._hashes = hashes
        self._cache = ValueCache(bytes_max=cache_bytes_max)
        self._undo: dict[int, dict[bytes, bytes | None]] = {}
        self.height = head.height
        self.oldest_height = head.height

    @classmethod
    def open(cls, store: Store, *, cache_bytes_max: int = CACHE_BYTES_MAX, depth: int | None = None) -> Self:
        """Rebuild the tree from the values in a store and check it.

        Args:
            depth: Bits that choose a leaf bucket; from the number of leaves when None. Any depth gives the same roots.

        Raises:
            StateDamaged: the values are not those whose root was written last.
            UndoMissing: undo records are missing or do not follow from one another.
        """
        raw = store.get(HEAD_KEY)
        head = StateHead(height=-1, root=EMPTY) if raw is None else _decode_head(raw)
        hashes = HashTree(_iterate_entries(store), depth=depth)
        # SPEC STA-06: The root rebuilt from a store's values MUST equal the root written with its last block.
        if hashes.root != head.root:
            raise StateDamaged(
                f"the values have the root {hashes.root.hex()}, block {head.height} has {head.root.hex()}"
            )
        tree = cls(store, head, hashes, cache_bytes_max=cache_bytes_max)
        tree.oldest_height = _check_undo_records(store, head)
        return tree

    @property
    def root(self) -> bytes:
        """The state root at `height`."""
        return self._hashes.root

    @property
    def depth(self) -> int:
        """Levels of its hash tree; with the same leaves it may differ, for trees that have grown differently."""
        return self._hashes.depth

    @property
    def count(self) -> int:
        """The number of storage keys."""
        return self._hashes.count

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a storage key, or None."""
        found = self._cache.get(key)
        if isinstance(found, Unknown):
            found = self._store.get(VALUE_PREFIX + key)
            self._cache.set(key, found)
        return found

    def iterate(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys that begin with `prefix` and their values in byte order, from the key `start` (inclusive) on."""
        first = None if start is None else VALUE_PREFIX + start
        for key, value in self._store.iterate(VALUE_PREFIX + prefix, start=first):
            yield key[1:], value

    def prepare(self, changes: Changes, *, undo_floor: int | None = None, pause: Pause = never_pause) -> PreparedCommit:
        """Return the step to the next height, with its undo record; nothing changes yet.

        Args:
            changes: New values; None deletes. Values that stay as they are cost a look-up and nothing else.
            undo_floor: Undo records up to this height are dropped: that block will never be reverted.
        """
        old_values: dict[bytes, bytes | None] = {}
        new_values: dict[bytes, bytes | None] = {}
        for key, value in changes.items():
            old = self.get(key)
            if old != value:
                old_values[key], new_values[key] = old, value
        pause()
        height = self.height + 1
        tree = self._hashes.compute_change(_compute_hashes(new_values), pause=pause)
        pause()
        entries = _make_value_entries(new_values)
        oldest = height if height == 0 else self.oldest_height
        if height > 0:
            record = UndoRecord(root_before=self.root, root_after=tree.root, old_values=old_values)
            entries.append((get_undo_key(height), _encoder.encode(record)))
        if undo_floor is not None and undo_floor > oldest:
            newest_dropped = min(undo_floor, height)
            entries += [(get_undo_key(dropped), None) for dropped in range(oldest + 1, newest_dropped + 1)]
            oldest = newest_dropped
        return self._make_step(height, entries, new_values, tree=tree, oldest_height=oldest)

    def prepare_undo(self) -> PreparedCommit:
        """Return the step back to the height before this one.

        Raises:
            StatePruned: the undo record of this height was dropped.
            StateDamaged: the record does not lead to the root it names.
        """
        record = self._get_undo_record(self.height)
        tree = self._hashes.compute_change(_compute_hashes(record.old_values))
        if record.root_after != self.root or record.root_before != tree.root:
            raise StateDamaged(f"the undo record of block {self.height} does not fit its state")
        entries = _make_value_entries(record.old_values)
        entries.append((get_undo_key(self.height), None))
        oldest = min(self.oldest_height, self.height - 1)
        return self._make_step(self.height - 1, entries, record.old_values, tree=tree, oldest_height=oldest)

    def commit(self, prepared: PreparedCommit) -> None:
        """Take a prepared step over, after the store has written its entries.

        Raises:
            StaleCommit: the tree has moved since the step was prepared.
        """
        self.check_prepared(prepared)
        self._hashes.apply_change(prepared.tree)
        for key, value in prepared.changes.items():
            self._cache.set(key, value)
        self._undo.pop(self.height, None)
        self.height = prepared.height
        self.oldest_height = prepared.oldest_height

    def check_prepared(self, prepared: PreparedCommit) -> None:
        """Refuse a step that does not stand on the present state; to be asked before its entries are written.

        Raises:
            StaleCommit: the tree has moved since the step was prepared.
        """
        if prepared.base_root != self.root or prepared.base_height != self.height:
            raise StaleCommit(f"the step stands on block {prepared.base_height}, the tree on block {self.height}")

    def root_of(self, changes: Changes, *, pause: Pause = never_pause) -> bytes:
        """Return the root that the head state would have with these changes; nothing changes."""
        return self._hashes.compute_change(_compute_hashes(changes), pause=pause).root

    def prove(self, key: bytes) -> StateProof:
        """Return the proof that a storage key has its value, or is absent, under `root`."""
        return self._hashes.make_proof(compute_value_hash(key))

    def prove_at(self, height: int, keys: Sequence[bytes]) -> tuple[StateProof, ...]:
        """Return the proofs of keys in the state after the block at `height`.

        Raises:
            StatePruned: the height is outside the window.
        """
        change = self._hashes.compute_change(_compute_hashes(self.get_changes_back(height)))
        return tuple(self._hashes.make_proof(compute_value_hash(key), change) for key in keys)

    def get_at(self, height: int, key: bytes) -> bytes | None:
        """Return the value that a storage key had after the block at `height`.

        Raises:
            StatePruned: the height is outside the window.
        """
        self._check_height(height)
        for later in range(height + 1, self.height + 1):
            old_values = self.get_undo(later)
            if key in old_values:
                return old_values[key]
        return self.get(key)

    def get_changes_back(self, height: int) -> dict[bytes, bytes | None]:
        """Return the changes that lead from the head state back to the state after the block at `height`.

        Raises:
            StatePruned: the height is outside the window.
        """
        self._check_height(height)
        changes: dict[bytes, bytes | None] = {}
        for undone in range(self.height, height, -1):
            changes.update(self.get_undo(undone))
        return changes

    def view_at(self, height: int) -> StateOverlay:
        """Return the state after the block at `height`; good until the head moves.

        Raises:
            StatePruned: the height is outside the window.
        """
        return StateOverlay(self, self.get_changes_back(height))

    def get_undo(self, height: int) -> dict[bytes, bytes | None]:
        """Return the values that the block at `height` replaced.

        Raises:
            StatePruned: its undo record was dropped.
        """
        found = self._undo.get(height)
        if found is None:
            found = self._get_undo_record(height).old_values
            if len(self._undo) >= UNDO_CACHE_MAX:
                self._undo.clear()
            self._undo[height] = found
        return found

    def _get_undo_record(self, height: int) -> UndoRecord:
        raw = self._store.get(get_undo_key(height)) if height > 0 else None
        if raw is None:
            raise StatePruned(f"the state before block {height} is no longer kept")
        try:
            return _undo_decoder.decode(raw)
        except msgspec.DecodeError as error:
            raise StateDamaged(f"the undo record of block {height} cannot be read: {error}") from error

    def _check_height(self, height: int) -> None:
        # SPEC STA-08: A read above the head or below the window of undo records MUST be refused.
        if not self.oldest_height <= height <= self.height:
            raise StatePruned(f"states are kept from block {self.oldest_height} to {self.height}, not for {height}")

    def _make_step(
        self,
        height: int,
        entries: list[BatchEntry],
        changes: dict[bytes, bytes | None],
        *,
        tree: TreeChange,
        oldest_height: int,
    ) -> PreparedCommit:
        entries.append((HEAD_KEY, _encoder.encode(StateHead(height=height, root=tree.root))))
        return PreparedCommit(
            height=height,
            root=tree.root,
            entries=tuple(entries),
            changes=changes,
            base_root=self.root,
            base_height=self.height,
            oldest_height=oldest_height,
            tree=tree,
        )


def get_undo_key(height: int) -> bytes:
    """Return the store's key of a block's undo record."""
    return UNDO_PREFIX + height.to_bytes(8, "big")


def _make_value_entries(changes: Changes) -> list[BatchEntry]:
    return [(VALUE_PREFIX + key, value) for key, value in changes.items()]


def _compute_hashes(changes: Changes) -> dict[bytes, bytes | None]:
    """Return the value hash by key hash."""
    digest = compute_value_hash
    return {digest(key): None if value is None else digest(value) for key, value in changes.items()}


def _iterate_entries(store: Store) -> Iterator[bytes]:
    digest = compute_value_hash
    for key, value in store.iterate(VALUE_PREFIX):
        yield digest(key[1:]) + digest(value)


def _decode_head(raw: bytes) -> StateHead:
    try:
        return _head_decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise StateDamaged(f"the record of the state's height cannot be read: {error}") from error


def _check_undo_records(store: Store, head: StateHead) -> int:
    """Return the oldest height that can be read; refuse gaps."""
    height, root = head.height, head.root
    for key, raw in store.iterate(UNDO_PREFIX, reverse=True):
        found = int.from_bytes(key[1:], "big")
        try:
            link = _link_decoder.decode(raw)
        except msgspec.DecodeError as error:
            raise UndoMissing(f"the undo record of block {found} cannot be read: {error}") from error
        # SPEC STA-07: Undo records MUST end at the store's height, be contiguous and link root to root.
        if found != height or link.root_after != root:
            raise UndoMissing(f"after block {height} comes the undo record of block {found}, which does not fit")
        height, root = height - 1, link.root_before
    return height
