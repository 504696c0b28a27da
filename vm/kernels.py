# mypy: disable-error-code="no-untyped-def"
"""The interpreter: runs a compiled schedule for one strike.

A schedule arrives as integer arrays ("program", made by `vm.program`); `play` walks its steps depth first through the
tree of measured bits. A register alternates between two buffers; when the shots that share it disagree, the other
branch is copied aside and resumed later.

Terms:
    program: (steps, news, fields, couplings, highs, order, places), see `vm.program`.
    angles: (gammas, dressing, ts, frames): int64 gamma of each layer, int64 dressing phase of each qubit, float64 t of
        each layer and qubit, int64 frame bit of each qubit before each layer (and after the last).
    frame: bit flips that mixers left to be remembered: 1 if the register's bit of a qubit is inverted.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from vm.amplitude_kernels import (
    copy_,
    expand_,
    get_setting,
    load_,
    rotate_,
    rotate_tile_,
    weigh_step_,
)
from vm.mix_kernels import mix_run_
from vm.phase_kernels import TILE, TILE_BITS, draw_phases, fill_phases, round_product
from vm.tail_kernels import COLUMNS, TAIL_BITS, choose_bit, descend_

# columns of a program's step rows
LAYER, QUBIT, POSITION, LIVE, MEASURED, SWEEP, NEW, NEW_END, FIELD, FIELD_END = range(10)
COUPLING, COUPLING_END, HIGH, HIGH_END, PLACE, PLACE_END, FACTOR, FACTOR_SIZE = range(10, 18)
STEP_COLUMNS = 18

SCALE_LIMIT = 2.0**128
SCALE_STEP = 2.0**-64
RUN, KEEP, RESUME = range(3)
GAP = 256  # between planes, so that equal indices fall into different cache sets


@njit(cache=True, fastmath=False, error_model="numpy")
def strike(program, sizes, table, law, words, depth, mode, trunk, uniforms, planes, shots):
    """Run one strike: angles from the stream, then the circuit; fill shots uint8[s, n].

    The only kernel that is called from outside, so that all others are compiled into it once.

    Args:
        program, sizes: See `vm.program`.
        law: See `vm.phase_kernels.draw_phases`.
        words: The stream.
        mode: RUN all steps; KEEP the register of the suffix in `trunk` and stop; or RESUME from there.
        trunk: float64[2, 2^live] or empty.
        uniforms: float64[s, n], or without rows: the stream's.
        planes: Scratch, float64[planes * (2^live_qubits_max + GAP)], 2 planes for each buffer in use.
    """
    count, n = shots.shape
    angles = make_angles(words, law, depth, n, table)
    if len(uniforms) == 0:
        uniforms = np.empty((count, n))
        first = 2 * depth + n
        for k in range(count):
            for rank in range(n):
                uniforms[k, rank] = np.float64(words[first + k * n + rank] >> np.uint64(11)) * 2.0**-53
    play(program, sizes, table, angles, mode, trunk, uniforms, planes, shots)


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
def play(program, sizes, table, angles, mode, trunk, uniforms, planes, shots):
    """Run the steps for all rows of uniforms; fill shots."""
    steps, _, _, _, _, order, _ = program
    ts, frames = angles[2], angles[3]
    count, n = uniforms.shape
    depth = len(ts)
    size_max = 1 << sizes[0]
    phase = np.empty(size_max, np.uint16)
    slope = np.empty(size_max, np.uint16)
    factors = np.empty((2, sizes[2] + sizes[3]))
    fill_kept_factors_(program, table, angles, phase, slope, factors)
    measuring = (np.empty(n), np.empty(n, np.int64), order)
    for rank in range(n):
        measuring[0][rank] = ts[depth - 1, order[rank]]
        measuring[1][rank] = frames[depth, order[rank]]
    lanes = np.empty((4, TILE))
    source = np.empty((4, TILE))
    spare = np.empty(count, np.int64)
    columns = make_columns(count)
    members = np.arange(count)
    stack = np.empty((count + 1, 5), np.int64)  # step, rank, first, last, live
    pending = make_pending(steps, count)
    held = np.full(2, -1)  # the steps whose phases and whose unkept factors are in memory
    height = 0
    used = 0
    side, start, step, rank, live, first, last = 0, 0, 0, 0, 0, 0, count
    planes[0], planes[size_max + GAP] = 1.0, 0.0
    if mode == RESUME:
        step = sizes[1]
    while True:
        while step < sizes[1]:
            row = steps[step]
            re, im = get_planes(planes, side, start, live, size_max)
            out_re, out_im = get_planes(planes, 1 - side, 0, row[LIVE], size_max)
            if row[MEASURED] == 0:
                if step == 0 and row[SWEEP] == 1:
                    live = row[LIVE]
                    re, im = get_planes(planes, 0, 0, live, size_max)
                elif row[NEW] < row[NEW_END]:
                    side, start, live = 1 - side, 0, row[LIVE]
                    expand_(
                        re,
                        im,
                        program[1][row[NEW] : row[NEW_END]],
                        program[6][row[PLACE] : row[PLACE_END]],
                        1 << live,
                        out_re,
                        out_im,
                    )
                    re, im = out_re, out_im
                step = run_unmeasured_(program, step, table, angles, re, im, phase, slope, factors, sizes, held)
                continue
            fetch_factors_(program, step, table, angles, phase, slope, factors, sizes, held)
            begin = row[FACTOR] if row[FACTOR] >= 0 else sizes[2]
            w0, w1 = weigh_step_(
                re,
                im,
                program[1][row[NEW] : row[NEW_END]],
                program[6][row[PLACE] : row[PLACE_END]],
                row[LIVE],
                factors[0, begin : begin + row[FACTOR_SIZE]],
                factors[1, begin : begin + row[FACTOR_SIZE]],
                program[4][row[HIGH] : row[HIGH_END]],
                ts[depth - 1, row[QUBIT]],
                out_re,
                out_im,
                lanes,
                source,
            )
            side, live = 1 - side, row[LIVE] - 1
            half = 1 << live
            cut = split_two_(members[first:last], rank, measuring, uniforms, shots, w0, w1, spare)
            scale_(out_re[:half], out_im[:half], w0)
            scale_(out_re[half:], out_im[half:], w1)
            rank += 1
            step += 1
            start = 0 if cut > 0 else half
            if 0 < cut < last - first:
                copy_(out_re[half:], pending[0, used : used + half])
                copy_(out_im[half:], pending[1, used : used + half])
                used += half
                other = stack[height]
                other[0], other[1], other[2], other[3], other[4] = step, rank, first + cut, last, live
                height += 1
                last = first + cut
        row = steps[step]
        re, im = get_planes(planes, side, start, live, size_max)
        if mode == RESUME:
            re, im = get_planes(planes, 0, 0, row[LIVE], size_max)
        elif row[NEW] < row[NEW_END] and step > 0:
            out_re, out_im = get_planes(planes, 1 - side, 0, row[LIVE], size_max)
            expand_(
                re,
                im,
                program[1][row[NEW] : row[NEW_END]],
                program[6][row[PLACE] : row[PLACE_END]],
                1 << row[LIVE],
                out_re,
                out_im,
            )
            re, im = out_re, out_im
        elif step == 0:
            re, im = get_planes(planes, 0, 0, row[LIVE], size_max)
        if mode == RESUME:
            copy_(trunk[0], re)
            copy_(trunk[1], im)
        else:
            sweep_(program, step, table, angles, re, im, phase, slope, held)
        if mode == KEEP:
            copy_(re, trunk[0])
            copy_(im, trunk[1])
            break
        descend_(re, im, row[LIVE], rank, members[first:last], measuring, uniforms, shots, lanes, columns)
        if height == 0:
            break
        height -= 1
        other = stack[height]
        step, rank, first, last, live = other[0], other[1], other[2], other[3], other[4]
        side, start = 0, 0
        half = 1 << live
        used -= half
        re, im = get_planes(planes, side, start, live, size_max)
        copy_(pending[0, used : used + half], re)
        copy_(pending[1, used : used + half], im)


@njit(cache=True, fastmath=False, error_model="numpy")
def get_planes(planes, side, start, live, size_max):
    """Return the real and imaginary arrays of a register."""
    re = 2 * side * (size_max + GAP) + start
    im = re + size_max + GAP
    return planes[re : re + (1 << live)], planes[im : im + (1 << live)]


@njit(cache=True, fastmath=False, error_model="numpy")
def make_columns(count):
    """Return the columns in which `count` shots end (see `vm.tail_kernels`)."""
    size = COLUMNS << TAIL_BITS
    counts = np.empty(3, np.int64)  # filled, width of the batch, shots left
    counts[0], counts[1], counts[2] = 0, min(COLUMNS, count), count
    return np.empty(size), np.empty(size), np.empty(size), np.empty(COLUMNS, np.int64), counts


@njit(cache=True, fastmath=False, error_model="numpy")
def make_pending(steps, count):
    """Return space for every branch that can wait at once: at most one for each measuring step and shot but one."""
    room = np.zeros(64, np.int64)
    for k in range(len(steps)):
        if steps[k, MEASURED] == 1 and steps[k, SWEEP] == 0 and steps[k, FIELD] < steps[k, FIELD_END]:
            room[steps[k, LIVE] - 1] += 1
    total, left = 0, count - 1
    for live in range(63, -1, -1):
        taken = min(left, room[live])
        total += taken << live
        left -= taken
    return np.empty((2, total))


@njit(cache=True, fastmath=False, error_model="numpy")
def split_two_(members, rank, measuring, uniforms, shots, w0, w1, spare):
    """Draw one bit for each member; move the members whose register bit is 0 to the front and return their number."""
    _, flips, order = measuring
    zeros = 0
    for k in range(len(members)):
        shot = members[k]
        bit = choose_bit(uniforms[shot, rank], w0, w1, flips[rank])
        shots[shot, order[rank]] = bit ^ flips[rank]
        if bit == 0:
            members[zeros] = shot
            zeros += 1
        else:
            spare[k - zeros] = shot
    for k in range(zeros, len(members)):
        members[k] = spare[k - zeros]
    return zeros


@njit(cache=True, fastmath=False, error_model="numpy")
def scale_(re, im, weight):
    """Multiply a branch by a power of two if its weight left 2^-128..2^128, so that long circuits stay in range."""
    # SPEC VM-20: Before that sweep, a branch MUST be scaled by 2^-64 if its weight exceeds 2^128, by 2^64 below 2^-128.
    factor = 1.0
    if weight > SCALE_LIMIT:
        factor = SCALE_STEP
    elif weight < 1.0 / SCALE_LIMIT:
        factor = 1.0 / SCALE_STEP
    if factor != 1.0:
        for x in range(len(re)):
            re[x] *= factor
            im[x] *= factor


@njit(cache=True, fastmath=False, error_model="numpy")
def run_unmeasured_(program, step, table, angles, re, im, phase, slope, factors, sizes, held):
    """Apply a step's phases, its mixer and those of the plain steps that follow; return the next step."""
    steps = program[0]
    row = steps[step]
    if row[SWEEP] == 1:
        sweep_(program, step, table, angles, re, im, phase, slope, held)
    elif row[FIELD] < row[FIELD_END]:
        fetch_factors_(program, step, table, angles, phase, slope, factors, sizes, held)
        begin = row[FACTOR] if row[FACTOR] >= 0 else sizes[2]
        width = min(len(re), TILE)
        highs = program[4][row[HIGH] : row[HIGH_END]]
        for base in range(0, len(re), width):
            k = begin + get_setting(base, highs) * width
            rotate_tile_(
                re[base : base + width], im[base : base + width], factors[0, k : k + width], factors[1, k : k + width]
            )
    end = step + 1
    while (
        end < sizes[1]
        and steps[end, MEASURED] == 0
        and steps[end, FIELD] == steps[end, FIELD_END]
        and steps[end, NEW] == steps[end, NEW_END]
    ):
        end += 1
    positions = steps[step:end, POSITION].copy()
    ts = np.empty(end - step)
    for k in range(step, end):
        ts[k - step] = angles[2][steps[k, LAYER], steps[k, QUBIT]]
    mix_run_(re, im, row[LIVE], positions, ts)
    return end


