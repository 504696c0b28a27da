# mypy: disable-error-code="no-untyped-def"
"""Floating-point kernels on a register: separate real and imaginary arrays, a tile of amplitudes at a time.

Only + - * on binary64 in the order written here (no fast-math: no contraction, no reassociation), so every amplitude
and every sum is the same whatever the width of the machine's vectors. Inner loops run over slices of equal length so
that numba vectorises them.
"""

from __future__ import annotations

from numba import njit

from vm.tiles import TILE


@njit(cache=True, fastmath=False, error_model="numpy")
def rotate_tile_(re, im, cosines, sines):
    """Multiply amplitude j by cosines[j] - i sines[j]."""
    for j in range(len(re)):
        ar, ai, c, s = re[j], im[j], cosines[j], sines[j]
        re[j] = ar * c + ai * s
        im[j] = ai * c - ar * s


@njit(cache=True, fastmath=False, error_model="numpy")
def get_setting(base, highs):
    """Return the bits of `base` at the positions `highs`, packed."""
    setting = 0
    for k in range(len(highs)):
        setting |= ((base >> highs[k]) & 1) << k
    return setting


@njit(cache=True, fastmath=False, error_model="numpy")
def remove_bits(x, positions):
    """Return x without the bits at `positions` (ascending)."""
    for k in range(len(positions) - 1, -1, -1):
        p = positions[k]
        x = ((x >> (p + 1)) << p) | (x & ((1 << p) - 1))
    return x


@njit(cache=True, fastmath=False, error_model="numpy")
def expand_(re, im, introduced, places, size, out_re, out_im):
    """Copy a register into one of `size` in which the introduced positions (ascending) exist.

    Args:
        places: Where each amplitude of a tile comes from, or empty if tiles are copied as they are.
    """
    width = min(size, TILE)
    for base in range(0, size, width):
        start = remove_bits(base, introduced)
        if len(places) == 0:
            copy_(re[start : start + width], out_re[base : base + width])
            copy_(im[start : start + width], out_im[base : base + width])
        else:
            gather_(re[start:], places, out_re[base : base + width])
            gather_(im[start:], places, out_im[base : base + width])


@njit(cache=True, fastmath=False, error_model="numpy")
def copy_(values, out):
    """Copy values (a slice assignment compiles twenty times slower)."""
    for j in range(len(out)):
        out[j] = values[j]


@njit(cache=True, fastmath=False, error_model="numpy")
def gather_(values, places, out):
    """Set out[j] to values[places[j]]."""
    for j in range(len(out)):
        out[j] = values[places[j]]


@njit(cache=True, fastmath=False, error_model="numpy")
def fold(lanes, width):
    """Return the sum of lanes[0..width) by folding halves."""
    # SPEC VM-18: A weight MUST be summed in 256 lanes in ascending order, and the lanes folded by halves.
    while width > 1:
        width >>= 1
        for j in range(width):
            lanes[j] = lanes[j] + lanes[j + width]
    return lanes[0]


@njit(cache=True, fastmath=False, error_model="numpy")
def weigh_two_(re, im, start, live, t, u, lanes):
    """Mix the two top positions in place; leave the weights of the four branches in lanes[k, 0].

    A weight is the sum of squared magnitudes of a quarter: lane j of TILE adds the amplitudes j, j + TILE, ... in
    ascending order, then the lanes are folded by halves.
    """
    quarter = 1 << (live - 2)
    width = min(quarter, TILE)
    w0, w1, w2, w3 = lanes[0, :width], lanes[1, :width], lanes[2, :width], lanes[3, :width]
    for j in range(width):
        w0[j], w1[j], w2[j], w3[j] = 0.0, 0.0, 0.0, 0.0
    for x in range(start, start + quarter, width):
        x1, x2, x3 = x + quarter, x + 2 * quarter, x + 3 * quarter
        a, b, c, d = re[x : x + width], re[x1 : x1 + width], re[x2 : x2 + width], re[x3 : x3 + width]
        e, f, g, h = im[x : x + width], im[x1 : x1 + width], im[x2 : x2 + width], im[x3 : x3 + width]
        for j in range(width):
            r0, r1, r2, r3 = a[j], b[j], c[j], d[j]
            i0, i1, i2, i3 = e[j], f[j], g[j], h[j]
            r0, i0, r2, i2 = r0 - t * i2, i0 + t * r2, r2 - t * i0, i2 + t * r0
            r1, i1, r3, i3 = r1 - t * i3, i1 + t * r3, r3 - t * i1, i3 + t * r1
            r0, i0, r1, i1 = r0 - u * i1, i0 + u * r1, r1 - u * i0, i1 + u * r0
            r2, i2, r3, i3 = r2 - u * i3, i2 + u * r3, r3 - u * i2, i3 + u * r2
            a[j], b[j], c[j], d[j] = r0, r1, r2, r3
            e[j], f[j], g[j], h[j] = i0, i1, i2, i3
            w0[j] += r0 * r0 + i0 * i0
            w1[j] += r1 * r1 + i1 * i1
            w2[j] += r2 * r2 + i2 * i2
            w3[j] += r3 * r3 + i3 * i3
    for k in range(4):
        fold(lanes[k], width)


