"""A bounded cache of storage values, absent ones included.

Two generations: what is read moves to the young one; when that is full, the old one is forgotten. So a look-up costs
one or two dictionary reads, and what is used often stays.
"""

from __future__ import annotations

from typing import Final

ENTRY_OVERHEAD = 200


class Unknown:
    """The type of UNKNOWN."""


UNKNOWN: Final = Unknown()


class ValueCache:
    """Values by storage key, bounded by their bytes."""

    def __init__(self, *, bytes_max: int) -> None:
        """Hold at most about `bytes_max` bytes, the cost of the objects included."""
        self._half = bytes_max // 2
        self._young: dict[bytes, bytes | None] = {}
        self._old: dict[bytes, bytes | None] = {}
        self._young_size = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: bytes) -> bytes | Unknown | None:
        """Return the value, None for a key known to be absent, or UNKNOWN."""
        found = self._young.get(key, UNKNOWN)
        if found is UNKNOWN:
            found = self._old.get(key, UNKNOWN)
            if not isinstance(found, Unknown):
                self.set(key, found)
        return found

    def set(self, key: bytes, value: bytes | None) -> None:
        """Remember a value."""
        self._young[key] = value
        self._young_size += len(key) + ENTRY_OVERHEAD + (0 if value is None else len(value))
        if self._young_size > self._half:
            self._old, self._young, self._young_size = self._young, {}, 0
