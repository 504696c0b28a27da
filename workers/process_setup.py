"""What nodes and commands set before numpy and numba are imported; worker processes get it from their parents."""

from __future__ import annotations

import os

from workers.kernel_cache import set_kernel_cache

# A BLAS thread that has nothing to do spins: one product of middling matrices keeps a whole core busy for a while.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}


def set_up_process() -> None:
    """Set where kernels are kept, and one thread for each numeric library, unless the user chose otherwise.

    Whoever sets OMP_NUM_THREADS means all of them; OpenBLAS would rather heed its own variable.
    """
    set_kernel_cache()
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    for name in ONE_THREAD:
        os.environ.setdefault(name, threads)
