"""A read view of a state that lays changes over another view.

Terms:
    changes: new value by storage key; None means that the key is absent.
    parent: the view below: the head state, or another overlay (a side branch, an older block).

Invariants: an overlay never writes; it sees later changes of its parent unless its own changes hide them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from chain.state_view import StateView
from chain.store import get_prefix_end

Changes: TypeAlias = Mapping[bytes, bytes | None]


class StateOverlay:
    """A state that differs from its parent view by some changes."""

    def __init__(self, parent: StateView, changes: Changes) -> None:
        """Lay `changes` over `parent`; the mapping must not change afterwards."""
        self.parent = parent
        self.changes = changes
        self._keys: list[bytes] | None = None

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a storage key, or None."""
        return self.changes[key] if key in self.changes else self.parent.get(key)

    def iterate(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys that begin with `prefix` and their values in byte order, from the key `start` (inclusive) on."""
        if self._keys is None:
            self._keys = sorted(self.changes)
        end = get_prefix_end(prefix)
        first = bisect_left(self._keys, prefix if start is None else max(prefix, start))
        last = len(self._keys) if end is None else bisect_left(self._keys, end)
        return self._merge(self.parent.iterate(prefix, start), self._keys[first:last])

    def _merge(self, below: Iterator[tuple[bytes, bytes]], keys: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Yield both sorted sources as one; a change hides what lies below it."""
        pending = next(below, None)
        for key in keys:
            while pending is not None and pending[0] < key:
                yield pending
                pending = next(below, None)
            if pending is not None and pending[0] == key:
                pending = next(below, None)
            value = self.changes[key]
            if value is not None:
                yield key, value
        while pending is not None:
            yield pending
            pending = next(below, None)


def merge_changes(steps: Iterable[Changes]) -> dict[bytes, bytes | None]:
    """Return the changes that equal these, applied one after the other."""
    merged: dict[bytes, bytes | None] = {}
    for step in steps:
        merged.update(step)
    return merged
