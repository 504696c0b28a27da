"""What every command that sends an extrinsic shares: its options, the look before it is sent, and its receipt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import click
import msgspec
from msgspec.structs import replace

from matchstrike.commands.amounts import AMOUNT, format_amount
from matchstrike.commands.failure import FAILED, CommandFailed
from matchstrike.commands.keyring import keys_option, password_option, resolve_account
from matchstrike.commands.session import SECONDS, emit, output_option, url_option
from matchstrike.commands.spending import NOTHING_SENT, Plan, check_affordable, plan_to_json, plan_to_text
from rpc.api import Json
from wallet.chain_client import ChainClient, Receipt, Wait
from wallet.preview import Preview, preview_call, rehearse

F = TypeVar("F", bound=Callable[..., object])


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """How an extrinsic is to be sent."""

    who: str
    keys_dir: Path
    password_file: Path | None
    url: str
    wait: Wait
    timeout_s: float
    tip_planck: int
    output: str


def submission_options(function: F) -> F:
    """Add `--from`, keys, password, `--url`, `--wait`, `--timeout`, `--tip` and `-o`."""
    return add_submission_options(function, needs_signer=True)


def add_submission_options(function: F, *, needs_signer: bool) -> F:
    """Add what `submission_options` adds; where no signer is needed, `who` is empty without `--from`."""
    help_text = "The account that signs: a name, or alice to ferdie."
    # click counts a default of None as a value: who is required must have no default at all
    signer = click.option("--from", "who", required=True, help=help_text)
    maybe = click.option("--from", "who", default="", help=help_text)
    options: tuple[Callable[[F], F], ...] = (
        signer if needs_signer else maybe,
        keys_option,
        password_option,
        url_option,
        click.option(
            "--wait",
            type=click.Choice(["none", "included", "final"]),
            default="included",
            show_default=True,
            help="What to wait for.",
        ),
        click.option("--timeout", "timeout_s", type=SECONDS, default=60.0, show_default=True, help="Seconds to wait."),
        click.option("--tip", "tip_planck", type=AMOUNT, default="0", help="Added to the fee, for the block's author."),
        output_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


def dry_run_option(function: F) -> F:
    """Add `--dry-run`."""
    option = click.option("--dry-run", is_flag=True, help="Show what would be sent and its fee, and end.")
    return option(function)


def read_submission(options: dict[str, object]) -> Submission:
    """Return the options that `submission_options` added, as one record."""
    return msgspec.convert(options, Submission)


async def preview_plan(chain: ChainClient, plan: Plan, how: Submission) -> Preview:
    """Return what a call would cost, without its secret.

    Raises:
        CommandFailed: the account cannot afford it.
    """
    signer = resolve_account(how.who, how.keys_dir)
    preview = await preview_call(chain, plan.call, signer, tip=how.tip_planck)
    check_affordable(chain, plan, preview, who=how.who)
    return preview


async def show_plan(chain: ChainClient, plan: Plan, how: Submission) -> None:
    """Print what would be sent and its fee: the end of `--dry-run`.

    Raises:
        CommandFailed: the account cannot afford it.
    """
    preview = await preview_plan(chain, plan, how)
    signer = resolve_account(how.who, how.keys_dir)
    text = plan_to_text(chain, plan, preview, signer) if how.output == "text" else ""
    emit(plan_to_json(chain, plan, preview, signer), text, how.output)


async def sign_and_submit(chain: ChainClient, plan: Plan, seed: bytes, how: Submission) -> Receipt:
    """Send a call that, as far as the node can tell, will succeed, and follow it; tells the fee beforehand.

    Raises:
        CommandFailed: it costs more than there is, or would fail, and was not sent; or the block has it, and the call
            failed all the same.
    """
    preview = await preview_plan(chain, plan, how)
    fee = preview.total_fee_planck
    if how.output == "text":
        click.echo(f"fee {format_amount(fee, chain.token_symbol, chain.token_decimals)}", err=True)
    raw = await chain.sign(plan.call, seed, tip=how.tip_planck)
    reason = await rehearse(chain, raw)
    if reason is not None:
        sentence = reason.rstrip(".")
        raise CommandFailed(f"the call would fail: {sentence}. {NOTHING_SENT}", FAILED)
    receipt = await chain.submit(raw, wait=how.wait, timeout_s=how.timeout_s)
    check_receipt(receipt)
    return replace(receipt, fee_planck=fee) if receipt.fee_planck is None else receipt


def check_receipt(receipt: Receipt) -> None:
    """Refuse a call that failed in its block.

    Raises:
        CommandFailed: says why.
    """
    if receipt.error is not None:
        where = f"block {receipt.block_number}"
        raise CommandFailed(f"the call failed in {where} (its fee is paid): {receipt.error}", FAILED)


def receipt_to_json(receipt: Receipt) -> dict[str, Json]:
    """Return a receipt for programs."""
    return {
        "hash": "0x" + receipt.hash.hex(),
        "status": receipt.status,
        "blockHash": None if receipt.block_hash is None else "0x" + receipt.block_hash.hex(),
        "blockNumber": receipt.block_number,
        "index": receipt.index,
        "fee": None if receipt.fee_planck is None else str(receipt.fee_planck),
        "events": [
            {"pallet": event.pallet, "name": event.name, "fields": cast("Json", event.fields)}
            for event in receipt.events
        ],
    }


def receipt_to_text(receipt: Receipt) -> str:
    """Return a receipt for people."""
    if receipt.block_number is None:
        return f"submitted 0x{receipt.hash.hex()}"
    word = "final" if receipt.status == "finalized" else "included"
    return f"{word} in block {receipt.block_number}: 0x{receipt.hash.hex()}"
