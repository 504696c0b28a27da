"""The arena: each attack with a frozen seed, small; and with its defence off."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from consensus.context import PoolProblem
from consensus.work import compute_shots_bytes
from matchstrike.commands import sim as module
from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.sim import sim
from node.core import importer, vote_pool, vote_trail
from node.core.batch_conduct import make_fake_shots
from runtime import settlement
from runtime.pallets import batches, problems
from simulations import attack_audits, attack_circuits
from simulations.arena import (
    Attack,
    AttackReport,
    Options,
    Trial,
    UnknownOption,
    compute_interval,
    find_crossing,
    make_options,
    play_attack,
)
from simulations.attack_solutions import rank_by_sight, wait_for_nobody
from simulations.attacks import ATTACKS


def play(name: str, seed: int = 1, **settings: str) -> AttackReport:
    """Return the report of a run with some options."""
    attack = ATTACKS[name]
    return play_attack(attack, seed, make_options(attack, settings))


def make_paying(gain: float) -> Attack:
    """Return an attack that always gains so much."""

    def act(seed: int, options: Options) -> Trial:
        return Trial(attack=1.0 + gain, honest=1.0, facts={"seed": float(seed)})

    return Attack(
        name="paying",
        summary="It pays.",
        unit="tokens",
        defence="none",
        play=act,
        defaults={"power": 0.3},
        parameter="power",
        steps=(0.1,),
        holds_to=0.4,
        seeds=3,
    )


def test_an_attack_that_pays_where_it_must_not_is_not_held() -> None:
    """Above the stated share, or without its defence, it may."""
    attack = make_paying(0.5)
    assert not play_attack(attack, 1, make_options(attack, {})).is_held
    assert play_attack(attack, 1, make_options(attack, {"power": "0.5"})).is_held
    report = play_attack(attack, 1, make_options(attack, {"defence": "off"}))
    assert report.is_held
    assert report.verdict == "pays"
    assert play_attack(make_paying(0.0), 1, make_options(attack, {})).verdict == "costs"


def test_options_are_checked() -> None:
    """Unknown names, no numbers, no seeds."""
    attack = make_paying(0.0)
    for settings in ({"wish": "1"}, {"power": "much"}, {"defence": "maybe"}, {"seeds": "0"}):
        with pytest.raises(UnknownOption):
            make_options(attack, settings)


def test_the_interval_is_students() -> None:
    """Two values are 12.7 standard errors apart from certainty, thirty 1.96."""
    assert compute_interval((1.0,)) == (1.0, 0.0)
    assert compute_interval((0.0, 2.0)) == pytest.approx((1.0, 12.71))
    mean, margin = compute_interval((0.0, 1.0) * 15)
    assert (mean, margin) == (pytest.approx(0.5), pytest.approx(1.96 * 0.0928, rel=0.01))


def test_a_crossing_is_found_between_two_points() -> None:
    """Linear between them."""
    assert find_crossing([(0.1, -1.0), (0.2, -0.5), (0.3, 0.5)], 0.0) == pytest.approx(0.25)
    assert find_crossing([(0.1, -1.0), (0.2, -0.5)], 0.0) is None


def test_the_command_fails_when_an_attack_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence with the gain; with the defence off it may pay."""
    monkeypatch.setattr(module, "ATTACKS", {"selfish-mining": make_paying(0.5)})
    result = CliRunner().invoke(sim, ["run", "selfish-mining"])
    assert isinstance(result.exception, CommandFailed)
    assert "where it must not" in str(result.exception)
    result = CliRunner().invoke(sim, ["run", "selfish-mining", "--set", "defence=off", "-o", "json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["verdict"] == "pays"
    for wrong in ("power", "wish=1"):
        assert CliRunner().invoke(sim, ["run", "selfish-mining", "--set", wrong]).exit_code == 2
    assert CliRunner().invoke(sim, ["run", "calm", "--set", "power=1"]).exit_code == 2


PROMISED = {
    "censorship",
    "collusion",
    "double-spend",
    "eclipse",
    "equivocation",
    "fake-leaves",
    "free-riding",
    "grind-challenges",
    "guess-shots",
    "long-range",
    "partition",
    "planted-structure",
    "proof-theft",
    "selfish-mining",
    "spam",
    "steal-solution",
    "withhold-audit",
}

# One frozen seed each, so small that the whole list takes seconds.
SMALL = {
    "selfish-mining": {"blocks": "40", "seeds": "1"},
    "double-spend": {"blocks": "30", "seeds": "1"},
    "proof-theft": {"blocks": "20", "seeds": "1"},
    "long-range": {"blocks": "25", "seeds": "1"},
    "partition": {"blocks": "15", "seeds": "1"},
    "eclipse": {"blocks": "15", "seeds": "1"},
    "equivocation": {"blocks": "35", "seeds": "1"},
    "nothing-at-stake": {"blocks": "40", "seeds": "1"},
    "free-riding": {"blocks": "20", "seeds": "1"},
    "censorship": {"transfers": "6", "seeds": "1"},
    "forge-seals": {"blocks": "10", "seeds": "1"},
    "grind-challenges": {"batches": "20", "seeds": "1"},
    "spam": {"blocks": "6", "seeds": "1"},
    "guess-shots": {"qubits": "8", "strikes": "10", "seeds": "1"},
    "skim-seeds": {"qubits": "8", "seeds": "1"},
    "planted-structure": {"qubits": "10", "core_qubits": "10", "seeds": "1"},
    "fake-leaves": {"blocks": "12", "seeds": "1"},
    "withhold-audit": {"blocks": "32", "seeds": "1"},
    "censor-audit": {"blocks": "20", "seeds": "1"},
    "collusion": {"blocks": "12", "seeds": "1"},
    "steal-solution": {"problems": "1", "seeds": "1"},
    "snipe": {"problems": "1", "seeds": "1"},
    "poison-belief": {"blocks": "20", "seeds": "1"},
}


def test_every_attack_has_a_small_run() -> None:
    """None is forgotten below, and none that has been promised."""
    assert set(SMALL) == set(ATTACKS)
    assert set(ATTACKS) >= PROMISED


@pytest.mark.parametrize("name", sorted(SMALL))
def test_an_attack_gains_no_more_than_its_bound(name: str) -> None:
    """With its defence, at the default share of power or stake."""
    report = play(name, **SMALL[name])
    assert report.must_not_pay
    assert report.gain <= report.bound


@pytest.mark.parametrize("name", sorted(SMALL.keys() - {"nothing-at-stake", "poison-belief", "steal-solution"}))
def test_an_attack_pays_without_its_defence(name: str) -> None:
    """Three need more blocks and seeds than these for that, and are in the slow set."""
    assert play(name, defence="off", **SMALL[name]).gain > ATTACKS[name].bound


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SMALL))
def test_an_attack_costs_with_its_defence_and_pays_without(name: str) -> None:
    """At the defaults, by the whole confidence interval; a bounded attack may come near its bound."""
    report = play(name)
    print(report)
    assert report.verdict in ("costs", "bounded")
    assert play(name, defence="off").verdict == "pays"


