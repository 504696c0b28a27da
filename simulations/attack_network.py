"""Attacks on the network and on finality: splits, eclipses, a chain from long ago, two machines with one key, silence.

The nodes are whole; what the attacker does is to separate them, or to run more or fewer of them than it should.
"""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from chain.params import UNIT_PLANCK, Params
from consensus.finality import SIGNED_VOTE_BYTES, Evidence, SignedVote, decode_signed_vote, is_slashable
from network.port import Publish
from node.core.effects import Effect
from node.core.events import Event, OffenceReported
from runtime.queries import get_account
from simulations.arena import Attack, Options, Trial
from simulations.cast import PARAMS, STAKE_PLANCK, make_plans, make_spec, make_vote_seed
from simulations.computer import NodePlan
from simulations.honest import Site, make_honest_node
from simulations.world import World

BLOCK_MS = 3_000
BEGIN_MS = 20_000
CALM_MS = 45_000


def read_wealth(world: World, witness: str, account: bytes) -> float:
    """Return what an account owns in a node's state, stake and all, in tokens."""
    machine = world.computers[witness].machine
    data = get_account(machine.importer.chain.state, account, world.spec.params).info.data
    return (data.free + data.reserved) / UNIT_PLANCK


def count_taken_back(world: World, names: list[str]) -> int:
    """Return how many heights two of these nodes called final with different blocks."""
    finals = [world.history.finals.get(name, {}) for name in names]
    known: dict[int, set[bytes]] = {}
    for found in finals:
        for number, block_hash in found.items():
            known.setdefault(number, set()).add(block_hash)
    return sum(len(hashes) > 1 for hashes in known.values())


def _make_plans(count: int, *, is_staked: bool) -> list[NodePlan]:
    plans = [
        replace(plan, wishes=tuple(other.name for other in make_plans(index)))
        for index, plan in enumerate(make_plans(count))
    ]
    return plans if is_staked else [replace(plan, stake_planck=0, vote_seed=None) for plan in plans]


def _get_params(*, is_staked: bool) -> Params:
    """Return the usual numbers; without stake a block is final when two stand on it."""
    return PARAMS if is_staked else replace(PARAMS, finality=replace(PARAMS.finality, unattended_depth=2))


def _make_split(seed: int, options: Options, group: list[str]) -> World:
    """Let a world run in which a group is apart for some blocks."""
    plans = _make_plans(4, is_staked=options.is_defended)
    world = World(seed, make_spec(plans, params=_get_params(is_staked=options.is_defended)), plans)
    end_ms = BEGIN_MS + round(options["blocks"]) * BLOCK_MS
    world.plan(BEGIN_MS, lambda: world.peering.wires.split([group]))
    world.plan(end_ms, world.peering.wires.heal)
    world.run(end_ms + CALM_MS)
    return world


def play_partition(group: list[str], seed: int, options: Options) -> Trial:
    """Split the network and count what two sides called final and one must take back."""
    world = _make_split(seed, options, group)
    lost = count_taken_back(world, list(world.computers))
    depth = max((reorg.depth for reorg in world.history.reorgs), default=0)
    return Trial(attack=float(lost), honest=0.0, facts={"deepest reorganisation": float(depth)})


def play_long_range(seed: int, options: Options) -> Trial:
    """Let eve mine alone with most of the power, and show her chain when it is much longer."""
    shares = []
    for is_attack in (True, False):
        plans = _make_plans(4, is_staked=options.is_defended)
        power = options["power"]
        plans = [replace(plan, power=(1 - power) / 3) for plan in plans[:3]] + [
            replace(plans[3], power=power, stake_planck=0, vote_seed=None)
        ]
        params = (
            PARAMS
            if options.is_defended
            else replace(PARAMS, finality=replace(PARAMS.finality, unattended_depth=10_000))
        )
        world = World(seed, make_spec(plans, params=params), plans)
        end_ms = BEGIN_MS + round(options["blocks"]) * BLOCK_MS
        if is_attack:
            world.plan(BEGIN_MS, partial(world.peering.wires.split, [["dave"]]))
            world.plan(end_ms, world.peering.wires.heal)
        world.run(end_ms + CALM_MS)
        shares.append(_count_share(world, "alice", "dave"))
    return Trial(attack=shares[0], honest=shares[1], facts={})


def _count_share(world: World, witness: str, name: str) -> float:
    chain = world.computers[witness].machine.importer.chain
    hashes = [chain.get_hash(number) for number in range(1, chain.head.number + 1)]
    notes = [world.history.blocks[found] for found in hashes if found is not None]
    return sum(note.miner == name for note in notes) / max(1, len(notes))


