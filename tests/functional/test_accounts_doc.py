"""Every command in docs/accounts.md works, in the order in which it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"^\$ (.+)$", (ROOT / "docs" / "accounts.md").read_text(), re.MULTILINE)
# the installed scripts are thin; modules run them in whatever place the tests run
PROGRAMS = {
    "matchstrike": "from matchstrike.commands.main import main; main()",
    "matchstrike-node key": "from node.keys_command import key; key(prog_name='matchstrike-node key')",
}


def test_every_command_of_the_page_on_accounts_works(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "MATCHSTRIKE_HOME": str(tmp_path / "home"),
        "MATCHSTRIKE_PASSWORD": "words",
        "PYTHONPATH": str(ROOT),
    }
    assert len(COMMANDS) >= 10
    for command in COMMANDS:
        program = next(name for name in sorted(PROGRAMS, reverse=True) if command.startswith(name + " "))
        line = f'"$PYTHON" -c "$PROGRAM" {command.removeprefix(program)}'
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env={**environment, "PYTHON": sys.executable, "PROGRAM": PROGRAMS[program]},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            pytest.fail(f"{command}: {done.stderr}")
