"""The notes of the solutions that a node committed to, one synced file each: `solutions/<genesis>-<commitment>.note`.

Invariants: a file is whole or absent; what cannot be read, or is not what was written, is never taken for a note.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from chain.hashing import blake2b_256
from node.core.solution_notes import SolutionNote
from node.log_format import get_logger
from node.synced_file import write_synced

_DIGEST_BYTES = 32
_GENESIS_DIGITS = 16
_log = get_logger("solution")


class FileSolutionNotes:
    """The notes in a node's data folder (`node.core.solution_notes.SolutionNotes`)."""

    def __init__(self, folder: Path, genesis_hash: bytes) -> None:
        self._folder = folder
        self._prefix = genesis_hash.hex()[:_GENESIS_DIGITS]

    def get_path(self, commitment: bytes) -> Path:
        """Return the file of a note."""
        return self._folder / f"{self._prefix}-{commitment.hex()}.note"

    def load_all(self) -> list[SolutionNote]:
        """Return every note that is whole; tell of those that are not."""
        notes = [self._load(path) for path in sorted(self._folder.glob(f"{self._prefix}-*.note"))]
        return [note for note in notes if note is not None]

    def save(self, note: SolutionNote) -> bool:
        """Keep a note; when this returns True its bytes and its name are on the medium."""
        data = msgspec.msgpack.encode(note)
        path = self.get_path(note.commitment)
        try:
            write_synced(path, blake2b_256(data) + data)
        except OSError as error:
            _log.error("⛔ No solution is committed to: %s cannot be written (%s)", path, error.strerror)
            return False
        return True

    def remove(self, commitment: bytes) -> None:
        """Forget a note."""
        self.get_path(commitment).unlink(missing_ok=True)

    def _load(self, path: Path) -> SolutionNote | None:
        try:
            raw = path.read_bytes()
            if blake2b_256(raw[_DIGEST_BYTES:]) == raw[:_DIGEST_BYTES]:
                note = msgspec.msgpack.decode(raw[_DIGEST_BYTES:], type=SolutionNote)
                if self.get_path(note.commitment) == path:
                    return note
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("⚠️  The note %s cannot be read (%s); its deposit may be lost", path, error)
            return None
        _log.warning("⚠️  The note %s is damaged; its deposit may be lost", path)
        return None
