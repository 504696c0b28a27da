"""`matchstrike bench vm`: rows with the agreed fields."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from matchstrike.commands import bench_vm as module
from matchstrike.commands.bench_peers import PeerRow
from matchstrike.commands.bench_vm import bench_vm, list_default_problems

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments: str):
    result = CliRunner().invoke(bench_vm, [*arguments, "--seconds", "0.01"])
    assert result.exit_code == 0, result.output
    return result


def test_a_row_for_each_file_has_the_agreed_fields():
    files = [EXAMPLES / "cubic16.txt", EXAMPLES / "weighted12.txt"]
    data = json.loads(
        run(*(x for file in files for x in ("--problem", str(file))), "--depth", "2", "-o", "json").stdout
    )
    assert [(row["graph"], row["n"], row["p"], row["shots"]) for row in data["rows"]] == [
        ("cubic16.txt", 16, 2, 32),
        ("weighted12.txt", 12, 2, 32),
    ]
    for row in data["rows"]:
        assert 10 < row["strikes_per_cpu_s"] < 10**6
        assert row["ns_per_gas"] * row["gas"] * row["strikes_per_cpu_s"] / 1e9 > 0.999
        assert 1 <= row["live_qubits_max"] <= row["n"]
    assert "peers" not in data


def test_without_files_sk_of_12_to_20_qubits_and_cubic_graphs_are_measured():
    problems = list_default_problems()
    assert [(name, problem.n) for name, problem in problems] == [
        *(("sk", n) for n in range(12, 21)),
        ("cubic", 40),
        ("cubic", 60),
        ("cubic", 100),
    ]
    for name, problem in problems:
        edges = problem.n * (problem.n - 1) // 2 if name == "sk" else 3 * problem.n // 2
        assert len(problem.couplings) == edges


def test_peers_are_listed_even_when_they_are_missing(monkeypatch):
    row = PeerRow(package="qsimcirq", way="sample", version="", status="missing", n=16, shots=32, note="not here")
    monkeypatch.setattr(module, "measure_peers", lambda **_: [row])
    file = str(EXAMPLES / "weighted12.txt")
    assert json.loads(run("--problem", file, "--peers", "-o", "json").stdout)["peers"][0]["status"] == "missing"
    assert "missing not here" in run("--problem", file, "--peers").stdout