def test_a_ticket_with_too_little_core_turns_planted_structure_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """One core strike whatever the pool strike costs, and all that the pool strike used counted beside it."""
    settings = {"qubits": "12", "core_qubits": "6", "seeds": "2"}
    assert play("planted-structure", **settings).is_held
    monkeypatch.setattr(attack_circuits, "compute_repeats", lambda core_gas, pool_gas, ratio: 1)
    assert play("planted-structure", **settings).is_held, "a pool strike counts at most x times its core strikes"
    monkeypatch.setattr(attack_circuits, "compute_ticket_gas", lambda core, pool, ratio: core + pool)
    assert not play("planted-structure", **settings).is_held


def test_an_audit_that_asks_for_nothing_turns_grind_challenges_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """No leaf, no fake found."""
    monkeypatch.setattr(attack_audits, "select_leaves", lambda ticket, batch_id, count, k: ())
    assert not play("grind-challenges", batches="5", seeds="2").is_held


def test_a_fork_choice_by_work_alone_turns_long_range_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Votes do not count, and nothing stays final."""
    settings = {"blocks": "20", "seeds": "1", "power": "0.9"}
    monkeypatch.setattr(importer, "is_better", lambda candidate, best: candidate.work_total > best.work_total)
    monkeypatch.setattr(importer.Importer, "_finalize", lambda self: ())
    report = play("long-range", **settings)
    assert report.must_not_pay
    assert not report.is_held


def test_votes_that_nobody_compares_turn_nothing_at_stake_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever votes on both branches keeps its stake, and earns where an honest validator's vote was lost."""
    for module_of_votes in (vote_pool, vote_trail):
        monkeypatch.setattr(module_of_votes, "is_slashable", lambda one, two: False)
    report = play("nothing-at-stake", blocks="67", seeds="1")
    assert report.must_not_pay
    assert not report.is_held


