"""`matchstrike sim economy` as its users type it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from matchstrike.commands.sim_economy import economy

SMALL = ("--chain", "local", "--set", "blocks=40", "--set", "transfers=0", "--set", "customer_blocks=20")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("prise=1", "no option 'prise'"),
        ("price=dear", "needs a number"),
        ("blocks=1", "40 to"),
        ("x", "KEY=VALUE"),
    ],
)
def test_a_wrong_option_is_explained(setting: str, words: str) -> None:
    result = CliRunner().invoke(economy, ["--set", setting])
    assert result.exit_code == 2
    assert words in result.output


def test_stakes_that_exceed_all_tokens_are_explained() -> None:
    result = CliRunner().invoke(economy, ["--set", "validators=64"])
    assert result.exit_code == 2
    assert "tokens do not suffice" in result.output


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    """And another seed gives others; no timings."""
    command = [sys.executable, "-m", "matchstrike.commands.main", "sim", "economy", *SMALL, "-o", "json"]
    one, two, other = (
        subprocess.run([*command, "--seed", seed], capture_output=True, check=True, timeout=300).stdout
        for seed in ("5", "5", "6")
    )
    assert one == two
    assert one != other
    report = json.loads(one)
    assert [row["age"] for row in report["rows"]] == [0, 1, 2, 5, 10]
    assert report["options"]["transfers"] == 0
