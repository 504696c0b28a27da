"""A disk that fails as disks do: full, cut off between two writes, or without what was not synced.

Terms:
    cut: the power goes at a write, either just before it or just after it; the process is gone with it.
    tail: batches since the last synced one; a cut may lose them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chain.store import BatchEntry, MemoryStore, StoreError


class DiskFull(StoreError):
    """No space is left for a write."""


class PowerCut(Exception):
    """The node's process ended in the middle of what it did."""


class Disk:
    """A `Store` that survives its node, and the files of votes beside it."""

    def __init__(self) -> None:
        self.writes = 0
        self.is_full = False
        self._medium = MemoryStore()
        self.files: dict[bytes, bytes] = {}
        self._tail: list[list[BatchEntry]] = []
        self._cut_at: int | None = None
        self._is_written_at_cut = False

    def plan_cut(self, writes: int, *, is_written: bool) -> None:
        """Cut the power at the n-th write from now; `is_written` says whether that one still gets to the medium."""
        self._cut_at = self.writes + writes
        self._is_written_at_cut = is_written

    def lose_tail(self) -> None:
        """Lose what was not synced."""
        for undo in reversed(self._tail):
            self._medium.write(undo)
        self._tail.clear()

    # Store

    def get(self, key: bytes) -> bytes | None:
        """Return the value under `key`, or None."""
        return self._medium.get(key)

    def write(self, batch: Sequence[BatchEntry], *, sync: bool = True) -> None:
        """Apply the batch.

        Raises:
            DiskFull: nothing was written.
            PowerCut: the process is gone.
        """
        is_cut = self._begin_write()
        if not is_cut or self._is_written_at_cut:
            if sync:
                self._tail.clear()
            else:
                self._tail.append([(key, self._medium.get(key)) for key, _ in batch])
            self._medium.write(batch)
        self._end_write(is_cut)

    def iterate(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in byte order."""
        return self._medium.iterate(prefix, start=start, reverse=reverse)

    def close(self) -> None:
        """Keep everything: the next life of the node opens it again."""

    # Files beside the store

    def write_file(self, name: bytes, content: bytes) -> None:
        """Replace a small file, synced.

        Raises:
            DiskFull: nothing was written.
            PowerCut: the process is gone.
        """
        is_cut = self._begin_write()
        if not is_cut or self._is_written_at_cut:
            self.files[name] = content
        self._end_write(is_cut)

    def _begin_write(self) -> bool:
        if self.is_full:
            raise DiskFull("no space is left on the disk")
        self.writes += 1
        return self.writes == self._cut_at

    def _end_write(self, is_cut: bool) -> None:
        if is_cut:
            self._cut_at = None
            raise PowerCut(f"the power went at write {self.writes}")
