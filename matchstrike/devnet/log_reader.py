"""The whole lines of a growing log, each read from disk once."""

from __future__ import annotations

from pathlib import Path


class LogReader:
    """Remembers what it has read; a line counts when its end is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self._lines: list[str] = []

    def read(self) -> list[str]:
        """Return all lines so far."""
        try:
            with self._path.open("rb") as log:
                log.seek(self._offset)
                news = log.read()
        except FileNotFoundError:
            return self._lines
        self._offset += len(news)
        *whole, self._rest = (self._rest + news).split(b"\n")
        self._lines += [line.decode("utf-8", errors="replace").rstrip("\r") for line in whole]
        return self._lines
