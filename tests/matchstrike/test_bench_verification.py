"""`matchstrike bench verification`: the devnet's own problem, measured and in the model."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from matchstrike.commands import bench_verification as module
from matchstrike.commands.bench_verification import SHARE_MAX, bench_verification
from matchstrike.commands.failure import CommandFailed

MARGIN = 0.5  # of the measured share; on a machine without other work a tenth was seen


def run(*arguments: str) -> dict:
    result = CliRunner().invoke(bench_verification, [*arguments, "-o", "json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_devnets_own_problem_costs_at_most_2_percent_and_the_model_agrees():
    data = run("--problem", "devnet", "--repeats", "3")
    assert data["held"] is True
    assert {row["problem"] for row in data["rows"]} == {"devnet"}
    assert (4, 2) in {(row["miners"], row["cores"]) for row in data["rows"]}
    for row in data["rows"]:
        assert 0 < row["share"] <= SHARE_MAX
        assert abs(row["model"] / row["share"] - 1) < MARGIN
        assert row["share"] <= row["worst"] + 1e-9
    (measured,) = data["measured"]
    assert measured["seal"] < 10 * measured["ticket"]
    assert measured["leaves"] == 32


@pytest.mark.slow
def test_larger_problems_agree_with_the_model_too():
    data = run("--repeats", "5")
    assert {row["problem"] for row in data["rows"]} == {"devnet", "sk16", "sk20", "cubic40", "cubic60"}
    for row in data["rows"]:
        assert abs(row["model"] / row["share"] - 1) < MARGIN, row


def test_a_share_above_the_bound_ends_with_an_error(monkeypatch):
    monkeypatch.setattr(module, "SHARE_MAX", 1e-9)
    monkeypatch.setattr(module, "TICKETS", 2)
    with pytest.raises(CommandFailed, match="on the devnet's own problem"):
        CliRunner().invoke(
            bench_verification, ["--problem", "devnet", "--repeats", "1"], catch_exceptions=False, standalone_mode=False
        )


def test_an_unknown_problem_is_named():
    result = CliRunner().invoke(bench_verification, ["--problem", "cubic7"])
    assert result.exit_code == 2
    assert "cubic60" in result.output


def test_times_of_a_machine_that_slows_down_keep_their_ratios():
    """Three measurements a round; the second round takes ten times as long."""
    speeds = iter([1, 1, 1, 10, 10, 10, 1, 1, 1])
    runs = [lambda cost=cost: cost * next(speeds) for cost in (2.0, 3.0, 5.0)]
    assert module._measure_together(runs, 3) == pytest.approx([2.0, 3.0, 5.0])
