"""From a seed to everything that chance decides in a strike: angles, dressing, uniforms.

One SHAKE-128 stream over a domain tag and the seed is read as little-endian 64-bit words, in this order:

1. for each layer, one word for its gamma and one for its beta. The three low 16-bit parts w of a word give the noise
   `width * sum(2 w - 65535) >> 16`, whose standard deviation is `width`. Mean plus noise is clamped to the window from
   half the mean to the middle between the mean and the period, so it never reaches 0 or the period;
2. for each qubit by label, one word: its low half w gives the dressing field `(2 w + 1 - 2^32) * field_width >> 32`,
   its high half likewise the dressing mixer;
3. for each shot, for each qubit in measurement order, one word w: the uniform is `(w >> 11) / 2^53`.

More shots of one strike continue the stream, so its first shots never change. `>>` rounds towards minus infinity.
"""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.law import BETA_PERIOD, GAMMA_PERIOD, AngleLaw

DOMAIN = b"matchstrike/strike/1\x00"
SEED_BYTES = 32

Words = NDArray[np.uint64]
Uniforms = NDArray[np.float64]  # axes: shot, qubit in measurement order


class Angles(msgspec.Struct, frozen=True, kw_only=True):
    """The angles of one strike, in units of 2^-32 turn.

    Attributes:
        gammas: One per layer, for the phase separator.
        betas: One per layer, for the mixer.
        fields: Own field angle of each qubit by label, the same in every layer.
        mixers: Own mixer angle of each qubit by label, the same in every layer.
    """

    gammas: tuple[int, ...]
    betas: tuple[int, ...]
    fields: tuple[int, ...]
    mixers: tuple[int, ...]


def expand_seed(seed: bytes, *, depth: int, n: int, shots: int) -> Words:
    """Return the words of the stream: 2 depth, then n, then shots * n."""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
    # SPEC VM-07: Everything random in a strike MUST come from one SHAKE-128 stream, in its fixed order.
    stream = hashlib.shake_128(DOMAIN + seed).digest(8 * (2 * depth + n + shots * n))
    return np.frombuffer(stream, dtype="<u8")


def compute_angles(law: AngleLaw, words: Words) -> Angles:
    """Return the angles that the stream's first words give (the readable form; kernels repeat it)."""
    depth = len(law.gamma_means)
    n_words = [int(word) for word in words]
    gammas, betas = [], []
    for layer in range(depth):
        gamma_word, beta_word = n_words[2 * layer], n_words[2 * layer + 1]
        gammas.append(_draw_angle(gamma_word, law.gamma_means[layer], law.gamma_widths[layer], GAMMA_PERIOD))
        betas.append(_draw_angle(beta_word, law.beta_means[layer], law.beta_widths[layer], BETA_PERIOD))
    own = n_words[2 * depth :]
    return Angles(
        gammas=tuple(gammas),
        betas=tuple(betas),
        fields=tuple((2 * (word & 0xFFFFFFFF) + 1 - 2**32) * law.field_width >> 32 for word in own),
        mixers=tuple((2 * (word >> 32) + 1 - 2**32) * law.mixer_width >> 32 for word in own),
    )


def compute_uniforms(words: Words, n: int) -> Uniforms:
    """Return the uniforms in [0, 1) that the words give, float64[shot, n]."""
    uniforms: Uniforms = (words >> np.uint64(11)).astype(np.float64).reshape(-1, n) * 2.0**-53
    return uniforms


def round_to_phase(angle: int) -> int:
    """Return the angle (2^-32 turn) rounded to a 16-bit phase (2^-16 turn)."""
    # SPEC VM-08: Each product of angle and coefficient MUST be rounded once to 16 bits; phases MUST add modulo 2^16.
    return (angle + 2**15 >> 16) % 2**16


def _draw_angle(word: int, mean: int, width: int, period: int) -> int:
    noise = sum(2 * (word >> shift & 0xFFFF) - 0xFFFF for shift in (0, 16, 32))
    # SPEC VM-09: An angle MUST be clamped between half its mean and the middle of its mean and the period.
    return min(max(mean + (width * noise >> 16), mean >> 1), mean + period >> 1)
