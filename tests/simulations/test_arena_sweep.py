"""Sweeps and their page, on attacks that cost nothing."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from click.testing import CliRunner

from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.sim import sim
from simulations.arena import Attack, Options, Trial, make_options, play_attack
from simulations.report_page import make_page
from simulations.sweep import Sweep, list_settings, make_sweep


def act(seed: int, options: Options) -> Trial:
    """Gain what the power exceeds 0.3 by; without the defence always 0.5."""
    gain = options["power"] - 0.3 if options.is_defended else 0.5
    return Trial(attack=1.0 + gain, honest=1.0)


ATTACK = Attack(
    name="<plain>",
    summary="It pays above 0.3.",
    unit="tokens",
    defence="none",
    play=act,
    defaults={"power": 0.2},
    parameter="power",
    steps=(0.4, 0.1, 0.2),
    holds_to=0.3,
    seeds=2,
)


def make_plain_sweep() -> Sweep:
    """Return its sweep."""
    return make_sweep(
        ATTACK, [play_attack(ATTACK, 1, make_options(ATTACK, item)) for item in list_settings(ATTACK, {})]
    )


def test_a_sweep_tells_where_an_attack_stops_paying() -> None:
    """In the order of the parameter, the run without defence apart."""
    sweep = make_plain_sweep()
    assert [point.options["power"] for point in sweep.points] == [0.1, 0.2, 0.4]
    assert sweep.stops_paying is not None
    assert abs(sweep.stops_paying - 0.3) < 1e-9
    assert (sweep.undefended.defence, sweep.undefended.verdict) == ("off", "pays")


def test_the_page_is_whole_and_has_no_script() -> None:
    """Well-formed plots, names escaped, nothing from elsewhere."""
    page = make_page([make_plain_sweep()], seed=7)
    plot = page[page.index("<svg") : page.index("</svg>") + 6]
    circles = [item for item in ElementTree.fromstring(plot).iter() if item.tag == "circle"]
    assert len(circles) == 4
    assert "&lt;plain&gt;" in page
    assert "<plain>" not in page
    assert "<script" not in page
    assert "http" not in page


def test_the_commands_sweep_and_report(tmp_path: Path) -> None:
    """In a process of its own; the page comes from the JSON, and another file is refused with a sentence."""
    arguments = ["sweep", "skim-seeds", "--set", "seeds=1", "--set", "qubits=6", "--set", "strikes=5", "-o", "json"]
    result = CliRunner().invoke(sim, arguments)
    assert result.exit_code == 0
    assert [item["attack"] for item in json.loads(result.stdout)["sweeps"]] == ["skim-seeds"]
    source, page = tmp_path / "sweep.json", tmp_path / "page.html"
    source.write_text(result.stdout)
    assert CliRunner().invoke(sim, ["report", str(source), str(page)]).exit_code == 0
    assert "skim-seeds" in page.read_text()
    source.write_text("{}")
    refused = CliRunner().invoke(sim, ["report", str(source), str(page)])
    assert isinstance(refused.exception, CommandFailed)
    assert CliRunner().invoke(sim, ["sweep", "skim-seeds", "--set", "wish=1"]).exit_code == 2
