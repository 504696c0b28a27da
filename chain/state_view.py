"""How state is read: storage keys to values, at one fixed block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class StateView(Protocol):
    """The storage of one block."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a storage key, None if there is none."""
        ...

    def iterate(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in key order, from the first key >= `start`."""
        ...
