"""Balances: free money, holds with named reasons, and the total issuance.

Terms:
    free: what an account may spend. reserved: what is on hold, the sum of the account's holds.
    existential deposit: the least that an account may have; what is left below it is dust, and burnt.
    reaped: an account whose balances are gone; its nonce stays, so that nothing it signed is valid twice.

Invariants: the total issuance is the sum of all free and reserved balances; an account's reserved balance is the sum
of its holds; a free balance is zero or at least the existential deposit.
"""

from __future__ import annotations

from enum import IntEnum, nonmember
from typing import ClassVar

import msgspec

from chain.metadata import ConstantMeta
from chain.params import Params
from chain.scale import codec_of_alias
from chain.scale_shapes import U128, AccountId, CompactU128
from chain.substrate_types import NEW_LOGIC_FLAG, AccountData, AccountInfo, AddressId, MultiAddress
from runtime.dispatch import (
    BelowMinimum,
    CannotLookup,
    Frozen,
    FundsUnavailable,
    InvariantBroken,
    NotExpendable,
    Overflow,
    Pallet,
    call,
)
from runtime.environment import Environment
from runtime.pallets.system import ACCOUNT, KilledAccount, NewAccount
from runtime.storage import Overlay, StorageMap, StorageValue
from runtime.weights import TRANSFER, TRANSFER_ALL

# ---- parameters

NAME = "Balances"
BALANCE_MAX = 2**128 - 1


class HoldReason(IntEnum):
    """Why money is on hold."""

    scale_path = nonmember(("matchstrike_runtime", "RuntimeHoldReason"))
    ProblemBounty = 0
    ProblemWorkBudget = 1
    ProblemDeposit = 2
    Staking = 3
    SolverBond = 4
    AuditDeposit = 5
    SolutionDeposit = 6


class IdAmount(msgspec.Struct, frozen=True, kw_only=True):
    """One hold of an account."""

    scale_path: ClassVar[tuple[str, ...]] = ("frame_support", "traits", "tokens", "misc", "IdAmount")
    id: HoldReason
    amount: U128


# ---- storage

TOTAL_ISSUANCE: StorageValue[int] = StorageValue(
    NAME, "TotalIssuance", U128, 0, docs="The total units issued in the system."
)
HOLDS: StorageMap[bytes, tuple[IdAmount, ...]] = StorageMap(
    NAME, "Holds", (AccountId, tuple[IdAmount, ...]), default=(), docs="Holds on account balances, by reason."
)

# ---- events


class Endowed(msgspec.Struct, frozen=True, kw_only=True):
    """An account was created with some free balance."""

    account: AccountId
    free_balance: U128


class DustLost(msgspec.Struct, frozen=True, kw_only=True):
    """An account was removed whose balance was below the existential deposit; that balance is burnt."""

    account: AccountId
    amount: U128


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """Transfer succeeded."""

    from_: AccountId
    to: AccountId
    amount: U128
    scale_field_names: ClassVar[dict[str, str]] = {"from_": "from"}


class Deposit(msgspec.Struct, frozen=True, kw_only=True):
    """Some amount was deposited (e.g. for transaction fees)."""

    who: AccountId
    amount: U128


class Withdraw(msgspec.Struct, frozen=True, kw_only=True):
    """Some amount was withdrawn from the account (e.g. for transaction fees)."""

    who: AccountId
    amount: U128


class Minted(msgspec.Struct, frozen=True, kw_only=True):
    """Some amount was minted into an account."""

    who: AccountId
    amount: U128


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Some balance was placed on hold."""

    reason: HoldReason
    who: AccountId
    amount: U128


class BurnedHeld(msgspec.Struct, frozen=True, kw_only=True):
    """Held balance was burned from an account."""

    reason: HoldReason
    who: AccountId
    amount: U128


class TransferOnHold(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer of held balance to another account's free balance."""

    reason: HoldReason
    source: AccountId
    dest: AccountId
    amount: U128


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """Some balance was released from hold."""

    reason: HoldReason
    who: AccountId
    amount: U128


# ---- calls


@call(index=0, weight=TRANSFER)
def transfer_allow_death(env: Environment, origin: bytes, dest: MultiAddress, value: CompactU128) -> None:
    """Transfer some liquid free balance to another account.

    If the sender's account falls below the existential deposit, it is reaped and the rest burnt.
    """
    _transfer(env, origin, look_up(dest), value, keep_alive=False)


@call(index=3, weight=TRANSFER)
def transfer_keep_alive(env: Environment, origin: bytes, dest: MultiAddress, value: CompactU128) -> None:
    """Transfer some liquid free balance to another account, and keep the sender's account alive."""
    _transfer(env, origin, look_up(dest), value, keep_alive=True)


