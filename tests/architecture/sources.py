"""The project's own source files, parsed once for the tests of the house."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = (
    "vm",
    "chain",
    "consensus",
    "runtime",
    "genesis",
    "network",
    "rpc",
    "workers",
    "wallet",
    "node",
    "simulations",
    "matchstrike",
)


@cache
def list_sources() -> tuple[Path, ...]:
    """Return the rooms' Python files."""
    return tuple(sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")))


@cache
def list_tests() -> tuple[Path, ...]:
    """Return the tests' Python files."""
    return tuple(sorted((ROOT / "tests").rglob("*.py")))


@cache
def parse(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))
