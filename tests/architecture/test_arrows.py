"""The arrows between rooms and the purity of the pure ones, as import-linter sees them."""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.sources import ROOT


def test_arrows_point_one_way_and_pure_rooms_do_no_io() -> None:
    """Every contract of pyproject.toml is kept."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