@call(index=4, weight=TRANSFER_ALL)
def transfer_all(env: Environment, origin: bytes, dest: MultiAddress, keep_alive: bool) -> None:
    """Transfer the entire transferable balance from the caller account.

    With `keep_alive` the existential deposit stays, as it does while some of the account's balance is on hold.
    """
    info = ACCOUNT.get(env.state, origin)
    stays = env.params.money.existential_deposit_planck if keep_alive or info.consumers else 0
    _transfer(env, origin, look_up(dest), max(info.data.free - stays, 0), keep_alive=keep_alive)


# ---- what other pallets use


def look_up(address: MultiAddress) -> bytes:
    """Return the account an address names.

    Raises:
        CannotLookup: the address is not an account id.
    """
    # SPEC RUN-03: An address in a call MUST be a MultiAddress::Id.
    if type(address) is not AddressId:
        raise CannotLookup(f"an address of the kind {type(address).__name__} names no account here")
    return address.account


def with_data(info: AccountInfo, *, free: int, reserved: int, nonce: int) -> AccountInfo:
    """Return the account with these balances and nonce; references follow from the balances."""
    return AccountInfo(
        nonce=nonce,
        consumers=1 if reserved else 0,
        providers=1 if free or reserved else 0,
        data=AccountData(free=free, reserved=reserved, frozen=info.data.frozen, flags=NEW_LOGIC_FLAG),
    )


def deposit(env: Environment, who: bytes, amount: int) -> bool:
    """Add new money to a free balance, and say whether it was possible; the caller raises the issuance.

    It is not possible for an account that would exist with less than the existential deposit.
    """
    info = ACCOUNT.get(env.state, who)
    free = info.data.free + amount
    if free < env.params.money.existential_deposit_planck:
        return False
    _credit(env, who, info, free)
    return True


def mint(env: Environment, who: bytes, amount: int) -> int:
    """Issue `amount` to an account and return what was issued (nothing if the account cannot exist with it)."""
    if amount == 0 or not deposit(env, who, amount):
        return 0
    change_issuance(env, amount)
    env.deposit_event(Minted(who=who, amount=amount))
    return amount


def change_issuance(env: Environment, difference: int) -> None:
    """Add to the total issuance, or burn from it."""
    if difference:
        TOTAL_ISSUANCE.set(env.state, TOTAL_ISSUANCE.get(env.state) + difference)


def hold(env: Environment, who: bytes, reason: HoldReason, amount: int) -> None:
    """Put free money on hold.

    Raises:
        FundsUnavailable: the free balance would fall below the existential deposit.
    """
    if amount == 0:
        return
    state = env.state
    info = ACCOUNT.get(state, who)
    data = info.data
    # SPEC MNY-06: A hold MUST leave the existential deposit in the free balance.
    if data.free - amount < env.params.money.existential_deposit_planck:
        raise FundsUnavailable(f"{amount} planck cannot be held of {data.free}, of which the existential deposit stays")
    account = with_data(info, free=data.free - amount, reserved=data.reserved + amount, nonce=info.nonce)
    ACCOUNT.set(state, who, account)
    _change_hold(state, who, reason, amount)
    env.deposit_event(Held(reason=reason, who=who, amount=amount))


def release(env: Environment, who: bytes, reason: HoldReason, amount: int) -> None:
    """Make held money free again."""
    if amount == 0:
        return
    _take_held(env.state, who, reason, amount)
    info = ACCOUNT.get(env.state, who)
    _credit(env, who, info, info.data.free + amount)
    env.deposit_event(Released(reason=reason, who=who, amount=amount))


def pay_from_hold(env: Environment, who: bytes, reason: HoldReason, *, dest: bytes, amount: int) -> None:
    """Move held money to another account's free balance; burn it where that account cannot exist with it."""
    if amount == 0:
        return
    _take_held(env.state, who, reason, amount)
    # SPEC MNY-07: Money for an account that would exist with less than the existential deposit MUST be burnt.
    if deposit(env, dest, amount):
        env.deposit_event(TransferOnHold(reason=reason, source=who, dest=dest, amount=amount))
    else:
        change_issuance(env, -amount)
        env.deposit_event(BurnedHeld(reason=reason, who=who, amount=amount))


def burn_held(env: Environment, who: bytes, reason: HoldReason, amount: int) -> None:
    """Burn held money."""
    if amount == 0:
        return
    _take_held(env.state, who, reason, amount)
    change_issuance(env, -amount)
    env.deposit_event(BurnedHeld(reason=reason, who=who, amount=amount))


