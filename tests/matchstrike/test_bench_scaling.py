"""`matchstrike bench scaling`: every place runs the same strikes, a Dask cluster too."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from matchstrike.commands.bench_scaling import bench_scaling

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


@pytest.mark.slow
def test_places_are_compared_to_the_end() -> None:
    arguments = ["--qubits", "8", "--depth", "1", "--rounds", "1", "--tasks", "1", "--dask", "-o", "json"]
    result = CliRunner().invoke(bench_scaling, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    rows = {row["place"]: row for row in json.loads(result.stdout)["rows"]}
    assert {place: row["processes"] for place, row in rows.items()} == {
        "processes 1": 1,
        "processes 2": 2,
        "dask 2": 2,
    }
    assert len({row["strikes"] for row in rows.values()}) == 1
    assert all(row["strikes_per_cpu_s"] > 0 for row in rows.values())
