# mypy: disable-error-code="no-untyped-def"
"""The interpreter: runs a compiled schedule for one strike.

A schedule arrives as integer arrays ("program", made by `vm.program`); `play` walks its steps depth first through the
tree of measured bits. A register alternates between two buffers; when the shots that share it disagree, the other
branch is copied aside and resumed later.

Terms (and those of `vm.factor_kernels`):
    cursor: int64[9]: where the walk is: the register's buffer, its start there, the next step, the next rank, the
        number of live qubits, the first and last of the members that share the register, the number of branches that
        wait and the room that they take.
    waiting: (stack, pending): cursor entries and registers of the branches to be resumed.
    measuring, columns: See `vm.tail_kernels`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from vm.amplitude_kernels import copy_, expand_, get_setting, rotate_tile_, weigh_step_
from vm.factor_kernels import (
    FACTOR,
    FACTOR_SIZE,
    FIELD,
    FIELD_END,
    HIGH,
    HIGH_END,
    LAYER,
    LIVE,
    MEASURED,
    NEW,
    NEW_END,
    PLACE,
    PLACE_END,
    POSITION,
    QUBIT,
    SWEEP,
    fetch_factors_,
    fill_kept_factors_,
    make_angles,
    sweep_,
)
from vm.mix_kernels import mix_run_
from vm.tail_kernels import COLUMNS, choose_bit, descend_
from vm.tiles import MIDDLE_MAX, TAIL_BITS, TILE

SIDE, START, AT, RANK, ALIVE, FIRST, LAST, HEIGHT, USED = range(9)  # entries of a cursor
RUN, KEEP, RESUME = range(3)
SCALE_LIMIT = 2.0**128
SCALE_STEP = 2.0**-64
GAP = 256  # between planes, so that equal indices fall into different cache sets


@njit(cache=True, fastmath=False, error_model="numpy")
def strike(program, sizes, table, law, words, depth, mode, trunk, uniforms, planes, phases, shots):
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
        phases: Scratch, uint16[3, 2^live_qubits_max].
    """
    count, n = shots.shape
    angles = make_angles(words, law, depth, n, table)
    if len(uniforms) == 0:
        uniforms = np.empty((count, n))
        first = 2 * depth + n
        for k in range(count):
            for rank in range(n):
                uniforms[k, rank] = np.float64(words[first + k * n + rank] >> np.uint64(11)) * 2.0**-53
    play(program, sizes, table, angles, mode, trunk, uniforms, (planes, phases), shots)


@njit(cache=True, fastmath=False, error_model="numpy")
def play(program, sizes, table, angles, mode, trunk, uniforms, scratches, shots):
    """Run the steps for all rows of uniforms; fill shots."""
    planes, phases = scratches
    count = len(uniforms)
    size_max = 1 << sizes[0]
    factors = np.empty((2, sizes[2] + sizes[3]))
    tables = (table, phases, np.empty((4, 1 << MIDDLE_MAX)), factors, np.full(2, -1))
    fill_kept_factors_(program, angles, tables)
    measuring = make_measuring(angles, program[5])
    scratch = (np.empty((4, TILE)), np.empty((4, TILE)), np.empty(count, np.int64))
    columns = make_columns(count)
    members = np.arange(count)
    waiting = (np.empty((count + 1, 5), np.int64), make_pending(program[0], count))
    cursor = np.zeros(9, np.int64)
    cursor[LAST] = count
    planes[0], planes[size_max + GAP] = 1.0, 0.0
    if mode == RESUME:
        cursor[AT] = sizes[1]
    while True:
        while cursor[AT] < sizes[1]:
            if program[0][cursor[AT], MEASURED] == 1:
                w0, w1 = measure_(program, sizes, angles, tables, planes, scratch, cursor)
                some = members[cursor[FIRST] : cursor[LAST]]
                cut = split_two_(some, cursor[RANK], measuring, uniforms, shots, w0, w1, scratch[2])
                follow_(cut, w0, w1, planes, size_max, waiting, cursor)
            else:
                re, im = introduce_(program, planes, size_max, mode, cursor)
                cursor[AT] = run_unmeasured_(program, cursor[AT], sizes, angles, tables, re, im)
        re, im = introduce_(program, planes, size_max, mode, cursor)
        if mode == RESUME:
            copy_(trunk[0], re)
            copy_(trunk[1], im)
        else:
            sweep_(program, cursor[AT], angles, tables, re, im)
        if mode == KEEP:
            copy_(re, trunk[0])
            copy_(im, trunk[1])
            break
        some = members[cursor[FIRST] : cursor[LAST]]
        descend_(re, im, cursor[ALIVE], cursor[RANK], some, measuring, uniforms, shots, scratch[0], columns)
        if cursor[HEIGHT] == 0:
            break
        resume_(planes, size_max, waiting, cursor)


