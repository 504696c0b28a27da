"""The example of docs/engines.md runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")


def test_the_example_runs_and_prints_what_it_says(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(code, "docs/engines.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert 0 < float(lines[0]) < 1
    assert lines[1].startswith("Expectation(value=-")
    assert lines[1].endswith("kind='exact')")
    assert "kind='exact'" in lines[2]
    assert lines[3].startswith("Truncation(bond_dimension=")
