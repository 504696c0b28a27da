"""Problem files: what a person calls the problem (a cut, a QUBO value, an energy) and the Ising energy behind it.

Every kind is one exact affine map of integers, `quantity = (factor * E + shift) / divisor`:

    maxcut: the graph's weights are the couplings, cut = (W - E) / 2 with W the sum of all weights. Largest is best.
    qubo: x_i = bit_i, E = 4 (V - constant) / g, with g the greatest common divisor of what 4 V leaves as fields and
        couplings. Smallest is best.
    ising: the energy itself. Smallest is best.

Terms:
    quantity: the number in the words of the file's kind: a cut, a value or an energy.
    target: the quantity that a customer asks for; `compute_energy_target` says which energies reach it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd
from typing import ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.problem import (
    CoefficientTooLarge,
    CouplingsNotCanonical,
    InvalidProblem,
    IsingProblem,
    Shots,
    compute_energies,
    compute_energy,
    make_problem,
)

Kind = Literal["maxcut", "qubo", "ising"]


class InvalidProblemFile(Exception):
    """A problem file that cannot be read, with the line where that shows."""

    rule: ClassVar[str] = "FMT-01"

    def __init__(self, what: str, line: int | None = None, name: str = "") -> None:
        super().__init__(what, line, name)
        self.what = what
        self.line = line
        self.name = name

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.name, f"line {self.line}" if self.line else "") if part)
        return f"{where}: {self.what}" if where else self.what


class ProblemFileTooLarge(InvalidProblemFile):
    """More bytes, vertices or edges than a reader accepts."""

    rule: ClassVar[str] = "FMT-02"


class BadCoefficient(InvalidProblemFile):
    """A weight that is no whole number, or too large."""

    rule: ClassVar[str] = "FMT-03"


class BadVertex(InvalidProblemFile):
    """A vertex outside the numbering of the format."""

    rule: ClassVar[str] = "FMT-04"


class BadEdge(InvalidProblemFile):
    """A pair given twice, or a vertex joined to itself."""

    rule: ClassVar[str] = "FMT-05"


class WrongCount(InvalidProblemFile):
    """Fewer or more lines than the header announces."""

    rule: ClassVar[str] = "FMT-06"


class WrongQuantity(InvalidProblemFile):
    """A cut, value or energy that no bits of this problem could have."""

    rule: ClassVar[str] = "FMT-09"


class ProblemFile(msgspec.Struct, frozen=True, kw_only=True):
    """One problem as its author wrote it: the Ising record and the way back to the author's quantity.

    Attributes:
        name: What to call it in messages, usually the file's name.
        kind: What the quantity is.
        problem: The energy to minimise.
        factor: See the module's map; negative when the largest quantity is best.
        shift: See the module's map.
        divisor: See the module's map; positive.
    """

    name: str
    kind: Kind
    problem: IsingProblem
    factor: int = 1
    shift: int = 0
    divisor: int = 1


def make_maxcut_file(n: int, edges: Iterable[tuple[int, int, int]], *, name: str = "") -> ProblemFile:
    """Return the MaxCut problem of a weighted graph with vertices 0..n-1; equal pairs are added up.

    Raises:
        InvalidProblemFile: a vertex or weight out of bounds.
    """
    # SPEC FMT-07: A MaxCut problem MUST become J_ij = w_ij without fields and offset, so that cut = (W - E) / 2.
    rows = list(edges)
    problem = _make_checked_problem(n, rows, fields=None, offset=0)
    return ProblemFile(
        name=name, kind="maxcut", problem=problem, factor=-1, shift=sum(w for _, _, w in rows), divisor=2
    )


def make_qubo_file(n: int, terms: Iterable[tuple[int, int, int]], *, constant: int = 0, name: str = "") -> ProblemFile:
    """Return the problem of minimising `constant + sum Q_ij x_i x_j` (i = j: the linear terms), x_i in {0, 1}.

    Raises:
        InvalidProblemFile: a variable out of range, or a coefficient out of bounds after the conversion.
    """
    # SPEC FMT-08: A QUBO MUST become E = 4 (V - constant) / g, x_i = bit_i, g the gcd of its fields and couplings.
    fields = [0] * n
    couplings: dict[tuple[int, int], int] = {}
    for i, j, weight in terms:
        if not (0 <= i < n and 0 <= j < n):
            raise BadVertex(f"variable {max(i, j)} does not exist: the {n} variables are numbered 0 to {n - 1}")
        fields[i] -= weight
        fields[j] -= weight
        if i != j:
            pair = (min(i, j), max(i, j))
            couplings[pair] = couplings.get(pair, 0) + weight
    g = gcd(*fields, *couplings.values()) or 1
    problem = _make_checked_problem(
        n,
        [(i, j, w // g) for (i, j), w in couplings.items()],
        fields=[h // g for h in fields],
        offset=(-sum(fields) - sum(couplings.values())) // g,
    )
    return ProblemFile(name=name, kind="qubo", problem=problem, factor=g, shift=4 * constant, divisor=4)


def make_ising_file(problem: IsingProblem, *, name: str = "") -> ProblemFile:
    """Return the file whose quantity is the energy itself."""
    return ProblemFile(name=name, kind="ising", problem=problem)


def compute_quantity(file: ProblemFile, energy: int) -> int:
    """Return the cut, value or energy that belongs to an energy.

    Raises:
        WrongQuantity: no bits of this problem have that energy, because the quantity would not be whole.
    """
    # SPEC FMT-09: An energy MUST become its quantity exactly; one whose quantity would not be whole MUST be refused.
    quantity, rest = divmod(file.factor * energy + file.shift, file.divisor)
    if rest:
        raise WrongQuantity(f"no bits of this {file.kind} problem have the energy {energy}", None, file.name)
    return quantity


def compute_quantities(file: ProblemFile, shots: Shots) -> tuple[int, ...]:
    """Return the quantity of each shot."""
    return tuple(compute_quantity(file, int(energy)) for energy in compute_energies(file.problem, shots))


def compute_quantity_of_bits(file: ProblemFile, bits: bytes | NDArray[np.uint8]) -> int:
    """Return the cut, value or energy of n bits, qubit 0 first."""
    return compute_quantity(file, compute_energy(file.problem, bits))


def compute_energy_of_quantity(file: ProblemFile, quantity: int) -> int:
    """Return the energy that a cut, value or energy stands for.

    Raises:
        WrongQuantity: no energy of this problem stands for that quantity.
    """
    energy, rest = divmod(file.divisor * quantity - file.shift, file.factor)
    if rest:
        what = f"no bits of this {file.kind} problem have the {get_quantity_name(file)} {quantity}"
        raise WrongQuantity(what, None, file.name)
    return energy


def compute_energy_target(file: ProblemFile, target: int) -> int:
    """Return the largest energy whose quantity is at least as good as the target."""
    # SPEC FMT-10: A target MUST become the largest energy whose quantity is at least as good as the target.
    reach = file.divisor * target - file.shift
    return reach // file.factor if file.factor > 0 else -reach // -file.factor


def is_maximised(file: ProblemFile) -> bool:
    """Return whether the largest quantity is the best one."""
    return file.factor < 0


def get_quantity_name(file: ProblemFile) -> str:
    """Return the word for the quantity: cut, value or energy."""
    match file.kind:
        case "maxcut":
            return "cut"
        case "qubo":
            return "value"
        case "ising":
            return "energy"


def get_edges(file: ProblemFile) -> tuple[tuple[int, int, int], ...]:
    """Return a MaxCut file's weighted edges, vertices from 0.

    Raises:
        InvalidProblemFile: the file is of another kind.
    """
    if file.kind != "maxcut":
        raise InvalidProblemFile(f"a {file.kind} problem has no graph to cut", None, file.name)
    return file.problem.couplings


def get_qubo_terms(file: ProblemFile) -> tuple[tuple[int, int, int], ...]:
    """Return a QUBO file's non-zero terms `(i, j, Q_ij)`, i <= j ascending.

    Raises:
        InvalidProblemFile: the file is of another kind.
    """
    if file.kind != "qubo":
        raise InvalidProblemFile(f"a file of kind {file.kind} has no QUBO terms", None, file.name)
    linear = list(file.problem.fields)
    for i, j, weight in file.problem.couplings:
        linear[i] += weight
        linear[j] += weight
    diagonal = [(i, i, -file.factor * h // 2) for i, h in enumerate(linear) if h]
    return tuple(sorted([*diagonal, *((i, j, file.factor * w) for i, j, w in file.problem.couplings)]))


def _make_checked_problem(
    n: int, couplings: Iterable[tuple[int, int, int]], *, fields: list[int] | None, offset: int
) -> IsingProblem:
    """Return the problem; what the record refuses becomes an error of the file."""
    try:
        return make_problem(n, couplings, fields=fields, offset=offset)
    except CoefficientTooLarge as error:
        raise BadCoefficient(
            f"the Ising form of this problem is out of bounds: {error}; use smaller weights"
        ) from error
    except CouplingsNotCanonical as error:
        raise BadVertex(f"{error}; the {n} vertices are numbered 0 to {n - 1}") from error
    except InvalidProblem as error:
        raise ProblemFileTooLarge(str(error)) from error