@njit(cache=True, fastmath=False, error_model="numpy")
def weigh_tile_(ar, ai, br, bi, cosines, sines, t, r0, i0, r1, i1, w0, w1):
    """Rotate a tile of pairs by its factors, mix it, store it and add its weights to the lanes."""
    for j in range(len(ar)):
        c, s = cosines[j], sines[j]
        pr = ar[j] * c + ai[j] * s
        pi = ai[j] * c - ar[j] * s
        qr = br[j] * c - bi[j] * s
        qi = bi[j] * c + br[j] * s
        y0r = pr - t * qi
        y0i = pi + t * qr
        y1r = qr - t * pi
        y1i = qi + t * pr
        r0[j], i0[j], r1[j], i1[j] = y0r, y0i, y1r, y1i
        w0[j] += y0r * y0r + y0i * y0i
        w1[j] += y1r * y1r + y1i * y1i


@njit(cache=True, fastmath=False, error_model="numpy")
def weigh_step_(re, im, introduced, places, live, cosines, sines, highs, t, out_re, out_im, lanes, source):
    """Introduce qubits, rotate by the top qubit's phases, mix the top qubit, and weigh both halves.

    Args:
        re, im: The register before the introductions.
        introduced: Positions of the new qubits, ascending; the top one may be among them.
        places: Where each amplitude of a tile of one half comes from, or empty.
        cosines, sines: Factors: a tile for each setting of the qubits at `highs`.
        out_re, out_im: Where the mixed register of 2^live goes.
        lanes, source: Scratch, float64[4, TILE] each.

    Returns:
        The two weights, summed like those of `weigh_two_`.
    """
    half = 1 << (live - 1)
    width = min(half, TILE)
    fresh = introduced
    other = half >> len(introduced)  # distance of the partner of an amplitude in the old register
    if len(introduced) > 0 and introduced[-1] == live - 1:
        fresh = introduced[:-1]
        other = 0
    w0, w1 = lanes[0, :width], lanes[1, :width]
    for j in range(width):
        w0[j], w1[j] = 0.0, 0.0
    for base in range(0, half, width):
        x = remove_bits(base, fresh)
        y = x + other
        z = base + half
        factor = get_setting(base, highs) * width
        if len(places) > 0:
            gather_(re[x:], places, source[0, :width])
            gather_(im[x:], places, source[1, :width])
            gather_(re[y:], places, source[2, :width])
            gather_(im[y:], places, source[3, :width])
            ar, ai, br, bi = source[0, :width], source[1, :width], source[2, :width], source[3, :width]
        else:
            ar, ai, br, bi = re[x : x + width], im[x : x + width], re[y : y + width], im[y : y + width]
        weigh_tile_(
            ar,
            ai,
            br,
            bi,
            cosines[factor : factor + width],
            sines[factor : factor + width],
            t,
            out_re[base : base + width],
            out_im[base : base + width],
            out_re[z : z + width],
            out_im[z : z + width],
            w0,
            w1,
        )
    return fold(w0, width), fold(w1, width)
