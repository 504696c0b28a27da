"""Worlds: the same seed gives the same history, and computers live and die as machines do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from node.core.events import Tick
from simulations.cast import make_plans, make_spec
from simulations.chance import Chance
from simulations.computer import NodePlan
from simulations.disk import DiskFull, PowerCut
from simulations.run import ScenarioFailed, play
from simulations.scenarios import SCENARIOS, Scenario
from simulations.tickets import Lottery, ModelLottery, RealLottery
from simulations.world import Violation, World
from tests.architecture.sources import ROOT


def make_world(
    seed: int,
    plans: list[NodePlan],
    *,
    target_initial_divisor: int = 1_000,
    lottery: Callable[[Chance], Lottery] = ModelLottery,
) -> World:
    """Return a world without faults."""
    spec = make_spec(plans, target_initial_divisor=target_initial_divisor)
    return World(seed, spec, plans, lottery=lottery)


def play_in_process(hash_seed: str) -> str:
    """Return the digest that another process comes to."""
    command = [sys.executable, "-m", "simulations.run", "everything", "--seed", "3"]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, timeout=120, check=True)
    return str(json.loads(done.stdout)["digest"])


def test_a_seed_gives_the_same_history_in_every_process() -> None:
    """Whatever the order of Python's hashes; another seed gives another one."""
    assert play_in_process("1") == play_in_process("2")
    assert play(SCENARIOS["calm"], 1).digest != play(SCENARIOS["calm"], 2).digest


def test_real_tickets_make_a_chain_of_the_same_pace() -> None:
    """Three nodes that run every strike."""
    world = make_world(1, make_plans(3), target_initial_divisor=8, lottery=RealLottery)
    world.run(30_000)
    heads = {computer.machine.importer.head.number for computer in world.honest.values()}
    assert max(heads) - min(heads) <= 1
    assert 3 <= max(heads) <= 20


def test_a_failure_prints_the_command_that_repeats_it() -> None:
    """The sentence of the check, the seed and the command."""

    def end_badly(world: World) -> None:
        raise Violation("the moon is full")

    scenario = replace(SCENARIOS["calm"], end=end_badly, length_ms=1_000)
    with pytest.raises(ScenarioFailed) as caught:
        play(scenario, 17)
    assert "the moon is full" in str(caught.value)
    assert "python -m simulations.run calm --seed 17" in str(caught.value)


def test_a_killed_node_keeps_what_its_disk_has_and_nothing_else() -> None:
    """It starts at the head that it had, with an empty pool, and follows the others again."""
    world = make_world(5, make_plans(3))
    world.run(30_000)
    head = world.computers["alice"].machine.importer.head
    world.kill("alice")
    world.run(50_000)
    assert not world.computers["alice"].is_up
    world.start("alice")
    assert world.computers["alice"].machine.importer.head == head
    world.run(70_000)
    heads = {computer.machine.importer.head.number for computer in world.honest.values()}
    assert max(heads) - min(heads) <= 1
    assert min(heads) > head.number


def test_a_node_dies_at_a_write_or_at_an_event_without_telling() -> None:
    """Its effects are lost with it."""
    world = make_world(6, make_plans(2))
    alice, bob = world.computers["alice"], world.computers["bob"]
    alice.disk.plan_cut(1, is_written=True)
    bob.plan_kill(40)
    world.run(60_000)
    assert isinstance(alice.failure, PowerCut)
    assert isinstance(bob.failure, PowerCut)
    assert not alice.is_up
    assert not bob.is_up


def test_a_full_disk_stops_the_node_and_it_starts_clean_when_there_is_space() -> None:
    """While the disk is full it does not start."""
    world = make_world(7, make_plans(3))
    world.run(10_000)
    alice = world.computers["alice"]
    alice.disk.is_full = True
    world.run(40_000)
    assert isinstance(alice.failure, DiskFull)
    number = world.computers["bob"].machine.importer.head.number
    alice.disk.is_full = False
    world.start("alice")
    world.run(60_000)
    assert alice.machine.importer.head.number > number


def test_a_slow_disk_delays_what_a_node_does() -> None:
    """An event waits while the one before it is written; effects come when the write is done."""
    plans = make_plans(2)
    world = make_world(8, [replace(plans[0], write_ms=5_000.0), plans[1]])
    lines: list[str] = []
    world.history.write = lines.append
    world.run(40_000)
    mined = [note for note in world.history.blocks.values() if note.miner == "alice"]
    found = [line for line in lines if " alice TicketFound" in line]
    assert mined
    assert found
    assert all(note.mined_ms >= 5_000 for note in mined)


def test_a_clock_ahead_shows_in_what_the_core_is_told() -> None:
    """The skew is the computer's, the world's time stays."""
    world = make_world(9, [replace(make_plans(1)[0], skew_ms=7_000)])
    assert world.computers["alice"].now_ms == world.agenda.now_ms + 7_000
    world.computers["alice"].receive(Tick())
    template = world.computers["alice"].machine.desk.template
    assert template is not None
    assert template.made_ms == world.agenda.now_ms + 7_000


def test_every_scenario_has_a_sentence() -> None:
    """For the list that the command line shows."""
    for name, scenario in SCENARIOS.items():
        assert isinstance(scenario, Scenario)
        assert scenario.name == name
        assert scenario.summary.endswith(".")
