"""A bounded memory of hashes: two generations, the older one is forgotten when the younger is full.

Only 8 bytes of each hash are kept, which takes a third of the memory; two hashes that share them are told apart by
nobody, and finding a second one for a given hash takes 2^64 tries.
"""

from __future__ import annotations

KEY_BYTES = 8


class RecentHashes:
    """Between half of `count_max` and `count_max` of the newest hashes, once so many were added."""

    def __init__(self, *, count_max: int) -> None:
        self._half = max(1, count_max // 2)
        self._young: set[int] = set()
        self._old: set[int] = set()

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __contains__(self, item: bytes) -> bool:
        key = int.from_bytes(item[:KEY_BYTES], "little")
        return key in self._young or key in self._old

    def add(self, item: bytes) -> None:
        """Remember a hash."""
        self._young.add(int.from_bytes(item[:KEY_BYTES], "little"))
        if len(self._young) >= self._half:
            self._young, self._old = set(), self._young
