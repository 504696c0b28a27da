"""Where compiled kernels are kept, and how to compile them before they are needed.

Numba's own cache does not notice edits of callees in other files, so the folder is named by a digest of vm's sources:
an edit anywhere in vm gets a new folder. `set_kernel_cache` must run before anything imports numba.

Run as a program (`python -m workers.kernel_cache`), it compiles all kernels and prints the folder.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

_MARK = "compiled"  # a file in the folder: all kernels are there


def set_kernel_cache(cache_root: Path | None = None) -> Path:
    """Set NUMBA_CACHE_DIR unless the user did, and return the folder.

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


def compile_kernels() -> None:
    """Compile every kernel that a node needs, or load it from the cache.

    Raises:
        vm.golden.VmDiffers: this machine's strikes are not the chain's.
    """
    # Imported here: numba reads NUMBA_CACHE_DIR when it is first imported.
    importlib.import_module("vm.golden").run_self_test()


def prepare_kernels() -> None:
    """Have another process compile the kernels, if that was not done yet: compiling leaves 200 MB in the process.

    Without the compiled kernels, whatever the reason, this process compiles what it needs itself.
    """
    folder = set_kernel_cache()
    if (folder / _MARK).exists() or not _is_writable(folder):
        return
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    command = [sys.executable, "-P", "-m", "workers.kernel_cache"]
    silent = subprocess.DEVNULL
    subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths}, stdin=silent, stdout=silent, stderr=silent, check=False
    )


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


if __name__ == "__main__":
    chosen_folder = set_kernel_cache()
    compile_kernels()
    if _is_writable(chosen_folder):
        (chosen_folder / _MARK).touch()
    print(chosen_folder)
