"""What `matchstrike solve` must not forget: which bits it committed to, and with which salt.

The record is on the medium before the commit is sent; without it the deposit would be lost. One file for each problem
and account of a chain, in the folder `solutions` of the user's files; it goes when nothing more can come of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from consensus.commitment import Committer, compute_commitment
from matchstrike.commands.failure import FAILED, CommandFailed
from matchstrike.commands.settings import get_user_folder
from node.synced_file import write_synced

Stage = Literal["committing", "revealed"]


class SolutionRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A solution on its way to the chain.

    Attributes:
        stage: "revealed" once a block had the reveal.
    """

    genesis: bytes
    problem: int
    account: bytes
    salt: bytes
    bits: bytes
    energy: int
    stage: Stage = "committing"

    @property
    def commitment(self) -> bytes:
        """What is committed."""
        committer = Committer(genesis_hash=self.genesis, problem_id=self.problem, account=self.account)
        return compute_commitment(committer, self.salt, self.bits)


class SolutionFolder:
    """The records of one account on one chain."""

    def __init__(self, genesis: bytes, account: bytes, *, folder: Path | None = None) -> None:
        self._folder = folder if folder is not None else get_user_folder() / "solutions"
        self._prefix = f"{genesis.hex()[:16]}-{account.hex()[:16]}-"

    def load_all(self) -> list[SolutionRecord]:
        """Return the records that are kept, by problem.

        Raises:
            CommandFailed: a file that is none.
        """
        paths = self._folder.glob(f"{self._prefix}*.json") if self._folder.is_dir() else ()
        return sorted((self._read(path) for path in paths), key=lambda record: record.problem)

    def find(self, problem: int) -> SolutionRecord | None:
        """Return the record for a problem, if there is one."""
        path = self.get_path(problem)
        return self._read(path) if path.exists() else None

    def save(self, record: SolutionRecord) -> None:
        """Keep a record; it is on the medium when this returns.

        Raises:
            CommandFailed: the disk refuses.
        """
        path = self.get_path(record.problem)
        try:
            write_synced(path, msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        except OSError as error:
            raise CommandFailed(f"cannot write {path}: {error}; nothing was committed", FAILED) from error

    def forget(self, problem: int) -> None:
        """Remove a record."""
        self.get_path(problem).unlink(missing_ok=True)

    def get_path(self, problem: int) -> Path:
        """Return where a problem's record lies."""
        return self._folder / f"{self._prefix}{problem}.json"

    def _read(self, path: Path) -> SolutionRecord:
        try:
            return msgspec.json.decode(path.read_bytes(), type=SolutionRecord)
        except (OSError, msgspec.DecodeError) as error:
            text = f"{path} is no record of a solution ({error}); move it away to go on without it"
            raise CommandFailed(text, FAILED) from error
