"""`matchstrike sim`: the list, a run, and the sentence of a failure."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from matchstrike.commands import sim as module
from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.sim import sim
from simulations.attacks import ATTACKS
from simulations.scenarios import SCENARIOS
from simulations.world import Violation, World

SHORT = {"calm": replace(SCENARIOS["calm"], end=lambda world: None, length_ms=5_000)}


def test_the_list_tells_every_scenario() -> None:
    """As text and as JSON."""
    text = CliRunner().invoke(sim, ["list"])
    assert all(name in text.output for name in SCENARIOS)
    assert set(json.loads(CliRunner().invoke(sim, ["list", "-o", "json"]).output)) == {*SCENARIOS, *ATTACKS}


def test_a_run_reports_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed twice, the same report without timings; the lines go to stderr."""
    monkeypatch.setattr(module, "SCENARIOS", SHORT)
    reports = []
    for _ in range(2):
        result = CliRunner().invoke(sim, ["run", "calm", "--seed", "7", "-o", "json"])
        assert result.exit_code == 0
        reports.append(json.loads(result.output))
    assert reports[0] == reports[1]
    assert (reports[0]["scenario"], reports[0]["seed"]) == ("calm", 7)
    result = CliRunner().invoke(sim, ["run", "calm", "--seed", "7", "--lines"])
    assert "alice PeerConnected(bob" in result.stderr


def test_a_failure_is_a_sentence_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 through the command's own failure."""

    def end(world: World) -> None:
        raise Violation("nothing is as it should be")

    monkeypatch.setattr(module, "SCENARIOS", {"calm": replace(SHORT["calm"], end=end)})
    result = CliRunner().invoke(sim, ["run", "calm", "--seed", "7"])
    assert isinstance(result.exception, CommandFailed)
    assert "nothing is as it should be" in str(result.exception)
    assert "--seed 7" in str(result.exception)
