"""The Python of docs/match-strike.md runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "match-strike.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_runs(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints stands in the comment of its last line."""
    exec(compile(BLOCKS[number], f"docs/match-strike.md, block {number + 1}", "exec"), {})
    expected = re.findall(r"# (-?\d.*)$", BLOCKS[number], re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == expected


def test_there_are_blocks() -> None:
    """So that the test above cannot pass on nothing."""
    assert len(BLOCKS) == 2
