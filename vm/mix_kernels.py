# mypy: disable-error-code="no-untyped-def"
"""Kernels that mix positions of a register in place: y0 = a + i t b, y1 = b + i t a for each pair.

Several positions are mixed in one pass over memory, which changes no result: each amplitude sees the same operations in
the same order. Positions below 6 have rows too short for vectors and get loops of a fixed shape; there a position that
is not to be mixed has t = 0, which changes nothing either.
"""

from __future__ import annotations

from numba import njit

from vm.tiles import NARROW, NEAR, TILE, compute_block_bits, count_chain

get_block_bits = njit(cache=True, fastmath=False, error_model="numpy")(compute_block_bits)
get_chain = njit(cache=True, fastmath=False, error_model="numpy")(count_chain)


@njit(inline="always", fastmath=False, error_model="numpy")
def turn_four_(r0, r1, r2, r3, i0, i1, i2, i3, t, u):
    """Return four amplitudes of two positions, the higher turned by t and then the lower by u."""
    r0, i0, r2, i2 = r0 - t * i2, i0 + t * r2, r2 - t * i0, i2 + t * r0
    r1, i1, r3, i3 = r1 - t * i3, i1 + t * r3, r3 - t * i1, i3 + t * r1
    r0, i0, r1, i1 = r0 - u * i1, i0 + u * r1, r1 - u * i0, i1 + u * r0
    r2, i2, r3, i3 = r2 - u * i3, i2 + u * r3, r3 - u * i2, i3 + u * r2
    return r0, r1, r2, r3, i0, i1, i2, i3


