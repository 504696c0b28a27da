"""Nothing at stake: whoever votes on every branch earns on whichever wins.

The links are slow, so that two blocks of a height are common, and with them two checkpoints of a height. An honest
validator votes for one of them; if the chain goes on from the other, its vote earns nothing. The attacker's node hears
both branches and votes on both.
"""

from __future__ import annotations

from msgspec.structs import replace

from consensus.finality import Vote
from node.core import vote_pool, vote_trail
from simulations.arena import Attack, Options, Trial
from simulations.attack_network import BLOCK_MS, read_wealth
from simulations.attackers import BothSidesVoter
from simulations.cast import STAKE_PLANCK, make_plans, make_spec
from simulations.computer import NodePlan
from simulations.lazy_machine import make_lazy_node
from simulations.market import switch
from simulations.wires import Link
from simulations.world import World

MINERS = 4


def play_nothing_at_stake(seed: int, options: Options) -> Trial:
    """Let eve vote on every branch, or as an honest validator does."""
    if options.is_defended:
        return _play(seed, options)
    with switch(vote_pool, is_slashable=_never_slash), switch(vote_trail, is_slashable=_never_slash):
        return _play(seed, options)


def _never_slash(one: Vote, two: Vote) -> bool:
    return False


def _play(seed: int, options: Options) -> Trial:
    results: list[float] = []
    branches = 0.0
    for is_attack in (True, False):
        plans = _make_plans(options["stake"], is_attack=is_attack)
        link = Link(latency_ms=options["latency"], jitter_ms=options["latency"] / 5)
        world = World(seed, make_spec(plans), plans, link=link)
        eve = plans[-1].account
        assert eve is not None
        before = read_wealth(world, "alice", eve)
        world.run(round(options["blocks"]) * BLOCK_MS)
        height = world.computers["alice"].machine.importer.head.number
        results.append((read_wealth(world, "alice", eve) - before) / height)
        branches = branches or len(world.history.blocks) / height
    return Trial(attack=results[0], honest=results[1], facts={"blocks at a height": branches})


def _make_plans(share: float, *, is_attack: bool) -> list[NodePlan]:
    """Return miners with a stake each, and eve, who mines nothing and has this share of all stake."""
    *miners, eve = make_plans(MINERS + 1)
    miners = [replace(plan, power=1 / MINERS, maker=make_lazy_node) for plan in miners]
    eve = replace(
        eve,
        power=0.0,
        stake_planck=round(share / (1 - share) * MINERS * STAKE_PLANCK),
        wishes=tuple(plan.name for plan in miners),
        is_honest=not is_attack,
        maker=BothSidesVoter if is_attack else make_lazy_node,
    )
    return [*miners, eve]


NOTHING_AT_STAKE = Attack(
    name="nothing-at-stake",
    summary="A validator votes on every branch that it hears of, so that it earns on whichever wins.",
    unit="tokens a block",
    defence="two votes of one key for one height cost its stake; off: no node compares votes",
    play=play_nothing_at_stake,
    defaults={"stake": 0.2, "latency": 1_000.0, "blocks": 80},
    parameter="stake",
    steps=(0.1, 0.2, 0.3),
    holds_to=0.3,
    seeds=8,
)
