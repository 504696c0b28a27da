"""Years of the chain's economy: windows of real blocks at several ages, and the runtime's own arithmetic between them.

A year has millions of blocks; what differs between two of them is the reward, the money there is, and who takes part.
So at each age a window of blocks is run for real (`simulations.economy_window`), and between two ages its rates go on.

Terms:
    age: years of blocks at the block target.
    bridge: from one window's end to the next opening. Issuance grows by every block's reward, as the runtime computes
        it, by the share of the pot that votes earned in the window, and less what the window burnt a block. The fees'
        multiplier goes on at the pace that the runtime's own step has at the window's mean weight.

Invariant: a report follows from chain, seed and options alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import msgspec

from chain.params import UNIT_PLANCK, MoneyParams, Params
from runtime.issuance import REWARD_ERA_BLOCKS, compute_miner_reward, compute_validators_share
from runtime.limits import compute_normal_weight_max
from runtime.pallets.transaction_payment import MULTIPLIER_MAX, MULTIPLIER_MIN, ONE, compute_next_multiplier
from runtime.weights import BASE_EXTRINSIC, TRANSFER
from simulations.arena import UnknownOption
from simulations.chance import Chance
from simulations.economy_agents import MiningMarket, choose_validators, make_miners, make_validators
from simulations.economy_market import DealResult
from simulations.economy_window import Setting, Tally, Window, play_window

YEAR_MS = 31_557_600_000
AGES = (0, 1, 2, 5, 10)
STEPS = 2_000  # of the fees' multiplier, before its pace is taken as constant
DEFAULTS: Mapping[str, float] = {
    "blocks": 960,
    "supply": 12_000_000,
    "price": 0.02,
    "core_hour": 0.04,
    "miners": 24,
    "cores": 40,
    "validators": 12,
    "absence": 0.02,
    "transfers": 2,
    "growth": 1.3,
    "customer_blocks": 10,
    "value_low": 0.002,
    "value_high": 5,
    "effort": 0.001,
}
TRANSFERS_MAX = 2_000  # a block has room for 12,000
RANGES: Mapping[str, tuple[float, float]] = {
    "blocks": (40, 100_000),
    "supply": (1_000_000, 1e15),
    "price": (1e-6, 1e6),
    "core_hour": (1e-6, 1e6),
    "miners": (1, 1_000),
    "cores": (0.01, 1e9),
    "validators": (0, 64),
    "absence": (0, 1),
    "growth": (0, 10),
    "customer_blocks": (1, 1e9),
    "value_low": (1e-3, 1e3),
    "value_high": (1e-3, 1e3),
}
MEANINGS: Mapping[str, str] = {
    "blocks": "real blocks at each age; the second half is measured",
    "supply": "tokens at the beginning",
    "price": "dollars for a token, at all ages",
    "core_hour": "dollars for a core-hour of the usual miner; miners have half to three times that",
    "miners": "miners there are, at work or not",
    "cores": "cores of the middle miner",
    "validators": "holders who validate if it pays",
    "absence": "how often a validator misses a checkpoint",
    "transfers": "transfers a block in the first year",
    "growth": "their growth a year, as a factor",
    "customer_blocks": "blocks from one customer to the next",
    "value_low": "least value of a solution, in tokens",
    "value_high": "largest value",
    "effort": "what a solution costs its solver beside fees, in tokens",
}


class AgeRow(msgspec.Struct, frozen=True, kw_only=True):
    """The economy at one age. Shares are fractions; `_usd` at the assumed price of a token.

    Attributes:
        inflation: What a year of such blocks issues, less what it burns, of all tokens.
        security_usd: What miners and validators earn a year: what an attacker's rivals are paid.
        income: What a core-hour of mining earns: the break-even cost.
        fee_burn: Burnt a block.
        burn_share: Burnt of what is issued.
        posting: Least value of a solution above which every customer gained; 0 without customers.
        posting_fees: Mean outlay of customers whose problem nobody solved.
        yield_: What a validator that misses nothing earns a year on its stake.
        staked: Stake of all tokens.
        verification: One verifier's share of the strikes' CPU time.
    """

    age: int
    height: int
    supply: float
    inflation: float
    reward: float
    security: float
    security_usd: float
    cores: float
    miners: int
    income: float
    income_usd: float
    fees: float
    fee_burn: float
    burn_share: float
    fee_multiplier: float
    solved: int
    sampled: int
    deals: int
    posting: float
    posting_fees: float
    yield_: float
    staked: float
    verification: float


class EconomyReport(msgspec.Struct, frozen=True, kw_only=True):
    """All ages of one run."""

    chain: str
    seed: int
    options: Mapping[str, float]
    blocks_a_year: float
    half_life_years: float
    rows: tuple[AgeRow, ...]


def make_economy_options(settings: Mapping[str, str]) -> dict[str, float]:
    """Return the options of a run.

    Raises:
        UnknownOption: the sentence lists what there is.
    """
    numbers = dict(DEFAULTS)
    for name, text in settings.items():
        if name not in numbers:
            raise UnknownOption(f"the economy has no option {name!r}; it has {', '.join(sorted(numbers))}")
        try:
            numbers[name] = float(text)
        except ValueError as error:
            raise UnknownOption(f"{name} needs a number, not {text!r}") from error
        low, high = RANGES.get(name, (0.0, 1e12))
        if not low <= numbers[name] <= high:
            raise UnknownOption(f"{name} must be {low:g} to {high:g}, not {text}")
    if numbers["value_low"] > numbers["value_high"]:
        raise UnknownOption("value_low must not exceed value_high")
    if numbers["transfers"] * numbers["growth"] ** AGES[-1] > TRANSFERS_MAX:
        raise UnknownOption(f"transfers grow beyond {TRANSFERS_MAX:,} a block, for which a block has not always room")
    return numbers


def play_economy(
    chain: str,
    params: Params,
    seed: int,
    options: Mapping[str, float],
    on_age: Callable[[int], None] | None = None,
) -> EconomyReport:
    """Return what each age shows.

    Args:
        chain: Name of the chain spec, for the report.
        on_age: Told before each window which age it is of.

    Raises:
        TooFewTokens: for what everybody must have at the beginning.
    """
    chance = Chance(seed)
    people = chance.get_stream("people")
    miners = make_miners(
        int(options["miners"]), cores=options["cores"], core_hour_usd=options["core_hour"], chance=people
    )
    market = MiningMarket(miners, [miner.name for miner in miners], options["price"])
    validators = make_validators(int(options["validators"]), chance=people)
    blocks_a_year = YEAR_MS / params.work.block_target_ms
    issuance, multiplier, rows = int(options["supply"]) * UNIT_PLANCK, ONE, list[AgeRow]()
    for age, following in pairwise((*AGES, None)):
        assert age is not None
        if on_age is not None:
            on_age(age)
        opening = compute_opening(age, params)
        stakes = choose_validators(
            validators, issuance=issuance, height=opening, params=params, blocks_a_year=blocks_a_year
        )
        setting = make_setting(options, opening, issuance, multiplier, stakes)
        setting = msgspec.structs.replace(
            setting,
            blocks=round_blocks(setting.blocks, params),
            transfers=options["transfers"] * options["growth"] ** age,
        )
        window = play_window(setting, params, market, chance)
        rows.append(_make_row(age, setting, window, params, options["price"]))
        if following is not None:
            until = compute_opening(following, params)
            issuance = bridge_issuance(window, params, until)
            multiplier = bridge_multiplier(window, setting, params, until)
    decay = params.money.reward_decay_ppb / 10**9
    return EconomyReport(
        chain=chain,
        seed=seed,
        options=dict(options),
        blocks_a_year=blocks_a_year,
        half_life_years=0.6931471805599453 / (decay * blocks_a_year) if decay else 0.0,
        rows=tuple(rows),
    )


def compute_opening(age: int, params: Params) -> int:
    """Return the checkpoint at which a window of this age opens; the first checkpoint at age 0."""
    step = params.finality.checkpoint_blocks
    return max(1, int(age * YEAR_MS / params.work.block_target_ms) // step) * step


def round_blocks(blocks: int, params: Params) -> int:
    """Return at least so many blocks, half of which have a whole number of checkpoints."""
    step = 2 * params.finality.checkpoint_blocks
    return -(-blocks // step) * step


def make_setting(
    options: Mapping[str, float], opening: int, issuance: int, multiplier: int, stakes: dict[str, int]
) -> Setting:
    """Return how a window begins."""
    return Setting(
        opening=opening,
        blocks=int(options["blocks"]),
        issuance=issuance,
        multiplier=multiplier,
        stakes=stakes,
        transfers=options["transfers"],
        customer_blocks=int(options["customer_blocks"]),
        values=(options["value_low"], options["value_high"]),
        effort=options["effort"] * UNIT_PLANCK,
        absence=options["absence"],
    )


# ---- bridges


def bridge_issuance(window: Window, params: Params, until: int) -> int:
    """Return the tokens at a later height: the rewards of all blocks up to it, and the window's rates of the rest."""
    first = window.opening + 1
    measured = window.measured
    pot = sum_validators_share(params.money, window.opening + 1, window.opening + 1 + 2 * measured.blocks)
    claimed = min(1.0, 2 * measured.voted / pot) if pot else 0.0
    rewards = sum_rewards(params.money, first, until)
    shares = int(claimed * sum_validators_share(params.money, first, until))
    return window.issuance_before + rewards + shares - measured.burnt * (until - window.opening) // measured.blocks


