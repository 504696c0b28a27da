"""The inside of a cluster's worker: run one function, named and with a packed argument, as this machine has it.

Nothing here imports numba, whose cache folder must be set first: so the function comes by name and its argument packed.
"""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path

from workers.kernel_cache import compute_vm_digest, set_kernel_cache


class VersionsDiffer(Exception):
    """A worker whose Matchstrike is another one than the caller's."""


def compute_code_digest() -> str:
    """Return a short digest of what decides a task's result: the sources of vm and of workers."""
    digest = blake2b(compute_vm_digest().encode(), digest_size=8)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def run_named_task(expected: str, name: str, packed: bytes) -> bytes:
    """Return the packed result of a task.

    Args:
        expected: The caller's code digest.
        name: `module:function`.
        packed: The pickled argument.

    Raises:
        VersionsDiffer: this worker has another code.
        Exception: what the function raised.
    """
    found = _prepare_once()
    if found != expected:
        raise VersionsDiffer(f"its code has the digest {found}, the caller's {expected}")
    module, _, attribute = name.partition(":")
    function: Callable[[object], object] = getattr(importlib.import_module(module), attribute)
    return pickle.dumps(function(pickle.loads(packed)), protocol=pickle.HIGHEST_PROTOCOL)


@cache
def _prepare_once() -> str:
    """Return this worker's code digest; before numba is imported, set where it keeps kernels."""
    set_kernel_cache()
    return compute_code_digest()
