"""What attackers achieve against honest nodes: nothing but their own loss."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from runtime.queries import get_validator_sets
from simulations.attackers import DoubleVoter, SealForger
from simulations.cast import make_plans, make_spec
from simulations.checks import FinalityWatch, VoteWatch, check_agreement, check_growth, check_states
from simulations.disk import Disk, PowerCut
from simulations.honest import ActorMaker
from simulations.voting import OFFENCE_PREFIX
from simulations.world import World


def make_world(seed: int, maker: ActorMaker) -> World:
    """Return a world of four in which dave attacks."""
    plans = make_plans(4)
    plans[3] = replace(plans[3], maker=maker, is_honest=False)
    return World(seed, make_spec(plans), plans, observers=(FinalityWatch(), VoteWatch()))


def check_end(world: World) -> None:
    """Refuse a world in which the honest nodes are worse off."""
    check_agreement(world, depth_max=4)
    check_growth(world, blocks_min=15, finality_lag_max=25)
    check_states(world)


def test_a_double_voter_is_slashed_from_its_signatures_alone() -> None:
    """Its stake is gone from every honest node's sets, though one of its targets was never seen."""
    for seed in range(1, 6):
        world = make_world(seed, DoubleVoter)
        world.run(90_000)
        check_end(world)
        account = world.computers["dave"].plan.account
        for computer in world.honest.values():
            sets = get_validator_sets(computer.machine.importer.chain.state)
            assert all(voter.account != account or voter.stake == 0 for voter in sets.current)


def play_lost_evidence(seed: int, *, is_disk_kept: bool) -> World:
    """Let alice alone hear of dave's one second vote, and die before she can tell anybody or mine.

    Args:
        is_disk_kept: What she wrote down about it is there when she starts again.
    """
    plans = make_plans(4)
    once = partial(DoubleVoter, times=1)
    plans[3] = replace(plans[3], maker=once, is_honest=False, wishes=("alice",), power=0.0)
    world = World(seed, make_spec(plans), plans, observers=(FinalityWatch(), VoteWatch()))
    alice = world.computers["alice"]
    disk, die = alice.disk, alice.on_death

    def write_and_die(name: bytes, content: bytes) -> None:
        Disk.write_file(disk, name, content)
        if name.startswith(OFFENCE_PREFIX):
            raise PowerCut("right after the offence was written down")

    disk.write_file = write_and_die  # type: ignore[method-assign]

    def die_and_return(name: str) -> None:
        die(name)
        del disk.__dict__["write_file"]
        if not is_disk_kept:
            disk.files = {name: data for name, data in disk.files.items() if not name.startswith(OFFENCE_PREFIX)}
        world.plan(world.now_ms + 3_000, lambda: world.start("alice"))

    alice.on_death = die_and_return
    world.run(90_000)
    assert alice.life == 3, "alice did not die once"
    return world


def is_slashed_everywhere(world: World) -> bool:
    """Return whether no honest node's chain counts dave's stake."""
    states = [computer.machine.importer.chain.state for computer in world.honest.values()]
    voters = [voter for state in states for voter in get_validator_sets(state).current]
    return all(voter.account != world.computers["dave"].plan.account for voter in voters)


def test_vot_12_the_only_holder_of_evidence_dies_before_its_block_and_the_offender_is_slashed_all_the_same() -> None:
    """Without what alice wrote down dave would get away: the second half of this test."""
    for seed in (1, 2):
        world = play_lost_evidence(seed, is_disk_kept=True)
        check_end(world)
        assert is_slashed_everywhere(world)
        assert not is_slashed_everywhere(play_lost_evidence(seed, is_disk_kept=False))


def test_a_forger_of_seals_is_banned_and_the_chain_goes_on() -> None:
    """Each honest node that it reaches bans it; nobody passes its headers on."""
    world = make_world(1, SealForger)
    world.run(90_000)
    check_end(world)
    banned = {name: world.peering.list_banned(name) for name in world.honest}
    assert any(banned.values())
    assert all(peers in ([], ["dave"]) for peers in banned.values())
