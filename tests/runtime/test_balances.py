"""Balances: transfers, the existential deposit, holds."""

from __future__ import annotations

import pytest

from chain.params import UNIT_PLANCK
from chain.substrate_types import Address20, AddressIndex
from runtime.dispatch import (
    BelowMinimum,
    CannotLookup,
    Frozen,
    FundsUnavailable,
    NotExpendable,
    Overflow,
)
from runtime.pallets.balances import (
    BALANCE_MAX,
    TOTAL_ISSUANCE,
    DustLost,
    Endowed,
    HoldReason,
    Transfer,
    hold,
    pay_from_hold,
    release,
    transfer_all,
    transfer_allow_death,
    transfer_keep_alive,
)
from runtime.pallets.problems import post
from runtime.pallets.system import ACCOUNT, ExtrinsicSuccess, KilledAccount, NewAccount
from tests.support.runtime_chain import ENDOWMENT, RuntimeChain, get_events, get_key, post_arguments, to

EXISTENTIAL = UNIT_PLANCK // 1000


def test_a_transfer_moves_money_and_charges_the_sender() -> None:
    """What the sender loses is what the receiver gets and the fee."""
    chain = RuntimeChain()
    outcome = chain.add_block(chain.sign("alice", transfer_keep_alive, to("bob"), 5 * UNIT_PLANCK))
    fee = outcome.extrinsic_results[1].fee
    assert chain.get_free("bob") == ENDOWMENT + 5 * UNIT_PLANCK
    assert chain.get_free("alice") == ENDOWMENT - 5 * UNIT_PLANCK - fee
    assert chain.get_nonce("alice") == 1
    (transfer,) = get_events(outcome, Transfer)
    assert transfer == Transfer(from_=get_key("alice"), to=get_key("bob"), amount=5 * UNIT_PLANCK)
    assert len(get_events(outcome, ExtrinsicSuccess)) == 2


def test_a_transfer_creates_an_account() -> None:
    """A new account is announced and endowed."""
    chain = RuntimeChain()
    outcome = chain.add_block(chain.sign("alice", transfer_allow_death, to("newcomer"), EXISTENTIAL))
    assert get_events(outcome, NewAccount) == [NewAccount(account=get_key("newcomer"))]
    assert get_events(outcome, Endowed) == [Endowed(account=get_key("newcomer"), free_balance=EXISTENTIAL)]


@pytest.mark.parametrize("call", [transfer_allow_death, transfer_keep_alive])
def test_mny_02_more_than_the_free_balance_is_refused(call: object) -> None:
    """MNY-02: one planck more than there is."""
    RuntimeChain().assert_noop(FundsUnavailable, "alice", call, to("bob"), ENDOWMENT + 1)


def test_mny_03_an_account_below_the_existential_deposit_is_refused() -> None:
    """MNY-03: one planck fewer than the existential deposit."""
    RuntimeChain().assert_noop(BelowMinimum, "alice", transfer_allow_death, to("newcomer"), EXISTENTIAL - 1)


def test_mny_04_keep_alive_keeps_the_existential_deposit() -> None:
    """MNY-04: the sender may not fall below it."""
    chain = RuntimeChain()
    chain.assert_noop(NotExpendable, "alice", transfer_keep_alive, to("bob"), ENDOWMENT - EXISTENTIAL + 1)


def test_mny_01_a_balance_beyond_128_bits_is_refused() -> None:
    """MNY-01: two balances that together do not fit (such a state cannot come about by blocks)."""
    chain = RuntimeChain()
    env = chain.start().env
    for name in ("alice", "bob"):
        info = ACCOUNT.get(env.state, get_key(name))
        data = type(info.data)(free=BALANCE_MAX, flags=info.data.flags)
        ACCOUNT.set(env.state, get_key(name), type(info)(providers=1, data=data))
    with pytest.raises(Overflow):
        transfer_allow_death.function(env, get_key("alice"), to("bob"), 1)


