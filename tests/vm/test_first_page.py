"""docs/from-a-graph-to-a-plot.md: its code runs as it stands, in under 20 lines, and draws what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import mean

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "from-a-graph-to-a-plot.md").read_text(encoding="utf-8")


def test_the_page_draws_energies_in_under_twenty_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """matplotlib is among the packages of the tests."""
    matplotlib = pytest.importorskip(
        "matplotlib", reason="the picture needs matplotlib: pip install 'matchstrike[bench]'"
    )
    matplotlib.use("svg")
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(code.splitlines()) < 20
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, "docs/from-a-graph-to-a-plot.md", "exec"), names)
    published, random = (line.get_ydata() for line in names["plt"].gca().lines)  # type: ignore[attr-defined]
    names["plt"].close("all")  # type: ignore[attr-defined]
    assert len(published) == len(random) == 1024 // 32
    assert f"of about {mean(published):.1f}, those at random angles of about {mean(random):.1f}" in PAGE
    best = min(record.best_energy for record in names["run"].records)  # type: ignore[attr-defined]
    assert f"the best there is is {best}, a cut of {(24 - best) // 2}" in PAGE
    picture = (tmp_path / "energies.svg").read_text(encoding="utf-8")
    assert "<svg" in picture
    assert picture.count('id="line2d_') > 2
