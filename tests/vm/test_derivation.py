"""Angles, dressing and uniforms that a seed gives."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vm.derivation import DOMAIN, compute_angles, compute_uniforms, expand_seed, round_to_phase
from vm.factor_kernels import make_angles
from vm.law import BETA_PERIOD, GAMMA_PERIOD, AngleLaw, compute_core_law, compute_law
from vm.problem import make_problem
from vm.strike import _pack_law
from vm.trig_table import get_trig_table

RING = make_problem(6, [(i, (i + 1) % 6, 1) for i in range(6)])


def test_vm_07_the_stream_is_shake_128_of_domain_and_seed_read_as_little_endian_words():
    seed = bytes(range(32))
    words = expand_seed(seed, depth=2, n=3, shots=5)
    raw = hashlib.shake_128(b"matchstrike/strike/1\x00" + seed).digest(8 * (4 + 3 + 15))
    assert DOMAIN == b"matchstrike/strike/1\x00"
    assert [int(w) for w in words] == [int.from_bytes(raw[k : k + 8], "little") for k in range(0, len(raw), 8)]


def test_vm_07_more_shots_of_a_strike_continue_its_stream():
    few = expand_seed(bytes(32), depth=1, n=4, shots=3)
    many = expand_seed(bytes(32), depth=1, n=4, shots=30)
    assert (many[: len(few)] == few).all()


def test_a_seed_of_another_length_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        expand_seed(bytes(31), depth=1, n=4, shots=1)


def test_vm_08_a_product_is_rounded_to_the_nearest_phase_and_wraps():
    assert [round_to_phase(x) for x in (0, 2**15 - 1, 2**15, -(2**15), -(2**15) - 1, 2**32)] == [0, 0, 1, 0, 65535, 0]


@given(st.binary(min_size=32, max_size=32), st.integers(1, 4))
def test_vm_09_every_angle_lies_between_half_its_mean_and_the_middle_to_the_period(seed: bytes, depth: int):
    law = compute_law(RING, depth)
    wide = AngleLaw(
        gamma_means=law.gamma_means,
        gamma_widths=(GAMMA_PERIOD // 8,) * depth,
        beta_means=law.beta_means,
        beta_widths=(BETA_PERIOD // 8,) * depth,
    )
    angles = compute_angles(wide, expand_seed(seed, depth=depth, n=6, shots=0))
    for drawn, means, period in (
        (angles.gammas, wide.gamma_means, GAMMA_PERIOD),
        (angles.betas, wide.beta_means, BETA_PERIOD),
    ):
        assert all(mean >> 1 <= x <= (mean + period) >> 1 for x, mean in zip(drawn, means, strict=True))
    assert all(abs(x) <= wide.field_width for x in angles.fields)
    assert all(abs(x) <= wide.mixer_width for x in angles.mixers)


def test_angles_have_the_mean_and_the_width_of_the_law():
    law = compute_core_law(10)
    drawn = [compute_angles(law, expand_seed(k.to_bytes(32, "big"), depth=1, n=10, shots=0)) for k in range(3000)]
    gammas = np.array([angles.gammas[0] for angles in drawn], dtype=float)
    fields = np.array([angles.fields for angles in drawn], dtype=float) / law.field_width
    assert abs(gammas.mean() - law.gamma_means[0]) < 4 * law.gamma_widths[0] / 3000**0.5
    assert 0.95 < gammas.std() / law.gamma_widths[0] < 1.05
    assert abs(fields.mean()) < 0.02
    assert 0.56 < fields.std() < 0.6  # uniform: 1 / sqrt(3)


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.integers(1, 3))
def test_the_kernel_draws_the_same_angles_as_the_readable_form(seed: bytes, depth: int):
    law = compute_law(RING, depth)
    words = expand_seed(seed, depth=depth, n=6, shots=0)
    angles = compute_angles(law, words)
    table = get_trig_table()
    gammas, dressing, ts, frames = make_angles(words, _pack_law(law), depth, 6, table)
    assert tuple(gammas) == angles.gammas
    assert [int(x) for x in dressing] == [round_to_phase(x) for x in angles.fields]
    for layer, beta in enumerate(angles.betas):
        for q in range(6):
            c, s = table[(round_to_phase(beta) + round_to_phase(angles.mixers[q])) % 2**16]
            flip = frames[layer + 1, q] ^ frames[layer, q]
            assert flip == (abs(s) > abs(c))
            assert ts[layer, q] == (-c / s if flip else s / c)


def test_uniforms_are_53_bit_numbers_below_one():
    uniforms = compute_uniforms(np.array([0, 2**64 - 1, 2**63, 2**11 - 1], dtype=np.uint64), 2)
    assert uniforms.tolist() == [[0.0, 1 - 2.0**-53], [0.5, 0.0]]
