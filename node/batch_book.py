"""The notes of the batches that a node sold, one synced file each: `batches/<genesis>-<root>.note`.

Beside the database and not in it, as the votes are: `purge-chain` removes blocks, which can be had again.

Invariants: a file is whole or absent; what cannot be read, or is not what was written, is never taken for a note.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from chain.hashing import blake2b_256
from node.core.batch_notes import BatchNote
from node.log_format import get_logger
from node.synced_file import write_synced

_DIGEST_BYTES = 32
_GENESIS_DIGITS = 16
_log = get_logger("batch")


class FileBatchBook:
    """The notes in a node's data folder (`node.core.batch_notes.BatchBook`)."""

    def __init__(self, folder: Path, genesis_hash: bytes) -> None:
        self._folder = folder
        self._prefix = genesis_hash.hex()[:_GENESIS_DIGITS]

    def get_path(self, root: bytes) -> Path:
        """Return the file of a note."""
        return self._folder / f"{self._prefix}-{root.hex()}.note"

    def load_all(self) -> list[BatchNote]:
        """Return every note that is whole; tell of those that are not."""
        notes = [self._load(path) for path in sorted(self._folder.glob(f"{self._prefix}-*.note"))]
        return [note for note in notes if note is not None]

    def save(self, note: BatchNote) -> bool:
        """Keep a note; when this returns True its bytes and its name are on the medium."""
        data = msgspec.msgpack.encode(note)
        try:
            write_synced(self.get_path(note.root), blake2b_256(data) + data)
        except OSError as error:
            _log.error("⛔ No batch is sold: %s cannot be written (%s)", self.get_path(note.root), error.strerror)
            return False
        return True

    def remove(self, root: bytes) -> None:
        """Forget a note."""
        self.get_path(root).unlink(missing_ok=True)

    def _load(self, path: Path) -> BatchNote | None:
        try:
            raw = path.read_bytes()
            if blake2b_256(raw[_DIGEST_BYTES:]) == raw[:_DIGEST_BYTES]:
                note = msgspec.msgpack.decode(raw[_DIGEST_BYTES:], type=BatchNote)
                if self.get_path(note.root) == path:
                    return note
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("⚠️  The note %s cannot be read (%s); its strikes are run again when asked for", path, error)
            return None
        _log.warning("⚠️  The note %s is damaged; its strikes are run again when they are asked for", path)
        return None
