"""A node whose clock is wrong: `python skewed_node.py FILE ARGUMENTS...` adds FILE's milliseconds to the wall clock.

The file may change while the node runs, which is a clock that jumps. Nothing of the node is replaced: it asks
`time.time_ns` as always, and this machine answers wrongly. Monotonic clocks stay as they are, as with a real clock that
is set.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

LOOK_S = 0.1
_true_time_ns = time.time_ns


class WrongClock:
    """The wall clock, and what the file says beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset_ns = 0
        self._looked_s = -LOOK_S

    def time_ns(self) -> int:
        """Return nanoseconds as the wrong clock has them."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._offset_ns = int(self._path.read_text(encoding="ascii")) * 1_000_000
        return _true_time_ns() + self._offset_ns

    def time(self) -> float:
        """Return seconds as the wrong clock has them."""
        return self.time_ns() / 1e9


def set_offset(path: Path, offset_ms: int) -> None:
    """Write the file, in one go."""
    part = path.with_suffix(".part")
    part.write_text(str(offset_ms), encoding="ascii")
    part.replace(path)


if __name__ == "__main__":
    clock = WrongClock(Path(sys.argv.pop(1)))
    setattr(time, "time_ns", clock.time_ns)  # noqa: B010
    setattr(time, "time", clock.time)  # noqa: B010

    from node.main import main

    main()
