"""Attacks by blocks and headers: a payment taken back, forged seals, transactions left out."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from chain.extrinsic import decode_extrinsic
from chain.header import Header
from chain.params import UNIT_PLANCK, WorkParams
from chain.substrate_types import AddressId
from consensus.context import WorkContext
from consensus.errors import InvalidBlock
from consensus.seal import CheckedHeader
from network.bans import BanBook
from network.libp2p.multiaddr import Multiaddr
from network.messages import ExtrinsicInventory
from network.port import NoticeReceived
from node.core.effects import Effect
from node.core.events import Event, ExtrinsicReceived
from node.core.machine import Machine
from runtime.pallets.balances import transfer_keep_alive
from runtime.queries import get_account
from runtime.runtime import encode_call
from simulations.arena import Attack, Options, Trial
from simulations.attack_mining import BLOCK_MS, count_share, make_arena_plans
from simulations.attackers import SealForger
from simulations.cast import PARAMS, make_spec
from simulations.chance import Chance
from simulations.honest import Site, make_honest_node
from simulations.market import make_call
from simulations.secret_miner import SecretMiner
from simulations.tickets import ModelLottery
from simulations.world import World

HOPELESS_BLOCKS = 4
SPAM_BLOCK_BYTES = 4_000  # twenty transfers, so that a small world can fill it
SPAMMERS = ("charlie", "dave", "eve")
REWARD = PARAMS.money.reward_initial_planck / UNIT_PLANCK * (1 - PARAMS.money.validator_share_ppb / 1e9)


class DoubleSpender(SecretMiner):
    """Pays again and again in the next public block, and mines another one in its place.

    The merchant delivers when the payment is final, or after so many blocks; the attacker publishes when it has got the
    goods and the longer branch, and gives up when it is hopelessly behind or the payment is final.
    """

    def __init__(self, site: Site, *, confirmations: int | None) -> None:
        """Begin the first attack on the first public block.

        Args:
            confirmations: The merchant waits for so many blocks; None: until the payment is final.
        """
        super().__init__(site)
        self._confirmations = confirmations
        self._payment: Header | None = None
        self._is_delivered = self._is_over = False
        self.delivered = 0
        self.stolen = 0

    def on_mined(self, lead: int) -> int:
        """Publish if the goods are there and the branch is longer."""
        return self._decide()

    def on_heard(self, lead: int) -> int:
        """Watch the payment's block."""
        head = self.public.importer.head
        if self._payment is None:
            self._payment = head
        return self._decide()

    def is_following(self) -> bool:
        """Let the secret core see public blocks once, when an attack has ended."""
        is_over, self._is_over = self._is_over, False
        return is_over

    def _decide(self) -> int:
        if self._payment is None:
            return 0
        importer, number = self.public.importer, self._payment.number
        is_final = importer.final.number >= number
        wait = self._confirmations
        if not self._is_delivered and (is_final if wait is None else importer.head.number >= number + wait - 1):
            self._is_delivered = True
            self.delivered += 1
        if is_final or self.lead <= -HOPELESS_BLOCKS:
            self.hidden.clear()
            self._end()
            return 0
        if self._is_delivered and self.lead > 0:
            self.stolen += 1
            self._end()
            return len(self.hidden)
        return 0

    def _end(self) -> None:
        self._payment, self._is_delivered, self._is_over = None, False, True


def play_double_spend(seed: int, options: Options) -> Trial:
    """Attack merchants who wait for finality; without the defence they wait for some blocks only."""
    wait = None if options.is_defended else round(options["confirmations"])
    takes: list[float] = []
    facts: dict[str, float] = {}
    for maker in (partial(DoubleSpender, confirmations=wait), make_honest_node):
        plans = make_arena_plans(options["power"], maker)
        world = World(seed, make_spec(plans), plans)
        world.run(round(options["blocks"]) * BLOCK_MS)
        eve = world.computers[plans[-1].name]
        take = count_share(world, eve.plan.name) * world.computers[plans[0].name].machine.importer.head.number * REWARD
        if isinstance(eve.actor, DoubleSpender):
            facts = {"payments taken back": float(eve.actor.stolen), "delivered": float(eve.actor.delivered)}
            take += eve.actor.stolen * options["value"]
        takes.append(take)
    return Trial(attack=takes[0], honest=takes[1], facts=facts)


