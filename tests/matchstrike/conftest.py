"""What commands that speak to a node share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.dev_node import DevNode


@pytest.fixture
def at_node(node: DevNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the test's module's node, and a folder of its own, what commands find."""
    monkeypatch.setenv("MATCHSTRIKE_HOME", str(tmp_path))
    monkeypatch.setenv("MATCHSTRIKE_URL", node.ws_url)
    monkeypatch.chdir(tmp_path)
