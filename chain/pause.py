"""Where a long computation may be interrupted.

Terms:
    pause: called by a computation at points where everything that others may read is consistent. It knows no time and
        changes nothing; who runs the computation may use the call to serve others first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Pause: TypeAlias = Callable[[], None]


def never_pause() -> None:
    """Go on at once."""
