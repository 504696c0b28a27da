"""`matchstrike bench gas`: circuits that the fit of gas has not seen, and the spread of time over gas."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from click.testing import CliRunner

from matchstrike.commands import bench_gas as module
from matchstrike.commands.bench_gas import bench_gas, compute_spread
from matchstrike.commands.held_out_circuits import list_anchors, list_held_out_problems, list_wide_tori


def test_held_out_graphs_are_simple_repeat_and_have_the_degrees_that_they_are_named_for():
    problems = dict(list_held_out_problems())
    assert problems == dict(list_held_out_problems())
    assert len(problems) == len(list(list_held_out_problems())) > 40
    for name, problem in problems.items():
        assert name.endswith(f" {problem.n}")
        degrees = Counter(end for i, j, _ in problem.couplings for end in (i, j))
        assert set(degrees) <= set(range(problem.n)), name
        regular = {"cubic": 3, "degree": None, "torus": 4, "hypercube": 4}.get(name.split()[0], 0)
        if regular is None:
            regular = int(name.split()[1])
        if regular:
            assert set(degrees.values()) == {regular}, name


def test_dense_problems_stand_for_those_of_the_fit():
    for _, problem in list_anchors():
        assert len(problem.couplings) == problem.n * (problem.n - 1) // 2


def test_wide_tori_are_in_the_order_of_least_width():
    problems = dict(list_wide_tori())
    assert {4} == {sum(vertex in pair[:2] for pair in one.couplings) for one in problems.values() for vertex in (0, 5)}
    (six,) = (one for one in problems.values() if one.n == 96)
    assert module.make_narrow_circuit(six, 1).schedule.live_qubits_max == 13


def test_a_spread_is_half_the_range_over_its_middle():
    spread = compute_spread("x", [*[5.0] * 30, 4.0, 6.0])
    assert spread.deviation == pytest.approx(0.2)
    assert spread.inner == 0


def test_rows_and_spreads_of_both_groups_are_printed(monkeypatch):
    monkeypatch.setattr(module, "DEPTHS", (1,))
    monkeypatch.setattr(module, "list_held_out_problems", lambda: [*list_held_out_problems()][:1])
    arguments = ["--rounds", "1", "--ms-max", "1"]
    data = json.loads(CliRunner().invoke(bench_gas, [*arguments, "-o", "json"]).stdout)
    assert {row["group"] for row in data["rows"]} == {"held out", "fitted"}
    for row in data["rows"]:
        assert row["ns_per_gas"] == pytest.approx(1e6 * row["ms"] / row["gas"])
    text = CliRunner().invoke(bench_gas, arguments).stdout
    assert "held out: 1 circuits" in text
