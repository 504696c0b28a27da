# mypy: disable-error-code="no-untyped-def"
"""Kernels that turn a strike's angles into the rotations of its steps.

A sweep may have any terms (see `vm.sweep_kernels`). Any other step has only terms of its own qubit: its rotations
follow from few bits and come from a table of factors, made once for a strike if it is small.

Terms:
    program: (steps, news, fields, couplings, highs, order, places), see `vm.program`.
    sizes: live_qubits_max, suffix step, factors kept, largest table of factors not kept.
    angles: (gammas, dressing, ts, frames): int64 gamma of each layer, int64 dressing phase of each qubit, float64 t of
        each layer and qubit, int64 frame bit of each qubit before each layer (and after the last).
    frame: bit flips that mixers left to be remembered: 1 if the register's bit of a qubit is inverted.
    tables: (table, phases, turns, factors, held): the frozen cosines and sines; see `vm.sweep_kernels`; factors
        float64[2, k]; the steps whose phases and whose unkept factors are in memory.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from vm.phase_kernels import draw_phases, fill_phases, round_product
from vm.sweep_kernels import fill_sweep_, turn_
from vm.tiles import TILE_BITS

# columns of a program's step rows
LAYER, QUBIT, POSITION, LIVE, MEASURED, SWEEP, NEW, NEW_END, FIELD, FIELD_END = range(10)
COUPLING, COUPLING_END, HIGH, HIGH_END, PLACE, PLACE_END, FACTOR, FACTOR_SIZE = range(10, 18)
STEP_COLUMNS = 18


@njit(cache=True, fastmath=False, error_model="numpy")
def make_angles(words, law, depth, n, table):
    """Return the strike's angles: gammas, dressing, and each mixer as t and frame.

    A mixer [[c, i s], [i s, c]] is divided by the larger of c and i s: y0 = a + i t b, y1 = b + i t a with t = s / c,
    or t = -c / s and a bit flip that goes into the frame.
    """
    gammas, mixers, dressing = draw_phases(words, law, depth, n)
    ts = np.empty((depth, n))
    frames = np.zeros((depth + 1, n), np.int64)
    for layer in range(depth):
        for q in range(n):
            c = table[mixers[layer, q], 0]
            s = table[mixers[layer, q], 1]
            # SPEC VM-17: A mixer MUST be y0 = a + i t b, y1 = b + i t a; t = s / c, or -c / s and a flip if |s| > |c|.
            if abs(s) <= abs(c):
                ts[layer, q] = s / c
                frames[layer + 1, q] = frames[layer, q]
            else:
                ts[layer, q] = -c / s
                frames[layer + 1, q] = 1 - frames[layer, q]
    return gammas, dressing, ts, frames


@njit(cache=True, fastmath=False, error_model="numpy")
def sweep_(program, step, angles, tables, re, im):
    """Apply all phases of a sweep, any terms on any positions."""
    steps, _, fields, couplings, _, _, _ = program
    row = steps[step]
    table, phases, turns, _, held = tables
    gammas, dressing, _, frames = angles
    live, layer = row[LIVE], row[LAYER]
    if held[0] != step:
        linear = np.zeros(live, np.int64)
        quadratic = np.zeros((live, live), np.int64)
        for k in range(row[FIELD], row[FIELD_END]):
            q = fields[k, 1]
            linear[fields[k, 0]] = (1 - 2 * frames[layer, q]) * (
                round_product(gammas[layer], fields[k, 2]) + dressing[q]
            )
        for k in range(row[COUPLING], row[COUPLING_END]):
            a, b = couplings[k, 0], couplings[k, 1]
            sign = 1 - 2 * (frames[layer, couplings[k, 3]] ^ frames[layer, couplings[k, 4]])
            quadratic[a, b] = quadratic[b, a] = sign * round_product(gammas[layer], couplings[k, 2])
        fill_sweep_(live, linear, quadratic, table, phases, turns)
        held[0] = step
    turn_(re, im, live, step == 0, table, phases, turns)


@njit(cache=True, fastmath=False, error_model="numpy")
def fill_kept_factors_(program, angles, tables):
    """Fill the factors of every step that keeps them for the whole strike."""
    steps = program[0]
    for step in range(len(steps)):
        if steps[step, FACTOR] >= 0:
            fill_factors_(program, step, angles, tables, steps[step, FACTOR])


@njit(cache=True, fastmath=False, error_model="numpy")
def fetch_factors_(program, step, sizes, angles, tables):
    """Make sure that a step's factors are in memory."""
    held = tables[4]
    if program[0][step, FACTOR] < 0 and held[1] != step:
        fill_factors_(program, step, angles, tables, sizes[2])
        held[0] = -1
        held[1] = step


@njit(cache=True, fastmath=False, error_model="numpy")
def fill_factors_(program, step, angles, tables, begin):
    """Fill a step's factors: cos and sin of the phases that involve its qubit, given the settings of its `highs`.

    Of a measured (top) qubit, the phases are those of its bit 0; its bit 1 has their negatives.
    """
    steps, _, fields, couplings, highs, _, _ = program
    row = steps[step]
    table, phases, _, factors, _ = tables
    gammas, dressing, _, frames = angles
    layer, qubit = row[LAYER], row[QUBIT]
    low = min(row[LIVE] - row[MEASURED], TILE_BITS)
    count = low + row[HIGH_END] - row[HIGH]
    own = (1 - 2 * frames[layer, qubit]) * (round_product(gammas[layer], fields[row[FIELD], 2]) + dressing[qubit])
    linear = np.zeros(count, np.int64)
    quadratic = np.zeros((count, count), np.int64)
    place = -1
    if row[MEASURED] == 0:
        place = find_place(row[POSITION], highs[row[HIGH] : row[HIGH_END]])
        linear[place] = own
    for k in range(row[COUPLING], row[COUPLING_END]):
        sign = 1 - 2 * (frames[layer, couplings[k, 3]] ^ frames[layer, couplings[k, 4]])
        value = sign * round_product(gammas[layer], couplings[k, 2])
        other = find_place(couplings[k, 1], highs[row[HIGH] : row[HIGH_END]])
        if row[MEASURED] == 1:
            linear[other] = value
        else:
            quadratic[place, other] = quadratic[other, place] = value
    phase = phases[0]
    fill_phases(phase, phases[1], count, own if row[MEASURED] == 1 else 0, linear, quadratic)
    cosines = factors[0, begin : begin + (1 << count)]
    sines = factors[1, begin : begin + (1 << count)]
    for x in range(1 << count):
        cosines[x] = table[phase[x], 0]
        sines[x] = table[phase[x], 1]


@njit(cache=True, fastmath=False, error_model="numpy")
def find_place(position, highs):
    """Return a position's place among the factors' bits: itself, or behind the tile's bits."""
    if position < TILE_BITS:
        return position
    for k in range(len(highs)):
        if highs[k] == position:
            return TILE_BITS + k
    return -1
