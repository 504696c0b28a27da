"""What the pool remembers of extrinsics that left without a block: the reason, and a ban for those that were invalid.

Invariant: no more records and no more bans than `count_max`; the oldest go first.
"""

from __future__ import annotations

import msgspec


class DropRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How an extrinsic left: `kind` is usurped, dropped or invalid."""

    kind: str
    reason: str
    at_ms: int


class DropRecords:
    """Bounded memory of drops and bans."""

    def __init__(self, *, count_max: int) -> None:
        self._count_max = count_max
        self._records: dict[bytes, DropRecord] = {}
        self._bans: dict[bytes, int] = {}

    def get(self, extrinsic_hash: bytes) -> DropRecord | None:
        """Return how an extrinsic left, if remembered."""
        return self._records.get(extrinsic_hash)

    def add(self, extrinsic_hash: bytes, record: DropRecord) -> None:
        """Remember how an extrinsic left."""
        self._records.pop(extrinsic_hash, None)
        self._records[extrinsic_hash] = record
        _trim(self._records, self._count_max)

    def list_newest(self, count: int) -> list[tuple[bytes, DropRecord]]:
        """Return the newest records, newest first."""
        return list(reversed(self._records.items()))[:count]

    def forget(self, extrinsic_hash: bytes) -> None:
        """Forget an extrinsic that came back."""
        self._records.pop(extrinsic_hash, None)

    def ban(self, extrinsic_hash: bytes, until_ms: int) -> None:
        """Refuse an extrinsic until a time."""
        self._bans.pop(extrinsic_hash, None)
        self._bans[extrinsic_hash] = until_ms
        _trim(self._bans, self._count_max)

    def is_banned(self, extrinsic_hash: bytes, now_ms: int) -> bool:
        """Return whether an extrinsic is banned now."""
        until_ms = self._bans.get(extrinsic_hash)
        if until_ms is not None and now_ms >= until_ms:
            del self._bans[extrinsic_hash]
            return False
        return until_ms is not None


def _trim(records: dict[bytes, DropRecord] | dict[bytes, int], count_max: int) -> None:
    while len(records) > count_max:
        del records[next(iter(records))]