def test_an_audit_that_takes_the_liars_word_turns_fake_leaves_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Re-running gives what was invented."""

    def take_word(pool: PoolProblem, key: bytes, index: int, *, shots: int) -> bytes:
        return make_fake_shots(key, index, compute_shots_bytes(pool.problem.n, shots))

    settings = {"fakes": "1.0", **SMALL["fake-leaves"]}
    monkeypatch.setattr(batches, "run_batch_strike", take_word)
    broken = play("fake-leaves", **settings)
    assert broken.must_not_pay
    assert not broken.is_held


@pytest.mark.slow
def test_commits_that_count_for_nothing_turn_steal_solution_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever shows first wins, and no commit is waited for."""
    monkeypatch.setattr(settlement, "compute_rank", rank_by_sight)
    monkeypatch.setattr(settlement, "is_blocked", wait_for_nobody)
    monkeypatch.setattr(problems, "is_blocked", wait_for_nobody)
    assert not play("steal-solution", power="0.7", seeds="1", problems="6").is_held


def test_a_report_is_the_same_for_the_same_seed() -> None:
    """Field by field, and another for another seed."""
    assert play("partition", **SMALL["partition"]) == play("partition", **SMALL["partition"])
    assert play("skim-seeds", **SMALL["skim-seeds"]) != play("skim-seeds", 2, **SMALL["skim-seeds"])


def test_guessed_shots_are_never_all_right() -> None:
    """Without couplings in the core every guess is right, which is why it has them."""
    report = play("guess-shots", seeds="2", qubits="8", strikes="10")
    assert report.verdict == "costs"
    assert report.facts["wrong bits"] > 10
    assert play("guess-shots", seeds="2", qubits="8", strikes="10", defence="off").verdict == "pays"


def test_cheap_seeds_are_hardly_cheaper() -> None:
    """An engine whose cost follows entanglement, and free angles, would make skimming pay."""
    report = play("skim-seeds", seeds="3", qubits="8")
    assert report.is_held
    assert report.high < 0.1
    assert play("skim-seeds", seeds="3", qubits="8", defence="off").verdict == "pays"


def test_a_planted_problem_is_worth_at_most_the_bound() -> None:
    """The shortcut gives the engine's own shots; without core strikes it would be worth many times as much.

    Below 13 spins the one on equal couplings takes longer than the engine does.
    """
    report = play("planted-structure", seeds="2", qubits="14", core_qubits="10")
    assert max(report.gains) <= 1.0
    assert report.facts["shortcut on the pool strike"] > 1.0
    assert play("planted-structure", seeds="2", qubits="14", core_qubits="10", defence="off").verdict == "pays"
