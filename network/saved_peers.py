"""What a node remembers of the network from one run to the next: a file of at most 4 MiB.

It is a memory, not a record: a file that is damaged, too large or of another version is left behind with a line in the
log, and the node begins anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Annotated

import msgspec
import structlog

from network.address_book import BookEntry
from network.bans import Ban
from network.libp2p.multiaddr import InvalidMultiaddr, Multiaddr, parse_multiaddr

FILE_BYTES_MAX = 4_194_304
VERSION = 1
SECRET_BYTES = 32
LOG = structlog.get_logger("network")


class SavedPeers(msgspec.Struct, frozen=True, kw_only=True):
    """A node's memory.

    Attributes:
        secret: Decides who stands where in the address book.
        anchors: Peers that we had dialled and that had stayed longest.
    """

    version: int = VERSION
    secret: Annotated[bytes, msgspec.Meta(min_length=SECRET_BYTES, max_length=SECRET_BYTES)]
    entries: tuple[BookEntry, ...] = ()
    anchors: tuple[Multiaddr, ...] = ()
    bans: tuple[Ban, ...] = ()


def load_saved_peers(path: Path | None, chance: Random) -> SavedPeers:
    """Return what the file holds, or a fresh memory with a new secret, which nobody may guess: give a SystemRandom."""
    fresh = SavedPeers(secret=chance.randbytes(SECRET_BYTES))
    if path is None or not path.is_file():
        return fresh
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        saved = msgspec.msgpack.decode(data, type=SavedPeers)
    except (OSError, msgspec.DecodeError) as error:
        LOG.warning("the file of known peers cannot be read; beginning a new one", path=str(path), error=str(error))
        return fresh
    if saved.version != VERSION:
        LOG.warning("the file of known peers is of another version; beginning a new one", path=str(path))
        return fresh
    entries = tuple(entry for entry in saved.entries if _is_sound(entry.address))
    return msgspec.structs.replace(saved, entries=entries, anchors=tuple(filter(_is_sound, saved.anchors)))


def _is_sound(address: Multiaddr) -> bool:
    try:
        return parse_multiaddr(str(address)) == address
    except InvalidMultiaddr:
        return False


def save_peers(path: Path, saved: SavedPeers) -> None:
    """Write the file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    data = msgspec.msgpack.encode(saved)
    if len(data) > FILE_BYTES_MAX:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    os.replace(part, path)
