"""Nodes of one user on one machine find each other: each writes its address into a folder and reads the others'.

For test networks. A folder serves where multicast does not (containers, loopback), and only the user can write into it.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from pathlib import Path

from network.libp2p.multiaddr import InvalidMultiaddr, Multiaddr, parse_multiaddr
from network.libp2p.node_key import PeerId

NOTE_BYTES_MAX = 256
NOTES_MAX = 256
STALE_S = 30.0
SUFFIX = ".addr"


def get_meeting_folder(genesis: bytes) -> Path:
    """Return where the user's nodes of a chain meet."""
    return Path(tempfile.gettempdir()) / f"matchstrike-{os.getuid()}" / f"peers-{genesis.hex()[:16]}"


class LocalDiscovery:
    """One node in the folder; calls touch small files only."""

    def __init__(self, folder: Path, own: PeerId) -> None:
        """Nothing is written yet."""
        self._folder = folder
        self._note = folder / f"{own}{SUFFIX}"

    def announce(self, address: Multiaddr) -> None:
        """Say that we are here; to be repeated well within 30 seconds.

        Raises:
            OSError: the folder cannot be written, or belongs to somebody else.
        """
        self._check_folder()
        part = self._note.with_suffix(".part")
        part.write_text(str(address), encoding="ascii")
        os.replace(part, self._note)

    def look(self, now_s: float | None = None) -> list[Multiaddr]:
        """Return who else is here, without those that were not heard for 30 seconds.

        Raises:
            OSError: the folder cannot be read, or belongs to somebody else.
        """
        self._check_folder()
        now_s = time.time() if now_s is None else now_s
        found: list[Multiaddr] = []
        for path in sorted(self._folder.glob(f"*{SUFFIX}"))[:NOTES_MAX]:
            if path == self._note:
                continue
            try:
                age_s = now_s - path.stat().st_mtime
                if age_s > STALE_S:
                    path.unlink(missing_ok=True)
                    continue
                found.append(parse_multiaddr(path.read_bytes()[:NOTE_BYTES_MAX].decode("ascii")))
            except (OSError, UnicodeDecodeError, InvalidMultiaddr):
                continue  # it left meanwhile, or is none of ours
        return found

    def leave(self) -> None:
        """Take our note away."""
        self._note.unlink(missing_ok=True)

    def _check_folder(self) -> None:
        for folder in (self._folder.parent, self._folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
            if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
                raise PermissionError(f"{folder} belongs to somebody else")
