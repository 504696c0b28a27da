"""What attackers achieve against honest nodes: nothing but their own loss."""

from __future__ import annotations

from msgspec.structs import replace

from runtime.queries import get_validator_sets
from simulations.attackers import DoubleVoter, SealForger
from simulations.cast import make_plans, make_spec
from simulations.checks import FinalityWatch, VoteWatch, check_agreement, check_growth, check_states
from simulations.honest import ActorMaker
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


def test_a_forger_of_seals_is_banned_and_the_chain_goes_on() -> None:
    """Each honest node that it reaches bans it; nobody passes its headers on."""
    world = make_world(1, SealForger)
    world.run(90_000)
    check_end(world)
    banned = {name: world.peering.list_banned(name) for name in world.honest}
    assert any(banned.values())
    assert all(peers in ([], ["dave"]) for peers in banned.values())
