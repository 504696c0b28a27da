"""A slow edwards25519 in plain integers: the reference for the signature rule, and the forge of odd signatures.

Points are affine `(x, y)`; nothing here is constant time or meant for secrets.

Source: RFC 8032, section 5.1.
"""

from __future__ import annotations

from hashlib import sha512

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    """Return a + b; the law is complete, so no case is special."""
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def negate(a: Point) -> Point:
    """Return -a."""
    return -a[0] % P, a[1]


def multiply(k: int, a: Point) -> Point:
    """Return k * a for k >= 0, in projective coordinates to divide only once."""
    total, double = (0, 1, 1), (a[0], a[1], 1)
    while k:
        if k & 1:
            total = _add_projective(total, double)
        double, k = _add_projective(double, double), k >> 1
    x, y, z = total
    return x * pow(z, -1, P) % P, y * pow(z, -1, P) % P


def _add_projective(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    (x1, y1, z1), (x2, y2, z2) = a, b
    z = z1 * z2 % P
    z_squared, c, d = z * z % P, x1 * x2 % P, y1 * y2 % P
    e = D * c * d % P
    f, g = z_squared - e, z_squared + e
    x = z * f * ((x1 + y1) * (x2 + y2) - c - d)
    y = z * g * (d + c)
    return x % P, y % P, f * g % P


def recover_x(y: int, sign: int) -> int | None:
    """Return the x of the point with this y and sign, or None off the curve."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P:
        return None
    return x if x & 1 == sign else -x % P


def decode(data: bytes) -> Point | None:
    """Return the point, taking y modulo p and the sign of x = 0 as it comes; None off the curve."""
    value = int.from_bytes(data, "little")
    y = (value & (2**255 - 1)) % P
    x = recover_x(y, value >> 255)
    return None if x is None else (x, y)


def encode(a: Point) -> bytes:
    """Return the canonical 32 bytes."""
    return (a[1] | (a[0] & 1) << 255).to_bytes(32, "little")


BASE: Point = (recover_x(4 * pow(5, -1, P) % P, 0) or 0, 4 * pow(5, -1, P) % P)


def make_torsion() -> list[Point]:
    """Return the 8 points of small order, the identity first."""
    y = 2
    while True:
        x = recover_x(y, 0)
        y += 1
        if x is None:
            continue
        torsion = multiply(L, (x, y - 1))
        if multiply(4, torsion) != IDENTITY:
            return [multiply(k, torsion) for k in range(8)]


def challenge(encoded_r: bytes, public: bytes, message: bytes) -> int:
    """Return h = SHA-512(R || A || M) mod L."""
    return int.from_bytes(sha512(encoded_r + public + message).digest(), "little") % L


def accepts(public: bytes, message: bytes, signature: bytes, *, cofactored: bool) -> bool:
    """Is the equation S*B = R + h*A true (times 8, when cofactored)? Nothing else is checked."""
    a, r = decode(public), decode(signature[:32])
    if a is None or r is None:
        return False
    s = int.from_bytes(signature[32:], "little")
    h = challenge(signature[:32], public, message)
    difference = add(multiply(s, BASE), negate(add(r, multiply(h, a))))
    return (multiply(8, difference) if cofactored else difference) == IDENTITY


def sign_with(
    scalar: int, message: bytes, *, nonce: int, shift_a: Point = IDENTITY, shift_r: Point = IDENTITY
) -> tuple[bytes, bytes]:
    """Return (public, signature) where points of small order were added to A and to R."""
    public = encode(add(multiply(scalar, BASE), shift_a))
    encoded_r = encode(add(multiply(nonce, BASE), shift_r))
    s = (nonce + challenge(encoded_r, public, message) * scalar) % L
    return public, encoded_r + s.to_bytes(32, "little")
