# mypy: disable-error-code="no-untyped-def"
"""A kernel that counts registers from shots: how many different beginnings they have."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, fastmath=False, error_model="numpy")
def count_registers_(drawn, order, registers):
    """Fill registers int64[n + 1]: entry k is how many different first k bits the shots uint8[s, n] have.

    Args:
        order: Labels in the order of measurement, int64[n].
        registers: Filled; with no shots at all it is 1 throughout.
    """
    count, n = drawn.shape
    groups = np.zeros(count, np.int64)
    heirs = np.empty((count, 2), np.int64)
    number = 1
    registers[0] = 1
    for k in range(n):
        if number < count:
            heirs[:number] = -1
            number = 0
            for shot in range(count):
                group, bit = groups[shot], drawn[shot, order[k]]
                if heirs[group, bit] < 0:
                    heirs[group, bit] = number
                    number += 1
                groups[shot] = heirs[group, bit]
        registers[k + 1] = number
