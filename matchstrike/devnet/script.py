"""The records of a test file: what each of its lines asks for.

Source: zombienet, docs/src/cli/test-dsl-definition-spec.md.
"""

from __future__ import annotations

import fnmatch
import re
from typing import Literal, TypeAlias, assert_never

import msgspec

Comparator: TypeAlias = Literal["at least", "at most", "greater than", "less than", "equal to"]
PatternKind: TypeAlias = Literal["text", "regex", "glob"]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A number beside which another is put."""

    comparator: Comparator
    value: float

    def holds(self, number: float) -> bool:
        """Return whether the number is on the right side."""
        match self.comparator:
            case "at least":
                return number >= self.value
            case "at most":
                return number <= self.value
            case "greater than":
                return number > self.value
            case "less than":
                return number < self.value
            case "equal to":
                return number == self.value
        assert_never(self.comparator)

    def __str__(self) -> str:
        return f"{self.comparator} {self.value:g}"


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """What a line of a log is searched for: a part of it, a regular expression in it, or a glob of all of it."""

    kind: PatternKind
    text: str

    def matches(self, line: str) -> bool:
        """Return whether a line of the log has what is looked for."""
        if self.kind == "text":
            return self.text in line
        if self.kind == "glob":
            return fnmatch.fnmatchcase(line, self.text)
        return re.search(self.text, line) is not None


class IsUp(msgspec.Struct, frozen=True, kw_only=True):
    """The node answers."""


class Height(msgspec.Struct, frozen=True, kw_only=True):
    """The node's best, or highest final, block."""

    is_final: bool
    comparison: Comparison


class Peers(msgspec.Struct, frozen=True, kw_only=True):
    """How many peers the node is connected with."""

    comparison: Comparison


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A number of the node's Prometheus page; labels that are not named do not matter."""

    name: str
    labels: dict[str, str] = {}
    comparison: Comparison


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """How many samples of a histogram lie in some of its buckets, named by their upper bounds."""

    name: str
    buckets: tuple[str, ...]
    comparison: Comparison


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the node's log, whenever it was written."""

    pattern: Pattern


class LogCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many lines of the node's log match."""

    pattern: Pattern
    comparison: Comparison


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """Stop the node, and start it again after some seconds."""

    after_s: float = 0.0


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Stop the node's processes where they are (SIGSTOP)."""


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """Let a paused node go on."""


class Sleep(msgspec.Struct, frozen=True, kw_only=True):
    """Do nothing for a while."""

    seconds: float


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """Let nothing pass between groups of nodes; those in none are together."""

    groups: tuple[tuple[str, ...], ...]


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """Let everything take so long one way, on a node's links or on all."""

    seconds: float


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Lose so many of a hundred segments, on a node's links or on all."""

    percent: float


class Heal(msgspec.Struct, frozen=True, kw_only=True):
    """End every partition, delay and loss."""


class FinalAgree(msgspec.Struct, frozen=True, kw_only=True):
    """No two nodes that answer have different final blocks at one height."""


Check: TypeAlias = IsUp | Height | Peers | Metric | Histogram | LogLine | LogCount
LinkAction: TypeAlias = Partition | Delay | Loss | Heal
Action: TypeAlias = Restart | Pause | Resume | Sleep | LinkAction


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One line.

    Attributes:
        node: None for what concerns no node.
        within_s: How long a check may take to become true; None is the runner's own limit.
    """

    line: int
    text: str
    node: str | None
    what: Check | Action | FinalAgree
    within_s: float | None = None


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A whole test file."""

    network: str | None
    description: str = ""
    statements: tuple[Statement, ...] = ()
