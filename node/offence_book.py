"""Offences on disk: the evidence against a key, until it is punished or too old.

One file a key and chain, `offences/<genesis>-<key>.json`, beside the database and not in it: `purge-chain` removes
blocks, which can be had again, but not the proof of what somebody signed.

Invariants: a file is whole or absent; one that is damaged is told of, left as it is, and hides none of the others; no
more than `FILES_MAX` are read.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import msgspec

from chain.hashing import blake2b_256
from chain.scale import CodecError
from consensus.finality import BadEvidence, Evidence
from node.core.offences import decode_evidence, encode_evidence
from node.core.voting import OffenceBookUnusable, StoredOffences
from node.synced_file import write_synced

FILES_MAX = 1_024
FILE_BYTES_MAX = 4_096
TROUBLES_MAX = 16
_DOMAIN = b"matchstrike offence"
_GENESIS_DIGITS = 16


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file; both votes as they travel, in hex."""

    genesis: str
    key: str
    evidence: str
    checksum: str


class FileOffenceBook:
    """The offence book of a node's data folder (`node.core.voting.OffenceBook`)."""

    def __init__(self, folder: Path, genesis_hash: bytes) -> None:
        self._folder = folder
        self._genesis = genesis_hash.hex()

    def get_path(self, key: bytes) -> Path:
        """Return the file of a key."""
        return self._folder / f"{self._genesis[:_GENESIS_DIGITS]}-{key.hex()}.json"

    def load_all(self) -> StoredOffences:
        """Return what the files of this chain hold, and a sentence for each that cannot be read."""
        found: list[Evidence] = []
        troubles: list[str] = []
        try:
            paths = sorted(self._folder.glob(f"{self._genesis[:_GENESIS_DIGITS]}-*.json"))
        except OSError as error:
            return StoredOffences(troubles=(f"{self._folder} cannot be read ({error.strerror})",))
        for path in islice(paths, FILES_MAX):
            try:
                found.append(self._read(path))
            except OffenceBookUnusable as error:
                troubles.append(str(error))
        told = troubles[:TROUBLES_MAX]
        if len(troubles) > TROUBLES_MAX:
            told.append(f"{len(troubles) - TROUBLES_MAX} more files in {self._folder} are damaged")
        if len(paths) > FILES_MAX:
            told.append(f"{self._folder} holds {len(paths)} offences; no more than {FILES_MAX} are read")
        return StoredOffences(found=tuple(found), troubles=tuple(told))

    def save(self, evidence: Evidence) -> None:
        """Replace the file of a key; its bytes and its name are on the medium when this returns.

        Raises:
            OffenceBookUnusable: the disk refused; the old record or the new one is there.
        """
        path = self.get_path(evidence.one.key)
        data = msgspec.json.format(msgspec.json.encode(self._make_record(evidence))) + b"\n"
        try:
            write_synced(path, data)
        except OSError as error:
            raise OffenceBookUnusable(f"{path} cannot be written ({error.strerror})") from error

    def remove(self, key: bytes) -> None:
        """Remove the file of a key, if there is one.

        Raises:
            OffenceBookUnusable: the disk refused.
        """
        path = self.get_path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OffenceBookUnusable(f"{path} cannot be removed ({error.strerror})") from error

    def _read(self, path: Path) -> Evidence:
        advice = (
            "If it holds evidence you know of, bring it with `matchstrike stake report-offence`; then remove the file"
        )
        try:
            with path.open("rb") as file:
                data = file.read(FILE_BYTES_MAX)
        except OSError as error:
            raise OffenceBookUnusable(f"{path} cannot be read ({error.strerror})") from error
        try:
            record = msgspec.json.decode(data, type=_Record)
            evidence = decode_evidence(bytes.fromhex(record.evidence))
        except (msgspec.DecodeError, BadEvidence, CodecError, ValueError) as error:
            raise OffenceBookUnusable(f"{path} is damaged ({error}). {advice}") from error
        if record != self._make_record(evidence) or path != self.get_path(evidence.one.key):
            raise OffenceBookUnusable(f"{path} is damaged (its checksum, or its name, does not fit). {advice}")
        return evidence

    def _make_record(self, evidence: Evidence) -> _Record:
        key, raw = evidence.one.key.hex(), encode_evidence(evidence).hex()
        checksum = blake2b_256(_DOMAIN + f"{self._genesis} {key} {raw}".encode()).hex()
        return _Record(genesis=self._genesis, key=key, evidence=raw, checksum=checksum)
