"""Why the pool refuses an extrinsic. A refusal leaves the pool as it was.

Source: Substrate's `sc_transaction_pool_api::error::Error`; the RPC codes are its own.
"""

from __future__ import annotations

from typing import ClassVar


class PoolRefusal(Exception):
    """An extrinsic that the pool does not take."""

    code: ClassVar[int] = 1040
    title: ClassVar[str] = "Pool error"


class BadFormat(PoolRefusal):
    """Bytes that are no signed extrinsic."""

    code: ClassVar[int] = 1001
    title: ClassVar[str] = "Extrinsic has invalid format"


class Unfit(PoolRefusal):
    """An extrinsic that the runtime says no block can include.

    Attributes:
        reason: The runtime's words, Substrate's where it has some.
        diagnosis: What is probably wrong and what to do.
    """

    code: ClassVar[int] = 1010
    title: ClassVar[str] = "Invalid Transaction"

    def __init__(self, reason: str, diagnosis: str = "") -> None:
        super().__init__(reason, diagnosis)
        self.reason = reason
        self.diagnosis = diagnosis

    def __str__(self) -> str:
        return f"{self.reason}: {self.diagnosis}" if self.diagnosis else self.reason


class TemporarilyBanned(PoolRefusal):
    """An extrinsic that turned out invalid a short while ago."""

    code: ClassVar[int] = 1012
    title: ClassVar[str] = "Transaction is temporarily banned"


class AlreadyImported(PoolRefusal):
    """An extrinsic that the pool holds."""

    code: ClassVar[int] = 1013
    title: ClassVar[str] = "Transaction Already Imported"


class PriorityTooLow(PoolRefusal):
    """A replacement that does not offer more than what it would replace."""

    code: ClassVar[int] = 1014
    title: ClassVar[str] = "Priority is too low"


class PoolFull(PoolRefusal):
    """A full pool in which every other extrinsic offers more."""

    code: ClassVar[int] = 1016
    title: ClassVar[str] = "Immediately Dropped"
