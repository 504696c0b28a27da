"""The node's store on disk: LevelDB through plyvel.

Terms:
    synced: `fdatasync` was called before `write` returned (about 1 ms more for a block's batch).
    paranoid: LevelDB refuses a damaged log instead of skipping what it cannot read, and checks its index and filters.

Every read verifies checksums, so a flipped bit is an error and never a wrong value. LevelDB's repair is never used: it
was measured to break the atomicity of batches (12 of 30 damaged logs came back with half a block).

Settings, by the CPU a block of 2,000 changed keys costs at 100,000 accounts, compaction included: 65 ms with LevelDB's
own (4 MB write buffer, snappy), 50 with a buffer of 16 MB, 41 without compression too. Hashes do not compress.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

import plyvel

from chain.store import BatchEntry, StoreClosed, StoreDamaged, StoreError, get_range
from node.chain_layout import ADVICE

CACHE_BYTES = 64 * 2**20
WRITE_BUFFER_BYTES = 16 * 2**20
BLOOM_BITS = 10
LOCK_NAME = "node.lock"
DATABASE_FILES = ("*.ldb", "*.sst", "*.log", "MANIFEST-*")

T = TypeVar("T")


class StoreLocked(StoreError):
    """A database that another process has open."""


class StoreFull(StoreError):
    """A disk, quota or file limit without room; the batch may not be on disk, and the store must be opened anew."""


class StoreUnusable(StoreError):
    """A database that the system does not let us open, read or write."""


class LevelDbStore:
    """A `Store` in a folder."""

    def __init__(
        self, path: Path, *, sync: bool = True, paranoid_checks: bool = True, cache_bytes: int = CACHE_BYTES
    ) -> None:
        """Open or create the database in the folder `path`.

        Args:
            sync: Off, no write is synced, whatever `write` is asked for: for tests and throwaway chains only.
            paranoid_checks: Off, a damaged log is read as far as possible; the start-up check must then find the hole.
            cache_bytes: LevelDB's cache of uncompressed blocks.

        Raises:
            StoreDamaged: files are missing or corrupt.
            StoreLocked: another process has it open.
            StoreUnusable: no permission, not a folder.
        """
        self.path = path
        self._sync = sync
        self._is_open = False
        _check_files(path)
        self._lock = _lock_folder(path)
        try:
            self._db = self._guard(lambda: _open(path, paranoid_checks=paranoid_checks, cache_bytes=cache_bytes))
        except StoreError:
            os.close(self._lock)
            raise
        self._is_open = True

    def get(self, key: bytes) -> bytes | None:
        """Return the value under `key`, or None.

        Raises:
            StoreDamaged: what is stored there fails its checksum.
        """
        try:
            return self._db.get(key, verify_checksums=True)
        except (plyvel.Error, RuntimeError) as error:
            raise self._explain(error) from error

    def write(self, batch: Sequence[BatchEntry], *, sync: bool = True) -> None:
        """Write the whole batch or nothing; with `sync` it is on disk when this returns.

        Raises:
            StoreFull: no room.
            StoreUnusable: the system refused.
        """
        try:
            pending = self._db.write_batch(sync=sync and self._sync)
            put, delete = pending.put, pending.delete
            for key, value in batch:
                if value is None:
                    delete(key)
                else:
                    put(key, value)
            pending.write()
        except (plyvel.Error, RuntimeError) as error:
            raise self._explain(error) from error

    def iterate(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in byte order, as they were at this call."""
        lower, upper = get_range(prefix, start=start, reverse=reverse)
        # Backwards, plyvel 1.5 yields nothing when the range's first key is its only one: so we find the end ourselves.
        first = None if reverse else lower
        pairs = self._guard(lambda: self._db.iterator(start=first, stop=upper, reverse=reverse, verify_checksums=True))
        return self._explain_each(takewhile(lambda pair: pair[0] >= lower, pairs) if reverse else pairs)

    def close(self) -> None:
        """Close the database; closing twice is harmless."""
        if self._is_open:
            self._is_open = False
            self._db.close()
            os.close(self._lock)

    def _explain_each(self, pairs: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from pairs
        except (plyvel.Error, RuntimeError) as error:
            raise self._explain(error) from error

    def _guard(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except (plyvel.Error, RuntimeError) as error:
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> StoreError:
        """Return the error that tells a person what happened and what to do."""
        text = _get_text(error)
        match error:
            case RuntimeError():
                return StoreClosed(f"the database {self.path} was closed: {text}")
            case plyvel.CorruptionError():
                return StoreDamaged(
                    f"the database {self.path} is damaged ({text}). Let no LevelDB repair tool touch it. {ADVICE}"
                )
        if any(sign in text for sign in ("No space left", "Disk quota exceeded", "File too large")):
            return StoreFull(f"no room to write to {self.path} ({text}). Free some space, then start again.")
        if text.startswith("IO error: lock "):
            return _make_locked(self.path)
        if "No such file" in text or "non-existent file" in text:
            return StoreDamaged(f"files of the database {self.path} are missing ({text}). {ADVICE}")
        return StoreUnusable(f"the database {self.path} cannot be used ({text}). Check the folder and its permissions.")


def _lock_folder(path: Path) -> int:
    """Take the folder for this store alone and return the open lock file.

    LevelDB's own lock is not enough: a second attempt in the same process fails, but takes the first one's lock away.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnusable(f"the folder {path} cannot be used ({error}). Check it and its permissions.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise _make_locked(path) from error
    return descriptor


def _make_locked(path: Path) -> StoreLocked:
    return StoreLocked(f"the database {path} is in use. Stop the other node, or use another --base-path.")


def _open(path: Path, *, paranoid_checks: bool, cache_bytes: int) -> plyvel.DB:
    return plyvel.DB(
        str(path),
        create_if_missing=True,
        paranoid_checks=paranoid_checks,
        lru_cache_size=cache_bytes,
        write_buffer_size=WRITE_BUFFER_BYTES,
        bloom_filter_bits=BLOOM_BITS,
        compression=None,
    )


def _get_text(error: Exception) -> str:
    """Return the message; plyvel hands LevelDB's on as bytes."""
    message = error.args[0] if error.args else ""
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)


def _check_files(path: Path) -> None:
    """Refuse a folder that held a database and lost its entry file: LevelDB would begin an empty one in it."""
    if (path / "CURRENT").exists() or not path.is_dir():
        return
    if any(next(path.glob(pattern), None) is not None for pattern in DATABASE_FILES):
        raise StoreDamaged(f"the database {path} has lost its file CURRENT. {ADVICE}")
