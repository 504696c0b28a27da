"""What voting needs from outside the core, and what it hands to the author: Protocols and records.

Terms:
    vote key: an ed25519 key of a validator, for votes only.
    vote book: what this node signed last with each key, on a medium that a crash does not take back.
    offence: evidence against a key. offence book: the offences that are not yet settled, on such a medium.
    enclosed: votes and evidence that a block carries.

Source: docs/spec/voting.md.
"""

from __future__ import annotations

import itertools
from typing import ClassVar, Protocol

import msgspec

from chain.extrinsic import decode_extrinsic, is_bare
from chain.scale import CodecError
from consensus.finality import Evidence, LastVote, SignedVote
from runtime.block_execution import resolve_call
from runtime.validity import Malformed


class VoteBookUnusable(Exception):
    """A record of the last vote that cannot be read or written: nothing may be signed with its key."""

    rule: ClassVar[str] = "VOT-02"


class OffenceBookUnusable(Exception):
    """Offences that cannot be read or written: they are only in memory, and a restart may lose them."""

    rule: ClassVar[str] = "VOT-14"


class VoteSigner(Protocol):
    """Holds the vote keys of this node."""

    def keys(self) -> tuple[bytes, ...]:
        """Return the public keys."""
        ...

    def sign(self, public: bytes, message: bytes) -> bytes:
        """Return the signature of one of the keys, 64 bytes."""
        ...


class VoteBook(Protocol):
    """Remembers the last vote of each key."""

    def find_last(self, key: bytes) -> LastVote | None:
        """Return the last vote saved, or None if the key never voted.

        Raises:
            VoteBookUnusable: the record is damaged or cannot be read.
        """
        ...

    def save_last(self, key: bytes, last: LastVote) -> None:
        """Replace the record; it is on the medium when this returns.

        Raises:
            VoteBookUnusable: it could not be written; the medium holds the old record or the new one.
        """
        ...


class StoredOffences(msgspec.Struct, frozen=True, kw_only=True):
    """What an offence book holds.

    Attributes:
        found: Evidence as it was saved; its signatures are not checked.
        troubles: A sentence for each record that cannot be read; it stays as it is.
    """

    found: tuple[Evidence, ...] = ()
    troubles: tuple[str, ...] = ()


class OffenceBook(Protocol):
    """Remembers offences, one a key."""

    def load_all(self) -> StoredOffences:
        """Return all that is saved; a damaged record hides none of the others."""
        ...

    def save(self, evidence: Evidence) -> None:
        """Keep an offence; it is on the medium when this returns.

        Raises:
            OffenceBookUnusable: it could not be written.
        """
        ...

    def remove(self, key: bytes) -> None:
        """Forget the offence of a key, if there is one.

        Raises:
            OffenceBookUnusable: it could not be removed.
        """
        ...


class Enclosed(msgspec.Struct, frozen=True, kw_only=True):
    """What the next block may carry."""

    votes: tuple[SignedVote, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class NoKeys:
    """The signer of a node that only follows."""

    def keys(self) -> tuple[bytes, ...]:
        """Return nothing."""
        return ()

    def sign(self, public: bytes, message: bytes) -> bytes:
        """Fail: there is no key."""
        raise KeyError(public)


class MemoryVoteBook:
    """A book that lives as long as the object: for nodes without keys, and for tests and simulations."""

    def __init__(self) -> None:
        self._last: dict[bytes, LastVote] = {}

    def find_last(self, key: bytes) -> LastVote | None:
        """Return the last vote saved, or None."""
        return self._last.get(key)

    def save_last(self, key: bytes, last: LastVote) -> None:
        """Replace the record."""
        self._last[key] = last


class MemoryOffenceBook:
    """A book that lives as long as the object: for tests and simulations."""

    def __init__(self) -> None:
        self._offences: dict[bytes, Evidence] = {}

    def load_all(self) -> StoredOffences:
        """Return all that is saved."""
        return StoredOffences(found=tuple(self._offences.values()))

    def save(self, evidence: Evidence) -> None:
        """Keep an offence."""
        self._offences[evidence.one.key] = evidence

    def remove(self, key: bytes) -> None:
        """Forget the offence of a key."""
        self._offences.pop(key, None)


def list_claimed_votes(extrinsics: tuple[bytes, ...]) -> list[SignedVote]:
    """Return the votes in a block that nobody has executed, up to what does not decode; nothing of them is checked."""
    found: list[SignedVote] = []
    for raw in itertools.takewhile(is_bare, extrinsics):
        try:
            found += list_included_votes((raw,))
        except (CodecError, Malformed):
            break
    return found


def list_included_votes(extrinsics: tuple[bytes, ...]) -> list[SignedVote]:
    """Return the votes that an imported block carries, on their own and in evidence; the runtime has checked them."""
    found: list[SignedVote] = []
    for raw in itertools.takewhile(is_bare, extrinsics):
        _, arguments = resolve_call(decode_extrinsic(raw))
        for argument in arguments:
            match argument:
                case SignedVote():
                    found.append(argument)
                case Evidence():
                    found += [argument.one, argument.two]
                case _:
                    continue
    return found
