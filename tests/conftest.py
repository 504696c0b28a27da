"""Tests use compiled kernels of the VM's present sources, as every program of the house does."""

from workers.kernel_cache import set_kernel_cache

set_kernel_cache()  # before any test imports numba, whose own cache does not notice edits in other files
