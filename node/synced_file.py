"""Small files that must be on the medium, whole or not at all, when a call returns."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_synced(path: Path, data: bytes) -> None:
    """Replace a file that only its owner may read; its bytes, its name and its folder's are on the medium after.

    Raises:
        OSError: the disk refused; the old file or the new one is there.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
        _sync_folder(path.parent.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write_whole(temporary, data)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()  # it would hold room on a disk that has none
        raise
    _sync_folder(path.parent)


def _write_whole(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Let the names in a folder reach the medium."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
