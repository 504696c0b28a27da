"""A line of a test file, word by word."""

from __future__ import annotations

import re

SECONDS_MAX = 86_400.0
_METRIC = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\],]|>=|<=|==|=|>|<|[^\s{}\[\],"<>=]+)')
_UNITS = ("seconds", "second", "secs", "sec", "s")


class BadLine(Exception):
    """What is wrong with one line."""


class Words:
    """The rest of a line, word by word."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise BadLine(f"a quote is not closed: {text[position:].strip()[:40]}")
            self._tokens.append(found[1])
            position = found.end()
        self._position = 0

    def peek(self) -> str:
        """Return the next word, empty at the end."""
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    @property
    def shown(self) -> str:
        """The next word as an error names it."""
        return repr(self.peek()) if self.peek() else "the end"

    def take(self, *wanted: str) -> bool:
        """Go past these words if they come next."""
        end = self._position + len(wanted)
        if [token.lower() for token in self._tokens[self._position : end]] != list(wanted):
            return False
        self._position = end
        return True

    def expect(self, wanted: str) -> None:
        """Go past this word."""
        if not self.take(wanted):
            raise BadLine(f'expected "{wanted}", not {self.shown}')

    def metric(self) -> str:
        """Return the name of a metric or label."""
        word = self.peek()
        if not _METRIC.fullmatch(word):
            raise BadLine(f"expected the name of a metric, not {self.shown}")
        self._position += 1
        return word

    def name(self) -> str:
        """Return the name of a node."""
        word = self.peek()
        if not _NAME.fullmatch(word):
            raise BadLine(f"expected the name of a node, not {self.shown}")
        self._position += 1
        return word

    def text(self) -> str:
        """Return what stands in quotes."""
        word = self.peek()
        if not word.startswith('"'):
            raise BadLine(f"expected a text in double quotes, not {self.shown}")
        self._position += 1
        return word[1:-1].replace('\\"', '"')

    def number(self, before: str) -> float:
        """Return a number."""
        word = self.peek().replace("_", "")
        if not re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", word, re.ASCII):
            raise BadLine(f'expected a number after "{before}", not {self.shown}')
        self._position += 1
        return float(word)

    def seconds(self, before: str) -> float:
        """Return a time, with or without its unit."""
        value = self.number(before)
        if not 0 <= value <= SECONDS_MAX:
            raise BadLine(f'"{before} {value:.15g}" is no time; write 0 to {SECONDS_MAX:g} seconds')
        if self.peek().lower() in _UNITS:
            self._position += 1
        return value

    def end(self) -> None:
        """Refuse anything behind."""
        if self.peek():
            rest = " ".join(self._tokens[self._position :])
            raise BadLine(f"nothing is expected after that, but there is {rest[:60]!r}")
