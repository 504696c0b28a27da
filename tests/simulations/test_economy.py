"""The economy: old chains, bridges between windows, miners who come and go, problems that are posted for real."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from chain.params import UNIT_PLANCK, MoneyParams
from genesis.presets import make_local
from runtime.environment import Environment
from runtime.issuance import compute_miner_reward, compute_validators_share
from runtime.pallets.balances import change_issuance, deposit, mint
from runtime.pallets.transaction_payment import MULTIPLIER_MIN, ONE, compute_next_multiplier
from simulations import money
from simulations.arena import UnknownOption
from simulations.chance import Chance
from simulations.economy import (
    DEFAULTS,
    MEANINGS,
    bridge_issuance,
    compute_opening,
    extrapolate_multiplier,
    find_break_even,
    make_economy_options,
    make_setting,
    sum_rewards,
    sum_validators_share,
)
from simulations.economy_agents import Miner, MiningMarket, Validator, choose_validators
from simulations.economy_market import DealResult
from simulations.economy_window import Setting, play_window
from simulations.money import MoneyBroken
from simulations.plain_chain import Endowments, PlainChain

PARAMS = make_local().params
VOTERS = ("alice", "bob", "carol")
RICH = 1_000 * UNIT_PLANCK


def make_chain(opening: int) -> PlainChain:
    stakes = dict.fromkeys(VOTERS, 500 * UNIT_PLANCK)
    return PlainChain(
        PARAMS, Endowments(balances=dict.fromkeys(("miner", *VOTERS), RICH), validators=stakes), opening=opening
    )


def grow(chain: PlainChain, until: int) -> list[int]:
    """Return the issuance after each block, all voting when votes are due."""
    issued = []
    while chain.head.number < until:
        is_due = chain.head.number % 5 == PARAMS.finality.vote_depth
        chain.add_block((), author="miner", delay_ms=3_000, votes=chain.make_votes(VOTERS if is_due else ()))
        issued.append(chain.get_issuance())
    return issued


def make_market(*, price: float = 1.0) -> MiningMarket:
    miners = [Miner(name=name, cores=10, core_hour_usd=cost) for name, cost in (("a", 1.0), ("b", 2.0), ("c", 4.0))]
    return MiningMarket(miners, ["a", "b"], price)


def make_plain_setting(**changes: float) -> Setting:
    options = make_economy_options({"customer_blocks": "1000000", "transfers": "1", "absence": "0.1"})
    setting = make_setting(options, 980, 10**7 * UNIT_PLANCK, ONE, {"validator 1": 10**5 * UNIT_PLANCK})
    return replace(setting, **changes)


def test_a_chain_that_opens_at_a_height_does_to_money_what_one_does_that_grew_there() -> None:
    grown, opened = make_chain(0), make_chain(20)
    before = grow(grown, 24)[-1]
    steps = [now - before for now in grow(grown, 40)]
    before = grow(opened, 24)[-1]
    assert [now - before for now in grow(opened, 40)] == steps
    assert steps[-1] > 0


def test_votes_make_checkpoints_of_an_old_chain_final() -> None:
    chain = make_chain(1_000_000)
    grow(chain, 1_000_030)
    outcome = chain.add_block((), author="miner", delay_ms=3_000).outcome
    assert outcome.finality.final_height >= 1_000_015


def test_money_from_nowhere_is_seen_in_the_block_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = make_chain(0)
    grow(chain, 3)
    monkeypatch.setattr("runtime.pallets.work.mint", deposit)
    with pytest.raises(MoneyBroken, match="and the issuance 0"):
        grow(chain, 4)


def test_a_unit_from_nowhere_ends_a_window_of_the_economy(monkeypatch: pytest.MonkeyPatch) -> None:
    def mint_more(env: Environment, who: bytes, amount: int) -> int:
        change_issuance(env, 1)
        return mint(env, who, amount)

    monkeypatch.setattr("runtime.pallets.work.mint", mint_more)
    with pytest.raises(MoneyBroken, match="its events say"):
        play_window(make_plain_setting(blocks=10), PARAMS, make_market(), Chance(1))


def test_nothing_in_simulations_executes_blocks_without_counting_the_money() -> None:
    for path in sorted(Path(money.__file__).parent.glob("*.py")):
        text = path.read_text()
        makes_runtime = "import Runtime" in text or " Runtime," in text or "executive import BlockExecution" in text
        assert not (makes_runtime or "execution.finish()" in text) or path.name == "money.py", path.name


def test_sums_over_years_are_the_sums_over_their_blocks() -> None:
    money = MoneyParams(reward_decay_ppb=100_000)
    heights = range(990, 4_010)
    assert sum_rewards(money, 990, 4_010) == sum(compute_miner_reward(money, height) for height in heights)
    assert sum_validators_share(money, 990, 4_010) == sum(compute_validators_share(money, h) for h in heights)


def test_a_bridge_ends_where_real_blocks_do() -> None:
    """From 40 blocks to 240, over an era's end at which the reward falls by a hundredth."""
    params = replace(PARAMS, money=MoneyParams(reward_decay_ppb=10_000))
    short = play_window(make_plain_setting(blocks=40), params, make_market(), Chance(3))
    long = play_window(make_plain_setting(blocks=240), params, make_market(), Chance(3))
    bridged = bridge_issuance(short, params, 980 + 240)
    grown = long.issuance_after - long.issuance_before
    assert abs(bridged - long.issuance_after) < 0.02 * grown