class _Recorder:
    """An honest node whose votes somebody writes down."""

    def __init__(self, site: Site, votes: list[SignedVote]) -> None:
        self._machine = make_honest_node(site)
        self._votes = votes

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Do what an honest node does."""
        effects = self._machine.handle(event, now_ms)
        for effect in effects:
            if isinstance(effect, Publish) and effect.topic == "votes" and len(effect.data) == SIGNED_VOTE_BYTES:
                self._votes.append(decode_signed_vote(effect.data))
        return effects


def play_equivocation(seed: int, options: Options) -> Trial:
    """Run one key on two machines on both sides of a split, so that each side finalises with it."""
    results = []
    conflicts = 0
    for is_attack in (True, False):
        votes: list[SignedVote] = []
        pair, eve = _make_twins(options["stake"], votes)
        twin = [replace(eve, name="mallory", vote_seed=make_vote_seed(eve.name))] if is_attack else []
        world = World(seed, make_spec([*pair, eve]), [*pair, eve, *twin])
        end_ms = BEGIN_MS + round(options["blocks"]) * BLOCK_MS
        world.plan(BEGIN_MS, partial(world.peering.wires.split, [["bob", "mallory"]]))
        world.plan(end_ms, world.peering.wires.heal)
        if options.is_defended:
            world.plan(end_ms, partial(_report, world, votes))
        world.run(end_ms + CALM_MS)
        assert eve.account is not None
        taken = count_taken_back(world, ["alice", "bob"])
        conflicts = conflicts or taken
        results.append(read_wealth(world, "alice", eve.account) + (options["value"] if taken else 0.0))
    return Trial(attack=results[0], honest=results[1], facts={"final blocks in conflict": float(conflicts)})


def _make_twins(share: float, votes: list[SignedVote]) -> tuple[list[NodePlan], NodePlan]:
    """Return two honest nodes, and eve with this share of all stake."""
    alice, bob, eve = _make_plans(3, is_staked=True)
    stake = round(share / (1 - share) * 2 * STAKE_PLANCK)
    eve = replace(eve, power=0.0, stake_planck=stake, wishes=("alice", "bob"), is_honest=False)
    eve = replace(eve, maker=lambda site: _Recorder(site, votes))
    return [replace(plan, power=0.5) for plan in (alice, bob)], eve


def _report(world: World, votes: list[SignedVote]) -> None:
    """Bring the first offence among these votes to alice, as anybody who saw both sides can."""
    for index, one in enumerate(votes):
        for two in votes[:index]:
            if is_slashable(one.vote, two.vote):
                world.computers["alice"].receive(OffenceReported(evidence=Evidence(one=one, two=two)))
                return


def play_free_riding(seed: int, options: Options) -> Trial:
    """Let one of four validators save the trouble of voting."""
    results = []
    for is_attack in (True, False):
        plans = _make_plans(4, is_staked=True)
        if is_attack:
            plans[3] = replace(plans[3], vote_seed=None)
        plans = [*[replace(plan, power=1 / 3) for plan in plans[:3]], replace(plans[3], power=0.0)]
        share = PARAMS.money.validator_share_ppb if options.is_defended else 0
        params = replace(PARAMS, money=replace(PARAMS.money, validator_share_ppb=share))
        world = World(seed, make_spec(_stake(plans), params=params), plans)
        assert plans[3].account is not None
        before = read_wealth(world, "alice", plans[3].account)
        world.run(round(options["blocks"]) * BLOCK_MS)
        height = world.computers["alice"].machine.importer.head.number
        saved = options["cost"] * height if is_attack else 0.0
        results.append((read_wealth(world, "alice", plans[3].account) - before + saved) / height)
    return Trial(attack=results[0], honest=results[1], facts={})


def _stake(plans: list[NodePlan]) -> list[NodePlan]:
    """Return the plans as the chain spec sees them: who is silent is a validator all the same."""
    return [replace(plan, vote_seed=make_vote_seed(plan.name)) for plan in plans]


PARTITION = Attack(
    name="partition",
    summary="Somebody splits the network in halves, and lets a merchant on each side see blocks become final.",
    unit="final blocks taken back",
    defence="two thirds of the stake must vote for what is final; off: depth 2 makes it final",
    play=partial(play_partition, ["alice", "bob"]),
    defaults={"blocks": 20},
    parameter="blocks",
    steps=(5, 10, 20, 40),
    holds_to=40,
)
ECLIPSE = Attack(
    name="eclipse",
    summary="Somebody is a node's only peer and mines a chain for it alone.",
    unit="final blocks taken back",
    defence="two thirds of the stake must vote for what is final; off: depth 2 makes it final",
    play=partial(play_partition, ["carol", "dave"]),
    defaults={"blocks": 20},
    parameter="blocks",
    steps=(5, 10, 20, 40),
    holds_to=40,
)
LONG_RANGE = Attack(
    name="long-range",
    summary="A miner with most of the power mines alone on an old block, and shows its chain when it is longer.",
    unit="share of the chain's blocks",
    defence="what is justified comes before work, and final blocks stay; off: no validators, work alone",
    play=play_long_range,
    defaults={"power": 0.7, "blocks": 40},
    parameter="power",
    steps=(0.55, 0.7, 0.9),
    holds_to=0.9,
)
EQUIVOCATION = Attack(
    name="equivocation",
    summary="A validator runs its key on both sides of a split, so that each side makes other blocks final.",
    unit="tokens",
    defence="two votes of one key for one height cost its stake; off: nobody brings the evidence",
    play=play_equivocation,
    defaults={"stake": 0.4, "value": 5_000.0, "blocks": 50},
    parameter="value",
    steps=(1_000.0, 5_000.0, 10_000.0, 20_000.0),
    holds_to=10_000.0,
    seeds=4,
)
FREE_RIDING = Attack(
    name="free-riding",
    summary="A validator leaves the voting to the others and saves its cost.",
    unit="tokens a block",
    defence="only votes that are included earn the validators' share; off: voting earns nothing",
    play=play_free_riding,
    defaults={"cost": 0.05, "blocks": 60},
    parameter="cost",
    steps=(0.0, 0.05, 0.2, 0.4, 0.8),
    holds_to=0.2,
    seeds=4,
)
