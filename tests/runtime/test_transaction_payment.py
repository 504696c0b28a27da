"""Fees: their parts, who gets them, and the multiplier."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.params import Params
from runtime.limits import compute_normal_weight_max
from runtime.pallets.balances import Deposit, Withdraw
from runtime.pallets.system import remark
from runtime.pallets.transaction_payment import (
    MULTIPLIER_MAX,
    MULTIPLIER_MIN,
    NEXT_FEE_MULTIPLIER,
    ONE,
    TransactionFeePaid,
    compute_fee,
    compute_next_multiplier,
)
from runtime.weights import BASE_EXTRINSIC
from tests.support.runtime_chain import RuntimeChain, get_events, get_key

WEIGHT_MAX = compute_normal_weight_max(Params())


@pytest.mark.parametrize("tip", [0, 1, 10**12])
def test_mny_10_half_of_the_fee_is_burnt_and_the_tip_is_the_authors(tip: int) -> None:
    """MNY-10: what is withdrawn is deposited or burnt, to the planck."""
    chain = RuntimeChain()
    before, author = chain.get_issuance(), chain.get_free("miner")
    outcome = chain.add_block(chain.sign("alice", remark, b"abc", tip=tip))
    (paid,) = get_events(outcome, TransactionFeePaid)
    burnt = (paid.actual_fee - tip) // 2
    assert (paid.who, paid.tip) == (get_key("alice"), tip)
    assert get_events(outcome, Withdraw) == [Withdraw(who=get_key("alice"), amount=paid.actual_fee)]
    assert get_events(outcome, Deposit) == [Deposit(who=get_key("miner"), amount=paid.actual_fee - burnt)]
    assert chain.get_issuance() == before - burnt
    assert chain.get_free("miner") == author + paid.actual_fee - burnt


def test_mny_10_a_fee_for_an_author_without_an_account_is_burnt() -> None:
    """MNY-10, MNY-07: a share below the existential deposit creates nobody; all of it is burnt."""
    chain = RuntimeChain()
    before = chain.get_issuance()
    outcome = chain.add_block(chain.sign("alice", remark, b""), author="nobody")
    assert not get_events(outcome, Deposit)
    assert chain.get_issuance() == before - outcome.extrinsic_results[1].fee


def test_a_fee_has_base_length_and_weight() -> None:
    """Identity of weight and planck in the default params; the multiplier scales the weight only."""
    details = compute_fee(Params(), 2 * ONE, weight=1_000, length=100, tip=7)
    assert (details.base_fee, details.length_fee, details.adjusted_weight_fee, details.tip) == (
        BASE_EXTRINSIC,
        100 * Params().money.fee_per_byte_planck,
        2_000,
        7,
    )
    assert details.total == BASE_EXTRINSIC + 100 * Params().money.fee_per_byte_planck + 2_007


@given(previous=st.integers(MULTIPLIER_MIN, MULTIPLIER_MAX), weight=st.integers(0, 2 * WEIGHT_MAX))
def test_mny_11_the_multiplier_follows_the_formula(previous: int, weight: int) -> None:
    """MNY-11: against exact fractions, and within its bounds."""
    found = compute_next_multiplier(previous, weight=weight, weight_max=WEIGHT_MAX)
    step = Fraction(1, 100_000) * (Fraction(min(weight, WEIGHT_MAX), WEIGHT_MAX) - Fraction(1, 4))
    exact = previous * (1 + step + step * step / 2)
    clamped = min(max(exact, MULTIPLIER_MIN), MULTIPLIER_MAX)
    assert abs(found - clamped) <= 1 + previous * 2 / ONE
    assert MULTIPLIER_MIN <= found <= MULTIPLIER_MAX


def test_empty_blocks_make_calls_cheaper() -> None:
    """By a quarter of 10^-5 a block."""
    chain = RuntimeChain()
    chain.add_block()
    assert NEXT_FEE_MULTIPLIER.get(chain.state) == pytest.approx(ONE * (1 - 0.25e-5), rel=1e-9)
