"""Files that a person names: read whole, and only where that ends.

A pipe would be waited for without an end and a device read without an end, so both are refused.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.session import not_found

FILE_BYTES_MAX = 2**25


def read_regular_file(path: Path, *, bytes_max: int = FILE_BYTES_MAX) -> bytes:
    """Return a file's bytes.

    Raises:
        CommandFailed: no such file (5); or it is no regular file, is too large, or cannot be read (1).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe opens without a writer
        with os.fdopen(descriptor, "rb") as stream:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise CommandFailed(f"{path} cannot be read: Is a directory")
            if not stat.S_ISREG(mode):
                raise CommandFailed(f"{path} is no regular file; save what it gives in one, and name that")
            data = stream.read(bytes_max + 1)
    except FileNotFoundError as error:
        raise not_found(f"there is no file {path}") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise CommandFailed(f"{path} cannot be read: {why}") from error
    if len(data) > bytes_max:
        raise CommandFailed(f"{path} has more than {bytes_max} bytes, the most that are read")
    return data
