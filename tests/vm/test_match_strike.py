"""The loop: what it spends, what it finds, and when it stops."""

from __future__ import annotations

import numpy as np
import pytest

from vm.aim import Aim, Tie, lift_shots, make_aim
from vm.annealed_circuit import make_annealed_circuit
from vm.controllers import FixedAngles, RandomAngles
from vm.engines.frontier import FrontierEngine
from vm.engines.reference import ReferenceEngine
from vm.match_strike import Budget, NothingToSpend, Progress, match_strike
from vm.problem import compute_energy, make_problem
from vm.refinement import refine_one_flip, refine_tabu
from vm.strike import get_gas_limit, get_gas_used

RING = make_problem(8, [(i, (i + 1) % 8, 1) for i in range(8)])
PRISM = make_problem(
    6, [(0, 1, 1), (1, 2, 1), (0, 2, 1), (3, 4, 1), (4, 5, 1), (3, 5, 1), (0, 3, 1), (1, 4, 1), (2, 5, 1)]
)


def strike(problem, *, seed=1, budget=None, controller=None, **options):
    return match_strike(
        problem,
        engine=options.pop("engine", FrontierEngine()),
        controller=controller or FixedAngles(problem=problem, depth=1),
        budget=budget or Budget(evaluations=100),
        chance=np.random.default_rng(seed),
        **options,
    )


def test_the_best_bits_have_the_best_energy_and_improvements_fall():
    result = strike(PRISM)
    assert compute_energy(PRISM, result.best_bits) == result.best_energy == result.improvements[-1].energy
    energies = [mark.energy for mark in result.improvements]
    assert energies == sorted(set(energies), reverse=True)
    assert result.best_energy == -5  # two triangles: one edge of each stays uncut


def test_the_same_chance_gives_the_same_run_and_another_one_another():
    first, again, other = strike(PRISM, seed=3), strike(PRISM, seed=3), strike(PRISM, seed=4)
    assert first.records == again.records
    assert first.records != other.records


def test_evaluations_are_spent_to_the_last_one_and_never_exceeded():
    result = strike(PRISM, budget=Budget(evaluations=75))
    assert (result.evaluations, result.strikes, result.ended_by) == (75, 3, "budget")


@pytest.mark.parametrize("refinement", [refine_one_flip, refine_tabu])
@pytest.mark.parametrize("evaluations", [1, 5, 20, 75])
def test_refinement_is_paid_from_the_same_budget(refinement, evaluations):
    plain = strike(RING, budget=Budget(evaluations=evaluations))
    refined = strike(RING, budget=Budget(evaluations=evaluations), refinement=refinement)
    assert refined.evaluations <= evaluations == plain.evaluations
    assert refined.improvements[-1].evaluations <= evaluations
    assert refined.strikes <= plain.strikes


def test_the_evaluations_of_a_run_are_its_shots_and_what_their_refinements_say():
    told = []

    def refine(problem, shot, energy, left):
        refined = refine_one_flip(problem, shot, energy, left)
        told.append(1 + refined.evaluations)
        return refined

    result = strike(RING, budget=Budget(evaluations=200), refinement=refine)
    assert result.evaluations == sum(told) == 200
    assert len(told) < 30


def test_a_gas_budget_allows_whole_strikes_only():
    one = strike(RING, budget=Budget(evaluations=32)).gas
    result = strike(RING, budget=Budget(gas=3 * one + one // 2))
    assert (result.strikes, result.gas, result.ended_by) == (3, 3 * one, "budget")


def test_a_target_ends_the_run_at_the_shot_that_reaches_it():
    result = strike(PRISM, budget=Budget(evaluations=10**6), target=-5)
    assert result.ended_by == "target"
    assert result.evaluations == result.improvements[-1].evaluations < 10**4


def test_no_strike_begins_after_the_deadline():
    ticks = iter(range(1000))
    result = strike(RING, budget=Budget(), deadline=40.0, clock=lambda: float(next(ticks)))
    assert result.ended_by == "deadline"
    assert 1 <= result.strikes < 20


def test_a_run_without_any_limit_is_refused():
    with pytest.raises(NothingToSpend, match="budget or a deadline"):
        strike(RING, budget=Budget())


def test_a_budget_below_one_strike_is_refused():
    with pytest.raises(NothingToSpend, match="not allow one strike"):
        strike(RING, budget=Budget(gas=1))


def test_progress_streams_after_every_strike():
    seen: list[Progress] = []
    result = strike(PRISM, on_progress=seen.append)
    assert tuple(seen) == result.records
    assert [news.strikes for news in seen] == list(range(1, result.strikes + 1))
    assert seen[-1].best_energy == result.best_energy


def test_any_engine_does_and_exact_ones_agree():
    ours = strike(PRISM, engine=FrontierEngine())
    theirs = strike(PRISM, engine=ReferenceEngine())
    assert ours.best_bits == theirs.best_bits
    assert ours.records == theirs.records


def test_published_angles_find_lower_energies_than_random_ones():
    published = strike(PRISM, budget=Budget(evaluations=960))
    drawn = strike(PRISM, budget=Budget(evaluations=960), controller=RandomAngles(problem=PRISM, depth=1))
    assert np.mean([r.mean_energy for r in published.records]) < np.mean([r.mean_energy for r in drawn.records]) - 1


def test_an_aim_without_a_point_has_the_published_angles_of_a_cubic_graph():
    aim = make_aim(PRISM, 1)
    assert (aim.gammas, aim.betas) == ((210378707,), (268416964,))


def test_tied_shots_become_shots_of_the_original():
    aim = Aim(problem=RING, gammas=(1,), betas=(1,), point=(), tie=Tie(parents=(0, 1, 0), signs=(1, 1, -1)))
    shots = np.array([[0, 1], [1, 1]], np.uint8)
    assert lift_shots(aim, shots).tolist() == [[0, 1, 1], [1, 1, 0]]


class RecordingEngine(FrontierEngine):
    """Keeps what it sampled."""

    def __init__(self):
        super().__init__()
        self.used = []

    def sample(self, circuit, *, shots, seed):
        drawn = super().sample(circuit, shots=shots, seed=seed)
        self.used.append((get_gas_used(circuit.circuit, drawn), get_gas_limit(circuit.circuit, shots)))
        return drawn


def test_gas_is_what_the_strikes_used_and_no_strike_begins_that_could_exceed_the_budget():
    """Strong fields: shots agree, so that many more strikes fit than their limits would let in."""
    problem = make_problem(24, [(i, (i + d) % 24, 1) for i in range(24) for d in (1, 5)], fields=[300] * 24)
    engine = RecordingEngine()
    limit = get_gas_limit(make_annealed_circuit(problem, 1), 32)
    result = strike(problem, budget=Budget(gas=10 * limit), engine=engine)
    assert result.gas == sum(used for used, _ in engine.used) <= 10 * limit < result.gas + limit
    assert result.strikes > 10
