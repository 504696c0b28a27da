"""The last vote of each key on disk: written, synced and renamed before the vote is signed.

One file a key and chain, `votes/<genesis>-<key>.json`, beside the database and not in it: `purge-chain` removes blocks,
which can be had again, but not the memory of what was signed.

Invariants: a file is whole or absent; what cannot be read, or is not what was written, is never taken for a vote.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from chain.hashing import blake2b_256
from consensus.finality import LastVote
from node.core.voting import VoteBookUnusable
from node.synced_file import write_synced

_DOMAIN = b"matchstrike vote book"
_GENESIS_DIGITS = 16


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file."""

    genesis: str
    key: str
    source_height: int
    target_height: int
    checksum: str


class FileVoteBook:
    """The vote book of a node's data folder."""

    def __init__(self, folder: Path, genesis_hash: bytes) -> None:
        self._folder = folder
        self._genesis = genesis_hash.hex()

    def get_path(self, key: bytes) -> Path:
        """Return the file of a key."""
        return self._folder / f"{self._genesis[:_GENESIS_DIGITS]}-{key.hex()}.json"

    def find_last(self, key: bytes) -> LastVote | None:
        """Return the last vote saved, or None if there is no file.

        Raises:
            VoteBookUnusable: the file cannot be read, or does not hold what was written.
        """
        path = self.get_path(key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise VoteBookUnusable(f"{path} cannot be read ({error.strerror}). {_explain(key)}") from error
        try:
            record = msgspec.json.decode(data, type=_Record)
        except msgspec.DecodeError as error:
            raise VoteBookUnusable(f"{path} is damaged ({error}). {_explain(key)}") from error
        last = LastVote(source_height=record.source_height, target_height=record.target_height)
        if record != self._make_record(key, last):
            raise VoteBookUnusable(f"{path} is damaged (its checksum does not fit). {_explain(key)}")
        return last

    def save_last(self, key: bytes, last: LastVote) -> None:
        """Replace the file of a key; its bytes and its name are on the medium when this returns.

        Raises:
            VoteBookUnusable: the disk refused; the old record or the new one is there.
        """
        path = self.get_path(key)
        data = msgspec.json.format(msgspec.json.encode(self._make_record(key, last))) + b"\n"
        try:
            write_synced(path, data)
        except OSError as error:
            text = f"{path} cannot be written ({error.strerror}); nothing is signed that is not written down"
            raise VoteBookUnusable(text) from error

    def _make_record(self, key: bytes, last: LastVote) -> _Record:
        body = f"{self._genesis} {key.hex()} {last.source_height} {last.target_height}"
        return _Record(
            genesis=self._genesis,
            key=key.hex(),
            source_height=last.source_height,
            target_height=last.target_height,
            checksum=blake2b_256(_DOMAIN + body.encode()).hex(),
        )


def _explain(key: bytes) -> str:
    return (
        f"The node does not vote with 0x{key.hex()}: a second vote for a height would be slashed. Restore the file "
        "from a copy that is certainly the newest, or take a new vote key"
    )