@njit(cache=True, fastmath=False, error_model="numpy")
def make_measuring(angles, order):
    """Return (ts, flips, order) of the measured qubits by rank."""
    ts, frames = angles[2], angles[3]
    depth, n = ts.shape
    by_rank = np.empty(n)
    flips = np.empty(n, np.int64)
    for rank in range(n):
        by_rank[rank] = ts[depth - 1, order[rank]]
        flips[rank] = frames[depth, order[rank]]
    return by_rank, flips, order


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
def introduce_(program, planes, size_max, mode, cursor):
    """Introduce a step's new qubits and return the register; only its memory if it is about to be filled."""
    row = program[0][cursor[AT]]
    re, im = get_planes(planes, cursor[SIDE], cursor[START], cursor[ALIVE], size_max)
    if cursor[ALIVE] == row[LIVE]:
        return re, im
    if mode == RESUME or (cursor[AT] == 0 and row[SWEEP] == 1):
        cursor[ALIVE] = row[LIVE]
        return get_planes(planes, 0, 0, row[LIVE], size_max)
    out_re, out_im = get_planes(planes, 1 - cursor[SIDE], 0, row[LIVE], size_max)
    places = program[6][row[PLACE] : row[PLACE_END]]
    expand_(re, im, program[1][row[NEW] : row[NEW_END]], places, 1 << row[LIVE], out_re, out_im)
    cursor[SIDE], cursor[START], cursor[ALIVE] = 1 - cursor[SIDE], 0, row[LIVE]
    return out_re, out_im


@njit(cache=True, fastmath=False, error_model="numpy")
def measure_(program, sizes, angles, tables, planes, scratch, cursor):
    """Run a measuring step up to the weights of its two branches, which it returns; the register changes buffers."""
    row = program[0][cursor[AT]]
    size_max, factors = 1 << sizes[0], tables[3]
    fetch_factors_(program, cursor[AT], sizes, angles, tables)
    begin = row[FACTOR] if row[FACTOR] >= 0 else sizes[2]
    end = begin + row[FACTOR_SIZE]
    re, im = get_planes(planes, cursor[SIDE], cursor[START], cursor[ALIVE], size_max)
    out_re, out_im = get_planes(planes, 1 - cursor[SIDE], 0, row[LIVE], size_max)
    cursor[SIDE], cursor[ALIVE] = 1 - cursor[SIDE], row[LIVE] - 1
    return weigh_step_(
        re,
        im,
        program[1][row[NEW] : row[NEW_END]],
        program[6][row[PLACE] : row[PLACE_END]],
        row[LIVE],
        factors[0, begin:end],
        factors[1, begin:end],
        program[4][row[HIGH] : row[HIGH_END]],
        angles[2][row[LAYER], row[QUBIT]],
        out_re,
        out_im,
        scratch[0],
        scratch[1],
    )


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
def follow_(cut, w0, w1, planes, size_max, waiting, cursor):
    """Go on with the branch of bit 0 if it has members (`cut`); if the other has some too, copy it aside."""
    half = 1 << cursor[ALIVE]
    cursor[AT] += 1
    cursor[RANK] += 1
    cursor[START] = 0 if cut > 0 else half
    if cut > 0:
        re, im = get_planes(planes, cursor[SIDE], 0, cursor[ALIVE], size_max)
        scale_(re, im, w0)
    if cut == cursor[LAST] - cursor[FIRST]:
        return
    re, im = get_planes(planes, cursor[SIDE], half, cursor[ALIVE], size_max)
    scale_(re, im, w1)
    if cut == 0:
        return
    stack, pending = waiting
    copy_(re, pending[0, cursor[USED] : cursor[USED] + half])
    copy_(im, pending[1, cursor[USED] : cursor[USED] + half])
    row = stack[cursor[HEIGHT]]
    row[0], row[1], row[2] = cursor[AT], cursor[RANK], cursor[ALIVE]
    row[3], row[4] = cursor[FIRST] + cut, cursor[LAST]
    cursor[LAST] = cursor[FIRST] + cut
    cursor[HEIGHT] += 1
    cursor[USED] += half


@njit(cache=True, fastmath=False, error_model="numpy")
def resume_(planes, size_max, waiting, cursor):
    """Go back to the branch that was copied aside last."""
    stack, pending = waiting
    cursor[HEIGHT] -= 1
    row = stack[cursor[HEIGHT]]
    cursor[AT], cursor[RANK], cursor[ALIVE], cursor[FIRST], cursor[LAST] = row[0], row[1], row[2], row[3], row[4]
    half = 1 << cursor[ALIVE]
    cursor[SIDE], cursor[START] = 0, 0
    cursor[USED] -= half
    re, im = get_planes(planes, 0, 0, cursor[ALIVE], size_max)
    copy_(pending[0, cursor[USED] : cursor[USED] + half], re)
    copy_(pending[1, cursor[USED] : cursor[USED] + half], im)


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
def run_unmeasured_(program, step, sizes, angles, tables, re, im):
    """Apply a step's phases, its mixer and those of the plain steps that follow; return the next step."""
    steps = program[0]
    row = steps[step]
    factors = tables[3]
    if row[SWEEP] == 1:
        sweep_(program, step, angles, tables, re, im)
    elif row[FIELD] < row[FIELD_END]:
        fetch_factors_(program, step, sizes, angles, tables)
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
