"""The checks of a solution, and the errors of the solutions pallet.

The first three errors belong to the work pallet, whose inherent has the same checks.
"""

from __future__ import annotations

from typing import ClassVar

from chain.params import Params
from runtime.dispatch import ModuleFailure
from runtime.problem_records import Ising, read_ising
from vm.problem import InvalidProblem, compute_energy, unpack_shots


class MisstatedEnergy(ModuleFailure):
    """The energy differs from the one that the bits have."""

    rule: ClassVar[str] = "PRB-19"


class InvalidBits(ModuleFailure):
    """The bits are too few, too many, or padded with ones."""

    rule: ClassVar[str] = "PRB-20"


class TooManyCommits(ModuleFailure):
    """As many commits of this problem wait for their reveal as may."""

    rule: ClassVar[str] = "SOL-02"


class CommitRepeated(ModuleFailure):
    """The account has committed to the same thing already."""

    rule: ClassVar[str] = "SOL-03"


class UnknownCommit(ModuleFailure):
    """The account has no commit that waits and that these bits and salt open."""

    rule: ClassVar[str] = "SOL-06"


class RevealTooEarly(ModuleFailure):
    """The commit stands in the same block."""

    rule: ClassVar[str] = "SOL-07"


class TargetMissed(ModuleFailure):
    """A solution above the target may be shown only when nobody can commit any more."""

    rule: ClassVar[str] = "SOL-08"


def check_solution(ising: Ising, energy: int, bits: bytes) -> None:
    """Refuse bits that are none of a problem, or another energy than they have.

    Raises:
        InvalidBits: or MisstatedEnergy.
    """
    problem = read_ising(ising)
    # SPEC PRB-20: A solution's bits MUST be one per spin in whole bytes, with zeros as padding.
    if len(bits) != (problem.n + 7) // 8:
        raise InvalidBits(f"{len(bits)} bytes do not hold {problem.n} bits")
    try:
        shot = unpack_shots(bits, problem.n)[0]
    except InvalidProblem as error:
        raise InvalidBits(str(error)) from error
    actual = compute_energy(problem, shot)
    # SPEC PRB-19: A solution's energy MUST be the exact energy of its bits.
    if actual != energy:
        raise MisstatedEnergy(f"the bits have the energy {actual}, the solution says {energy}")


def compute_commit_deposit(params: Params, waiting: int) -> int:
    """Return what is held for one more commit to a problem to which so many wait."""
    # SPEC SOL-04: The deposit of a commit MUST be deposit_planck, doubled for every deposit_step commits of the problem
    # that wait already.
    return params.solution.deposit_planck << (waiting // params.solution.deposit_step)
