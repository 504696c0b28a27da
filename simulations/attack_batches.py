"""Attacks on paid work: invented strikes, silence when asked, answers kept out of blocks, poster and solver in one.

The seller is the node's own batch desk; what lies is its workers. The chain takes commits, selects leaves, re-runs and
pays as it always does, in every node.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial

from msgspec.structs import replace

from chain.params import UNIT_PLANCK, Params
from runtime import batch_state
from runtime.batch_records import Batch, BatchStatus
from runtime.batch_state import pay_batch
from runtime.environment import Environment
from runtime.pallets import batches as pallet
from runtime.pallets.balances import mint
from runtime.pallets.batches import bond
from runtime.problem_records import compute_order_figures
from runtime.problem_work import release_work
from runtime.runtime import encode_call
from simulations.arena import Attack, Options, Trial
from simulations.attack_blocks import Censor
from simulations.attack_network import read_wealth
from simulations.cast import PARAMS, make_plans, make_spec
from simulations.computer import NodePlan
from simulations.honest import ActorMaker, make_honest_node
from simulations.market import list_batches, make_call, make_planted, make_post, make_seller, make_terms, switch
from simulations.strikers import STRIKES, LyingStriker, make_honest_striker, make_share_faker
from simulations.world import World

BLOCK_MS = 3_000
UNDEFENDED_WINDOW = 4
BOND = 1_000  # tokens; a hundred wrong leaves
SELLER = "eve"


def make_seller_plans(
    striker: LyingStriker, maker: ActorMaker = make_honest_node, power: float = 0.0
) -> list[NodePlan]:
    """Return two honest validators, charlie with this power and role, and eve, who sells what her workers tell her."""
    alice, bob, charlie, _, eve = make_plans(5)
    honest = [replace(plan, power=(1 - power) / 2) for plan in (alice, bob)]
    wishes = ("alice", "bob")
    charlie = replace(charlie, power=power, stake_planck=0, vote_seed=None, wishes=wishes, maker=maker)
    charlie = replace(charlie, is_honest=maker is make_honest_node)
    eve = replace(eve, power=0.0, stake_planck=0, vote_seed=None, wishes=wishes, maker=make_seller, striker=striker)
    return [*honest, charlie, eve]


def make_work_world(seed: int, plans: list[NodePlan], *, payment: float, params: Params = PARAMS) -> World:
    """Let charlie post a problem that pays so many tokens for each batch of eve."""
    world = World(seed, make_spec(plans, params=params), plans)
    planted = make_planted(seed)
    gas = compute_order_figures(planted.problem, tuple(range(planted.problem.n)), 1, params).strike_gas
    price = round(payment * UNIT_PLANCK / STRIKES / gas)
    terms = make_terms(planted, bounty=1.0, deadline=5_000, budget=10_000.0, price=price)
    world.plan(1_000, partial(world.submit, "alice", make_call(world, "charlie", 0, make_post(planted, terms))))
    call = encode_call(bond, BOND * UNIT_PLANCK)
    world.plan(1_000, partial(world.submit, "alice", make_call(world, SELLER, 0, call)))
    return world


def pay_wrong(env: Environment, number: int, batch: Batch, *, index: int, reporter: bytes) -> None:
    """Pay a batch whatever its leaves are."""
    pay_all(env, number, batch)


def pay_all(env: Environment, number: int, batch: Batch) -> None:
    """Pay a batch all that it reserved."""
    pay_batch(env, number, batch, gas=len(batch.leaves) * batch.strike_gas)


def pay_from_issuance(env: Environment, problem: int, amount: int, to: bytes, *, reserved: int) -> None:
    """Pay a batch with new money, and give the poster's back."""
    mint(env, to, amount)
    release_work(env, problem, reserved)


def _sell(seed: int, options: Options, striker: LyingStriker) -> tuple[float, World]:
    """Return what eve has earned by each batch that is settled, less what its strikes cost, and the world."""
    plans = make_seller_plans(striker)
    world = make_work_world(seed, plans, payment=options["payment"], params=_ask(options))
    account = plans[-1].account
    assert account is not None
    before = read_wealth(world, "alice", account)
    world.run(int(options["blocks"]) * BLOCK_MS)
    sold = [batch for batch in list_batches(world, "alice", account) if not batch.is_open]
    cost = sum(striker.ran[batch.key] for batch in sold) * options["payment"] * options["cost"] / STRIKES
    return (read_wealth(world, "alice", account) - before - cost) / max(1, len(sold)), world


def _ask(options: Options) -> Params:
    leaves = int(options["leaves"])
    return replace(PARAMS, batch=replace(PARAMS.batch, leaves_min=min(4, leaves), leaves_max=leaves))


def _count(world: World, status: BatchStatus) -> float:
    account = world.computers[SELLER].plan.account
    assert account is not None
    return float(sum(batch.status is status for batch in list_batches(world, "alice", account)))


