"""What a node writes down before it says something on the chain that it must be able to prove later.

Terms:
    note: one such thing, by name; on disk before the chain hears of it, removed when it is settled.
"""

from __future__ import annotations

from typing import Protocol, TypeVar


class Note(Protocol):
    """Anything kept by its name."""

    @property
    def name(self) -> bytes:
        """What it is kept by, at most 32 bytes."""


Kind = TypeVar("Kind", bound=Note)


class Notes(Protocol[Kind]):
    """Where notes of one kind are kept across restarts."""

    def load_all(self) -> list[Kind]:
        """Return every note that is whole."""

    def save(self, note: Kind) -> bool:
        """Keep a note; when this returns True it is on the medium."""

    def remove(self, name: bytes) -> None:
        """Forget a note."""


class ForgetfulNotes(Notes[Kind]):
    """Notes that last as long as the process."""

    def load_all(self) -> list[Kind]:
        """Return nothing."""
        return []

    def save(self, note: Kind) -> bool:
        """Keep nothing, and say that all is well."""
        return True

    def remove(self, name: bytes) -> None:
        """Forget nothing."""
