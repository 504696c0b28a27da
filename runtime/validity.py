"""Why an extrinsic may not be in a block, in Substrate's words, with a sentence that says what is really wrong.

Any of these makes the BLOCK invalid that holds the extrinsic; the pool refuses the extrinsic with the same class.
"""

from __future__ import annotations

from typing import ClassVar


class InvalidTransaction(Exception):
    """An extrinsic that no block may hold at this height.

    Attributes:
        reason: Substrate's text, as clients know it.
        scale_index: The variant in Substrate's InvalidTransaction.
        diagnosis: What was wrong with this one and what to do.
    """

    rule: ClassVar[str] = "RUN-09"
    reason: ClassVar[str] = "Transaction is invalid"
    scale_index: ClassVar[int] = 7

    def __init__(self, diagnosis: str = "") -> None:
        super().__init__(diagnosis)

    @property
    def diagnosis(self) -> str:
        """The sentence for a person."""
        return str(self.args[0]) or self.reason


class Malformed(InvalidTransaction):
    """Bytes that are no extrinsic, or a call that does not decode."""

    rule: ClassVar[str] = "RUN-09"
    reason: ClassVar[str] = "Extrinsic has invalid format"
    scale_index: ClassVar[int] = 0


class CallNotAllowed(InvalidTransaction):
    """A call that cannot be made in this way."""

    rule: ClassVar[str] = "RUN-10"
    reason: ClassVar[str] = "Transaction call is not expected"
    scale_index: ClassVar[int] = 0


class CallCrashed(InvalidTransaction):
    """A call that raised what no call may raise: a mistake of the runtime, which must not stop the chain."""

    rule: ClassVar[str] = "RUN-30"
    reason: ClassVar[str] = "Transaction call crashed"
    scale_index: ClassVar[int] = 0


class Payment(InvalidTransaction):
    """A signer who cannot pay the fee."""

    rule: ClassVar[str] = "RUN-11"
    reason: ClassVar[str] = "Inability to pay some fees (e.g. account balance too low)"
    scale_index: ClassVar[int] = 1


class Future(InvalidTransaction):
    """A nonce above the account's."""

    rule: ClassVar[str] = "RUN-12"
    reason: ClassVar[str] = "Transaction will be valid in the future"
    scale_index: ClassVar[int] = 2


class Stale(InvalidTransaction):
    """A nonce below the account's."""

    rule: ClassVar[str] = "RUN-13"
    reason: ClassVar[str] = "Transaction is outdated"
    scale_index: ClassVar[int] = 3


class BadProof(InvalidTransaction):
    """A signature that does not fit."""

    rule: ClassVar[str] = "RUN-14"
    reason: ClassVar[str] = "Transaction has a bad signature"
    scale_index: ClassVar[int] = 4


class AncientBirthBlock(InvalidTransaction):
    """A mortal era that has ended, or that began at a block whose hash is not known any more."""

    rule: ClassVar[str] = "RUN-15"
    reason: ClassVar[str] = "Transaction has an ancient birth block"
    scale_index: ClassVar[int] = 5


class ExhaustsResources(InvalidTransaction):
    """An extrinsic for which the block has no weight or bytes left."""

    rule: ClassVar[str] = "RUN-16"
    reason: ClassVar[str] = "Transaction would exhaust the block limits"
    scale_index: ClassVar[int] = 6


class BadMandatory(InvalidTransaction):
    """An inherent that failed."""

    rule: ClassVar[str] = "RUN-17"
    reason: ClassVar[str] = "A call was labelled as mandatory, but resulted in an Error."
    scale_index: ClassVar[int] = 8


class MandatoryValidation(InvalidTransaction):
    """An inherent that somebody submits as a transaction."""

    rule: ClassVar[str] = "RUN-18"
    reason: ClassVar[str] = "Transaction dispatch is mandatory; transactions must not be validated."
    scale_index: ClassVar[int] = 9


class InherentAfterSigned(InvalidTransaction):
    """An inherent behind a signed extrinsic."""

    rule: ClassVar[str] = "RUN-19"
    reason: ClassVar[str] = "Transaction call is not expected"
    scale_index: ClassVar[int] = 0