class CountingLottery(ModelLottery):
    """Counts the tickets that were run again in vain."""

    def __init__(self, chance: Chance) -> None:
        super().__init__(chance)
        self.refused = 0

    def check_seal(self, header: Header, context: WorkContext, params: WorkParams) -> CheckedHeader:
        """Judge, and count a refusal."""
        try:
            return super().check_seal(header, context, params)
        except InvalidBlock:
            self.refused += 1
            raise


class PatientBook(BanBook):
    """Bans nobody."""

    def add_points(self, peer: str, remote: Multiaddr | None, points: int, now_ms: int) -> bool:
        """Forget the points."""
        return False


def make_patient_node(site: Site) -> Machine:
    """Return an honest node that forgives every peer before each event."""
    machine = make_honest_node(site)
    handle = machine.handle

    def forgive_and_handle(event: Event, now_ms: int) -> list[Effect]:
        for state in machine.peers.table:
            state.grave_points, state.is_leaving = 0, False
        return handle(event, now_ms)

    machine.handle = forgive_and_handle  # type: ignore[method-assign]
    return machine


def play_forged_seals(seed: int, options: Options) -> Trial:
    """Let eve publish forged seals at every tick, and count the tickets that honest nodes re-run for them."""
    counts = []
    for maker in (SealForger, make_honest_node):
        plans = make_arena_plans(options["power"], maker)
        if not options.is_defended:
            plans = [*[replace(plan, maker=make_patient_node) for plan in plans[:-1]], plans[-1]]
        world = World(seed, make_spec(plans), plans, lottery=CountingLottery)
        if not options.is_defended:
            for plan in plans:
                world.peering.bans[plan.name] = PatientBook()
        world.run(round(options["blocks"]) * BLOCK_MS)
        assert isinstance(world.lottery, CountingLottery)
        counts.append(world.lottery.refused / (len(plans) - 1))
    return Trial(attack=counts[0], honest=counts[1])


class Censor:
    """Mines like everybody, but takes no transaction of others into its pool, and passes none on."""

    def __init__(self, site: Site) -> None:
        self._machine = make_honest_node(site)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Drop extrinsics, do the rest."""
        match event:
            case ExtrinsicReceived():
                return []
            case NoticeReceived() if isinstance(event.notice, ExtrinsicInventory):
                return []
            case _:
                return self._machine.handle(event, now_ms)


def play_censorship(seed: int, options: Options) -> Trial:
    """Measure how many blocks a transfer waits; without the defence the censor has nearly all the power."""
    delays = []
    power = options["power"] if options.is_defended else 0.95
    for maker in (Censor, make_honest_node):
        plans = make_arena_plans(power, maker)
        world = World(seed, make_spec(plans), plans)
        sent: dict[bytes, int] = {}
        for nonce in range(int(options["transfers"])):
            raw = make_transfer(world, "alice", nonce)
            world.plan(5_000 + nonce * 2 * BLOCK_MS, partial(_submit, world, raw, sent))
        world.run(round(options["transfers"]) * 2 * BLOCK_MS + 60_000)
        delays.append(_measure_delay(world, sent))
    return Trial(attack=delays[0], honest=delays[1])


def make_transfer(world: World, name: str, nonce: int, *, tip_planck: int = 0) -> bytes:
    """Return a transfer of one token from a node's account to bob."""
    bob = world.computers["bob"].plan.account
    assert bob is not None
    call = encode_call(transfer_keep_alive, AddressId(account=bob), UNIT_PLANCK)
    return make_call(world, name, nonce, call, tip_planck=tip_planck)


def _submit(world: World, raw: bytes, sent: dict[bytes, int]) -> None:
    sent[decode_extrinsic(raw).hash] = world.computers["alice"].machine.importer.head.number
    world.submit("alice", raw)