@njit(inline="always", fastmath=False, error_model="numpy")
def turn_eight_(r0, r1, r2, r3, r4, r5, r6, r7, i0, i1, i2, i3, i4, i5, i6, i7, t, u, v):
    """Return eight amplitudes of three positions, the highest turned by t, the next by u and the lowest by v."""
    r0, i0, r4, i4 = r0 - t * i4, i0 + t * r4, r4 - t * i0, i4 + t * r0
    r1, i1, r5, i5 = r1 - t * i5, i1 + t * r5, r5 - t * i1, i5 + t * r1
    r2, i2, r6, i6 = r2 - t * i6, i2 + t * r6, r6 - t * i2, i6 + t * r2
    r3, i3, r7, i7 = r3 - t * i7, i3 + t * r7, r7 - t * i3, i7 + t * r3
    r0, i0, r2, i2 = r0 - u * i2, i0 + u * r2, r2 - u * i0, i2 + u * r0
    r1, i1, r3, i3 = r1 - u * i3, i1 + u * r3, r3 - u * i1, i3 + u * r1
    r4, i4, r6, i6 = r4 - u * i6, i4 + u * r6, r6 - u * i4, i6 + u * r4
    r5, i5, r7, i7 = r5 - u * i7, i5 + u * r7, r7 - u * i5, i7 + u * r5
    r0, i0, r1, i1 = r0 - v * i1, i0 + v * r1, r1 - v * i0, i1 + v * r0
    r2, i2, r3, i3 = r2 - v * i3, i2 + v * r3, r3 - v * i2, i3 + v * r2
    r4, i4, r5, i5 = r4 - v * i5, i4 + v * r5, r5 - v * i4, i5 + v * r4
    r6, i6, r7, i7 = r6 - v * i7, i6 + v * r7, r7 - v * i6, i7 + v * r6
    return r0, r1, r2, r3, r4, r5, r6, r7, i0, i1, i2, i3, i4, i5, i6, i7


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_run_(re, im, live, positions, ts):
    """Mix several positions in the given order."""
    count = len(positions)
    wide = count  # from here on all positions lie inside a block
    bits = get_block_bits(live)
    while wide > 0 and positions[wide - 1] < bits:
        wide -= 1
    mix_list_(re, im, positions[:wide], ts[:wide])
    if wide < count:
        block = min(1 << live, 1 << bits)
        for base in range(0, 1 << live, block):
            mix_list_(re[base : base + block], im[base : base + block], positions[wide:], ts[wide:])


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_list_(re, im, positions, ts):
    """Mix positions of one block in the given order, as many at a time as their places allow."""
    k, count = 0, len(positions)
    while k < count:
        p = positions[k]
        chain, low = get_chain(positions, k), p & ~1
        if chain == 3 and p <= NEAR:
            mix_eight_near_(re, im, p - 2, ts[k], ts[k + 1], ts[k + 2])
        elif chain == 3:
            mix_three_positions_(re, im, p - 2, ts[k], ts[k + 1], ts[k + 2])
        elif p >= NARROW and chain == 2:
            mix_two_positions_(re, im, p - 1, ts[k], ts[k + 1])
        elif p >= NARROW or len(re) < (4 << low):
            mix_position_(re, im, p, ts[k])
        else:
            t = ts[k] if p > low else 0.0
            u = ts[k] if p == low else (ts[k + 1] if chain == 2 else 0.0)
            mix_narrow_(re, im, low, t, u)
        k += chain


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_pair_(r0, i0, r1, i1, t):
    """Mix two rows."""
    for j in range(len(r0)):
        ar, ai, br, bi = r0[j], i0[j], r1[j], i1[j]
        r0[j] = ar - t * bi
        i0[j] = ai + t * br
        r1[j] = br - t * ai
        i1[j] = bi + t * ar


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_position_(re, im, position, t):
    """Mix one position."""
    stride = 1 << position
    width = min(stride, TILE)
    for base in range(0, len(re), 2 * stride):
        for x in range(base, base + stride, width):
            y = x + stride
            mix_pair_(re[x : x + width], im[x : x + width], re[y : y + width], im[y : y + width], t)


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_two_positions_(re, im, low, t, u):
    """Mix position low + 1 with t, then position low with u."""
    stride = 1 << low
    width = min(stride, TILE)
    for base in range(0, len(re), 4 * stride):
        for x in range(base, base + stride, width):
            mix_four_(re, im, x, stride, width, t, u)


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_four_(re, im, x, stride, width, t, u):
    """Mix four rows of `width`: those two strides apart with t, then those one stride apart with u."""
    x1, x2, x3 = x + stride, x + 2 * stride, x + 3 * stride
    a, b, c, d = re[x : x + width], re[x1 : x1 + width], re[x2 : x2 + width], re[x3 : x3 + width]
    e, f, g, h = im[x : x + width], im[x1 : x1 + width], im[x2 : x2 + width], im[x3 : x3 + width]
    for j in range(width):
        r0, r1, r2, r3 = a[j], b[j], c[j], d[j]
        i0, i1, i2, i3 = e[j], f[j], g[j], h[j]
        r0, r1, r2, r3, i0, i1, i2, i3 = turn_four_(r0, r1, r2, r3, i0, i1, i2, i3, t, u)
        a[j], b[j], c[j], d[j] = r0, r1, r2, r3
        e[j], f[j], g[j], h[j] = i0, i1, i2, i3


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_three_positions_(re, im, low, t, u, v):
    """Mix position low + 2 with t, then low + 1 with u, then low with v."""
    stride = 1 << low
    width = min(stride, TILE)
    for base in range(0, len(re), 8 * stride):
        for x in range(base, base + stride, width):
            mix_eight_(re, im, x, stride, width, t, u, v)


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_eight_(re, im, x, stride, width, t, u, v):
    """Mix eight rows of `width`: those four strides apart with t, two with u, one with v."""
    x1, x2, x3, x4 = x + stride, x + 2 * stride, x + 3 * stride, x + 4 * stride
    x5, x6, x7 = x + 5 * stride, x + 6 * stride, x + 7 * stride
    a, b, c, d = re[x : x + width], re[x1 : x1 + width], re[x2 : x2 + width], re[x3 : x3 + width]
    e, f, g, h = re[x4 : x4 + width], re[x5 : x5 + width], re[x6 : x6 + width], re[x7 : x7 + width]
    k, m, n, o = im[x : x + width], im[x1 : x1 + width], im[x2 : x2 + width], im[x3 : x3 + width]
    p, q, r, s = im[x4 : x4 + width], im[x5 : x5 + width], im[x6 : x6 + width], im[x7 : x7 + width]
    for j in range(width):
        r0, r1, r2, r3, r4, r5, r6, r7 = a[j], b[j], c[j], d[j], e[j], f[j], g[j], h[j]
        i0, i1, i2, i3, i4, i5, i6, i7 = k[j], m[j], n[j], o[j], p[j], q[j], r[j], s[j]
        r0, r1, r2, r3, r4, r5, r6, r7, i0, i1, i2, i3, i4, i5, i6, i7 = turn_eight_(
            r0, r1, r2, r3, r4, r5, r6, r7, i0, i1, i2, i3, i4, i5, i6, i7, t, u, v
        )
        a[j], b[j], c[j], d[j], e[j], f[j], g[j], h[j] = r0, r1, r2, r3, r4, r5, r6, r7
        k[j], m[j], n[j], o[j], p[j], q[j], r[j], s[j] = i0, i1, i2, i3, i4, i5, i6, i7


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_eight_near_(re, im, low, t, u, v):
    """Mix positions low + 2, low + 1 and low with t, u and v, for low = 5 or 2: eight rows of a fixed distance.

    The number of turns of the inner loop must not be a constant, or it is unrolled instead of vectorised.
    """
    width = min(1 << low, len(re))
    size = 8 << low
    if low == 5:
        for base in range(0, len(re), size):
            mix_two_fifty_six_(re[base : base + size], im[base : base + size], width, t, u, v)
    else:
        for base in range(0, len(re), size):
            mix_thirty_two_(re[base : base + size], im[base : base + size], width, t, u, v)


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_two_fifty_six_(re, im, width, t, u, v):
    """Mix position 7, then 6, then 5, of 256 amplitudes."""
    for j in range(width):
        r0, r1, r2, r3 = re[j], re[j + 32], re[j + 64], re[j + 96]
        r4, r5, r6, r7 = re[j + 128], re[j + 160], re[j + 192], re[j + 224]
        i0, i1, i2, i3 = im[j], im[j + 32], im[j + 64], im[j + 96]
        i4, i5, i6, i7 = im[j + 128], im[j + 160], im[j + 192], im[j + 224]
        r0, r1, r2, r3, r4, r5, r6, r7, i0, i1, i2, i3, i4, i5, i6, i7 = turn_eight_(
            r0, r1, r2, r3, r4, r5, r6, r7, i0, i1, i2, i3, i4, i5, i6, i7, t, u, v
        )
        re[j], re[j + 32], re[j + 64], re[j + 96] = r0, r1, r2, r3
        re[j + 128], re[j + 160], re[j + 192], re[j + 224] = r4, r5, r6, r7
        im[j], im[j + 32], im[j + 64], im[j + 96] = i0, i1, i2, i3
        im[j + 128], im[j + 160], im[j + 192], im[j + 224] = i4, i5, i6, i7


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_thirty_two_(re, im, width, t, u, v):
    """Mix position 4, then 3, then 2, of 32 amplitudes."""
    for j in range(width):
        r0, r1, r2, r3 = re[j], re[j + 4], re[j + 8], re[j + 12]
        r4, r5, r6, r7 = re[j + 16], re[j + 20], re[j + 24], re[j + 28]
        i0, i1, i2, i3 = im[j], im[j + 4], im[j + 8], im[j + 12]
        i4, i5, i6, i7 = im[j + 16], im[j + 20], im[j + 24], im[j + 28]
        r0, r1, r2, r3, r4, r5, r6, r7, i0, i1, i2, i3, i4, i5, i6, i7 = turn_eight_(
            r0, r1, r2, r3, r4, r5, r6, r7, i0, i1, i2, i3, i4, i5, i6, i7, t, u, v
        )
        re[j], re[j + 4], re[j + 8], re[j + 12] = r0, r1, r2, r3
        re[j + 16], re[j + 20], re[j + 24], re[j + 28] = r4, r5, r6, r7
        im[j], im[j + 4], im[j + 8], im[j + 12] = i0, i1, i2, i3
        im[j + 16], im[j + 20], im[j + 24], im[j + 28] = i4, i5, i6, i7


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_narrow_(re, im, low, t, u):
    """Mix position low + 1 with t, then low with u, for low = 0, 2 or 4 (constant strides, so that they vectorise)."""
    if low == 0:
        width = min(len(re), 4 * TILE)
        for base in range(0, len(re), width):
            mix_lowest_(re[base : base + width], im[base : base + width], t, u)
    elif low == 2:
        width = min(len(re), 4)
        for base in range(0, len(re), 16):
            mix_sixteen_(re[base : base + 16], im[base : base + 16], width, t, u)
    else:
        for base in range(0, len(re), 64):
            mix_sixty_four_(re[base : base + 64], im[base : base + 64], t, u)


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_lowest_(re, im, t, u):
    """Mix position 1, then position 0."""
    for j in range(len(re) >> 2):
        r0, r1, r2, r3 = re[4 * j], re[4 * j + 1], re[4 * j + 2], re[4 * j + 3]
        i0, i1, i2, i3 = im[4 * j], im[4 * j + 1], im[4 * j + 2], im[4 * j + 3]
        r0, r1, r2, r3, i0, i1, i2, i3 = turn_four_(r0, r1, r2, r3, i0, i1, i2, i3, t, u)
        re[4 * j], re[4 * j + 1], re[4 * j + 2], re[4 * j + 3] = r0, r1, r2, r3
        im[4 * j], im[4 * j + 1], im[4 * j + 2], im[4 * j + 3] = i0, i1, i2, i3


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_sixteen_(re, im, width, t, u):
    """Mix position 3, then position 2, of 16 amplitudes; `width` is 4."""
    for j in range(width):
        r0, r1, r2, r3 = re[j], re[j + 4], re[j + 8], re[j + 12]
        i0, i1, i2, i3 = im[j], im[j + 4], im[j + 8], im[j + 12]
        r0, r1, r2, r3, i0, i1, i2, i3 = turn_four_(r0, r1, r2, r3, i0, i1, i2, i3, t, u)
        re[j], re[j + 4], re[j + 8], re[j + 12] = r0, r1, r2, r3
        im[j], im[j + 4], im[j + 8], im[j + 12] = i0, i1, i2, i3


@njit(cache=True, fastmath=False, error_model="numpy")
def mix_sixty_four_(re, im, t, u):
    """Mix position 5, then position 4, of 64 amplitudes."""
    for j in range(16):
        r0, r1, r2, r3 = re[j], re[j + 16], re[j + 32], re[j + 48]
        i0, i1, i2, i3 = im[j], im[j + 16], im[j + 32], im[j + 48]
        r0, r1, r2, r3, i0, i1, i2, i3 = turn_four_(r0, r1, r2, r3, i0, i1, i2, i3, t, u)
        re[j], re[j + 16], re[j + 32], re[j + 48] = r0, r1, r2, r3
        im[j], im[j + 16], im[j + 32], im[j + 48] = i0, i1, i2, i3
