"""A counter that several processes share: from which index on the next chunk of a search is run.

A file without a name holds the generation of the newest search and the first index that nobody has claimed. Each claim
locks it; the kernel frees the lock of a process that dies. So the chunks of all processes are one range without a gap,
however fast each of them is.
"""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

_RECORD = struct.Struct("<QQ")  # generation, next index


def make_counter() -> IO[bytes]:
    """Return a file whose descriptor other processes may inherit and claim from."""
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (the caller closes it)
    file.write(_RECORD.pack(0, 0))
    return file


def claim(descriptor: int, generation: int, count: int) -> int | None:
    """Return the first of so many indices that nobody else gets; None if a newer search has begun."""
    with _lock(descriptor):
        newest, begin = _RECORD.unpack(os.pread(descriptor, _RECORD.size, 0))
        if newest > generation:
            return None
        if newest < generation:
            begin = 0
        os.pwrite(descriptor, _RECORD.pack(generation, begin + count), 0)
        return int(begin)


@contextmanager
def _lock(descriptor: int) -> Iterator[None]:
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)
