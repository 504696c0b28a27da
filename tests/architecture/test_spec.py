"""docs/spec, the code and the tests say the same: each rule is written once, quoted once, enforced and tested."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.architecture.sources import ROOT, list_sources, list_tests, parse

RULE = re.compile(r"^- \*\*([A-Z]+-\d+)\*\* (.+?)(?: \(`(\w+)`(?:, `\w+`)*\))?$")
QUOTE = re.compile(r"^\s*# SPEC ([A-Z]+-\d+): (.*)$")


@cache
def read_spec() -> dict[str, tuple[str, str | None]]:
    """Return every rule's sentence and error class by its number."""
    rules: dict[str, tuple[str, str | None]] = {}
    for path in sorted((ROOT / "docs" / "spec").glob("*.md")):
        for line in _unwrap(path.read_text(encoding="utf-8")):
            found = RULE.match(line)
            if found:
                assert found[1] not in rules, f"{found[1]} is written twice"
                rules[found[1]] = (found[2], found[3])
    return rules


@cache
def read_quotations() -> list[tuple[str, str, str]]:
    """Return (place, number, text) of every quotation in the code."""
    quotations: list[tuple[str, str, str]] = []
    for path in list_sources():
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            found = QUOTE.match(line)
            if not found:
                continue
            text = [found[2]]
            for following in lines[number + 1 :]:
                stripped = following.strip()
                if not stripped.startswith("# ") or QUOTE.match(following):
                    break
                text.append(stripped[2:])
            quotations.append((f"{path.relative_to(ROOT)}:{number + 1}", found[1], " ".join(text)))
    return quotations


def test_every_quotation_is_word_for_word() -> None:
    """A quoted rule that drifts from the spec is worse than none."""
    rules = read_spec()
    wrong = [
        f"{place}: {number}"
        for place, number, text in read_quotations()
        if number not in rules or not text.startswith(rules[number][0])
    ]
    assert not wrong, wrong


def test_every_rule_is_quoted_in_the_code() -> None:
    """A rule that no line of code claims to enforce is a wish."""
    missing = sorted(set(read_spec()) - {number for _, number, _ in read_quotations()})
    assert not missing, missing


def test_every_rule_has_its_error_class() -> None:
    """The class named in the spec carries the rule's number."""
    classes: dict[str, set[str]] = {}
    for path in list_sources():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ClassDef):
                classes.setdefault(node.name, set()).update(_rule_numbers(node))
    wrong = [
        f"{number}: {name}" for number, (_, name) in read_spec().items() if name is not None and name not in classes
    ]
    assert not wrong, wrong


def test_every_rule_is_mentioned_by_a_test() -> None:
    """Its number stands in a test's name or docstring."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in list_tests() if path.name != "test_spec.py").lower()
    missing = [
        number for number in read_spec() if number.lower() not in text and number.lower().replace("-", "_") not in text
    ]
    assert not missing, missing


def _rule_numbers(node: ast.ClassDef) -> set[str]:
    return {
        statement.value.value
        for statement in node.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and statement.target.id == "rule"
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    }


def _unwrap(text: str) -> list[str]:
    """Return the lines with a rule's continuation lines joined to its first."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("  ") and lines and lines[-1].startswith("- **"):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    return lines
