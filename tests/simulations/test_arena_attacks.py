"""The arena: each attack with a frozen seed, small; and with its defence off."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from matchstrike.commands import sim as module
from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.sim import sim
from simulations.arena import (
    Attack,
    AttackReport,
    Options,
    Trial,
    UnknownOption,
    compute_interval,
    find_crossing,
    make_options,
    play_attack,
)
from simulations.attacks import ATTACKS


def play(name: str, seed: int = 1, **settings: str) -> AttackReport:
    """Return the report of a run with some options."""
    attack = ATTACKS[name]
    return play_attack(attack, seed, make_options(attack, settings))


def make_paying(gain: float) -> Attack:
    """Return an attack that always gains so much."""

    def act(seed: int, options: Options) -> Trial:
        return Trial(attack=1.0 + gain, honest=1.0, facts={"seed": float(seed)})

    return Attack(
        name="paying",
        summary="It pays.",
        unit="tokens",
        defence="none",
        play=act,
        defaults={"power": 0.3},
        parameter="power",
        steps=(0.1,),
        holds_to=0.4,
        seeds=3,
    )


def test_an_attack_that_pays_where_it_must_not_is_not_held() -> None:
    """Above the stated share, or without its defence, it may."""
    attack = make_paying(0.5)
    assert not play_attack(attack, 1, make_options(attack, {})).is_held
    assert play_attack(attack, 1, make_options(attack, {"power": "0.5"})).is_held
    report = play_attack(attack, 1, make_options(attack, {"defence": "off"}))
    assert report.is_held
    assert report.verdict == "pays"
    assert play_attack(make_paying(0.0), 1, make_options(attack, {})).verdict == "costs"


def test_options_are_checked() -> None:
    """Unknown names, no numbers, no seeds."""
    attack = make_paying(0.0)
    for settings in ({"wish": "1"}, {"power": "much"}, {"defence": "maybe"}, {"seeds": "0"}):
        with pytest.raises(UnknownOption):
            make_options(attack, settings)


def test_the_interval_is_students() -> None:
    """Two values are 12.7 standard errors apart from certainty, thirty 1.96."""
    assert compute_interval((1.0,)) == (1.0, 0.0)
    assert compute_interval((0.0, 2.0)) == pytest.approx((1.0, 12.71))
    mean, margin = compute_interval((0.0, 1.0) * 15)
    assert (mean, margin) == (pytest.approx(0.5), pytest.approx(1.96 * 0.0928, rel=0.01))


def test_a_crossing_is_found_between_two_points() -> None:
    """Linear between them."""
    assert find_crossing([(0.1, -1.0), (0.2, -0.5), (0.3, 0.5)], 0.0) == pytest.approx(0.25)
    assert find_crossing([(0.1, -1.0), (0.2, -0.5)], 0.0) is None


def test_the_command_fails_when_an_attack_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence with the gain; with the defence off it may pay."""
    monkeypatch.setattr(module, "ATTACKS", {"selfish-mining": make_paying(0.5)})
    result = CliRunner().invoke(sim, ["run", "selfish-mining"])
    assert isinstance(result.exception, CommandFailed)
    assert "where it must not" in str(result.exception)
    result = CliRunner().invoke(sim, ["run", "selfish-mining", "--set", "defence=off", "-o", "json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["verdict"] == "pays"
    for wrong in ("power", "wish=1"):
        assert CliRunner().invoke(sim, ["run", "selfish-mining", "--set", wrong]).exit_code == 2
    assert CliRunner().invoke(sim, ["run", "calm", "--set", "power=1"]).exit_code == 2


def test_a_selfish_miner_with_a_quarter_of_the_power_loses_blocks() -> None:
    """The same report again for the same seed, byte for byte."""
    first = play("selfish-mining", blocks="40", seeds="2")
    assert first.gain < 0
    assert first.is_held
    assert play("selfish-mining", blocks="40", seeds="2") == first


@pytest.mark.slow
def test_a_selfish_miner_gains_when_honest_blocks_come_late() -> None:
    """Its defence is off."""
    assert play("selfish-mining", defence="off", blocks="150").verdict == "pays"
