"""Where numba keeps the compiled kernels: a folder named by a digest of vm's sources.

numba's cache does not notice edits in other files than a kernel's own, so every state of the sources gets its own
folder. Drivers call `set_kernel_cache` before anything imports numba; `python -m node.kernel_cache` prints the folder.
"""

from __future__ import annotations

import importlib.util
import os
from hashlib import blake2b
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"


def get_kernel_cache() -> Path:
    """Return the folder: what the environment says, else one in the user's cache folder."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    cache_home = os.environ.get("XDG_CACHE_HOME")
    root = Path(cache_home) if cache_home else Path.home() / ".cache"
    return root / "matchstrike" / f"numba-{compute_vm_digest()}"


def set_kernel_cache() -> Path:
    """Make numba use the folder, in this process and its children; must run before numba is imported."""
    folder = get_kernel_cache()
    os.environ[VARIABLE] = str(folder)
    return folder


def compute_vm_digest() -> str:
    """Return a short digest of vm's sources, without importing them.

    Raises:
        ModuleNotFoundError: there is no package vm.
    """
    spec = importlib.util.find_spec("vm")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the package vm is missing")
    digest = blake2b(digest_size=8)
    for path in sorted(Path(spec.submodule_search_locations[0]).rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    print(get_kernel_cache())
