"""Tests use compiled kernels of the VM's present sources, as every program of the house does.

Run by several processes, a file's tests stay together, and all that start whole nodes stay in one: they choose free
ports, and two of them could choose the same.
"""

from pathlib import Path

import pytest

from workers.kernel_cache import set_kernel_cache

set_kernel_cache()  # before any test imports numba, whose own cache does not notice edits in other files

WHOLE_NODES = ("functional", "interop")
ROOT = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests belong into one process."""
    for item in items:
        path = item.path.relative_to(ROOT)
        group = "whole nodes" if path.parts[0] in WHOLE_NODES else str(path)
        item.add_marker(pytest.mark.xdist_group(group))
