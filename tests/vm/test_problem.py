"""The problem record: what it refuses, and exact energies."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vm.problem import (
    CoefficientTooLarge,
    CouplingsNotCanonical,
    InvalidProblem,
    NotStrikeable,
    check_problem,
    check_strikeable,
    compute_energies,
    compute_energy,
    make_problem,
    pack_shots,
    sum_energies,
    unpack_shots,
)

VALID = make_problem(4, [(0, 1, 3), (1, 2, -5), (0, 3, 7)], fields=[1, 0, -2, 4], offset=9)


@pytest.mark.parametrize("change", [{"n": 0}, {"n": 5}, {"n": 4097}, {"fields": ()}, {"fields": (1, 0, -2)}])
def test_vm_01_a_wrong_number_of_spins_or_fields_is_refused(change):
    check_problem(VALID)
    with pytest.raises(InvalidProblem):
        check_problem(msgspec.structs.replace(VALID, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"fields": (2**20 + 1, 0, 0, 0)},
        {"fields": (-(2**20) - 1, 0, 0, 0)},
        {"offset": 2**50 + 1},
        {"offset": -(2**50) - 1},
        {"couplings": ((0, 1, 2**20 + 1),)},
    ],
)
def test_vm_02_a_coefficient_beyond_its_bound_is_refused(change):
    with pytest.raises(CoefficientTooLarge):
        check_problem(msgspec.structs.replace(VALID, **change))


def test_vm_02_the_bounds_themselves_are_accepted():
    check_problem(make_problem(2, [(0, 1, -(2**20))], fields=[2**20, -(2**20)], offset=2**50))


@pytest.mark.parametrize(
    "couplings",
    [
        ((0, 3, 7), (0, 1, 3)),
        ((0, 1, 3), (0, 1, 3)),
        ((1, 0, 3),),
        ((1, 1, 3),),
        ((0, 4, 3),),
        ((-1, 2, 3),),
        ((0, 1, 0),),
    ],
)
def test_vm_03_couplings_out_of_order_doubled_zero_or_out_of_range_are_refused(couplings):
    with pytest.raises(CouplingsNotCanonical):
        check_problem(msgspec.structs.replace(VALID, couplings=couplings))


def test_vm_03_making_a_problem_merges_sorts_and_drops_zeros():
    problem = make_problem(3, [(2, 0, 1), (0, 2, 4), (1, 0, 2), (0, 1, -2)])
    assert problem.couplings == ((0, 2, 5),)
    with pytest.raises(CouplingsNotCanonical, match="coupled to itself"):
        make_problem(3, [(1, 1, 1)])


@pytest.mark.parametrize(
    ("couplings", "fields"),
    [(((0, 1, 2**12 + 1), (0, 2, 1)), (0, 0, 0)), (((0, 1, 4), (1, 2, 6)), (0, 0, 8)), ((), (0, 0, 0))],
)
def test_vm_04_large_or_scaled_coefficients_and_no_coefficients_are_bounty_only(couplings, fields):
    with pytest.raises(NotStrikeable):
        check_strikeable(make_problem(3, couplings, fields=fields))
    check_strikeable(make_problem(3, [(0, 1, 2**12), (1, 2, -3)]))


def test_energies_are_those_of_the_definition():
    shots = np.array(list(itertools.product((0, 1), repeat=4)), dtype=np.uint8)
    for shot, energy in zip(shots, compute_energies(VALID, shots), strict=True):
        s = [1 - 2 * int(bit) for bit in shot]
        expected = 9 + s[0] - 2 * s[2] + 4 * s[3] + 3 * s[0] * s[1] - 5 * s[1] * s[2] + 7 * s[0] * s[3]
        assert energy == expected == compute_energy(VALID, shot.tobytes())


@given(st.integers(1, 20), st.integers(0, 5), st.integers(0, 2**32))
def test_packed_shots_unpack_to_themselves(n: int, count: int, seed: int):
    shots = np.random.default_rng(seed).integers(0, 2, (count, n)).astype(np.uint8)
    packed = pack_shots(shots)
    assert len(packed) == count * ((n + 7) // 8)
    assert (unpack_shots(packed, n) == shots).all()


def test_packing_puts_qubit_i_at_bit_i_and_padding_must_be_zero():
    assert pack_shots(np.array([[1, 0, 0, 0, 0, 0, 0, 0, 0, 1]], dtype=np.uint8)) == b"\x01\x02"
    with pytest.raises(InvalidProblem, match="padding"):
        unpack_shots(b"\x01\x04", 10)
    with pytest.raises(InvalidProblem, match="whole shots"):
        unpack_shots(b"\x01\x02\x03", 10)


@given(st.integers(1, 70), st.integers(0, 2**31))
def test_the_sum_of_energies_is_the_sum_of_energies(shots: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    drawn = chance.integers(0, 2, (shots, 4), dtype=np.uint8)
    assert sum_energies(VALID, drawn) == compute_energies(VALID, drawn).sum()
    alone = make_problem(4, [], fields=[5, -3, 0, 1], offset=-7)
    assert sum_energies(alone, drawn) == compute_energies(alone, drawn).sum()
