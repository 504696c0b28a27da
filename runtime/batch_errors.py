"""The errors of the batches pallet: each is one rule of docs/spec/batches.md.

`runtime.pallets.batches` lists them, which gives them their numbers.
"""

from __future__ import annotations

from typing import ClassVar

from runtime.dispatch import ModuleFailure


class NotSolver(ModuleFailure):
    """The account has no solver's bond."""

    rule: ClassVar[str] = "BAT-12"


class BondTooSmall(ModuleFailure):
    """The solver's bond does not cover one more open batch."""

    rule: ClassVar[str] = "BAT-12"


class BondInUse(ModuleFailure):
    """The amount to unbond is zero, or more than the open batches leave."""

    rule: ClassVar[str] = "BAT-13"


class TooManyChunks(ModuleFailure):
    """Too many amounts are being unbonded; withdraw the ripe ones first."""

    rule: ClassVar[str] = "BAT-14"


class NothingRipe(ModuleFailure):
    """Nothing that was unbonded may be withdrawn yet."""

    rule: ClassVar[str] = "BAT-14"


class WrongCount(ModuleFailure):
    """The batch has too few or too many leaves."""

    rule: ClassVar[str] = "BAT-15"


class NotForSale(ModuleFailure):
    """The problem takes no strikes, or offers nothing for them."""

    rule: ClassVar[str] = "BAT-16"


class InvalidSource(ModuleFailure):
    """The batch's header is none."""

    rule: ClassVar[str] = "BAT-10"


class NotAuthor(ModuleFailure):
    """The batch's header was mined by another account."""

    rule: ClassVar[str] = "BAT-17"


class OtherProblem(ModuleFailure):
    """The batch's header names another problem."""

    rule: ClassVar[str] = "BAT-17"


class ParentNotRecent(ModuleFailure):
    """The batch's header stands on no recent block of this chain."""

    rule: ClassVar[str] = "BAT-18"


class ParentUsed(ModuleFailure):
    """The solver has sold a batch on this parent, or on a later one."""

    rule: ClassVar[str] = "BAT-19"


class WrongCounter(ModuleFailure):
    """The counter is not the solver's next one."""

    rule: ClassVar[str] = "BAT-20"


class WrongSnapshot(ModuleFailure):
    """The snapshot was not in force where the batch says its strikes ran."""

    rule: ClassVar[str] = "BAT-21"


class PaymentTooLarge(ModuleFailure):
    """The batch could earn more than the author of a block."""

    rule: ClassVar[str] = "BAT-22"


class AuditsFull(ModuleFailure):
    """No block in reach has room to audit the batch."""

    rule: ClassVar[str] = "BAT-23"


class UnknownBatch(ModuleFailure):
    """No batch has this number."""

    rule: ClassVar[str] = "BAT-25"


class NotChallenged(ModuleFailure):
    """The batch waits for no answer."""

    rule: ClassVar[str] = "BAT-25"


class WrongGas(ModuleFailure):
    """A strike of the batch has another gas limit than stated."""

    rule: ClassVar[str] = "BAT-26"


class WrongWitness(ModuleFailure):
    """Order and law are not those whose snapshot was committed."""

    rule: ClassVar[str] = "BAT-27"


class WrongLeaves(ModuleFailure):
    """The shots are more or fewer than the leaves to show."""

    rule: ClassVar[str] = "BAT-28"


class NotInBatch(ModuleFailure):
    """The proof does not show that these shots are in the batch."""

    rule: ClassVar[str] = "BAT-28"


class WrongChain(ModuleFailure):
    """The statement is about another chain."""

    rule: ClassVar[str] = "BAT-40"


class BadStatement(ModuleFailure):
    """The solver's signature does not fit the statement."""

    rule: ClassVar[str] = "BAT-40"


class AlreadyPunished(ModuleFailure):
    """The statement was punished before."""

    rule: ClassVar[str] = "BAT-41"


class NothingToSlash(ModuleFailure):
    """The solver has nothing bonded that could be slashed."""

    rule: ClassVar[str] = "BAT-42"


class ProblemGone(ModuleFailure):
    """The problem has left the state, and its Ising record is not shown: its strikes cannot be run."""

    rule: ClassVar[str] = "BAT-43"


class LeafIsRight(ModuleFailure):
    """The leaf is what the strike gives: no fraud."""

    rule: ClassVar[str] = "BAT-44"


class AuditTooLarge(ModuleFailure):
    """The strikes are so dear that no block has room for the answer to an audit."""

    rule: ClassVar[str] = "BAT-48"
