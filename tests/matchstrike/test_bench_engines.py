"""`matchstrike bench engines`: a row for every engine, and none that hides what is missing or refused."""

from __future__ import annotations

import json
import random
import sys

import pytest
from click.testing import CliRunner

from matchstrike.commands.bench import bench
from matchstrike.commands.bench_engines import (
    Case,
    EngineRow,
    make_cases,
    make_grid_problem,
    measure_frontier,
    measure_quimb,
    try_measuring,
)
from matchstrike.commands.bench_vm import make_cubic_problem
from vm.strike import compile_circuit


def test_every_engine_has_a_row_for_every_circuit() -> None:
    result = CliRunner().invoke(bench, ["engines", "--qubits", "8", "--bond-max", "4", "--no-quimb", "-o", "json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert [(row["graph"], row["p"], row["engine"]) for row in rows] == [
        (graph, p, engine)
        for graph, p in (("grid 2x4", 1), ("grid 2x4", 2), ("grid 4x2", 1), ("cubic", 1), ("cubic", 2))
        for engine in ("frontier", "mps")
    ]
    for exact, bounded in zip(rows[::2], rows[1::2], strict=True):
        assert set(exact) == set(EngineRow.__struct_fields__)
        assert exact["distance_max"] == 0
        assert exact["ms_per_strike"] > 0
        assert bounded["state_bytes"] > 0
        assert bounded["bond_dimension"] <= 4
        assert abs(exact["energy"] - bounded["energy"]) <= bounded["energy_error"] + 1e-9
    text = CliRunner().invoke(bench, ["engines", "--qubits", "8", "--bond-max", "4", "--no-quimb"])
    assert "off by" in text.stdout


def test_a_circuit_beyond_the_frontier_is_refused_in_its_row_and_still_has_its_energy() -> None:
    problem = make_cubic_problem(60, random.Random(60))
    deep = Case(graph="cubic", problem=problem, circuit=compile_circuit(problem, depth=2))  # no good order
    row = measure_frontier(deep, 4)
    assert row.status == "refused"
    assert "live qubits exceed 26" in row.note
    assert row.ms_per_strike is None
    assert row.energy is not None
    assert row.energy < -30


def test_a_missing_quimb_has_a_row_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "quimb.tensor", None)
    row = measure_quimb(next(make_cases([8])), 4, 8)
    assert row.status == "missing"
    assert "pip install 'matchstrike[tensor]'" in row.note


@pytest.mark.filterwarnings("ignore")  # of a foreign library
def test_quimb_is_measured_where_it_is_installed() -> None:
    pytest.importorskip("quimb.tensor", reason="needs the extra [tensor]")
    row = measure_quimb(next(make_cases([8])), 4, 16)
    assert row.status == "ok"
    assert row.ms_per_strike is not None
    assert "fidelity estimated at 1" in row.note


def test_a_grid_has_its_couplings() -> None:
    assert len(make_grid_problem(10, 10).couplings) == 180


def test_a_row_that_takes_too_long_says_after_how_many_seconds_it_was_given_up() -> None:
    case = next(make_cases([8]))

    def spin(case: Case, shots: int, bond_max: int) -> EngineRow:
        while True:
            pass

    row = try_measuring(spin, "mps", case, (4, 8), 0.05)
    assert (row.status, row.note, row.engine, row.n) == ("gave up", "gave up after 0.05 s", "mps", 8)
    assert row.ms_per_strike is None
    assert try_measuring(measure_quimb, "quimb", case, (4, 8), 100).status in ("ok", "missing")