def bridge_multiplier(window: Window, setting: Setting, params: Params, until: int) -> int:
    """Return the fees' multiplier at a later height, when every block weighs what those of the window did."""
    weight = round(setting.transfers * (TRANSFER + BASE_EXTRINSIC))
    weight_max = compute_normal_weight_max(params)
    blocks = until - window.opening - setting.blocks
    return extrapolate_multiplier(window.multiplier_after, weight=weight, weight_max=weight_max, blocks=blocks)


def extrapolate_multiplier(multiplier: int, *, weight: int, weight_max: int, blocks: int) -> int:
    """Return the multiplier after so many blocks of one weight: by the runtime's own step, then at its pace."""
    later = multiplier
    for _ in range(min(blocks, STEPS)):
        later = compute_next_multiplier(later, weight=weight, weight_max=weight_max)
    if blocks <= STEPS:
        return later
    pace = (later / multiplier) ** (1 / STEPS)
    grown: float = later * pace ** (blocks - STEPS)
    return round(min(max(grown, MULTIPLIER_MIN), MULTIPLIER_MAX))


def sum_rewards(money: MoneyParams, first: int, until: int) -> int:
    """Return what the authors of the blocks from `first` up to but without `until` earn."""
    return _sum_eras(lambda height: compute_miner_reward(money, height), first, until)


