"""What the chain needs from a key-value store, and a store in memory for tests and simulations.

Terms:
    batch: writes that happen together or not at all; `(key, None)` deletes. A later entry for a key wins.
    synced: on the medium when `write` returns, so that a power cut cannot take it back.

Invariants: keys are not empty and ordered as bytes; an iteration sees the store as it was when the iteration began.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

BatchEntry: TypeAlias = tuple[bytes, bytes | None]


class StoreError(Exception):
    """A store that cannot do what it was asked; each kind of store has its own subclasses."""


class StoreClosed(StoreError):
    """A store used after `close`."""


class StoreDamaged(StoreError):
    """A store that does not hold one whole chain state; nothing was changed."""


class Store(Protocol):
    """An ordered key-value store with atomic batches."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value under `key`, or None."""

    def write(self, batch: Sequence[BatchEntry], *, sync: bool = True) -> None:
        """Apply the whole batch or nothing; with `sync`, return only when it is on the medium."""

    def iterate(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in byte order, whole keys.

        Args:
            start: The first whole key wanted (inclusive): the smallest, or with `reverse` the largest.
        """

    def close(self) -> None:
        """Release the store; closing twice is harmless."""


class MemoryStore:
    """A `Store` in memory."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self._added: set[bytes] = set()
        self._has_gaps = False
        self._is_open = True

    def get(self, key: bytes) -> bytes | None:
        """Return the value under `key`, or None."""
        self._check_open()
        return self._values.get(key)

    def write(self, batch: Sequence[BatchEntry], *, sync: bool = True) -> None:
        """Apply the batch; `sync` means nothing here."""
        self._check_open()
        values = self._values
        for key, value in batch:
            if value is not None:
                if key not in values:
                    self._added.add(key)
                values[key] = value
            elif values.pop(key, None) is not None:
                self._added.discard(key)
                self._has_gaps = True

    def iterate(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in byte order."""
        self._check_open()
        if self._added or self._has_gaps:
            self._sort_keys()
        lower, upper = get_range(prefix, start=start, reverse=reverse)
        first = bisect_left(self._keys, lower)
        last = len(self._keys) if upper is None else bisect_left(self._keys, upper)
        keys = self._keys[first:last]
        if reverse:
            keys.reverse()
        return iter([(key, self._values[key]) for key in keys])

    def close(self) -> None:
        """Refuse further use."""
        self._is_open = False

    def _sort_keys(self) -> None:
        """Bring the sorted keys up to date: two sorted runs, which Python's sort merges in linear time."""
        kept = [key for key in self._keys if key in self._values] if self._has_gaps else self._keys
        self._keys = sorted(kept + sorted(self._added.difference(kept) if self._has_gaps else self._added))
        self._added = set()
        self._has_gaps = False

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreClosed("the store was closed")


def get_range(prefix: bytes, *, start: bytes | None, reverse: bool) -> tuple[bytes, bytes | None]:
    """Return the half-open range of keys [lower, upper) that an iteration covers; upper None has no end."""
    end = get_prefix_end(prefix)
    if start is None:
        return prefix, end
    if not reverse:
        return max(prefix, start), end
    after_start = start + b"\x00"
    return prefix, after_start if end is None else min(after_start, end)


def get_prefix_end(prefix: bytes) -> bytes | None:
    """Return the smallest key above every key that begins with `prefix`, or None when there is none."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1]) if trimmed else None
