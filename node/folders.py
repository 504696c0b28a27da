"""Where a node keeps its files: `<base>/chains/<chain id>/{db/full, network/secret_ed25519, keystore}`.

Also where numba keeps compiled kernels: a folder named by a digest of vm's sources, because numba's cache does not
notice edits in other files.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from hashlib import blake2b
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
    """

    base: Path
    chain: Path
    database: Path
    keystore: Path
    network: Path


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
        base=base, chain=chain, database=chain / "db" / "full", keystore=chain / "keystore", network=chain / "network"
    )


def set_numba_cache(cache_root: Path | None = None) -> Path:
    """Set NUMBA_CACHE_DIR unless the user did; must run before anything imports numba.

    Args:
        cache_root: Where to keep the folder; the user's cache folder when None.
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen)
    if cache_root is None:
        cache_home = os.environ.get("XDG_CACHE_HOME")
        cache_root = (Path(cache_home) if cache_home else Path.home() / ".cache") / "matchstrike"
    folder = cache_root / f"numba-{compute_vm_digest()}"
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    return folder


def compute_vm_digest() -> str:
    """Return a short digest of vm's sources, without importing them."""
    spec = importlib.util.find_spec("vm")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the package vm is missing")
    digest = blake2b(digest_size=8)
    for path in sorted(Path(spec.submodule_search_locations[0]).rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
