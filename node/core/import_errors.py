"""Why the importer does not take a block, beyond the rules of consensus and runtime. None of these changes anything."""

from __future__ import annotations

from typing import ClassVar


class NotImported(Exception):
    """A block that is not imported now; its sender may be honest."""

    rule: ClassVar[str]


class BlockKnown(NotImported):
    """A block that was imported before."""

    rule = "IMP-01"


class ParentMissing(NotImported):
    """A block whose parent is not known; it waits for it."""

    rule = "IMP-02"


class BelowFinal(NotImported):
    """A block that is not a descendant of the final block."""

    rule = "IMP-03"


class KnownInvalid(NotImported):
    """A block that was refused before, or stands on one that was."""

    rule = "IMP-04"
