"""The node's own secret, from which its peer id follows: given, in a file, or made at the first start.

Source: Substrate's `--node-key`, `--node-key-file` and `network/secret_ed25519`.
"""

from __future__ import annotations

import os
from pathlib import Path

from node.failures import CommandFailure

KEY_BYTES = 32
FILE_NAME = "secret_ed25519"


def load_node_key(folder: Path, *, given: str | None, file: Path | None) -> bytes:
    """Return the secret, 32 bytes; one is made in `folder` if there is none.

    Args:
        given: 64 hexadecimal digits, before everything else.
        file: Raw or hexadecimal; must exist.

    Raises:
        CommandFailure: no digits, or a file that cannot be read.
    """
    if given is not None:
        return _parse(given.encode(), "--node-key")
    if file is not None:
        return _read(file)
    path = folder / FILE_NAME
    if path.exists():
        return _read(path)
    secret = os.urandom(KEY_BYTES)
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as output:
        output.write(secret)
    return secret


def _read(path: Path) -> bytes:
    try:
        return _parse(path.read_bytes(), str(path))
    except OSError as error:
        raise CommandFailure(f"the node key {path} cannot be read: {error.strerror}") from error


def _parse(data: bytes, where: str) -> bytes:
    if len(data) == KEY_BYTES:
        return data
    try:
        secret = bytes.fromhex(data.decode("ascii").strip().removeprefix("0x"))
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise CommandFailure(f"{where} is no node key: 32 bytes, raw or as 64 hexadecimal digits")
    return secret
