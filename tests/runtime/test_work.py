"""Work: rewards, tickets of epochs, the target of the next block."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.params import MoneyParams, Params
from consensus.asert import compute_largest_target, compute_target, make_first_anchor
from consensus.core_problem import EMPTY_ACCUMULATOR, compute_core_seed, extend_accumulator
from consensus.work import compute_header_ticket
from runtime.issuance import compute_miner_reward
from runtime.pallets.balances import Minted
from runtime.pallets.work import ANCHOR, EPOCH_TICKETS, NEXT_TARGET, RECENT_TIMESTAMPS
from runtime.queries import get_finality, get_work_status
from tests.support.runtime_chain import START_MS, RuntimeChain, get_events, get_key


def test_run_20_a_seal_takes_effect_in_the_next_block() -> None:
    """RUN-20: block 1 rewards nobody, block 2 the author of block 1."""
    chain = RuntimeChain()
    assert not get_events(chain.add_block(author="alice"), Minted)
    outcome = chain.add_block(author="bob")
    reward = compute_miner_reward(chain.params.money, 1)
    assert get_events(outcome, Minted) == [Minted(who=get_key("alice"), amount=reward)]


def test_mny_12_the_author_earns_four_fifths_of_the_issuance() -> None:
    """MNY-12: the validators' fifth is not issued."""
    money = MoneyParams()
    assert compute_miner_reward(money, 1) == money.reward_initial_planck * 8 // 10


def test_mny_13_the_issuance_decays_by_eras() -> None:
    """MNY-13: constant within 1,000 blocks, then as the formula says, in integers."""
    money = replace(MoneyParams(), validator_share_ppb=0)
    assert compute_miner_reward(money, 999) == money.reward_initial_planck
    rewards = [compute_miner_reward(money, height) for height in (1_000, 2_000, 1_000_000, 10**9)]
    for height, reward in zip((1_000, 2_000, 1_000_000), rewards, strict=False):
        exact = money.reward_initial_planck * (1 - 1e-7) ** height
        assert abs(reward - exact) < 1e-9 * exact
    assert rewards == sorted(rewards, reverse=True)
    assert rewards[-1] == 0


def test_the_issuance_grows_by_the_reward_only() -> None:
    """Empty blocks: issuance is endowments plus rewards."""
    chain = RuntimeChain()
    before = chain.get_issuance()
    chain.add_blocks(4)
    assert chain.get_issuance() == before + 3 * compute_miner_reward(chain.params.money, 1)


def test_the_core_problem_follows_from_the_epoch_before_last() -> None:
    """Epochs of four blocks: blocks 8 to 11 use the tickets of blocks 1 to 3, and only these."""
    chain = RuntimeChain()
    tickets = EMPTY_ACCUMULATOR
    seeds = {}
    for _ in range(13):
        context = chain.runtime.get_work_context(chain.view, chain.head, None)
        seeds[context.height] = (context.core_epoch, context.core_seed)
        chain.add_block()
        if chain.head.number < 4:
            tickets = extend_accumulator(tickets, compute_header_ticket(chain.head))
    genesis = chain.genesis_hash
    assert seeds[3] == (0, compute_core_seed(genesis, 0, EMPTY_ACCUMULATOR))
    assert seeds[7] == (1, compute_core_seed(genesis, 1, EMPTY_ACCUMULATOR))
    assert seeds[8] == seeds[11] == (2, compute_core_seed(genesis, 2, tickets))
    assert seeds[12][1] != compute_core_seed(genesis, 3, tickets)
    assert {epoch for epoch, _ in EPOCH_TICKETS.iterate(chain.view)} == {1, 2, 3}


def test_the_target_follows_asert_from_block_one() -> None:
    """Blocks too early make the next target smaller; the context carries times and target."""
    base = Params.tiny()
    params = replace(base, work=replace(base.work, target_fixed=False, block_target_ms=1_000, half_life_ms=10_000))
    chain = RuntimeChain(params)
    first = NEXT_TARGET.get(chain.state)
    assert first == compute_largest_target(params.work) // params.work.target_initial_divisor
    chain.add_blocks(3)
    anchor = make_first_anchor(timestamp_ms=START_MS + 1_000, params=params.work)
    assert ANCHOR.get(chain.state) == anchor
    expected = compute_target(anchor, height=3, clock_ms=START_MS + 3_000, params=params.work)
    context = chain.runtime.get_work_context(chain.view, chain.head, None)
    assert context.target == expected == first
    assert context.recent_timestamps_ms == tuple(START_MS + 1_000 * k for k in (1, 2, 3))
    assert context.parent_timestamp_ms == START_MS + 3_000
    assert context.parent_hash == chain.head.hash


def test_eleven_timestamps_are_kept() -> None:
    """The oldest leaves."""
    chain = RuntimeChain()
    chain.add_blocks(13)
    assert len(RECENT_TIMESTAMPS.get(chain.state)) == 11


def test_the_genesis_hash_is_known_from_the_state() -> None:
    """A runtime that was not told the genesis hash finds it."""
    chain = RuntimeChain()
    chain.add_blocks(3)
    told = chain.runtime.get_work_context(chain.view, chain.head, None)
    untold = type(chain.runtime)(chain.params).get_work_context(chain.view, chain.head, None)
    assert untold == told


def test_work_status_and_final_height() -> None:
    """What RPC shows."""
    chain = RuntimeChain()
    chain.add_blocks(5)
    status = get_work_status(chain.view, chain.params, chain.genesis_hash)
    assert (status.height, status.core_epoch, status.open_problems) == (6, 1, 0)
    assert status.target == status.target_max
    assert get_finality(chain.view).final_height == 3


@pytest.mark.parametrize("height", [0, 1, 10**6])
def test_a_reward_is_never_negative(height: int) -> None:
    """Whatever the height."""
    assert compute_miner_reward(MoneyParams(), height) >= 0
