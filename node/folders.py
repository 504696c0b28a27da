"""Where a node keeps its files.

`<base>/chains/<chain id>/{db/full, network/secret_ed25519, keystore, votes, offences}`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec

PROGRAM = "matchstrike-node"


class Folders(msgspec.Struct, frozen=True, kw_only=True):
    """A node's folders for one chain.

    Attributes:
        base: The base path.
        chain: Everything of this chain.
        database: The LevelDB folder.
        keystore: Keys put in by `key insert` and RPC.
        network: The peer-to-peer identity.
        votes: What was signed last with each vote key; outlives `purge-chain`.
        offences: Evidence that is not settled yet; outlives `purge-chain`.
        batches: Notes of the batches of strikes that were sold; outlives `purge-chain`.
        solutions: Notes of the solutions that were committed to; outlives `purge-chain`.
    """

    base: Path
    chain: Path
    database: Path
    keystore: Path
    network: Path
    votes: Path
    offences: Path
    batches: Path
    solutions: Path


def get_default_base() -> Path:
    """Return the base path when none is named."""
    data_home = os.environ.get("XDG_DATA_HOME")
    root = Path(data_home) if data_home else Path.home() / ".local" / "share"
    return root / PROGRAM


def make_temporary_base() -> Path:
    """Return a new base path that nobody else uses."""
    return Path(tempfile.mkdtemp(prefix=f"{PROGRAM}-"))


def get_folders(base: Path, chain_id: str) -> Folders:
    """Return the folders of one chain under a base path."""
    chain = base / "chains" / chain_id
    return Folders(
        base=base,
        chain=chain,
        database=chain / "db" / "full",
        keystore=chain / "keystore",
        network=chain / "network",
        votes=chain / "votes",
        offences=chain / "offences",
        batches=chain / "batches",
        solutions=chain / "solutions",
    )
