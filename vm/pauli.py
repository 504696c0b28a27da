"""Pauli sums: observables `sum_k c_k P_k` with real coefficients, as records and as text.

A string has one letter of I, X, Y, Z for each qubit, qubit 0 first. A problem's energy is the diagonal case: its
fields and couplings are strings of Z.

As text, a term stands on a line of its own: a coefficient (1 if left out), an optional `*`, and either one word of n
letters (`0.5 * ZIZ`) or letters with qubits (`0.5 Z0 Z2`); a coefficient alone is a constant. `#` begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import isfinite

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.problem import QUBITS_MAX, IsingProblem, Shots

LETTERS = frozenset("IXYZ")
TERMS_MAX = 2**20

_NUMBER = re.compile(r"[+-]?\s*(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_FACTOR = re.compile(r"([IXYZ])(\d+)")


class InvalidPauli(Exception):
    """A Pauli sum, or its text, that cannot be understood."""


class PauliSum(msgspec.Struct, frozen=True, kw_only=True):
    """An observable on `n` qubits.

    Attributes:
        n: Number of qubits.
        terms: (coefficient, string of n letters), each string once.
    """

    n: int
    terms: tuple[tuple[float, str], ...]

    @property
    def is_diagonal(self) -> bool:
        """Whether every string consists of I and Z."""
        return all("X" not in string and "Y" not in string for _, string in self.terms)

    @property
    def weight(self) -> float:
        """The sum of the coefficients' absolute values but for the identity's: no expectation is farther from it."""
        return sum(abs(value) for value, string in self.terms if string.strip("I"))


def make_pauli_sum(n: int, terms: Iterable[tuple[float, str]]) -> PauliSum:
    """Return the checked sum: equal strings merged in the order of their first appearance.

    Raises:
        InvalidPauli: no qubit, a string of another length or with another letter, a coefficient that is not finite.
    """
    if not 1 <= n <= QUBITS_MAX:
        raise InvalidPauli(f"a Pauli sum has 1..{QUBITS_MAX} qubits, not {n}")
    merged: dict[str, float] = {}
    for value, string in terms:
        if len(string) != n:
            raise InvalidPauli(f"'{string[:40]}' has {len(string)} letters; {n} qubits need {n}")
        if not LETTERS.issuperset(string):
            odd = next(letter for letter in string if letter not in LETTERS)
            raise InvalidPauli(f"'{string[:40]}' has the letter '{odd}'; a string consists of I, X, Y and Z")
        if not isfinite(value):
            raise InvalidPauli(f"the coefficient of '{string[:40]}' is {value}")
        merged[string] = merged.get(string, 0.0) + float(value)
    if len(merged) > TERMS_MAX:
        raise InvalidPauli(f"a Pauli sum has at most {TERMS_MAX} strings, not {len(merged)}")
    return PauliSum(n=n, terms=tuple((value, string) for string, value in merged.items()))


def make_energy_sum(problem: IsingProblem) -> PauliSum:
    """Return the problem's energy as a Pauli sum."""
    terms = [(float(problem.offset), make_string(problem.n, {}))] if problem.offset else []
    terms += [(float(h), make_string(problem.n, {q: "Z"})) for q, h in enumerate(problem.fields) if h]
    terms += [(float(weight), make_string(problem.n, {i: "Z", j: "Z"})) for i, j, weight in problem.couplings]
    return make_pauli_sum(problem.n, terms)


def make_string(n: int, letters: dict[int, str]) -> str:
    """Return the string that has the given letters at the given qubits and I elsewhere."""
    word = ["I"] * n
    for qubit, letter in letters.items():
        word[qubit] = letter
    return "".join(word)


def list_support(string: str) -> tuple[int, ...]:
    """Return the qubits on which a string acts, ascending."""
    return tuple(qubit for qubit, letter in enumerate(string) if letter != "I")


def compute_diagonal_values(hamiltonian: PauliSum, shots: Shots) -> NDArray[np.float64]:
    """Return the value of a diagonal observable for each shot, float64[shot].

    Raises:
        InvalidPauli: a string with X or Y.
    """
    if not hamiltonian.is_diagonal:
        raise InvalidPauli("only an observable of I and Z has a value for each shot")
    spins = 1.0 - 2.0 * shots
    values = np.zeros(len(shots))
    for value, string in hamiltonian.terms:
        values += value * spins[:, list(list_support(string))].prod(axis=1)
    return values


def parse_pauli_sum(text: str, *, n: int | None = None) -> PauliSum:
    """Return the Pauli sum that a text says, see the module.

    Args:
        n: Number of qubits; when None, the length of the words or the highest qubit named, plus one.

    Raises:
        InvalidPauli: with the number of the line and what is wrong with it.
    """
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#", 1)[0].strip()
        if content:
            lines.append((number, *_split_term(number, content)))
    if not lines:
        raise InvalidPauli("the text has no term; write one on each line, such as '0.5 * ZIZ' or '0.5 Z0 Z2'")
    count = n if n is not None else _count_qubits(lines)
    make_pauli_sum(count, [])  # before strings of that length are made
    terms = []
    for number, value, word, factors in lines:
        try:
            string = word if word else _spell(count, factors)
            make_pauli_sum(count, [(value, string)])
        except InvalidPauli as error:
            raise InvalidPauli(f"line {number}: {error}") from None
        terms.append((value, string))
    return make_pauli_sum(count, terms)


def _split_term(number: int, content: str) -> tuple[float, str, list[tuple[str, int]]]:
    """Return a line's coefficient, its word or "", and its factors."""
    match = _NUMBER.match(content)
    value, rest = 1.0, content
    if match:
        value, rest = float("".join(match.group().split())), content[match.end() :]
    elif content[0] in "+-":
        value, rest = (-1.0 if content[0] == "-" else 1.0), content[1:]
    parts = rest.strip().removeprefix("*").split()
    factors = []
    if len(parts) == 1 and parts[0].isalpha():
        return value, parts[0], []
    for part in parts:
        factor = _FACTOR.fullmatch(part)
        if factor is None:
            raise InvalidPauli(f"line {number}: '{part[:40]}' is neither a coefficient nor a factor such as Z3")
        factors.append((factor.group(1), int(factor.group(2)[:9])))
    return value, "", factors


def _count_qubits(lines: Sequence[tuple[int, float, str, list[tuple[str, int]]]]) -> int:
    words = [len(word) for _, _, word, _ in lines]
    return max(1, *words, *(qubit + 1 for *_, factors in lines for _, qubit in factors))


def _spell(n: int, factors: Sequence[tuple[str, int]]) -> str:
    letters: dict[int, str] = {}
    for letter, qubit in factors:
        if qubit >= n:
            raise InvalidPauli(f"qubit {qubit} does not exist; there are {n}")
        if qubit in letters:
            raise InvalidPauli(f"qubit {qubit} is named twice")
        letters[qubit] = letter
    return make_string(n, letters)
