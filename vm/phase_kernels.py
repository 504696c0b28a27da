# mypy: disable-error-code="no-untyped-def"
"""Integer kernels: a strike's angles, and the 16-bit phases of amplitudes.

All arithmetic here is exact. The same functions run as plain Python under NUMBA_DISABLE_JIT=1.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, fastmath=False, error_model="numpy")
def draw_phases(words, law, depth, n):
    """Return (gammas int64[depth], mixer phases int64[depth, n], dressing phases int64[n]); see `vm.derivation`.

    Args:
        law: int64[5, max(p, 2)]: gamma means, gamma widths, beta means, beta widths, (field width, mixer width).
    """
    gammas = np.empty(depth, np.int64)
    betas = np.empty(depth, np.int64)
    for layer in range(depth):
        gammas[layer] = _draw_angle(words[2 * layer], law[0, layer], law[1, layer], 1 << 31)
        betas[layer] = _draw_angle(words[2 * layer + 1], law[2, layer], law[3, layer], 1 << 30)
    dressing = np.empty(n, np.int64)
    mixers = np.empty((depth, n), np.int64)
    for q in range(n):
        word = words[2 * depth + q]
        low = np.int64(word & np.uint64(0xFFFFFFFF))
        high = np.int64(word >> np.uint64(32))
        field = ((2 * low + 1 - 4294967296) * law[4, 0]) >> 32
        mixer = ((2 * high + 1 - 4294967296) * law[4, 1]) >> 32
        dressing[q] = ((field + 32768) >> 16) & 0xFFFF
        for layer in range(depth):
            mixers[layer, q] = (((betas[layer] + 32768) >> 16) + ((mixer + 32768) >> 16)) & 0xFFFF
    return gammas, mixers, dressing


@njit(cache=True, fastmath=False, error_model="numpy")
def _draw_angle(word, mean, width, period):
    noise = np.int64(0)
    for k in range(3):
        noise += 2 * np.int64((word >> np.uint64(16 * k)) & np.uint64(0xFFFF)) - 0xFFFF
    angle = mean + ((width * noise) >> 16)
    return min(max(angle, mean >> 1), (mean + period) >> 1)


@njit(cache=True, fastmath=False, error_model="numpy")
def round_product(angle, factor):
    """Return angle * factor rounded to a 16-bit phase (before the modulus)."""
    return (angle * factor + 32768) >> 16


@njit(cache=True, fastmath=False, error_model="numpy")
def fill_phases(phase, slope, live, start, linear, quadratic):
    """Fill phase[0..2^live) with the sum of all terms modulo 2^16, by doubling.

    Args:
        slope: Scratch, uint16[2^(live-1)] or longer.
        start: Constant phase.
        linear: int64[live], phases of the fields.
        quadratic: int64[live, live], symmetric, zero diagonal: phases of the couplings.
    """
    total = start
    for a in range(live):
        total += linear[a]
        for b in range(a):
            total += quadratic[a, b]
    phase[0] = total & 0xFFFF
    for a in range(live):
        slant = linear[a]
        for b in range(live):
            slant += quadratic[a, b]
        slope[0] = (-2 * slant) & 0xFFFF  # what flipping qubit a from spin +1 adds, given the lower qubits
        for b in range(a):
            double_(slope, 1 << b, (4 * quadratic[a, b]) & 0xFFFF)
        size = 1 << a
        low = phase[0:size]
        high = phase[size : 2 * size]
        for y in range(size):
            high[y] = (np.int64(low[y]) + np.int64(slope[y])) & 0xFFFF


@njit(cache=True, fastmath=False, error_model="numpy")
def double_(values, size, jump):
    """Append to values[0..size) a copy of itself plus `jump`, modulo 2^16."""
    low = values[0:size]
    high = values[size : 2 * size]
    for y in range(size):
        high[y] = (np.int64(low[y]) + jump) & 0xFFFF