def _transfer(env: Environment, source: bytes, dest: bytes, value: int, *, keep_alive: bool) -> None:
    state = env.state
    existential, info = env.params.money.existential_deposit_planck, ACCOUNT.get(state, source)
    free = info.data.free - value
    # SPEC MNY-02: A transfer MUST NOT exceed the sender's free balance.
    if free < 0:
        raise FundsUnavailable(f"{info.data.free} planck are free, {value} were asked for")
    if value == 0:
        env.deposit_event(Transfer(from_=source, to=dest, amount=0))
        return
    if free < existential:
        # SPEC MNY-05: While an account has money on hold, its free balance MUST NOT fall below the existential deposit.
        if info.consumers:
            raise Frozen("the account has money on hold, so the existential deposit must stay free")
        # SPEC MNY-04: A transfer that keeps the sender alive MUST leave it the existential deposit.
        if keep_alive:
            raise NotExpendable(f"{free} planck would be left, fewer than the existential deposit")
    if source == dest:
        return
    target = ACCOUNT.get(state, dest)
    received = target.data.free + value
    # SPEC MNY-03: An account MUST NOT come to exist with less than the existential deposit.
    if received < existential:
        raise BelowMinimum(f"the receiver would have {received} planck, fewer than the existential deposit")
    # SPEC MNY-01: A balance MUST fit 128 bits.
    if received > BALANCE_MAX:
        raise Overflow("the receiver's balance would exceed 128 bits")
    _debit(env, source, info, free)
    _credit(env, dest, target, received)
    env.deposit_event(Transfer(from_=source, to=dest, amount=value))


def _debit(env: Environment, who: bytes, info: AccountInfo, free: int) -> None:
    """Lower a free balance to `free`; below the existential deposit the rest is burnt and the account reaped."""
    if free >= env.params.money.existential_deposit_planck:
        ACCOUNT.set(env.state, who, with_data(info, free=free, reserved=info.data.reserved, nonce=info.nonce))
        return
    # SPEC MNY-08: What a reaped account leaves below the existential deposit MUST be burnt.
    # SPEC MNY-09: A reaped account MUST keep its nonce, so that no extrinsic is valid twice.
    ACCOUNT.set(env.state, who, AccountInfo(nonce=info.nonce))
    env.deposit_event(KilledAccount(account=who))
    if free:
        change_issuance(env, -free)
        env.deposit_event(DustLost(account=who, amount=free))


def _credit(env: Environment, who: bytes, info: AccountInfo, free: int) -> None:
    """Raise a free balance to `free`, which is at least the existential deposit."""
    ACCOUNT.set(env.state, who, with_data(info, free=free, reserved=info.data.reserved, nonce=info.nonce))
    if not info.providers:
        env.deposit_event(NewAccount(account=who))
        env.deposit_event(Endowed(account=who, free_balance=free))


def _take_held(state: Overlay, who: bytes, reason: HoldReason, amount: int) -> None:
    """Lower hold and reserved balance; the money is then nobody's until the caller places or burns it."""
    info = ACCOUNT.get(state, who)
    _change_hold(state, who, reason, -amount)
    reserved = info.data.reserved - amount
    ACCOUNT.set(state, who, with_data(info, free=info.data.free, reserved=reserved, nonce=info.nonce))


def _change_hold(state: Overlay, who: bytes, reason: HoldReason, difference: int) -> None:
    amounts = {item.id: item.amount for item in HOLDS.get(state, who)}
    amount = amounts.get(reason, 0) + difference
    if amount < 0:
        raise InvariantBroken(f"a hold of {reason.name} of 0x{who.hex()} would be negative")
    amounts[reason] = amount
    entries = tuple(IdAmount(id=key, amount=amounts[key]) for key in sorted(amounts) if amounts[key])
    if entries:
        HOLDS.set(state, who, entries)
    else:
        HOLDS.remove(state, who)


# ---- invariants


def check_invariants(state: Overlay, params: Params) -> None:
    """Refuse a state whose sums do not agree."""
    total = 0
    reserved: dict[bytes, int] = {}
    for who, info in ACCOUNT.iterate(state):
        total += info.data.free + info.data.reserved
        if info.data.reserved:
            reserved[who] = info.data.reserved
        if 0 < info.data.free < params.money.existential_deposit_planck:
            raise InvariantBroken(f"account 0x{who.hex()} has {info.data.free} planck, below the existential deposit")
    issuance = TOTAL_ISSUANCE.get(state)
    if total != issuance:
        raise InvariantBroken(f"the balances sum to {total} planck, the total issuance says {issuance}")
    held = {who: sum(item.amount for item in items) for who, items in HOLDS.iterate(state)}
    if held != reserved:
        raise InvariantBroken("the holds differ from the reserved balances")


def make_constants(params: Params) -> tuple[ConstantMeta, ...]:
    """Return what clients read from the metadata."""
    value = codec_of_alias(U128).encode(params.money.existential_deposit_planck)
    return (ConstantMeta(name="ExistentialDeposit", annotation=U128, value=value),)


BALANCES = Pallet(
    name=NAME,
    index=4,
    storage=(TOTAL_ISSUANCE, HOLDS),
    events=(Endowed, DustLost, Transfer, Deposit, Withdraw, Minted, Held, BurnedHeld, TransferOnHold, Released),
    calls=(transfer_allow_death, transfer_keep_alive, transfer_all),
    constants=make_constants,
    check_invariants=check_invariants,
)