@pytest.mark.parametrize("address", [AddressIndex(index=0), Address20(data=bytes(20))])
def test_run_03_other_kinds_of_address_are_refused(address: object) -> None:
    """RUN-03: only account ids name accounts here."""
    RuntimeChain().assert_noop(CannotLookup, "alice", transfer_keep_alive, address, 1)


def test_mny_08_dust_is_burnt_and_mny_09_the_nonce_stays() -> None:
    """MNY-08, MNY-09: a reaped account leaves dust, which is burnt, and its nonce, which is kept."""
    chain = RuntimeChain()
    before = chain.get_issuance()
    probe = chain.make_block(chain.sign("alice", transfer_allow_death, to("bob"), ENDOWMENT // 2))[1]
    fee = probe.extrinsic_results[1].fee
    raw = chain.sign("alice", transfer_allow_death, to("bob"), ENDOWMENT - fee - 7)
    outcome = chain.add_block(raw)
    fee = outcome.extrinsic_results[1].fee
    dust = get_events(outcome, DustLost)
    assert dust == [DustLost(account=get_key("alice"), amount=7)]
    assert get_events(outcome, KilledAccount) == [KilledAccount(account=get_key("alice"))]
    account = ACCOUNT.get(chain.state, get_key("alice"))
    assert (account.nonce, account.providers, account.data.free) == (1, 0, 0)
    assert chain.get_issuance() == before - 7 - fee // 2


def test_transfer_all_empties_the_account_or_leaves_the_existential_deposit() -> None:
    """With keep_alive the existential deposit stays."""
    chain = RuntimeChain()
    chain.add_block(
        chain.sign("alice", transfer_all, to("bob"), True), chain.sign("charlie", transfer_all, to("bob"), False)
    )
    assert chain.get_free("alice") == EXISTENTIAL
    assert chain.get_free("charlie") == 0


def test_a_transfer_to_oneself_changes_only_the_fee() -> None:
    """Neither gains nor loses."""
    chain = RuntimeChain()
    outcome = chain.add_block(chain.sign("alice", transfer_keep_alive, to("alice"), UNIT_PLANCK))
    assert chain.get_free("alice") == ENDOWMENT - outcome.extrinsic_results[1].fee


def test_mny_05_money_on_hold_keeps_the_existential_deposit_free() -> None:
    """MNY-05: with a hold the account cannot be reaped."""
    chain = RuntimeChain()
    chain.add_block(chain.sign("alice", post, *post_arguments()))
    free = chain.get_free("alice")
    chain.assert_noop(Frozen, "alice", transfer_allow_death, to("bob"), free - EXISTENTIAL + 1)
    chain.add_block(chain.sign("alice", transfer_all, to("bob"), False))
    assert chain.get_free("alice") == EXISTENTIAL


def test_mny_06_a_hold_leaves_the_existential_deposit() -> None:
    """MNY-06: the largest hold leaves exactly it."""
    env = RuntimeChain().start().env
    with pytest.raises(FundsUnavailable):
        hold(env, get_key("alice"), HoldReason.ProblemBounty, ENDOWMENT - EXISTENTIAL + 1)
    hold(env, get_key("alice"), HoldReason.ProblemBounty, ENDOWMENT - EXISTENTIAL)
    release(env, get_key("alice"), HoldReason.ProblemBounty, ENDOWMENT - EXISTENTIAL)
    assert ACCOUNT.get(env.state, get_key("alice")).data.free == ENDOWMENT


def test_mny_07_held_money_for_an_account_that_cannot_exist_is_burnt() -> None:
    """MNY-07: fewer planck than the existential deposit create nobody."""
    chain = RuntimeChain()
    env = chain.start().env
    before = TOTAL_ISSUANCE.get(env.state)
    hold(env, get_key("alice"), HoldReason.ProblemBounty, 10)
    pay_from_hold(env, get_key("alice"), HoldReason.ProblemBounty, dest=get_key("newcomer"), amount=10)
    assert ACCOUNT.find(env.state, get_key("newcomer")) is None
    assert TOTAL_ISSUANCE.get(env.state) == before - 10
