"""Attacks by power: selfish mining."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from consensus.digest import read_author
from simulations.arena import Attack, Options, Trial
from simulations.cast import make_plans, make_spec
from simulations.checks import FinalityWatch
from simulations.computer import NodePlan
from simulations.honest import ActorMaker, make_honest_node
from simulations.secret_miner import SelfishMiner
from simulations.wires import Link
from simulations.world import World

HONEST = 4
ATTACKER = "eve"
BLOCK_MS = 3_000
FAST = Link(latency_ms=5.0, jitter_ms=0.0)
SLOW = Link(latency_ms=400.0, jitter_ms=50.0)


def make_arena_plans(power: float, maker: ActorMaker) -> list[NodePlan]:
    """Return honest validators with equal power, and an attacker without stake who is connected with all of them."""
    plans = [replace(plan, power=(1.0 - power) / HONEST) for plan in make_plans(HONEST)]
    eve = make_plans(HONEST + 1)[-1]
    wishes = tuple(plan.name for plan in plans)
    is_honest = maker is make_honest_node
    last = replace(eve, power=power, stake_planck=0, vote_seed=None, wishes=wishes, maker=maker, is_honest=is_honest)
    return [*plans, last]


def count_share(world: World, name: str) -> float:
    """Return a node's share of the blocks of the honest nodes' best chain."""
    account = world.computers[name].plan.account
    watcher = next(iter(world.honest.values())).machine.importer
    authors = [_read_author(watcher.chain.get_hash(number), world) for number in range(1, watcher.head.number + 1)]
    return sum(author == account for author in authors) / max(1, len(authors))


def _read_author(block_hash: bytes | None, world: World) -> bytes:
    importer = next(iter(world.honest.values())).machine.importer
    header = importer.get_header(block_hash) if block_hash is not None else None
    assert header is not None
    return read_author(header)


def play_selfish_mining(seed: int, options: Options) -> Trial:
    """Play selfish mining in a network of whole nodes, with votes; without the defence honest links are slow."""
    shares: list[float] = []
    reorgs = 0
    for maker in (SelfishMiner, make_honest_node):
        plans = make_arena_plans(options["power"], maker)
        world = World(seed, make_spec(plans), plans, observers=(FinalityWatch(),))
        if not options.is_defended:
            slow_down(world, [plan.name for plan in plans])
        world.run(round(options["blocks"]) * BLOCK_MS)
        shares.append(count_share(world, plans[-1].name))
        reorgs = reorgs or len(world.history.reorgs)
    return Trial(attack=shares[0], honest=shares[1], facts={"reorgs": float(reorgs)})


def slow_down(world: World, names: Sequence[str]) -> None:
    """Let honest nodes hear each other late, and the attacker at once."""
    *honest, eve = names
    world.peering.wires.set_link(SLOW)
    for name in honest:
        world.peering.wires.set_link(FAST, name, eve)


SELFISH_MINING = Attack(
    name="selfish-mining",
    summary="A miner keeps its blocks secret and publishes them to make others' work worthless.",
    unit="share of the chain's blocks",
    defence="of two equal branches the first seen stays, and honest blocks arrive first; off: honest links are slow",
    play=play_selfish_mining,
    defaults={"power": 0.25, "blocks": 200},
    parameter="power",
    steps=(0.15, 0.25, 0.3, 0.35, 0.4, 0.45),
    holds_to=0.25,
)
