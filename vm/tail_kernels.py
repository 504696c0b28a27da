# mypy: disable-error-code="no-untyped-def"
"""Kernels for a circuit's end ("suffix"), when every remaining step only mixes and measures, two qubits at a time.

Large registers are cut into branches in place, depth first; shots that agree share a branch. A register of at most
2^TAIL_BITS amplitudes is copied into one column for each of its shots, and up to COLUMNS shots are finished at once.
Both do the same arithmetic in the same order.

Terms:
    measuring: (ts, flips, order) of the measured qubits by rank: the mixer's t, the frame bit (whether the register's
        bit is inverted), the label.
    columns: (re, im, weights, shots, (filled, width)): amplitude x of column k is at x * width + k.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from vm.amplitude_kernels import weigh_two_
from vm.mix_kernels import mix_four_, mix_pair_
from vm.tiles import TAIL_BITS

COLUMNS = 32


@njit(cache=True, fastmath=False, error_model="numpy")
def choose_bit(uniform, w0, w1, flip):
    """Return the register's bit: the qubit's bit is 0 iff u * (p0 + p1) < p0."""
    # SPEC VM-12: A measured bit MUST be 0 if and only if u * (p0 + p1) < p0, with p0 and p1 the weights of bit 0 and 1.
    zero = w1 if flip else w0
    return flip if uniform * (w0 + w1) < zero else 1 - flip


@njit(cache=True, fastmath=False, error_model="numpy")
def descend_(re, im, live, rank, members, measuring, uniforms, shots, lanes, columns):
    """Measure all qubits of a register, from `rank` on, for the shots in `members`.

    Args:
        members: Shots that share the register; permuted.
        uniforms: float64[shot, rank].
        shots: uint8[shot, qubit], filled.
        lanes: Scratch, float64[4, TILE].
    """
    stack = np.empty((64, 5), np.int64)
    branch = np.empty(len(members), np.int64)
    spare = np.empty(len(members), np.int64)
    starts = np.empty(5, np.int64)
    ts = measuring[0]
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3], stack[0, 4] = 0, live, rank, 0, len(members)
    height = 1
    while height > 0:
        height -= 1
        offset, live, rank = stack[height, 0], stack[height, 1], stack[height, 2]
        first, last = stack[height, 3], stack[height, 4]
        if live <= TAIL_BITS:
            fill_columns_(re, im, offset, live, rank, members[first:last], measuring, uniforms, shots, columns)
            continue
        # SPEC VM-19: From the sweep of the last layer on, qubits MUST be mixed and measured in pairs.
        weigh_two_(re, im, offset, live, ts[rank], ts[rank + 1], lanes)
        split_four_(members[first:last], rank, measuring, uniforms, shots, lanes, branch, spare, starts)
        for k in range(3, -1, -1):
            if starts[k] < starts[k + 1]:
                row = stack[height]
                row[0], row[1], row[2] = offset + (k << (live - 2)), live - 2, rank + 2
                row[3], row[4] = first + starts[k], first + starts[k + 1]
                height += 1


@njit(cache=True, fastmath=False, error_model="numpy")
def split_four_(members, rank, measuring, uniforms, shots, lanes, branch, spare, starts):
    """Draw two bits for each member; sort the members by branch, whose bounds go to starts[0..4]."""
    _, flips, order = measuring
    f0, f1 = flips[rank], flips[rank + 1]
    w0 = lanes[0, 0] + lanes[1, 0]
    w1 = lanes[2, 0] + lanes[3, 0]
    for k in range(5):
        starts[k] = 0
    for k in range(len(members)):
        shot = members[k]
        a = choose_bit(uniforms[shot, rank], w0, w1, f0)
        b = choose_bit(uniforms[shot, rank + 1], lanes[2 * a, 0], lanes[2 * a + 1, 0], f1)
        shots[shot, order[rank]] = a ^ f0
        shots[shot, order[rank + 1]] = b ^ f1
        branch[k] = 2 * a + b
        spare[k] = shot
        starts[2 * a + b + 1] += 1
    for k in range(4):
        starts[k + 1] += starts[k]
    for target in range(4):
        place = starts[target]
        for k in range(len(members)):
            if branch[k] == target:
                members[place] = spare[k]
                place += 1


@njit(cache=True, fastmath=False, error_model="numpy")
def fill_columns_(re, im, offset, live, rank, members, measuring, uniforms, shots, columns):
    """Copy a small register into a column for each member; finish the columns when all are filled."""
    col_re, col_im, _, col_shots, counts = columns
    for k in range(len(members)):
        filled, width = counts[0], counts[1]
        for x in range(1 << live):
            col_re[x * width + filled] = re[offset + x]
            col_im[x * width + filled] = im[offset + x]
        col_shots[filled] = members[k]
        counts[0] = filled + 1
        if filled + 1 == width:
            finish_columns_(live, rank, measuring, uniforms, shots, columns)
            counts[2] -= width
            counts[0], counts[1] = 0, min(COLUMNS, counts[2])


@njit(cache=True, fastmath=False, error_model="numpy")
def finish_columns_(live, rank, measuring, uniforms, shots, columns):
    """Measure all qubits of every column."""
    ts = measuring[0]
    col_re, col_im, _, _, counts = columns
    width = counts[1]
    while live > 1:
        size = width << (live - 2)
        mix_four_(col_re, col_im, 0, size, size, ts[rank], ts[rank + 1])
        measure_columns_(4, size, width, rank, measuring, uniforms, shots, columns)
        live -= 2
        rank += 2
    if live == 1:
        mix_pair_(col_re[:width], col_im[:width], col_re[width : 2 * width], col_im[width : 2 * width], ts[rank])
        measure_columns_(2, width, width, rank, measuring, uniforms, shots, columns)


@njit(cache=True, fastmath=False, error_model="numpy")
def measure_columns_(parts, size, width, rank, measuring, uniforms, shots, columns):
    """Weigh the parts (2 or 4) of every column, draw its bits, and move the chosen part to the front."""
    _, flips, order = measuring
    col_re, col_im, weights, col_shots, _ = columns
    weigh_columns_(parts, size, width, col_re, col_im, weights)
    for k in range(width):
        shot = col_shots[k]
        part = 0
        if parts == 4:
            w0 = weights[k] + weights[size + k]
            w1 = weights[2 * size + k] + weights[3 * size + k]
            a = choose_bit(uniforms[shot, rank], w0, w1, flips[rank])
            w0, w1 = weights[2 * a * size + k], weights[(2 * a + 1) * size + k]
            b = choose_bit(uniforms[shot, rank + 1], w0, w1, flips[rank + 1])
            shots[shot, order[rank]] = a ^ flips[rank]
            shots[shot, order[rank + 1]] = b ^ flips[rank + 1]
            part = 2 * a + b
        else:
            part = choose_bit(uniforms[shot, rank], weights[k], weights[size + k], flips[rank])
            shots[shot, order[rank]] = part ^ flips[rank]
        if part > 0:
            for x in range(k, size, width):
                col_re[x] = col_re[part * size + x]
                col_im[x] = col_im[part * size + x]


@njit(cache=True, fastmath=False, error_model="numpy")
def weigh_columns_(parts, size, width, col_re, col_im, weights):
    """Leave the weight of column k's part in weights[part * size + k], folded by halves of the amplitude index."""
    for x in range(parts * size):
        weights[x] = col_re[x] * col_re[x] + col_im[x] * col_im[x]
    for part in range(parts):
        rest = size
        while rest > width:
            rest >>= 1
            low = weights[part * size : part * size + rest]
            high = weights[part * size + rest : part * size + 2 * rest]
            for x in range(rest):
                low[x] = low[x] + high[x]
