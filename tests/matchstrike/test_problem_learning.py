"""A real node learns: its blocks' strikes move the law, and every block can be run again by hand."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.command_line import run_command
from tests.support.dev_node import DevNode, run_dev_node

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "cubic20.txt")
STRIKES = 12
WAIT_S_MAX = 240.0


def wait_for_strikes(node: DevNode) -> dict[str, object]:
    """Return problem 0 once the chain has learnt from enough strikes."""
    deadline = time.monotonic() + WAIT_S_MAX
    while time.monotonic() < deadline:
        problem = node.call("problem_get", 0)
        assert isinstance(problem, dict)
        if problem["learning"] and problem["learning"]["strikes"] >= STRIKES:
            return problem
        time.sleep(0.2)
    raise AssertionError(f"too few strikes in {WAIT_S_MAX:.0f} s:\n{node.read_log()}")


@pytest.mark.slow
def test_a_mined_problem_is_learnt_and_its_tickets_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_dev_node("--sealing", "200") as node:
        monkeypatch.setenv("MATCHSTRIKE_URL", node.ws_url)
        offer = ("--bounty", "2", "--target", "30", "--effort", "0", "--from", "bob", "--wait", "included")
        done = run_command("problem", "post", EXAMPLE, *offer)
        assert done.code == 0, done.err
        problem = wait_for_strikes(node)
        learning = problem["learning"]
        assert isinstance(learning, dict)
        assert problem["law"] != learning["published"]
        shown = run_command("problem", "show", "0")
        assert "learnt from" in shown.out
        assert "mean energy" in shown.out
        assert json.loads(run_command("problem", "show", "0", "-o", "json").out)["learning"]["strikes"] >= STRIKES
        header = node.call("chain_getHeader")
        assert isinstance(header, dict)
        done = run_command("strike", "ticket", str(int(header["number"], 16)), "-o", "json")
        assert done.code == 0, done.err
        block_hash = node.call("chain_getBlockHash", int(header["number"], 16))
        replay = node.call("work_replay", block_hash)
        assert isinstance(replay, dict)
        assert replay["verdict"] == "valid"
        pool = replay["pool"]
        assert isinstance(pool, dict)
        before = node.call("problem_get", 0, header["parentHash"])
        assert isinstance(before, dict)
        assert before["law"] == pool["law"]
        file = tmp_path / "problem.json"
        file.write_text(json.dumps(before))
        again = ("--depth", "1", "--seed", pool["strikeSeed"], "--order", str(file), "--law", str(file), "-o", "json")
        done = run_command("strike", "replay", EXAMPLE, *again)
        assert done.code == 0, done.err
        assert json.loads(done.out)["shots"] == pool["shots"]
