"""The contest: instances, rivals that count honestly, intervals, and the order of the report."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from matchstrike.contest import ocean, plots
from matchstrike.contest.instances import FAMILIES, Instance, compute_optimum, make_graph, make_instance
from matchstrike.contest.intervals import (
    Interval,
    collect_hits,
    compute_difference,
    compute_median,
    compute_run_difference,
    compute_share,
    compute_wilson,
)
from matchstrike.contest.large import LargeCell, LargeResult, compute_cut_ratio, read_public_instances
from matchstrike.contest.relaxation import make_rounding, solve_relaxation
from matchstrike.contest.rivals import make_annealing, make_greedy, make_tabu, make_uniform
from matchstrike.contest.strikes import make_fixed, make_recursion
from matchstrike.contest.trace import get_best, get_hit
from matchstrike.contest.trials import make_chance, make_trial, run_trials
from matchstrike.contest.tuning import tune
from vm.engines.frontier import FrontierEngine
from vm.problem import compute_energies, make_problem

GRAPHS = Path(__file__).parents[2] / ".." / "shared" / "graphs"

COUNTED = [
    make_uniform(),
    make_greedy(steepest=False),
    make_greedy(steepest=True),
    make_annealing(sweeps=8, hot=0.4, cold=0.08),
    make_tabu(tenure=0.2, moves=4),
    make_rounding(),
    make_fixed(FrontierEngine(), 1),
    make_recursion(FrontierEngine(), 1),
]


def name_of(method):
    return f"{method.name} {method.setting}".strip()


def without_target(instance: Instance) -> Instance:
    return Instance(
        name=instance.name, family=instance.family, n=instance.n, problem=instance.problem, target=-(10**9), status=""
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_an_instance_is_repeatable_and_its_optimum_is_the_least_of_all_energies(family):
    instance = make_instance(family, 10, 0, seed=1, purpose="contest")
    assert instance == make_instance(family, 10, 0, seed=1, purpose="contest")
    shots = np.array(list(product((0, 1), repeat=10)), np.uint8)
    assert compute_energies(instance.problem, shots).min() == instance.target


def test_brute_force_minds_fields_and_offset():
    problem = make_problem(3, [(0, 1, 2), (1, 2, -3)], fields=[1, -4, 9], offset=7)
    shots = np.array(list(product((0, 1), repeat=3)), np.uint8)
    assert compute_optimum(problem) == compute_energies(problem, shots).min()


def test_tuning_never_sees_an_instance_of_the_contest():
    for family in FAMILIES:
        seen = {make_graph(family, 12, number, seed=1, purpose="tuning") for number in range(6)}
        assert not seen & {make_graph(family, 12, number, seed=1, purpose="contest") for number in range(6)}


def test_cubic_graphs_are_cubic_and_grids_are_grids():
    degrees = np.zeros(20, int)
    for i, j, weight in make_graph("cubic", 20, 3, seed=1, purpose="contest").couplings:
        degrees[[i, j]] += 1
        assert weight == 1
    assert set(degrees) == {3}
    assert len(make_graph("grid", 20, 0, seed=1, purpose="contest").couplings) == 4 * 4 + 3 * 5  # 4 rows of 5


@pytest.mark.parametrize("method", COUNTED[1:6], ids=name_of)
def test_an_energy_that_is_kept_up_to_date_flip_by_flip_stays_the_energy(method):
    for seed in range(4):
        instance = make_instance("weighted", 12, seed, purpose="contest", seed=2)
        trace = method.run(without_target(instance), 6000, np.random.default_rng(seed))
        assert trace.marks[-1].energy == instance.target


@pytest.mark.parametrize("method", COUNTED, ids=name_of)
def test_a_method_finds_the_optimum_never_less_and_stops_at_its_budget(method):
    instance = make_instance("cubic", 10, 1, seed=2, purpose="contest")
    free = method.run(without_target(instance), 1500, np.random.default_rng(1))
    assert free.marks[-1].energy == instance.target
    assert free.evaluations <= 1500 + instance.n  # a round of tabu or of steepest descent is looked at as a whole
    assert all(mark.evaluations <= 1500 for mark in free.marks)
    energies, spent = [m.energy for m in free.marks], [m.evaluations for m in free.marks]
    assert energies == sorted(set(energies), reverse=True)
    assert spent == sorted(spent)
    hit = get_hit(method.run(instance, 1500, np.random.default_rng(1)), instance.target)
    assert hit is not None
    assert (hit.energy, hit.evaluations) == (instance.target, spent[-1])


def test_kept_differences_make_tabu_and_annealing_cheaper_in_the_second_count_only():
    instance = without_target(make_instance("cubic", 20, 1, seed=2, purpose="contest"))
    for method in (make_tabu(tenure=0.2, moves=4), make_annealing(sweeps=64, hot=0.4, cold=0.03)):
        trace = method.run(instance, 5000, np.random.default_rng(1))
        assert trace.recomputed < trace.evaluations / 2


def test_every_shot_of_a_strike_is_one_evaluation_in_both_counts():
    instance = without_target(make_instance("cubic", 10, 1, seed=2, purpose="contest"))
    trace = make_fixed(FrontierEngine(), 1).run(instance, 77, np.random.default_rng(1))
    assert (trace.evaluations, trace.recomputed) == (77, 77)


def test_the_relaxation_of_a_pentagon_has_its_known_value():
    ring = make_problem(5, [(i, (i + 1) % 5, 1) for i in range(5)])
    instance = Instance(name="pentagon", family="cubic", n=5, problem=ring, target=-3, status="")
    vectors = solve_relaxation(instance, np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    value = sum(1 - vectors[i] @ vectors[j] for i, j, _ in ring.couplings) / 2
    assert value == pytest.approx(5 * (1 + np.cos(np.pi / 5)) / 2, abs=1e-3)  # Goemans and Williamson, section 3


@pytest.mark.skipif(not ocean.is_installed(), reason="needs the extra [bench]")
@pytest.mark.parametrize("method", [ocean.make_ocean_annealing(sweeps=16), ocean.make_ocean_tabu()], ids=name_of)
def test_dwave_samplers_find_our_optimum(method):
    for family in ("weighted", "grid"):
        instance = make_instance(family, 12, 0, seed=3, purpose="contest")
        assert get_hit(method.run(instance, 10**5, np.random.default_rng(1)), instance.target) is not None


def test_wilson_interval_of_8_in_10_is_the_textbook_one():
    interval = compute_wilson(8, 10)
    assert (interval.low, interval.high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    with pytest.raises(ValueError, match="at least one"):
        compute_wilson(0, 0)


def test_a_share_that_all_instances_agree_on_still_has_a_width():
    interval = compute_share(np.ones(30))
    assert interval.value == 1.0
    assert interval.low == pytest.approx(compute_wilson(30, 30).low)
    assert compute_share(np.array([0.0, 1.0] * 20)).low == pytest.approx(0.35, abs=0.03)


def test_differences_are_taken_instance_by_instance():
    hard, easy = np.array([0.1, 0.9] * 10), np.array([0.2, 1.0] * 10)
    interval = compute_difference(easy, hard)
    assert interval.low == pytest.approx(0.1) == interval.high


def test_on_just_these_instances_only_runs_vary():
    ours, theirs = np.array([1.0] * 28 + [0.2, 0.2]), np.ones(30)
    assert compute_run_difference(ours, theirs, 100).high < -0.04
    assert compute_difference(ours, theirs).high == 0.0  # another draw might hold neither of the two


def test_a_median_over_misses_is_infinite():
    assert compute_median([1.0, 2.0, 3.0]).value == 2.0
    assert compute_median([1.0, None, None]).value == float("inf")


def test_trials_say_what_was_spent_and_repeat():
    instances = [make_instance("cubic", 10, number, seed=1, purpose="contest") for number in range(2)]
    method = make_greedy(steepest=False)
    trials = run_trials(method, instances, runs=3, evaluations_max=2000, seed=1)
    again = run_trials(method, instances, runs=3, evaluations_max=2000, seed=1)
    assert [t.hit_evaluations for t in trials] == [t.hit_evaluations for t in again]
    assert collect_hits(trials, 2000).tolist() == [1.0, 1.0]
    assert collect_hits(trials, 0).tolist() == [0.0, 0.0]
    trace = method.run(instances[0], 2000, make_chance(1, "greedy first", instances[0].name, 0))
    assert make_trial(method, instances[0], 0, trace).hit_evaluations == trials[0].hit_evaluations
    assert get_best(trace, 0) is None


def test_tuning_picks_the_better_setting_for_each_goal():
    instances = [make_instance("cubic", 14, number, seed=1, purpose="tuning") for number in range(3)]
    good, bad = make_annealing(sweeps=8, hot=0.4, cold=0.08), make_annealing(sweeps=8, hot=50.0, cold=50.0)
    chosen = tune([bad, good], instances, [("evaluations", 512.0), ("seconds", 1.0)], evaluations_max=4096, seed=1)
    assert chosen["evaluations", 512.0] is good


def test_a_cut_ratio_is_of_cuts_not_of_energies():
    square = make_problem(4, [(0, 1, 1), (1, 2, 1), (2, 3, 1), (0, 3, 1)])
    assert compute_cut_ratio(square, 0, -4) == 0.5


@pytest.mark.slow
@pytest.mark.skipif(not plots.is_installed(), reason="needs the extra [bench]")
def test_a_plot_of_large_graphs_is_written_without_empty_panels(tmp_path):
    ratio = Interval(value=0.9, low=0.8, high=0.95)
    cells = tuple(
        LargeCell(
            group=f"cubic n={n}", n=n, budget=budget, method=method, kind="strikes", setting="",
            ratio=ratio, hits=0.0, evaluations=1, seconds=1.0,
        )
        for n in range(40, 45)
        for budget in (32, 128)
        for method in ("fixed-p1", "recursive-p1")
    )  # fmt: skip
    large = LargeResult(instances=(), runs=1, cells=cells, left_out=(), trials=())
    figure = plots.plot_large(large)
    assert len(figure.axes) == 5
    plots.save_figure(figure, str(tmp_path / "large"))
    assert (tmp_path / "large.pdf").stat().st_size > 1000


@pytest.mark.skipif(not GRAPHS.is_dir(), reason="the public graphs are not beside the checkout")
def test_public_graphs_have_their_published_cuts_as_targets():
    names = ("g05_60.0.txt", "best_cuts.csv")
    (instance,) = read_public_instances({name: (GRAPHS / name).read_bytes() for name in names}, vertices_max=100)
    assert (instance.n, instance.status) == (60, "optimal")
    assert sum(w for _, _, w in instance.problem.couplings) - instance.target == 2 * 536
