"""Angle laws: the published angles, their scaling, their bounds."""

from __future__ import annotations

from math import atan, pi, sqrt

import msgspec
import numpy as np
import pytest

from vm.law import FIXED_ANGLES, GAMMA_PERIOD, InvalidLaw, check_law, compute_core_law, compute_law
from vm.problem import compute_energies, make_problem
from vm.strike import compile_circuit, run_strike

RADIAN = 2**32 / (2 * pi)


def make_complete(n: int, weight: int = 1):
    signs = np.random.default_rng(n).choice([-weight, weight], size=(n, n))
    return make_problem(n, [(i, j, int(signs[i, j])) for j in range(n) for i in range(j)])


def make_cubic(n: int):
    return make_problem(n, [*((i, (i + 1) % n, 1) for i in range(n)), *((i, i + n // 2, 1) for i in range(n // 2))])


def test_at_depth_one_the_table_is_the_closed_form():
    for (degree, depth), (gammas, betas) in FIXED_ANGLES.items():
        assert len(gammas) == len(betas) == depth
        if depth == 1:
            assert gammas[0] / RADIAN == pytest.approx(atan(1 / sqrt(degree - 1)) / 2, rel=1e-3)
            assert betas[0] / RADIAN == pytest.approx(pi / 8, rel=1e-3)


def test_a_regular_graph_gets_its_own_row():
    law = compute_law(make_cubic(12), 2)
    assert law.gamma_means == pytest.approx(FIXED_ANGLES[3, 2][0], rel=1e-6)
    assert law.beta_means == FIXED_ANGLES[3, 2][1]


def test_gammas_shrink_as_coefficients_grow():
    one, ten = compute_law(make_complete(8), 1), compute_law(make_complete(8, 10), 1)
    assert ten.gamma_means[0] == pytest.approx(one.gamma_means[0] / 10, rel=1e-6)
    assert ten.beta_means == one.beta_means


def test_the_core_law_has_the_published_sk_angles():
    law = compute_core_law(14)
    assert law.gamma_means[0] / RADIAN == pytest.approx(0.5 / sqrt(14), rel=1e-6)
    assert law.beta_means[0] / RADIAN == pytest.approx(pi / 8, rel=1e-6)
    assert law.gamma_widths[0] > 0
    assert law.beta_widths[0] > 0


@pytest.mark.parametrize("problem", [make_cubic(12), make_complete(10), make_complete(9, 7)])
def test_the_laws_angles_lower_the_energy_more_with_each_layer(problem):
    means = []
    for depth in (1, 2, 3):
        circuit, law = compile_circuit(problem, depth=depth), compute_law(problem, depth)
        shots = np.concatenate([run_strike(circuit, law, bytes([k]) * 32) for k in range(40)])
        means.append(compute_energies(problem, shots).mean())
    spread = sqrt(sum(j * j for _, _, j in problem.couplings))  # of uniform bits, whose mean is 0
    assert 0 > -0.7 * spread > means[0] > means[1] > means[2]


@pytest.mark.parametrize(
    "change",
    [
        {"gamma_means": (0,)},
        {"gamma_means": (GAMMA_PERIOD,)},
        {"gamma_widths": (0,)},
        {"gamma_widths": (2**29,)},
        {"beta_means": (2**30,)},
        {"beta_means": ()},
        {"beta_widths": (0,)},
        {"field_width": -1},
        {"mixer_width": 2**31},
    ],
)
def test_vm_06_a_law_out_of_bounds_is_refused(change):
    law = compute_core_law(14)
    check_law(law)
    with pytest.raises(InvalidLaw):
        check_law(msgspec.structs.replace(law, **change))


def test_a_depth_without_published_angles_is_refused():
    with pytest.raises(InvalidLaw, match="not 9"):
        compute_law(make_cubic(12), 9)
    with pytest.raises(InvalidLaw, match="without coefficients"):
        compute_law(make_problem(3, []), 1)
