"""Why a block is refused: one class per rule of docs/spec/work.md.

`InvalidBlock` means that the block can never become valid: its sender is at fault. `TooFarAhead` is no such error: the
block waits in a queue until its time has come.

Every error pickles: it is made from plain values.
"""

from __future__ import annotations

from typing import ClassVar


class InvalidBlock(Exception):
    """A block that breaks a rule and always will."""

    rule: ClassVar[str]


class WrongValue(InvalidBlock):
    """A field that differs from what it must be.

    Attributes:
        expected: What the rules and the parent's state say.
        actual: What the block says.
    """

    field: ClassVar[str] = "value"

    def __init__(self, expected: int | bytes, actual: int | bytes) -> None:
        super().__init__(expected, actual)
        self.expected = expected
        self.actual = actual

    def __str__(self) -> str:
        return f"the {self.field} is {_show(self.actual)}, but must be {_show(self.expected)}"


class DigestMalformed(InvalidBlock):
    """Log items other than author, work and seal, in this order."""

    rule: ClassVar[str] = "WRK-01"


class WorkDigestMalformed(InvalidBlock):
    """Bytes of the work item that are not its canonical SCALE."""

    rule: ClassVar[str] = "WRK-02"


class WrongHeight(WrongValue):
    """A height that does not follow the parent's."""

    rule: ClassVar[str] = "WRK-03"
    field: ClassVar[str] = "height"


class WrongParent(WrongValue):
    """A block that is judged against a parent other than its own."""

    rule: ClassVar[str] = "WRK-04"
    field: ClassVar[str] = "parent hash"


class WrongCoreEpoch(WrongValue):
    """A core epoch other than that of the height."""

    rule: ClassVar[str] = "WRK-05"
    field: ClassVar[str] = "core epoch"


class UnknownProblem(InvalidBlock):
    """A named problem that may not be struck on this parent."""

    rule: ClassVar[str] = "WRK-06"


class WrongWeight(WrongValue):
    """A weight other than the most gas that the ticket can use."""

    rule: ClassVar[str] = "WRK-07"
    field: ClassVar[str] = "weight"


class WeightTooLarge(InvalidBlock):
    """A ticket dearer than the chain accepts."""

    rule: ClassVar[str] = "WRK-08"


class WrongTarget(WrongValue):
    """A target other than that of the parent's state."""

    rule: ClassVar[str] = "TGT-01"
    field: ClassVar[str] = "target"


class TargetOutOfBounds(InvalidBlock):
    """A target of zero or above the largest target."""

    rule: ClassVar[str] = "TGT-02"


class TimestampTooOld(InvalidBlock):
    """A timestamp that does not exceed the median of the last ancestors' timestamps."""

    rule: ClassVar[str] = "TIME-01"


class SealMissing(InvalidBlock):
    """A header whose last log item is no seal."""

    rule: ClassVar[str] = "SEAL-01"


class SealMalformed(InvalidBlock):
    """Bytes of the seal that are not its canonical SCALE."""

    rule: ClassVar[str] = "SEAL-02"


class WrongPoolSize(WrongValue):
    """Pool shots of another length than the problem's shots have."""

    rule: ClassVar[str] = "SEAL-03"
    field: ClassVar[str] = "length of the pool shots"


class TicketAboveTarget(InvalidBlock):
    """A ticket that did not win, however much gas it used."""

    rule: ClassVar[str] = "SEAL-04"


class WrongCoreShots(WrongValue):
    """A core hash other than that of the shots which the core strikes give."""

    rule: ClassVar[str] = "SEAL-05"
    field: ClassVar[str] = "core hash"


class WrongPoolShots(WrongValue):
    """Pool shots other than those which the pool strike gives."""

    rule: ClassVar[str] = "SEAL-06"
    field: ClassVar[str] = "pool shots"


class TicketTooCheap(InvalidBlock):
    """A ticket that would have won if it had used more gas."""

    rule: ClassVar[str] = "SEAL-07"


class TooFarAhead(Exception):
    """A block from the future: queue it until `timestamp_ms`, do not punish its sender."""

    rule: ClassVar[str] = "TIME-02"

    def __init__(self, timestamp_ms: int, now_ms: int) -> None:
        super().__init__(timestamp_ms, now_ms)
        self.timestamp_ms = timestamp_ms
        self.now_ms = now_ms

    def __str__(self) -> str:
        return f"the timestamp is {self.timestamp_ms - self.now_ms} ms ahead of this node's clock"


def _show(value: int | bytes) -> str:
    if isinstance(value, int):
        return str(value)
    return "0x" + (value.hex() if len(value) <= 40 else value[:16].hex() + f"... ({len(value)} bytes)")
