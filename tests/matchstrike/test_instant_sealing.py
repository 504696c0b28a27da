"""Where blocks are made for extrinsics only, the commands say how a bounty comes to be paid, and that is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import run_command
from tests.support.dev_node import run_dev_node

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "weighted12.txt")
TRANSFERS_MAX = 30
NUDGE = ("wallet", "transfer", "bob", "0", "--from", "bob", "--wait", "final")


def test_a_bounty_under_instant_sealing_is_paid_after_transfers_of_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The note names the very command that is run here; once the problem has ended there is no note."""
    with run_dev_node("--sealing", "instant") as node:
        monkeypatch.setenv("MATCHSTRIKE_URL", node.ws_url)
        done = run_command("problem", "post", EXAMPLE, "--bounty", "5", "--from", "bob", "--effort", "0")
        assert done.code == 0, done.err
        assert f"`matchstrike {' '.join(NUDGE)}`" in done.err
        for _ in range(TRANSFERS_MAX):
            assert run_command(*NUDGE).code == 0
            problem = node.call("problem_get", 0)
            assert isinstance(problem, dict)
            if problem["status"] == "paid":
                break
        assert problem["status"] == "paid"
        done = run_command("problem", "watch", "0")
        assert (done.code, done.err) == (0, "")