@njit(cache=True, fastmath=False, error_model="numpy")
def sweep_(program, step, table, angles, re, im, phase, slope, held):
    """Apply all phases of a sweep, any terms on any positions."""
    steps, _, fields, couplings, _, _, _ = program
    row = steps[step]
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
        fill_phases(phase, slope, live, 0, linear, quadratic)
        held[0] = step
    if step == 0:
        load_(re, im, 1 << live, phase, table)
    else:
        rotate_(re, im, 1 << live, phase, table)


@njit(cache=True, fastmath=False, error_model="numpy")
def fill_kept_factors_(program, table, angles, phase, slope, factors):
    """Fill the factors of every step that keeps them for the whole strike."""
    steps = program[0]
    for step in range(len(steps)):
        if steps[step, FACTOR] >= 0:
            fill_factors_(program, step, table, angles, phase, slope, factors, steps[step, FACTOR])


@njit(cache=True, fastmath=False, error_model="numpy")
def fetch_factors_(program, step, table, angles, phase, slope, factors, sizes, held):
    """Make sure that a step's factors are in memory."""
    if program[0][step, FACTOR] < 0 and held[1] != step:
        fill_factors_(program, step, table, angles, phase, slope, factors, sizes[2])
        held[0] = -1
        held[1] = step


@njit(cache=True, fastmath=False, error_model="numpy")
def fill_factors_(program, step, table, angles, phase, slope, factors, begin):
    """Fill a step's factors: cos and sin of the phases that involve its qubit, given the settings of its `highs`.

    Of a measured (top) qubit, the phases are those of its bit 0; its bit 1 has their negatives.
    """
    steps, _, fields, couplings, highs, _, _ = program
    row = steps[step]
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
    fill_phases(phase, slope, count, own if row[MEASURED] == 1 else 0, linear, quadratic)
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
