"""TransactionPayment: what an extrinsic costs, who gets it, and how the price follows the load.

`fee = weight fee of the base extrinsic + length fee + multiplier * weight fee of the call`, and the tip on top. A share
of the fee is burnt; the rest and the whole tip go to the block's author.

Terms:
    multiplier: a fixed-point number, 10^18 is one; it moves towards dearer calls while blocks are fuller than a
        quarter of what signed extrinsics may weigh, and towards cheaper ones otherwise.

Invariants: the multiplier stays within its bounds; what is withdrawn equals what is deposited plus what is burnt.

Source: pallet_transaction_payment, TargetedFeeAdjustment.
"""

from __future__ import annotations

from enum import IntEnum, nonmember

import msgspec

from chain.metadata import ConstantMeta
from chain.params import Params
from chain.scale import codec_of_alias
from chain.scale_shapes import U8, U128, AccountId
from chain.substrate_types import AccountInfo
from runtime.dispatch import InvariantBroken, Pallet
from runtime.environment import Environment
from runtime.limits import BILLION, compute_normal_weight_max
from runtime.pallets.balances import Deposit, Withdraw, change_issuance, deposit, with_data
from runtime.pallets.system import ACCOUNT, BLOCK_WEIGHT
from runtime.storage import Overlay, StorageValue
from runtime.weights import BASE_EXTRINSIC

# ---- parameters

NAME = "TransactionPayment"
ONE = 10**18
VARIABILITY = ONE // 100_000
TARGET_FULLNESS_PPB = 250_000_000
MULTIPLIER_MIN = ONE // 10
MULTIPLIER_MAX = ONE * 1_000_000


class Releases(IntEnum):
    """The version of this pallet's storage, as Substrate numbers it."""

    scale_path = nonmember(("pallet_transaction_payment", "Releases"))
    V1Ancient = 0
    V2 = 1


class FeeDetails(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a fee, in planck."""

    base_fee: int
    length_fee: int
    adjusted_weight_fee: int
    tip: int

    @property
    def total(self) -> int:
        """All parts together."""
        return self.base_fee + self.length_fee + self.adjusted_weight_fee + self.tip


# ---- storage

NEXT_FEE_MULTIPLIER: StorageValue[int] = StorageValue(
    NAME, "NextFeeMultiplier", U128, ONE, docs="The multiplier of the weight fee, 10^18 is one."
)
STORAGE_VERSION: StorageValue[Releases] = StorageValue(
    NAME, "StorageVersion", Releases, Releases.V2, docs="The version of this pallet's storage."
)

# ---- events


class TransactionFeePaid(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction fee `actual_fee`, of which `tip` was added to the minimum inclusion fee, has been paid by `who`."""

    who: AccountId
    actual_fee: U128
    tip: U128


# ---- what the executive uses


def compute_fee(params: Params, multiplier: int, *, weight: int, length: int, tip: int) -> FeeDetails:
    """Return what an extrinsic of this weight (without the base) and length costs."""
    money = params.money
    return FeeDetails(
        base_fee=BASE_EXTRINSIC * money.fee_per_weight_ppb // BILLION,
        length_fee=length * money.fee_per_byte_planck,
        adjusted_weight_fee=weight * money.fee_per_weight_ppb // BILLION * multiplier // ONE,
        tip=tip,
    )


def charge(env: Environment, who: bytes, info: AccountInfo, fee: int) -> None:
    """Withdraw a fee that the caller has found payable, and raise the nonce in the same write."""
    data = info.data
    account = with_data(info, free=data.free - fee, reserved=data.reserved, nonce=info.nonce + 1)
    ACCOUNT.set(env.state, who, account)
    env.deposit_event(Withdraw(who=who, amount=fee))


def settle(env: Environment, who: bytes, fee: int, tip: int) -> None:
    """Burn the share, pay the author, and record the fee."""
    # SPEC MNY-10: `fee_burn_ppb` billionths of a fee without its tip MUST be burnt; the author gets the rest and tip.
    burnt = (fee - tip) * env.params.money.fee_burn_ppb // BILLION
    earned = fee - burnt
    author = env.author
    if earned and deposit(env, author, earned):
        env.deposit_event(Deposit(who=author, amount=earned))
        change_issuance(env, -burnt)
    else:
        change_issuance(env, -fee)
    env.deposit_event(TransactionFeePaid(who=who, actual_fee=fee, tip=tip))


def compute_next_multiplier(previous: int, *, weight: int, weight_max: int) -> int:
    """Return `m * (1 + v*d + (v*d)^2 / 2)` with d the distance from the wanted fullness, within the bounds."""
    used = min(weight, weight_max)
    wanted = weight_max * TARGET_FULLNESS_PPB // BILLION
    distance = abs(used - wanted) * ONE // max(weight_max, 1)
    first = VARIABILITY * distance // ONE
    second = VARIABILITY * VARIABILITY // ONE // 2 * (distance * distance // ONE) // ONE
    # SPEC MNY-11: The multiplier MUST follow Substrate's formula in truncating integers, within 1/10 and 10^6.
    if used >= wanted:
        moved = previous + (first + second) * previous // ONE
    else:
        moved = previous - max(first - second, 0) * previous // ONE
    return min(max(moved, MULTIPLIER_MIN), MULTIPLIER_MAX)


# ---- hooks


def on_finalize(env: Environment) -> None:
    """Set the multiplier of the next block from what this one weighed."""
    used = BLOCK_WEIGHT.get(env.state).normal.ref_time
    previous = NEXT_FEE_MULTIPLIER.get(env.state)
    following = compute_next_multiplier(previous, weight=used, weight_max=compute_normal_weight_max(env.params))
    if following != previous:
        NEXT_FEE_MULTIPLIER.set(env.state, following)


# ---- invariants


def check_invariants(state: Overlay, params: Params) -> None:
    """Refuse a multiplier out of bounds."""
    if not MULTIPLIER_MIN <= NEXT_FEE_MULTIPLIER.get(state) <= MULTIPLIER_MAX:
        raise InvariantBroken("the fee multiplier is out of bounds")


def make_constants(params: Params) -> tuple[ConstantMeta, ...]:
    """Return what clients read from the metadata."""
    return (ConstantMeta(name="OperationalFeeMultiplier", annotation=U8, value=codec_of_alias(U8).encode(5)),)


TRANSACTION_PAYMENT = Pallet(
    name=NAME,
    index=5,
    storage=(NEXT_FEE_MULTIPLIER, STORAGE_VERSION),
    events=(TransactionFeePaid,),
    constants=make_constants,
    on_finalize=on_finalize,
    check_invariants=check_invariants,
)
