# mypy: disable-error-code="no-untyped-def"
"""Kernels for sweeps: steps that apply all phases that a layer has left, any terms on any positions.

A look-up of cosine and sine for each amplitude would cost more than all else in a dense strike. So the terms are cut
into three groups, and a register is rotated by one group after the other; each group has few different phases.

Terms:
    low: positions below LOW_BITS; an amplitude's index without them is its row.
    middle: the position (at least LOW_BITS, or the number of live qubits) from which on rows differ in cross terms.
    low terms: those that touch a low position and none from `middle` on: a phase for each index below 2^middle.
    cross terms: couplings of a low position with one from `middle` on: for each setting of these a tile of phases.
    high terms: those that touch no low position: a phase for each row.
    phases: uint16[3, 2^live_qubits_max]: of the cross terms, scratch, and of the high terms.
    turns: float64[4, 2^MIDDLE_MAX]: cos and sin of the low terms; of one tile of cross terms.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from vm.phase_kernels import fill_phases
from vm.tiles import LOW_BITS, compute_middle

get_middle = njit(cache=True, fastmath=False, error_model="numpy")(compute_middle)


@njit(cache=True, fastmath=False, error_model="numpy")
def fill_sweep_(live, linear, quadratic, table, phases, turns):
    """Fill the phases of a sweep's terms by group, and the rotations by its low terms.

    Args:
        linear, quadratic: See `vm.phase_kernels.fill_phases`.
    """
    low, middle = min(live, LOW_BITS), get_middle(live)
    own = linear[:middle].copy()
    among = quadratic[:middle, :middle].copy()
    own[low:] = 0
    among[low:, low:] = 0
    fill_phases(phases[0], phases[1], middle, 0, own, among)
    look_up_(phases[0, : 1 << middle], table, turns[0, : 1 << middle], turns[1, : 1 << middle])
    cross = low + live - middle
    across = np.zeros((cross, cross), np.int64)
    across[:low, low:] = quadratic[:low, middle:]
    across[low:, :low] = quadratic[middle:, :low]
    fill_phases(phases[0], phases[1], cross, 0, np.zeros(cross, np.int64), across)
    fill_phases(phases[2], phases[1], live - low, 0, linear[low:].copy(), quadratic[low:, low:].copy())


@njit(cache=True, fastmath=False, error_model="numpy")
def look_up_(phases, table, cosines, sines):
    """Set cos and sin of some phases."""
    for j in range(len(phases)):
        angle = phases[j]
        cosines[j] = table[angle, 0]
        sines[j] = table[angle, 1]


@njit(cache=True, fastmath=False, error_model="numpy")
def turn_(re, im, live, load, table, phases, turns):
    """Rotate a register by the three groups; if it is to be loaded, one whose amplitudes are all 1.

    Args:
        phases, turns: As `fill_sweep_` left them.
    """
    # SPEC VM-21: A sweep MUST rotate by its low terms first, then by its cross terms, then by its high terms.
    low, middle = min(live, LOW_BITS), get_middle(live)
    width, rows = 1 << low, 1 << (middle - low)
    cosines, sines = turns[2, :width], turns[3, :width]
    for setting in range(1 << (live - middle)):
        look_up_(phases[0, setting * width : (setting + 1) * width], table, cosines, sines)
        for k in range(rows):
            row = setting * rows + k
            x, y = row * width, k * width
            c, s = table[phases[2, row], 0], table[phases[2, row], 1]
            tile_re, tile_im = re[x : x + width], im[x : x + width]
            low_cosines, low_sines = turns[0, y : y + width], turns[1, y : y + width]
            if load:
                load_tile_(tile_re, tile_im, low_cosines, low_sines, cosines, sines, c, s)
            else:
                turn_tile_(tile_re, tile_im, low_cosines, low_sines, cosines, sines, c, s)


@njit(cache=True, fastmath=False, error_model="numpy")
def load_tile_(re, im, low_cosines, low_sines, cosines, sines, c, s):
    """Set amplitudes to 1 rotated by the low terms, then by the cross terms, then by the high terms (c, s)."""
    for j in range(len(re)):
        ar, ai, cosine, sine = low_cosines[j], -low_sines[j], cosines[j], sines[j]
        ar, ai = ar * cosine + ai * sine, ai * cosine - ar * sine
        re[j] = ar * c + ai * s
        im[j] = ai * c - ar * s


@njit(cache=True, fastmath=False, error_model="numpy")
def turn_tile_(re, im, low_cosines, low_sines, cosines, sines, c, s):
    """Rotate amplitudes by the low terms, then by the cross terms, then by the high terms (c, s)."""
    for j in range(len(re)):
        ar, ai, cosine, sine = re[j], im[j], low_cosines[j], low_sines[j]
        ar, ai = ar * cosine + ai * sine, ai * cosine - ar * sine
        cosine, sine = cosines[j], sines[j]
        ar, ai = ar * cosine + ai * sine, ai * cosine - ar * sine
        re[j] = ar * c + ai * s
        im[j] = ai * c - ar * s
