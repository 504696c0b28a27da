"""The engine's inner loops, compiled by numba; the same functions run as plain Python under NUMBA_DISABLE_JIT=1.

Only + - * / on binary64, in the order written here; no fast-math, so no contraction and no reassociation.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import numpy as np
from numba import njit

LANES = 128  # weights are summed in this many lanes
SCALE_LIMIT = 2.0**128
SCALE_STEP = 2.0**-64


@njit(cache=True, fastmath=False)
def draw_phases(words, law, depth, n):
    """Return (gammas int64[depth], mixer phases int64[depth, n], dressing phases int64[n])."""
    gammas = np.empty(depth, np.int64)
    betas = np.empty(depth, np.int64)
    for layer in range(depth):
        for kind in range(2):
            word = words[2 * layer + kind]
            noise = np.int64(0)
            for k in range(3):
                noise += 2 * np.int64((word >> np.uint64(16 * k)) & np.uint64(0xFFFF)) - 0xFFFF
            mean = law[2 * kind, layer]
            period = np.int64(1) << (31 - kind)
            angle = mean + ((law[2 * kind + 1, layer] * noise) >> 16)
            angle = min(max(angle, mean >> 1), (mean + period) >> 1)
            if kind == 0:
                gammas[layer] = angle
            else:
                betas[layer] = angle
    dressing = np.empty(n, np.int64)
    mixers = np.empty((depth, n), np.int64)
    for q in range(n):
        word = words[2 * depth + q]
        low = np.int64(word & np.uint64(0xFFFFFFFF))
        high = np.int64(word >> np.uint64(32))
        own = ((2 * low + 1 - 4294967296) * law[4, 0]) >> 32
        dressing[q] = ((own + 32768) >> 16) & 0xFFFF
        own = ((2 * high + 1 - 4294967296) * law[4, 1]) >> 32
        for layer in range(depth):
            mixers[layer, q] = (((betas[layer] + 32768) >> 16) + ((own + 32768) >> 16)) & 0xFFFF
    return gammas, mixers, dressing


@njit(cache=True, fastmath=False)
def fill_phases(phase, slope, live, linear, quadratic):
    """Fill phase[0..2^live) with the sum of all terms, modulo 2^16, by doubling.

    Args:
        linear: int64[live], phases of the fields.
        quadratic: int64[live, live], phases of the couplings at [a, b], a > b.
    """
    total = np.int64(0)
    for a in range(live):
        total += linear[a]
        for b in range(a):
            total += quadratic[a, b]
    phase[0] = np.uint16(total & 0xFFFF)
    for a in range(live):
        # what flipping qubit a (from spin +1) adds, as a function of the lower qubits
        start = linear[a]
        for b in range(live):
            start += quadratic[max(a, b), min(a, b)] if a != b else 0
        slope[0] = np.uint16((-2 * start) & 0xFFFF)
        for b in range(a):
            jump = np.int64((4 * quadratic[a, b]) & 0xFFFF)
            size = 1 << b
            for y in range(size):
                slope[size + y] = np.uint16((np.int64(slope[y]) + jump) & 0xFFFF)
        size = 1 << a
        for y in range(size):
            phase[size + y] = np.uint16((np.int64(phase[y]) + np.int64(slope[y])) & 0xFFFF)


@njit(cache=True, fastmath=False)
def start_mixer(cosine, sine):
    """Return (t, flip) of the mixer's scaled form: y0 = a + i t b, y1 = b + i t a, swapped if flip."""
    if abs(sine) <= abs(cosine):
        return sine / cosine, 0
    return -(cosine / sine), 1


@njit(cache=True, fastmath=False)
def mix_(re, im, size, position, t, flip):
    """Mix one position of a register in place."""
    stride = 1 << position
    for base in range(0, size, 2 * stride):
        for x in range(base, base + stride):
            ar, ai, br, bi = re[x], im[x], re[x + stride], im[x + stride]
            y = x + stride * flip
            z = x + stride - stride * flip
            re[y] = ar - t * bi
            im[y] = ai + t * br
            re[z] = br - t * ai
            im[z] = bi + t * ar


@njit(cache=True, fastmath=False)
def sum_weights(re, im, start, size, lanes):
    """Return the sum of squared magnitudes: tile by tile into LANES lanes, then lanes folded by halves."""
    width = min(size, LANES)
    for j in range(width):
        lanes[j] = 0.0
    for base in range(start, start + size, width):
        for j in range(width):
            x = base + j
            lanes[j] += re[x] * re[x] + im[x] * im[x]
    while width > 1:
        width >>= 1
        for j in range(width):
            lanes[j] = lanes[j] + lanes[j + width]
    return lanes[0]


@njit(cache=True, fastmath=False)
def expand_(re, im, live_before, introduced, out_re, out_im):
    """Copy a register into a larger one in which the introduced positions (ascending) exist; return its size."""
    size = 1 << (live_before + len(introduced))
    for y in range(size):
        x = y
        for k in range(len(introduced) - 1, -1, -1):
            position = introduced[k]
            x = ((x >> (position + 1)) << position) | (x & ((1 << position) - 1))
        out_re[y] = re[x]
        out_im[y] = im[x]
    return size


