"""A stretch of real blocks at one age of the chain, and what it did to everybody's money.

The first half lets miners come and go; the second half is measured.

Terms:
    window: the stretch. opening: its first height less one.
"""

from __future__ import annotations

from random import Random

import msgspec

from chain.params import UNIT_PLANCK, Params
from chain.substrate_types import AddressId
from consensus.batch import compute_leaf_count
from consensus.core_problem import compute_core_gas
from runtime.batch_events import BatchPaid
from runtime.outcomes import BlockOutcome
from runtime.pallets.balances import Minted, transfer_keep_alive
from runtime.pallets.finality import Voted
from runtime.pallets.transaction_payment import NEXT_FEE_MULTIPLIER
from simulations.chance import Chance
from simulations.economy_agents import HOUR_MS, MiningMarket
from simulations.economy_market import SOLVER, DealResult, Market, spread_value
from simulations.plain_chain import Endowments, PlainChain, get_account
from simulations.verification_cost import REFERENCE

SENDERS = ("sender 0", "sender 1", "sender 2", "sender 3")
REVIEWS = 30
POST_SHARE = 0.7  # customers come in this part of a window, so that their problems end in it
AMOUNT = UNIT_PLANCK // 100


class TooFewTokens(Exception):
    """There are not the tokens with which everybody begins."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """How a window begins.

    Attributes:
        issuance: All tokens, in planck.
        stakes: Who validates with what.
        transfers: Mean number of transfers a block.
        customer_blocks: A customer comes every so many blocks.
        values: Least and largest value of a customer's solution, in tokens.
        effort: What a solution costs its solver beside fees, in planck.
        absence: How often a validator misses a checkpoint.
    """

    opening: int
    blocks: int
    issuance: int
    multiplier: int
    stakes: dict[str, int]
    transfers: float
    customer_blocks: int
    values: tuple[float, float]
    effort: float
    absence: float


class Tally(msgspec.Struct, kw_only=True):
    """What blocks did, summed; money in planck.

    Attributes:
        minted: Issued to miners and validators. voted: the part of it that votes earned.
        earned: What miners have more than before.
        core_hours: Cores at work for the block targets.
        answers: Audits of batches. audited_gas: that of their leaves. votes: votes in blocks.
    """

    blocks: int = 0
    duration_ms: int = 0
    minted: int = 0
    voted: int = 0
    burnt: int = 0
    fees: int = 0
    earned: int = 0
    core_hours: float = 0.0
    answers: int = 0
    audited_gas: int = 0
    votes: int = 0


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What a window showed.

    Attributes:
        measured: Its second half.
        deals: What came of its problems.
        income: What a core-hour earned, in planck.
        verification: Share of the strikes' CPU time that one verifier spends.
    """

    opening: int
    measured: Tally
    deals: tuple[DealResult, ...]
    cores: float
    active: tuple[str, ...]
    income: float
    verification: float
    issuance_before: int
    issuance_after: int
    multiplier_after: int


def play_window(setting: Setting, params: Params, miners: MiningMarket, chance: Chance) -> Window:
    """Return what a window showed; `miners` is left as they are at its end."""
    target = miners.compute_target(params)
    count = setting.blocks // setting.customer_blocks + 1
    endowments = _make_endowments(setting, params, miners, count)
    chain = PlainChain(params, endowments, opening=setting.opening, target=target, multiplier=setting.multiplier)
    name = f"window {setting.opening}"
    market = Market(chain, miners.largest, effort=setting.effort, chance=chance.get_stream(name, "problems"))
    player = _Player(setting, params, miners, chain, market)
    before = chain.get_issuance()
    half = setting.blocks // 2
    for index in range(setting.blocks):
        if index == half:
            player.begin_measuring()
        player.add_block(index, chance)
    measured = player.end_measuring()
    return Window(
        opening=setting.opening,
        measured=measured,
        deals=tuple(market.list_results()),
        cores=measured.core_hours * HOUR_MS / (measured.blocks * params.work.block_target_ms),
        active=tuple(sorted(miners.active)),
        income=measured.earned / measured.core_hours,
        verification=compute_verification_share(measured, params),
        issuance_before=before,
        issuance_after=chain.get_issuance(),
        multiplier_after=NEXT_FEE_MULTIPLIER.get(chain.state),
    )