def _measure_delay(world: World, sent: dict[bytes, int]) -> float:
    """Return the mean number of blocks from a submission to the block that holds it; the chain's end if none does."""
    chain = world.computers["alice"].machine.importer.chain
    found = dict.fromkeys(sent, chain.head.number + 1)
    for number in range(1, chain.head.number + 1):
        block_hash = chain.get_hash(number)
        assert block_hash is not None
        for raw in chain.get_body(block_hash) or ():
            key = decode_extrinsic(raw).hash
            if key in found:
                found[key] = number
    return sum(found[key] - sent[key] for key in sent) / len(sent)


def play_spam(seed: int, options: Options) -> Trial:
    """Fill small blocks with transfers; alice pays a tip, without the defence she pays none."""
    delays, fees = [], 0.0
    tip = round(options["tip"] * UNIT_PLANCK) if options.is_defended else 0
    params = replace(PARAMS, block=replace(PARAMS.block, bytes_max=SPAM_BLOCK_BYTES))
    for is_attack in (True, False):
        plans = make_arena_plans(0.0, make_honest_node)
        world = World(seed, make_spec(plans, params=params), plans)
        before = sum(_read_free(world, name) for name in SPAMMERS)
        sent: dict[bytes, int] = {}
        for block in range(int(options["blocks"])):
            if is_attack:
                _plan_spam(world, block, int(options["rate"]))
            if block % 2:
                raw = make_transfer(world, "alice", block // 2, tip_planck=tip)
                world.plan(5_000 + block * BLOCK_MS, partial(_submit, world, raw, sent))
        world.run(5_000 + int(options["blocks"]) * BLOCK_MS + 15_000)
        delays.append(_measure_delay(world, sent))
        if is_attack:
            fees = before - sum(_read_free(world, name) for name in SPAMMERS)
    return Trial(attack=delays[0], honest=delays[1], facts={"tokens that the spam sent and paid": fees})


def _plan_spam(world: World, block: int, rate: int) -> None:
    for number in range(block * rate, (block + 1) * rate):
        name, nonce = SPAMMERS[number % len(SPAMMERS)], number // len(SPAMMERS)
        world.plan(4_000 + block * BLOCK_MS, partial(world.submit, "bob", make_transfer(world, name, nonce)))


def _read_free(world: World, name: str) -> float:
    machine, account = world.computers["alice"].machine, world.computers[name].plan.account
    assert account is not None
    row = get_account(machine.importer.chain.state, account, world.spec.params)
    return row.info.data.free / UNIT_PLANCK


DOUBLE_SPEND = Attack(
    name="double-spend",
    summary="A miner pays, takes the goods, and publishes a longer branch in which it never paid.",
    unit="tokens",
    defence="merchants wait until votes make the payment final; off: they wait for `confirmations` blocks",
    play=play_double_spend,
    defaults={"power": 0.3, "blocks": 100, "value": 100.0, "confirmations": 1},
    parameter="power",
    steps=(0.1, 0.2, 0.3, 0.4),
    holds_to=0.4,
)
FORGE_SEALS = Attack(
    name="forge-seals",
    summary="A node sends headers with forged seals, each of which costs its judges a whole ticket.",
    unit="tickets that each honest node runs in vain",
    defence="whoever sends a failing seal is banned; off: nobody is banned",
    play=play_forged_seals,
    defaults={"power": 0.0, "blocks": 40},
    parameter="blocks",
    steps=(10, 40, 100),
    holds_to=100,
    bound=2.0,
    seeds=4,
)
CENSORSHIP = Attack(
    name="censorship",
    summary="A miner leaves the transactions of others out of its blocks and passes none on.",
    unit="blocks that a transfer waits",
    defence="any other miner includes it; off: the censor has 95 % of the power",
    play=play_censorship,
    defaults={"power": 0.3, "transfers": 15},
    parameter="power",
    steps=(0.1, 0.3, 0.5, 0.7),
    holds_to=0.5,
    bound=1.5,
    seeds=4,
)
SPAM = Attack(
    name="spam",
    summary="Accounts fill the blocks with transfers, so that others wait.",
    unit="blocks that a transfer waits",
    defence="whoever pays more goes first, and the spam pays for each byte; off: nobody pays a tip",
    play=play_spam,
    defaults={"rate": 32, "blocks": 12, "tip": 0.1},
    parameter="rate",
    steps=(0, 8, 16, 24, 32),
    holds_to=32,
    bound=1.0,
    seeds=5,
)
