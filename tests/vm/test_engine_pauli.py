"""Pauli sums: their records, their text, and the sentence for each mistake in it."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vm.pauli import (
    InvalidPauli,
    PauliSum,
    compute_diagonal_values,
    list_support,
    make_energy_sum,
    make_pauli_sum,
    parse_pauli_sum,
)
from vm.problem import compute_energies, make_problem
from vm.rotations import make_rotation_circuit

GOOD = {
    "words": ("0.5 * ZIZ\n-1.5e-1 XXI\n", 3, ((0.5, "ZIZ"), (-0.15, "XXI"))),
    "factors": ("2 Z0 Z3\n- X1", 4, ((2.0, "ZIIZ"), (-1.0, "IXII"))),
    "both": ("ZZZ\n+.25 Y2", 3, ((1.0, "ZZZ"), (0.25, "IIY"))),
    "constant": ("3\nZ0", 1, ((3.0, "I"), (1.0, "Z"))),
    "merged": ("1 ZI\n2 Z0  # again\n\n# nothing", 2, ((3.0, "ZI"),)),
    "spaces": ("- 0.5*Z0 X1\n-\t2 Z1", 2, ((-0.5, "ZX"), (-2.0, "IZ"))),
}


@pytest.mark.parametrize("name", GOOD)
def test_text_is_understood(name: str):
    text, n, terms = GOOD[name]
    assert parse_pauli_sum(text) == PauliSum(n=n, terms=terms)


def test_the_number_of_qubits_may_be_given():
    assert parse_pauli_sum("Z0 Z1", n=4).terms == ((1.0, "ZZII"),)


BAD = {
    "nothing": ("# only a comment", None, "no term; write one on each line"),
    "letter": ("1 ZZ\n1 ZQ", None, "line 2: 'ZQ' has the letter 'Q'; a string consists of I, X, Y and Z"),
    "lower case": ("0.5 zz", None, "line 1: 'zz' has the letter 'z'"),
    "length": ("ZZ\nZZZ", None, "line 1: 'ZZ' has 2 letters; 3 qubits need 3"),
    "twice": ("Z0 X0", None, "line 1: qubit 0 is named twice"),
    "beyond": ("Z0 Z4", 4, "line 1: qubit 4 does not exist; there are 4"),
    "far beyond": ("Z99999999999999999999", None, "1..4096 qubits"),
    "junk": ("0.5 Z0 + Z1", None, "line 1: '+' is neither a coefficient nor a factor such as Z3"),
    "two numbers": ("0.5 0.5 Z0", None, "line 1: '0.5' is neither a coefficient nor a factor"),
    "complex": ("0.5j Z0", None, "line 1: 'j' is neither"),
    "infinite": ("1e999 Z0", None, "line 1: the coefficient of 'Z' is inf"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_mistake_has_its_sentence(name: str):
    text, n, sentence = BAD[name]
    with pytest.raises(InvalidPauli) as caught:
        parse_pauli_sum(text, n=n)
    assert sentence in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("n", "terms", "sentence"),
    [(0, [], "not 0"), (5000, [], "not 5000"), (1, [(math.nan, "Z")], "is nan"), (2, [(1, "Z")], "2 qubits need 2")],
)
def test_impossible_sums_are_refused(n: int, terms, sentence: str):
    with pytest.raises(InvalidPauli, match=sentence):
        make_pauli_sum(n, terms)


@pytest.mark.parametrize(
    ("rotations", "sentence"),
    [
        ([(1.0, "Z")], "2 qubits need 2"),
        ([(math.inf, "ZZ")], "the angle of 'ZZ' is inf"),
        ([(1.0, "ZA")], "letter 'A'"),
    ],
)
def test_impossible_rotations_are_refused(rotations, sentence: str):
    with pytest.raises(InvalidPauli, match=sentence):
        make_rotation_circuit(2, rotations)


@given(st.text(alphabet="IXYZ0123456789.+-*e #\n\t", max_size=60))
def test_any_text_is_a_sum_or_a_sentence(text: str):
    try:
        found = parse_pauli_sum(text)
    except InvalidPauli:
        return
    assert all(len(string) == found.n for _, string in found.terms)


def test_a_diagonal_sum_has_the_problems_energy_for_each_shot():
    problem = make_problem(4, [(0, 1, 2), (1, 3, -1)], fields=[0, 3, 0, 1], offset=7)
    shots = np.random.default_rng(1).integers(0, 2, (20, 4)).astype(np.uint8)
    assert (compute_diagonal_values(make_energy_sum(problem), shots) == compute_energies(problem, shots)).all()
    with pytest.raises(InvalidPauli, match="I and Z"):
        compute_diagonal_values(make_pauli_sum(4, [(1, "XIII")]), shots)


def test_an_energy_is_a_diagonal_sum():
    problem = make_problem(3, [(0, 1, 2), (1, 2, -1)], fields=[0, 3, 0], offset=7)
    energy = make_energy_sum(problem)
    assert energy.terms == ((7.0, "III"), (3.0, "IZI"), (2.0, "ZZI"), (-1.0, "IZZ"))
    assert energy.is_diagonal
    assert energy.weight == 6
    assert not make_pauli_sum(2, [(1, "ZY")]).is_diagonal
    assert list_support("IXIZ") == (1, 3)