def _play_seller(seed: int, options: Options, *, is_shy: bool, rule: AbstractContextManager[None]) -> Trial:
    liar = LyingStriker(make_share_faker(options["fakes"]), is_shy=is_shy)
    with rule:
        attack, world = _sell(seed, options, liar)
    honest, _ = _sell(seed, options, make_honest_striker())
    facts = {status.name.lower(): _count(world, status) for status in (BatchStatus.Paid, BatchStatus.Void)}
    return Trial(attack=attack, honest=honest, facts={**facts, "slashed": _count(world, BatchStatus.Slashed)})


def play_fake_leaves(seed: int, options: Options) -> Trial:
    """Sell invented strikes and answer all audits; without the defence a wrong leaf is paid as a right one."""
    rule = nullcontext() if options.is_defended else switch(pallet, slash_batch=pay_wrong)
    return _play_seller(seed, options, is_shy=False, rule=rule)


def play_withhold_audit(seed: int, options: Options) -> Trial:
    """Sell invented strikes and answer only the audits that ask for right ones; undefended, silence is paid."""
    rule = nullcontext() if options.is_defended else switch(pallet, void_batch=pay_all)
    return _play_seller(seed, options, is_shy=True, rule=rule)


def play_censor_audit(seed: int, options: Options) -> Trial:
    """Let charlie keep eve's answers out of his blocks; the gain is the share of honest batches that are void."""
    window = int(options["window"]) if options.is_defended else UNDEFENDED_WINDOW
    params = replace(PARAMS, batch=replace(PARAMS.batch, answer_blocks=window))
    shares = []
    for maker in (Censor, make_honest_node):
        plans = make_seller_plans(make_honest_striker(), maker, options["power"])
        world = make_work_world(seed, plans, payment=5.0, params=params)
        world.run(int(options["blocks"]) * BLOCK_MS)
        void, paid = _count(world, BatchStatus.Void), _count(world, BatchStatus.Paid)
        shares.append(void / max(1.0, void + paid))
    return Trial(attack=shares[0], honest=shares[1])


def play_collusion(seed: int, options: Options) -> Trial:
    """Let charlie pay eve for work that both know to be worthless; without the defence the issuance pays."""
    wealth = []
    plans = make_seller_plans(make_honest_striker())
    friends = [plan.account for plan in plans[2:] if plan.account is not None]
    with nullcontext() if options.is_defended else switch(batch_state, pay_work=pay_from_issuance):
        world = make_work_world(seed, plans, payment=options["payment"])
        before = sum(read_wealth(world, "alice", account) for account in friends)
        world.run(int(options["blocks"]) * BLOCK_MS)
        wealth.append(sum(read_wealth(world, "alice", account) for account in friends) - before)
    facts = {"batches paid": _count(world, BatchStatus.Paid)}
    return Trial(attack=wealth[0], honest=0.0, facts=facts)


FAKE_LEAVES = Attack(
    name="fake-leaves",
    summary="A solver sells strikes that it never ran, and answers its audits.",
    unit="tokens a batch",
    defence="every batch is audited before it is paid, and a wrong leaf costs the bond; off: a wrong leaf is paid",
    play=play_fake_leaves,
    defaults={"fakes": 0.5, "leaves": 32, "payment": 5.0, "cost": 0.8, "blocks": 40},
    parameter="leaves",
    steps=(1, 2, 4, 32),
    holds_to=1,
    is_rising=False,
    seeds=4,
)
WITHHOLD_AUDIT = Attack(
    name="withhold-audit",
    summary="A solver sells strikes of which it invented some, and is silent when it is asked for one of these.",
    unit="tokens a batch",
    defence="a batch without an answer is void, and its deposit burnt; off: it is paid",
    play=play_withhold_audit,
    defaults={"fakes": 0.5, "leaves": 32, "payment": 5.0, "cost": 0.8, "blocks": 60},
    parameter="fakes",
    steps=(0.02, 0.1, 0.5, 1.0),
    holds_to=1.0,
    seeds=4,
)
CENSOR_AUDIT = Attack(
    name="censor-audit",
    summary="A miner keeps the answers of an honest solver out of its blocks, so that its batches come to nothing.",
    unit="share of honest batches that are void",
    defence="any author of a window of 20 blocks may take the answer; off: of 4",
    play=play_censor_audit,
    defaults={"power": 0.7, "window": 20, "blocks": 60},
    parameter="power",
    steps=(0.5, 0.7, 0.8, 0.9, 0.95),
    holds_to=0.7,
    bound=0.02,
    seeds=4,
)
COLLUSION = Attack(
    name="collusion",
    summary="A poster pays its own solver for work on a problem whose answer both know.",
    unit="tokens",
    defence="work is paid from the poster's own budget, and costs fees; off: the issuance pays for it",
    play=play_collusion,
    defaults={"payment": 5.0, "blocks": 40},
    parameter="payment",
    steps=(1.0, 4.0, 7.0),
    holds_to=7.0,
    seeds=4,
)
