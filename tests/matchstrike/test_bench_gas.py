"""`matchstrike bench gas`: circuits that the fit of gas has not seen, and the spread of time over gas."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from click.testing import CliRunner

from matchstrike.commands import bench_gas as module
from matchstrike.commands.bench_gas import Sample, bench_gas, choose_times, compute_spread
from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.fitted_circuits import list_fitted_by_label, list_fitted_problems
from matchstrike.commands.gas_fit import FIXED, KINDS, fit_prices
from matchstrike.commands.held_out_circuits import list_anchors, list_held_out_problems, list_wide_tori
from vm.gas import PRICES
from vm.strike import compile_circuit
from vm.work import count_work, list_most_registers


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


def test_another_seed_draws_other_graphs_of_the_same_families():
    first, other = dict(list_held_out_problems()), dict(list_held_out_problems(1))
    assert first.keys() == other.keys()
    assert {name.split()[0] for name in first if first[name] != other[name]} >= {"cubic", "gnp", "degree"}


def test_no_drawn_graph_of_the_fit_is_held_out():
    fitted = [problem for _, problem, _ in (*list_fitted_problems(), *list_fitted_by_label())]
    assert len(fitted) > 100
    shared = [name for name, problem in list_held_out_problems() if problem in fitted]
    assert shared == []


def test_a_fit_finds_the_prices_that_the_times_were_made_of():
    circuits = [compile_circuit(problem, depth=depth) for _, problem in list_held_out_problems() for depth in (1, 2)]
    works = [
        count_work(circuit.schedule, 32).sum_up(list_most_registers(circuit.problem.n, shots))
        for circuit in circuits
        if circuit.schedule.live_qubits_max < 24
        for shots in (2, 32)
    ]
    prices = {**dict.fromkeys(KINDS, 3), "measurements": 700, "mixed": 11, FIXED: 9000}
    gas = [sum(prices[kind] * getattr(work, kind, 1) for kind in KINDS) for work in works]
    found = fit_prices(works, gas)
    fitted = [sum(found[kind] * getattr(work, kind, 1) for kind in KINDS) for work in works]
    assert fitted == pytest.approx(gas, rel=1e-3)
    assert found["measurements"] == pytest.approx(700, rel=0.02)
    assert found["mixed"] == 11


def test_times_of_slow_spells_are_left_out_as_far_as_there_are_others():
    slow, quiet, later = (
        Sample(reference=r, times=t) for r, t in ((2.0, (1.0, 9.0)), (1.0, (3.0, 4.0)), (1.05, (2.0, 5.0)))
    )
    assert choose_times([slow, quiet, later], 1.0) == [2.0, 4.0]
    assert choose_times([slow, later], 0.5) == [2.0, 5.0]


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
    assert (spread.inner, spread.median, spread.beyond) == (0, 5.0, 2)


def test_rows_and_spreads_of_both_groups_are_printed(monkeypatch):
    monkeypatch.setattr(module, "DEPTHS", (1,))
    monkeypatch.setattr(module, "list_held_out_problems", lambda seed: [*list_held_out_problems(seed)][:1])
    arguments = ["--rounds", "1", "--ms-max", "1"]
    data = json.loads(CliRunner().invoke(bench_gas, [*arguments, "-o", "json"]).stdout)
    assert {row["group"] for row in data["rows"]} == {"held out", "dense", "skewed"}
    for row in data["rows"]:
        assert row["ns_per_gas"] == pytest.approx(1e6 * row["ms"] / row["gas"])
    text = CliRunner().invoke(bench_gas, arguments).stdout
    assert "held out: 1 circuits" in text


def test_a_fit_prints_every_price_beside_the_present_one(monkeypatch):
    monkeypatch.setattr(module, "list_fitted_by_label", list)
    problems = [(name, problem, (1, 2, 3, 4, 5, 6)) for name, problem in list_anchors()]
    monkeypatch.setattr(module, "list_fitted_problems", lambda: problems[:4])
    arguments = ["--fit", "--rounds", "1"]
    data = json.loads(CliRunner().invoke(bench_gas, [*arguments, "-o", "json"]).stdout)
    assert set(data["prices"]) == set(KINDS)
    assert len(data["rows"]) == 24
    text = CliRunner().invoke(bench_gas, arguments).stdout
    assert f"{PRICES.measurements}" in text


@pytest.mark.parametrize("options", [["--seed", "5", "--fit"], ["--seed", "77"]])
def test_graphs_of_the_fit_are_not_held_out(options: list[str]) -> None:
    result = CliRunner().invoke(bench_gas, options)
    assert result.exit_code == 2
    assert "its own graphs" in result.output


@pytest.mark.parametrize("options", [[], ["--fit"]])
def test_limits_that_leave_too_few_circuits_are_refused(options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "list_fit_candidates", list)
    monkeypatch.setattr(module, "list_judging_candidates", lambda _: [])
    result = CliRunner().invoke(bench_gas, [*options, "--ms-min", "0.019", "--ms-max", "0.01"])
    assert result.exit_code == 2
    assert "0 circuits take 0.019 to 0.01 ms" in result.output


def test_a_fit_without_scipy_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "is_fit_possible", lambda: False)
    with pytest.raises(CommandFailed, match=r"matchstrike\[bench\]"):
        CliRunner().invoke(bench_gas, ["--fit"], catch_exceptions=False, standalone_mode=False)