def test_the_multiplier_of_fees_goes_on_at_the_runtimes_pace() -> None:
    weight_max = 1_500_000_000_000
    stepped = ONE
    for _ in range(12_000):
        stepped = compute_next_multiplier(stepped, weight=10**9, weight_max=weight_max)
    extrapolated = extrapolate_multiplier(ONE, weight=10**9, weight_max=weight_max, blocks=12_000)
    assert extrapolated == pytest.approx(stepped, rel=1e-6)
    assert extrapolate_multiplier(ONE, weight=10**9, weight_max=weight_max, blocks=10**7) == MULTIPLIER_MIN


def test_who_loses_stops_and_who_would_gain_begins() -> None:
    market = make_market()
    market.review(1.5 * UNIT_PLANCK)
    assert market.active == {"a"}
    market.review(3.0 * UNIT_PLANCK)
    assert market.active == {"a"}, "two would share the income: 1.5 each, less than b's 2"
    market.review(4.1 * UNIT_PLANCK)
    assert market.active == {"a", "b"}
    market.review(0.1 * UNIT_PLANCK)
    market.review(0.1 * UNIT_PLANCK)
    assert market.active == {"a"}, "the last one stays, or there would be no blocks"


def test_twice_the_price_halves_the_tokens_that_a_core_hour_costs() -> None:
    cheap, dear = make_market(price=1.0), make_market(price=2.0)
    assert cheap.compute_cost(cheap.miners[0]) == 2 * dear.compute_cost(dear.miners[0])


def test_validators_bond_as_long_as_each_earns_what_it_wants() -> None:
    people = [Validator(name=name, holds=0.1, wanted=wanted) for name, wanted in (("x", 0.02), ("y", 0.1), ("z", 0.6))]
    stakes = choose_validators(people, issuance=10**6 * UNIT_PLANCK, height=5, params=PARAMS, blocks_a_year=10_000)
    assert set(stakes) == {"x", "y"}  # 20,000 a year on 200,000 is a tenth
    assert stakes["x"] == 10**5 * UNIT_PLANCK


def test_posting_pays_from_the_value_on_above_which_everybody_gained() -> None:
    deals = [
        DealResult(value=value, outlay=outlay, is_solved=is_solved, is_sampled=False)
        for value, outlay, is_solved in ((10, 1, False), (20, 15, True), (30, 1, False), (40, 25, True), (50, 26, True))
    ]
    assert find_break_even(deals) == 40
    assert find_break_even([]) == 0


def test_openings_are_checkpoints() -> None:
    step = PARAMS.finality.checkpoint_blocks
    assert compute_opening(0, PARAMS) == step
    assert compute_opening(10, PARAMS) % step == 0
    assert compute_opening(10, PARAMS) * PARAMS.work.block_target_ms == pytest.approx(315_576_000_000, rel=1e-6)


def test_options_are_explained_and_unknown_ones_refused() -> None:
    assert set(MEANINGS) == set(DEFAULTS)
    for settings, words in (
        ({"prise": "1"}, "no option"),
        ({"price": "x"}, "needs a number"),
        ({"blocks": "3"}, "40"),
        ({"transfers": "-1"}, "0 to"),
        ({"customer_blocks": "0"}, "1 to"),
        ({"supply": "5"}, "supply must be"),
        ({"value_low": "9"}, "value_high"),
        ({"transfers": "300"}, "room"),
        ({"price": "nan"}, "price must be"),
    ):
        with pytest.raises(UnknownOption, match=words):
            make_economy_options(settings)
