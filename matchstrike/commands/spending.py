"""What a command is about to spend: shown as a dry run, and refused when the account cannot afford it.

Terms:
    spends: what a call takes out of the free balance beside the fee, by name: a transfer, a bounty, a deposit.
    left: what stays free afterwards.
"""

from __future__ import annotations

from typing import cast

import msgspec

from chain.ss58 import encode_address
from matchstrike.commands.amounts import format_amount
from matchstrike.commands.failure import FAILED, CommandFailed
from rpc.api import Json
from wallet.chain_client import ChainClient
from wallet.preview import Preview

NOTHING_SENT = "Nothing was sent"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A call that a command wants to send.

    Attributes:
        keeps_alive: The chain fails the call rather than let the account fall below the existential deposit.
    """

    call: bytes
    spends: tuple[tuple[str, int], ...] = ()
    keeps_alive: bool = True

    @property
    def spent_planck(self) -> int:
        """All that the call takes, without the fee."""
        return sum(planck for _, planck in self.spends)


def check_affordable(chain: ChainClient, plan: Plan, preview: Preview, *, who: str) -> None:
    """Refuse a call that costs more than there is.

    Raises:
        CommandFailed: one sentence with every amount.
    """
    free, fee, existential = preview.funds.free_planck, preview.total_fee_planck, preview.existential_planck
    must_stay = existential if plan.keeps_alive or preview.funds.reserved_planck else 0
    if free >= fee + existential and free >= fee + plan.spent_planck + must_stay:
        return
    is_fee_alone = free < fee + existential
    spends = () if is_fee_alone else plan.spends
    stays = existential if is_fee_alone else must_stay

    def show(planck: int) -> str:
        return format_amount(planck, chain.token_symbol, chain.token_decimals)

    parts = [*(f"the {name} {show(planck)}" for name, planck in spends if planck), f"the fee {show(fee)}"]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    has = f"has {show(free)} free" if free else "has no money"
    rest = f", and {show(stays)} must stay (the existential deposit)" if stays else ""
    takes = "takes" if len(parts) == 1 else "take"
    sentence = f"{who} {has}; {listed} {takes} {show(sum(planck for _, planck in spends) + fee)}{rest}"
    raise CommandFailed(f"{sentence}. {NOTHING_SENT}", FAILED)


def plan_to_json(chain: ChainClient, plan: Plan, preview: Preview, signer: bytes) -> dict[str, Json]:
    """Return for programs what would be sent; `fee` has the tip in it."""
    decoded = chain.metadata.decode_call(plan.call, style=chain.style)
    return {
        "dryRun": True,
        "signer": encode_address(signer, chain.ss58_prefix),
        "call": f"{decoded.pallet}.{decoded.call}",
        "args": cast("Json", decoded.args),
        "spends": {name: str(planck) for name, planck in plan.spends},
        "fee": str(preview.total_fee_planck),
        "tip": str(preview.tip_planck),
        "free": str(preview.funds.free_planck),
        "left": str(_compute_left(plan, preview)),
    }


def plan_to_text(chain: ChainClient, plan: Plan, preview: Preview, signer: bytes) -> str:
    """Return for people what would be sent."""
    decoded = chain.metadata.decode_call(plan.call, style=chain.style)
    amounts = [
        *plan.spends,
        ("fee", preview.fee_planck),
        *([("tip", preview.tip_planck)] if preview.tip_planck else []),
        ("left", _compute_left(plan, preview)),
    ]
    lines = [
        f"{name:<12} {format_amount(planck, chain.token_symbol, chain.token_decimals):>24}   {planck} planck"
        for name, planck in amounts
    ]
    head = [
        f"{'call':<12} {decoded.pallet}.{decoded.call}",
        f"{'from':<12} {encode_address(signer, chain.ss58_prefix)}",
    ]
    return "\n".join([*head, *lines, "a dry run: nothing was sent"])


def _compute_left(plan: Plan, preview: Preview) -> int:
    return preview.funds.free_planck - preview.total_fee_planck - plan.spent_planck
