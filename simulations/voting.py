"""The vote keys of a simulated validator, and its vote book and offences on the simulated disk."""

from __future__ import annotations

from chain.ed25519 import public_of, sign
from consensus.finality import Evidence, LastVote
from node.core.offences import decode_evidence, encode_evidence
from node.core.voting import OffenceBookUnusable, StoredOffences, VoteBookUnusable
from simulations.disk import Disk, DiskFull

OFFENCE_PREFIX = b"offence:"


class SeedSigner:
    """Signs with keys made from seeds."""

    def __init__(self, seeds: tuple[bytes, ...]) -> None:
        self._seeds = {public_of(seed): seed for seed in seeds}

    def keys(self) -> tuple[bytes, ...]:
        """Return the public keys."""
        return tuple(self._seeds)

    def sign(self, public: bytes, message: bytes) -> bytes:
        """Return the signature of one of the keys, 64 bytes."""
        return sign(self._seeds[public], message)


class DiskVoteBook:
    """Remembers the last vote of each key on a disk that survives the node."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def find_last(self, key: bytes) -> LastVote | None:
        """Return the last vote saved, or None if the key never voted."""
        content = self._disk.files.get(key)
        if content is None:
            return None
        source, target = (int.from_bytes(part, "little") for part in (content[:8], content[8:]))
        return LastVote(source_height=source, target_height=target)

    def save_last(self, key: bytes, last: LastVote) -> None:
        """Replace the record, synced.

        Raises:
            VoteBookUnusable: the disk is full.
            PowerCut: the process is gone; the medium holds the old record or the new one.
        """
        content = last.source_height.to_bytes(8, "little") + last.target_height.to_bytes(8, "little")
        try:
            self._disk.write_file(key, content)
        except DiskFull as full:
            raise VoteBookUnusable(str(full)) from full


class DiskOffenceBook:
    """Remembers offences on a disk that survives the node (`node.core.voting.OffenceBook`)."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def load_all(self) -> StoredOffences:
        """Return all that is saved."""
        files = self._disk.files.items()
        return StoredOffences(
            found=tuple(decode_evidence(content) for name, content in files if name.startswith(OFFENCE_PREFIX))
        )

    def save(self, evidence: Evidence) -> None:
        """Keep an offence, synced.

        Raises:
            OffenceBookUnusable: the disk is full.
            PowerCut: the process is gone; the medium holds the record or not.
        """
        try:
            self._disk.write_file(OFFENCE_PREFIX + evidence.one.key, encode_evidence(evidence))
        except DiskFull as full:
            raise OffenceBookUnusable(str(full)) from full

    def remove(self, key: bytes) -> None:
        """Forget the offence of a key; not a write, so that a cut cannot fall on it."""
        self._disk.files.pop(OFFENCE_PREFIX + key, None)