@njit(cache=True, fastmath=False)
def rotate_(re, im, size, phase, table):
    """Multiply amplitude x by exp(-i phase[x])."""
    for x in range(size):
        c = table[phase[x], 0]
        s = table[phase[x], 1]
        ar, ai = re[x], im[x]
        re[x] = ar * c + ai * s
        im[x] = ai * c - ar * s


@njit(cache=True, fastmath=False)
def run_program(program, table, gammas, mixers, dressing, uniforms, shots, live_max, pending_size):
    """Run all steps, depth first through the tree of measured bits; fill shots uint8[s, n]."""
    steps, introduced, fields, couplings, order = program
    count = uniforms.shape[0]
    size_max = 1 << live_max
    re = np.empty((2, size_max))
    im = np.empty((2, size_max))
    pending_re = np.empty(pending_size)
    pending_im = np.empty(pending_size)
    phase = np.empty(size_max, np.uint16)
    slope = np.empty(size_max, np.uint16)
    lanes = np.empty(LANES)
    members = np.arange(count)
    spare = np.empty(count, np.int64)
    stack = np.empty((count + 1, 6), np.int64)  # step, rank, first, last, live, offset
    linear = np.zeros(64, np.int64)
    quadratic = np.zeros((64, 64), np.int64)
    depth_of_stack = 0
    side = 0
    re[0, 0], im[0, 0] = 1.0, 0.0
    step, rank, first, last, live, offset = 0, 0, 0, count, 0, 0
    while True:
        while step < len(steps):
            layer, qubit, position, measured = steps[step, 0], steps[step, 1], steps[step, 2], steps[step, 3]
            begin, end = steps[step, 4], steps[step + 1, 4] if step + 1 < len(steps) else len(introduced)
            if end > begin:
                expand_(re[side], im[side], live, introduced[begin:end], re[1 - side], im[1 - side])
                side = 1 - side
                live += end - begin
            size = 1 << live
            fb, fe = steps[step, 5], steps[step + 1, 5] if step + 1 < len(steps) else len(fields)
            cb, ce = steps[step, 6], steps[step + 1, 6] if step + 1 < len(steps) else len(couplings)
            if fe > fb:
                gamma = gammas[layer - 1]
                linear[:live] = 0
                quadratic[:live, :live] = 0
                for k in range(fb, fe):
                    linear[fields[k, 0]] = ((gamma * fields[k, 2] + 32768) >> 16) + dressing[fields[k, 1]]
                for k in range(cb, ce):
                    a, b = couplings[k, 0], couplings[k, 1]
                    quadratic[max(a, b), min(a, b)] = (gamma * couplings[k, 2] + 32768) >> 16
                fill_phases(phase, slope, live, linear, quadratic)
                rotate_(re[side], im[side], size, phase, table)
            turn = mixers[layer - 1, qubit]
            t, flip = start_mixer(table[turn, 0], table[turn, 1])
            mix_(re[side], im[side], size, position, t, flip)
            step += 1
            if not measured:
                continue
            half = size >> 1
            live -= 1
            w0 = sum_weights(re[side], im[side], 0, half, lanes)
            w1 = sum_weights(re[side], im[side], half, half, lanes)
            zeros = 0
            ones = 0
            for k in range(first, last):
                shot = members[k]
                if uniforms[shot, rank] * (w0 + w1) < w0:
                    shots[shot, order[rank]] = 0
                    members[first + zeros] = shot
                    zeros += 1
                else:
                    shots[shot, order[rank]] = 1
                    spare[ones] = shot
                    ones += 1
            for k in range(ones):
                members[first + zeros + k] = spare[k]
            rank += 1
            if zeros > 0 and ones > 0:
                for x in range(half):
                    pending_re[offset + x] = re[side, half + x]
                    pending_im[offset + x] = im[side, half + x]
                scale_(pending_re, pending_im, offset, half, w1)
                row = stack[depth_of_stack]
                row[0], row[1], row[2], row[3], row[4], row[5] = step, rank, first + zeros, last, live, offset
                depth_of_stack += 1
                offset += half
                last = first + zeros
            elif ones > 0:
                for x in range(half):
                    re[side, x] = re[side, half + x]
                    im[side, x] = im[side, half + x]
            scale_(re[side], im[side], 0, half, w0 if zeros > 0 else w1)
        if depth_of_stack == 0:
            break
        depth_of_stack -= 1
        row = stack[depth_of_stack]
        step, rank, first, last, live, offset = row[0], row[1], row[2], row[3], row[4], row[5]
        for x in range(1 << live):
            re[side, x] = pending_re[offset + x]
            im[side, x] = pending_im[offset + x]


@njit(cache=True, fastmath=False)
def scale_(re, im, start, size, weight):
    """Multiply a branch by a power of two when its weight leaves 2^-128..2^128, so that long circuits stay in range."""
    factor = 1.0
    if weight > SCALE_LIMIT:
        factor = SCALE_STEP
    elif weight < 1.0 / SCALE_LIMIT:
        factor = 1.0 / SCALE_STEP
    if factor != 1.0:
        for x in range(start, start + size):
            re[x] *= factor
            im[x] *= factor
