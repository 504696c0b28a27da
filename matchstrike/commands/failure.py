"""What ends a command: a sentence for people and an exit code for scripts."""

from __future__ import annotations

FAILED = 1
USAGE = 2
UNREACHABLE = 3
TIMED_OUT = 4
NOT_FOUND = 5
KEY = 6


class CommandFailed(Exception):
    """A command could not do what was asked."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message, exit_code)
        self.message = message
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.message
