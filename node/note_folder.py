"""Notes on disk, one synced file each: `<genesis>-<name>.note`, a digest and then MessagePack.

Beside the database and not in it, as the votes are: `purge-chain` removes blocks, which can be had again.

Invariants: a file is whole or absent; what cannot be read, or is not what was written, is never taken for a note.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from chain.hashing import blake2b_256
from node.core.batch_notes import BatchNote
from node.core.notes import Kind, Notes
from node.core.solution_notes import SolutionNote
from node.log_format import get_logger
from node.synced_file import write_synced

_DIGEST_BYTES = 32
_GENESIS_DIGITS = 16


class NoteWords(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about a kind of note.

    Attributes:
        target: Of the log.
        refused: What does not happen when a note cannot be written.
        lost: What follows when one cannot be read.
    """

    target: str
    refused: str
    lost: str


class NoteFolder(Notes[Kind]):
    """The notes of one kind and chain in a node's data folder."""

    def __init__(self, folder: Path, genesis_hash: bytes, *, kind: type[Kind], words: NoteWords) -> None:
        self._folder = folder
        self._prefix = genesis_hash.hex()[:_GENESIS_DIGITS]
        self._kind = kind
        self._words = words
        self._log = get_logger(words.target)

    def get_path(self, name: bytes) -> Path:
        """Return the file of a note."""
        return self._folder / f"{self._prefix}-{name.hex()}.note"

    def load_all(self) -> list[Kind]:
        """Return every note that is whole; tell of those that are not."""
        notes = [self._load(path) for path in sorted(self._folder.glob(f"{self._prefix}-*.note"))]
        return [note for note in notes if note is not None]

    def save(self, note: Kind) -> bool:
        """Keep a note; when this returns True its bytes and its name are on the medium."""
        data = msgspec.msgpack.encode(note)
        path = self.get_path(note.name)
        try:
            write_synced(path, blake2b_256(data) + data)
        except OSError as error:
            self._log.error("⛔ %s: %s cannot be written (%s)", self._words.refused, path, error.strerror)
            return False
        return True

    def remove(self, name: bytes) -> None:
        """Forget a note."""
        self.get_path(name).unlink(missing_ok=True)

    def _load(self, path: Path) -> Kind | None:
        try:
            raw = path.read_bytes()
            if blake2b_256(raw[_DIGEST_BYTES:]) == raw[:_DIGEST_BYTES]:
                note = msgspec.msgpack.decode(raw[_DIGEST_BYTES:], type=self._kind)
                if self.get_path(note.name) == path:
                    return note
        except (OSError, msgspec.DecodeError) as error:
            self._log.warning("⚠️  The note %s cannot be read (%s); %s", path, error, self._words.lost)
            return None
        self._log.warning("⚠️  The note %s is damaged; %s", path, self._words.lost)
        return None


def open_batch_notes(folder: Path, genesis_hash: bytes) -> NoteFolder[BatchNote]:
    """Return the notes of the batches that a node sold, by the roots of their leaves."""
    lost = "its strikes are run again when they are asked for"
    words = NoteWords(target="batch", refused="No batch is sold", lost=lost)
    return NoteFolder(folder, genesis_hash, kind=BatchNote, words=words)


def open_solution_notes(folder: Path, genesis_hash: bytes) -> NoteFolder[SolutionNote]:
    """Return the notes of the solutions that a node committed to, by their commitments."""
    words = NoteWords(target="solution", refused="No solution is committed to", lost="its deposit may be lost")
    return NoteFolder(folder, genesis_hash, kind=SolutionNote, words=words)
