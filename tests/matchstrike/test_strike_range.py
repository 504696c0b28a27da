"""`strike range`, `strike amplitude`, `--shards`: what they print, and the sentence for each wrong input."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from matchstrike.commands.main import main

ROOT = Path(__file__).parents[2]
CUBIC = ROOT / "examples" / "cubic16.txt"
SEED = "5e" * 32
RANGE = ("range", CUBIC, "--depth", 1, "--seed", SEED)
AMPLITUDE = ("amplitude", CUBIC, "--depth", 2, "--seed", SEED)


class Run:
    """`matchstrike strike` through its real entry point."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["matchstrike", "strike", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err

    def json(self, *arguments: object) -> dict[str, object]:
        code, out, err = self(*arguments, "-o", "json")
        assert code == 0, err
        data = json.loads(out)
        assert isinstance(data, dict)
        return data


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def test_a_range_names_its_best_strike_which_replays_alone(run: Run, tmp_path: Path) -> None:
    saved = tmp_path / "shots"
    data = run.json(*RANGE, "--count", 20, "--start", 5, "--save", saved, "--processes", 1)
    assert saved.stat().st_size == 20 * 32 * 2
    again = run.json("replay", CUBIC, "--depth", 1, "--seed", data["best_seed"])
    assert (again["best"], again["best_cut"]) == (data["best_energy"], data["best_cut"])
    assert again["best_shot"] == data["best_shot"]
    assert len(str(data["fingerprint"])) == 64


def test_an_amplitude_is_the_references_and_its_plan_is_used_again(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("cotengra", reason="needs the extra [cluster]")
    pytest.importorskip("threadpoolctl", reason="needs the extra [cluster]")
    plan = tmp_path / "plan.json"
    options = (*AMPLITUDE, "--bits", "0110" * 4, "--plan", plan, "--size-bits", 6, "--processes", 1)
    first = run.json(*options, "--effort", 1)
    assert run.json(*options)["amplitude_hex"] == first["amplitude_hex"]
    assert int(str(first["slices"])) > 1
    plan.write_text("{}")
    assert "holds no contraction plan" in run(*options)[2]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((*RANGE, "--count", 1, "--cluster", "here"), 2, "write tcp://HOST:PORT"),
        ((*RANGE, "--count", 1, "--processes", 2, "--cluster", "tcp://127.0.0.1:1"), 2, "give one of them"),
        ((*RANGE, "--count", 1, "--cluster", "tcp://127.0.0.1:1", "--processes", 2), 2, "give one of them"),
        ((*AMPLITUDE, "--bits", "0", "--processes", 2, "--cluster", "tcp://127.0.0.1:1"), 2, "give one of them"),
        ((*RANGE, "--count", 0), 2, "0 is not in the range"),
        ((*RANGE, "--count", 1, "--save", "/no/such/folder/x"), 1, "No such file or directory"),
        ((*RANGE, "--count", 1, "--law", CUBIC), 1, "is not valid JSON"),
        (("range", "nothing.txt", "--depth", 1, "--seed", SEED, "--count", 1), 5, "nothing.txt"),
        ((*AMPLITUDE, "--bits", "012"), 1, "only 0 and 1"),
        ((*AMPLITUDE, "--bits", "01"), 1, "has 16 values 0 or 1"),
        (("replay", CUBIC, "--depth", 1, "--seed", SEED, "--shards", 2), 2, "--engine reference"),
        (("replay", CUBIC, "--depth", 1, "--seed", SEED, "--engine", "reference", "--shards", 3), 1, "2, 4, 8"),
    ],
)
def test_a_wrong_input_gets_a_sentence(run: Run, arguments: tuple[object, ...], code: int, words: str) -> None:
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert words in " ".join(err.split())


def test_processes_beside_a_cluster_of_the_environment_are_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHSTRIKE_CLUSTER", "tcp://127.0.0.1:1")
    code, out, err = run(*RANGE, "--count", 1, "--processes", 2)
    assert (code, out) == (2, "")
    assert "MATCHSTRIKE_CLUSTER" in err


def test_a_plan_of_another_problem_is_refused(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("cotengra", reason="needs the extra [cluster]")
    pytest.importorskip("threadpoolctl", reason="needs the extra [cluster]")
    plan = tmp_path / "plan.json"
    run.json(*AMPLITUDE, "--bits", "0", "--plan", plan, "--effort", 1, "--processes", 1)
    other = ("amplitude", CUBIC, "--depth", 1, "--seed", SEED, "--bits", "0", "--plan", plan)
    code, _, err = run(*other)
    assert code == 1
    assert "and not for these" in err


def test_a_cluster_that_does_not_answer_is_told_with_its_own_exit_code(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="needs the extra [cluster]")
    monkeypatch.setattr("workers.cluster.CONNECT_SECONDS", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        code, _, err = run(*RANGE, "--count", 1, "--cluster", f"tcp://127.0.0.1:{taken.getsockname()[1]}")
    assert code == 3
    assert "no scheduler answers" in err


def test_shards_draw_the_shots_of_the_reference(run: Run) -> None:
    options = ("replay", CUBIC, "--depth", 1, "--seed", SEED, "--shots", 4, "--engine", "reference")
    assert run.json(*options, "--shards", 2)["shots"] == run.json(*options)["shots"]
