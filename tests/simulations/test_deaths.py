"""A node may die at any event and at any write: it starts again, follows, and signs nothing that gets it slashed."""

from __future__ import annotations

import pytest

from simulations.cast import make_plans, make_spec
from simulations.checks import FinalityWatch, VoteWatch, check_agreement, check_growth, check_lives, check_states
from simulations.world import World

EVENTS = 330
WRITES = 19


def play_death(*, event: int = 0, write: int = 0, is_written: bool = False) -> World:
    """Let alice die at that event or write of hers and start again three seconds later; two others go on.

    Raises:
        Violation
    """
    plans = make_plans(3)
    world = World(11, make_spec(plans), plans, observers=(FinalityWatch(), VoteWatch()))
    alice = world.computers["alice"]
    if event:
        alice.plan_kill(event)
    if write:
        alice.disk.plan_cut(write, is_written=is_written)
    die = alice.on_death

    def die_and_return(name: str) -> None:
        die(name)
        world.plan(world.now_ms + 3_000, lambda: world.start(name))

    alice.on_death = die_and_return
    world.run(80_000)
    assert alice.life == 3, "alice did not die once"
    check_lives(world)
    check_agreement(world, depth_max=3)
    check_growth(world, blocks_min=15, finality_lag_max=25)
    check_states(world)
    return world


@pytest.mark.parametrize("event", range(10, EVENTS, 40))
def test_a_node_may_die_after_some_events(event: int) -> None:
    """Its effects are lost; a sample, the slow set has every event."""
    play_death(event=event)


@pytest.mark.parametrize("write", range(1, WRITES, 4))
@pytest.mark.parametrize("is_written", [True, False])
def test_a_node_may_die_at_some_writes(write: int, is_written: bool) -> None:
    """Before or after the batch is on the medium; a sample, the slow set has every write."""
    play_death(write=write, is_written=is_written)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_node_may_die_after_any_event() -> None:
    """One after the other."""
    for event in range(1, EVENTS):
        play_death(event=event)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_may_die_at_any_write() -> None:
    """One after the other, before and after."""
    for write in range(1, WRITES):
        for is_written in (True, False):
            play_death(write=write, is_written=is_written)
