"""The frozen table of cosines and sines: the only transcendental numbers of the engine.

Entry k holds cos and sin of `2 pi k / 2^16`, each correctly rounded to binary64. The table is computed once with
integers (no libm, so no machine can disagree) and compared with its hash.

Source: pi by Machin's formula; the first octant by repeated rotation in 192-bit fixed point; the rest by symmetry.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

TURN = 2**16
FIXED_POINT_BITS = 192
TABLE_HASH = "121a339f89938cff1e6433df88959eda136351034cb80516f3fec4a73d11c904"

TrigTable = NDArray[np.float64]  # axes: phase (2^16), (cos, sin)


class VmDiffers(Exception):
    """This machine's quantum VM does not compute what every other one computes."""

    rule: ClassVar[str] = "VM-05"


@cache
def get_trig_table() -> TrigTable:
    """Return the table, float64[2^16, 2], read-only.

    Raises:
        VmDiffers: the computed table does not have the frozen hash.
    """
    table = compute_trig_table()
    # SPEC VM-05: The table of cosines and sines MUST be correctly rounded and have the frozen BLAKE2b-256 hash.
    digest = hashlib.blake2b(table.tobytes(), digest_size=32).hexdigest()
    if digest != TABLE_HASH:
        raise VmDiffers(f"the trigonometric table hashes to {digest}, not {TABLE_HASH}")
    table.flags.writeable = False
    return table


def compute_trig_table() -> TrigTable:
    """Return cos and sin of `2 pi k / 2^16` for every k, correctly rounded, float64[2^16, 2]."""
    eighth = TURN // 8
    pairs = np.array(_compute_octant(eighth + 1), dtype=np.float64)
    quarter = np.empty((TURN // 4, 2))
    quarter[: eighth + 1] = pairs
    quarter[eighth + 1 :] = pairs[1:eighth][::-1, ::-1]
    table = np.empty((TURN, 2))
    cosines, sines = quarter[:, 0], quarter[:, 1]
    for turn, (c, s) in enumerate(((cosines, sines), (-sines, cosines), (-cosines, -sines), (sines, -cosines))):
        part = slice(turn * TURN // 4, (turn + 1) * TURN // 4)
        table[part, 0], table[part, 1] = c, s
    table += 0.0  # no negative zero
    return table


def _compute_octant(count: int) -> list[tuple[float, float]]:
    one = 1 << FIXED_POINT_BITS
    cos_step, sin_step = _compute_rotation(2 * _compute_pi(one) // TURN, one)
    c, s = one, 0
    pairs = []
    for _ in range(count):
        pairs.append((c / one, s / one))  # integer true division rounds correctly
        c, s = (
            (c * cos_step - s * sin_step) >> FIXED_POINT_BITS,
            (c * sin_step + s * cos_step) >> FIXED_POINT_BITS,
        )
    return pairs


def _compute_rotation(angle: int, one: int) -> tuple[int, int]:
    """Return (cos, sin) of a small fixed-point angle by their power series."""
    sums, term, k = [0, 0, 0, 0], one, 0
    while term:
        sums[k % 4] += term
        k += 1
        term = term * angle // (one * k)
    return sums[0] - sums[2], sums[1] - sums[3]


def _compute_pi(one: int) -> int:
    def compute_arctan_inverse(x: int) -> int:
        total, power, k = 0, one // x, 1
        while power:
            total += power // k if k % 4 == 1 else -(power // k)
            power //= x * x
            k += 2
        return total

    return 4 * (4 * compute_arctan_inverse(5) - compute_arctan_inverse(239))
