"""`matchstrike bench match`: one command, classical wins first, everything written down."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from matchstrike.commands import bench_match as module
from matchstrike.contest.contestants import Lengths
from matchstrike.contest.large import LargePlan, choose_public_instances
from matchstrike.contest.plots import is_installed
from matchstrike.contest.small import SmallPlan

TINY = SmallPlan(
    sizes={"cubic": (10,)},
    per_size=3,
    runs={"cubic": 2},
    depths={"cubic": (2,)},
    training_sizes=(10,),
    training_per_size=1,
    lengths=Lengths(strikes=256, classical=1024),
)
TINY_LARGE = LargePlan(sizes=(40,), per_size=1, runs=1, depths=(1,), evaluations=128, training_sizes=(40,))


@pytest.fixture(name="tiny")
def _tiny(monkeypatch):
    monkeypatch.setattr(module, "make_plan", lambda quick: TINY)
    monkeypatch.setattr(module, "make_large_plan", lambda quick: TINY_LARGE)


def run(*arguments: str):
    result = CliRunner().invoke(module.bench_match, ["--family", "cubic", *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_classical_wins_come_first_and_everything_is_written(tiny, tmp_path):
    text = run("--no-large", "--out", str(tmp_path)).stdout
    assert text.index("WHERE CLASSICAL METHODS WIN") < text.index("WHERE MATCH-STRIKE") < text.index("CUBIC:")
    assert "an evaluation is one energy" in text
    assert "time to the optimum" in text
    assert (tmp_path / "report.txt").read_text() == text
    trials = json.loads((tmp_path / "trials.json").read_text())
    assert {trial["method"] for trial in trials} >= {
        "uniform",
        "greedy",
        "annealing",
        "tabu",
        "fixed-p2",
        "recursive-p2",
    }
    assert is_installed() == (tmp_path / "match-evaluations.png").exists()


@pytest.mark.slow
def test_json_holds_seeds_settings_and_intervals_and_large_graphs(tiny):
    data = json.loads(run("-o", "json", "--seed", "7").stdout)
    assert data["seed"] == 7
    cells = data["families"][0]["cells"]
    assert {cell["count"] for cell in cells} == {"evaluations", "recomputed", "seconds"}
    for cell in cells:
        assert 0 <= cell["share"]["low"] <= cell["share"]["value"] <= cell["share"]["high"] <= 1
        assert (cell["lead"] is None) == (cell["method"] == "fixed-p2")
    assert {one["status"] for one in data["families"][0]["instances"]} == {"brute force"}
    ratios = [cell["ratio"]["value"] for cell in data["large"]["cells"] if cell["method"] == "goemans-williamson"]
    assert min(ratios) > 0.95
    assert data["large_plan"]["sizes"] == [40]


def test_public_graphs_alone_and_how_to_repeat_them(tiny, tmp_path):
    (tmp_path / "square.txt").write_text("4 4\n1 2 1\n2 3 1\n3 4 1\n1 4 1\n")
    (tmp_path / "best_cuts.csv").write_text("file,best_cut,status\nsquare.txt,4,optimal\n")
    arguments = ["--no-small", "--no-large", "--graphs", str(tmp_path), "--runs", "2", "--seed", "7", "-o", "json"]
    arguments += ["--out", str(tmp_path / "out")]
    result = CliRunner().invoke(module.bench_match, arguments)
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert "nowhere" not in (tmp_path / "out" / "report.txt").read_text()
    assert data["families"] == []
    assert data["large"]["instances"] == [{"name": "square.txt", "n": 4, "target": -4, "status": "optimal"}]
    assert {cell["hits"] for cell in data["large"]["cells"] if cell["method"] == "fixed-p1"} == {1.0}
    assert (data["seed"], data["plan"]["runs"], data["large_plan"]["runs"]) == (7, {"cubic": 2}, 2)
    assert data["large_plan"]["sizes"] == []
    assert len(data["tuning"]["settings"]["annealing"]) == 72
    assert data["versions"]["numpy"]


def test_large_files_take_part_if_a_strike_holds_them():
    path = b"200 199\n" + b"".join(b"%d %d 1\n" % (i, i + 1) for i in range(1, 200))
    full = b"120 7140\n" + b"".join(b"%d %d 1\n" % (i, j) for j in range(1, 121) for i in range(1, j))
    plan = LargePlan(sizes=(), per_size=1, runs=1, depths=(1,), evaluations=128, training_sizes=(40,), vertices_max=800)
    table = b"file,best_cut,status\nfull.txt,3600,optimal\npath.txt,199,optimal\n"
    files = {"best_cuts.csv": table, "full.txt": full, "path.txt": path}
    chosen, left_out = choose_public_instances(files, plan)
    assert [instance.name for instance in chosen] == ["path.txt"]
    assert left_out == ["full.txt, nor anything else: 120 vertices, 120 live qubits"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--family", "cubic", "--no-small"), "--no-small leaves them out"),
        (("--no-small", "--no-large"), "leave nothing to compare"),
        (("--runs", "0"), "not in the range"),
    ],
)
def test_options_that_leave_nothing_are_refused(arguments, words):
    result = CliRunner().invoke(module.bench_match, [*arguments])
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_folder_that_does_not_exist_is_named(tiny):
    result = CliRunner().invoke(module.bench_match, ["--family", "cubic", "--graphs", "/nowhere/at/all"])
    assert result.exit_code != 0
    assert "/nowhere/at/all" in str(result.exception)