class _Player:
    """Plays the blocks of one window."""

    def __init__(
        self, setting: Setting, params: Params, miners: MiningMarket, chain: PlainChain, market: Market
    ) -> None:
        self._setting, self._params, self._miners, self._chain, self._market = setting, params, miners, chain, market
        self._tally, self._since_review = Tally(), Tally()
        self._marks: tuple[int, int] = (0, 0)
        self._voted_at = -1
        self._purses = self._sum_miners()

    def begin_measuring(self) -> None:
        """Forget what was counted so far."""
        self._tally = Tally()
        self._marks = (self._sum_miners(), self._chain.get_issuance())

    def end_measuring(self) -> Tally:
        """Return what was counted."""
        earned_before, issuance_before = self._marks
        tally = self._tally
        tally.earned = self._sum_miners() - earned_before
        tally.burnt = tally.minted - (self._chain.get_issuance() - issuance_before)
        return tally

    def add_block(self, index: int, chance: Chance) -> None:
        """Add one block, with what everybody wants in it."""
        setting, chain, miners = self._setting, self._chain, self._miners
        name = f"window {setting.opening}"
        draw = miners.draw_block(chain.get_target(), chance.get_stream(name, "mining"))
        is_post = index % setting.customer_blocks == 0 and index < POST_SHARE * setting.blocks
        extrinsics = self._market.step(
            spread_value(index // setting.customer_blocks, *setting.values) if is_post else None
        )
        extrinsics += self._make_transfers(chance.get_stream(name, "senders"))
        voters = self._choose_voters(chance.get_stream(name, "voters"))
        added = chain.add_block(extrinsics, author=draw.author, delay_ms=draw.delay_ms, votes=chain.make_votes(voters))
        assert not added.refused, "everything asked for has room"
        self._market.note(added.outcome)
        self._count(added.outcome, draw.delay_ms, self._get_earned())
        if (index + 1) % max(1, setting.blocks // REVIEWS) == 0:
            income = self._since_review.earned / self._since_review.core_hours
            self._since_review = Tally()
            miners.review(income)

    def _make_transfers(self, stream: Random) -> list[bytes]:
        mean, count = self._setting.transfers, 0
        limit = stream.expovariate(1.0)
        while limit < mean:
            count += 1
            limit += stream.expovariate(1.0)
        calls = []
        for number in range(count):
            sender, ahead = SENDERS[number % len(SENDERS)], number // len(SENDERS)
            dest = AddressId(account=get_account(SENDERS[(number + 1) % len(SENDERS)]))
            calls.append(self._chain.sign(sender, transfer_keep_alive, dest, AMOUNT, ahead=ahead))
        return calls

    def _choose_voters(self, stream: Random) -> list[str]:
        """Return who votes in the next block: once for each checkpoint, as soon as votes are due."""
        chain, finality = self._chain, self._params.finality
        checkpoint = chain.head.number - chain.head.number % finality.checkpoint_blocks
        is_due = chain.head.number - checkpoint == finality.vote_depth
        if not is_due or checkpoint == self._voted_at:
            return []
        self._voted_at = checkpoint
        return [name for name in sorted(self._setting.stakes) if stream.random() >= self._setting.absence]

    def _get_earned(self) -> int:
        """Return what miners have more than at the last call."""
        before, self._purses = self._purses, self._sum_miners()
        return self._purses - before

    def _sum_miners(self) -> int:
        return sum(self._chain.get_total(miner.name) for miner in self._miners.miners)

    def _count(self, outcome: BlockOutcome, delay_ms: int, earned: int) -> None:
        core_hours = self._miners.cores * self._params.work.block_target_ms / HOUR_MS
        self._since_review.earned += earned
        self._since_review.core_hours += core_hours
        tally = self._tally
        tally.blocks += 1
        tally.duration_ms += delay_ms
        tally.core_hours += core_hours
        tally.fees += sum(result.fee for result in outcome.extrinsic_results)
        for _, event in outcome.event_rows:
            match event:
                case Minted():
                    tally.minted += event.amount
                case Voted():
                    tally.voted += event.reward
                    tally.votes += 1
                case BatchPaid():
                    gas = self._market.get_strike_gas(event.batch)
                    tally.answers += 1
                    tally.audited_gas += gas * compute_leaf_count(gas, self._params.batch.count_min, self._params.batch)
                case _:
                    pass


def compute_verification_share(tally: Tally, params: Params) -> float:
    """Return what one verifier's tickets, audits and votes cost of the strikes that were run, from what was counted."""
    costs, shots = REFERENCE, params.work.shots
    core_gas = compute_core_gas(bytes(32), params.work.core_qubits, shots)
    ticket_s = costs.seal + 2 * core_gas * costs.per_gas
    answers_s = (
        tally.answers * (costs.answer + params.batch.leaves_max * costs.leaf) + tally.audited_gas * costs.per_gas
    )
    spent = tally.blocks * ticket_s + answers_s + tally.votes * costs.vote
    return spent / (tally.core_hours * HOUR_MS / 1000)


def _make_endowments(setting: Setting, params: Params, miners: MiningMarket, customers: int) -> Endowments:
    """Return who has what: stakes and purses as they are needed, and the rest with somebody who keeps it."""
    purse = int(10 * UNIT_PLANCK + 2 * setting.values[1] * UNIT_PLANCK)
    balances = {miner.name: 1_000 * UNIT_PLANCK for miner in miners.miners}
    balances |= {f"customer {number}": purse for number in range(customers)}
    balances |= dict.fromkeys((*SENDERS, SOLVER), 10_000 * UNIT_PLANCK)
    balances |= {name: stake + UNIT_PLANCK for name, stake in setting.stakes.items()}
    rest = setting.issuance - sum(balances.values())
    if rest <= params.money.existential_deposit_planck:
        raise TooFewTokens(
            f"{setting.issuance // UNIT_PLANCK:,} tokens do not suffice for all stakes and purses; begin with a larger"
            " supply, or with fewer validators, miners or customers"
        )
    return Endowments(balances={**balances, "holder": rest}, validators=setting.stakes)