def sum_validators_share(money: MoneyParams, first: int, until: int) -> int:
    """Return what validators may earn of the blocks from `first` up to but without `until`."""
    return _sum_eras(lambda height: compute_validators_share(money, height), first, until)


def _sum_eras(amount: Callable[[int], int], first: int, until: int) -> int:
    """Return a sum over heights of what is the same within an era."""
    total, height = 0, first
    while height < until:
        end = min(until, (height // REWARD_ERA_BLOCKS + 1) * REWARD_ERA_BLOCKS)
        total += amount(height) * (end - height)
        height = end
    return total


# ---- the report


def _make_row(age: int, setting: Setting, window: Window, params: Params, price: float) -> AgeRow:
    measured = window.measured
    a_year = YEAR_MS / params.work.block_target_ms / measured.blocks
    stake = sum(setting.stakes.values())
    earned = _to_tokens(measured.earned + measured.voted) * a_year
    unsolved = [deal.outlay for deal in window.deals if not deal.is_solved]
    return AgeRow(
        age=age,
        height=setting.opening,
        supply=_to_tokens(setting.issuance),
        inflation=(measured.minted - measured.burnt) * a_year / setting.issuance,
        reward=_to_tokens(measured.minted) / measured.blocks,
        security=earned,
        security_usd=earned * price,
        cores=window.cores,
        miners=len(window.active),
        income=_to_tokens(window.income),
        income_usd=_to_tokens(window.income) * price,
        fees=_to_tokens(measured.fees) / measured.blocks,
        fee_burn=_to_tokens(measured.burnt) / measured.blocks,
        burn_share=measured.burnt / measured.minted if measured.minted else 0.0,
        fee_multiplier=setting.multiplier / ONE,
        solved=sum(deal.is_solved for deal in window.deals),
        sampled=sum(deal.is_sampled for deal in window.deals),
        deals=len(window.deals),
        posting=_to_tokens(find_break_even(window.deals)),
        posting_fees=_to_tokens(sum(unsolved)) / len(unsolved) if unsolved else 0.0,
        yield_=_compute_yield(measured, stake, a_year, params),
        staked=stake / setting.issuance,
        verification=window.verification,
    )


def find_break_even(deals: Sequence[DealResult]) -> float:
    """Return the least value from which on every customer gained, 0 without customers."""
    least = 0.0
    for deal in sorted(deals, key=lambda item: item.value, reverse=True):
        if deal.gain <= 0:
            break
        least = float(deal.value)
    return least


def _compute_yield(measured: Tally, stake: int, a_year: float, params: Params) -> float:
    """Return what votes earned a year of the stake, less the includers' part."""
    kept = 1 - params.finality.includer_share_ppb / 10**9
    return measured.voted * kept * a_year / stake if stake else 0.0


def _to_tokens(planck: float) -> float:
    return planck / UNIT_PLANCK
