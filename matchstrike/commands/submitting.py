"""What every command that sends an extrinsic shares: its options, and how its receipt is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import click
import msgspec

from matchstrike.commands.amounts import AMOUNT
from matchstrike.commands.failure import FAILED, CommandFailed
from matchstrike.commands.keyring import keys_option, password_option
from matchstrike.commands.session import SECONDS, output_option, url_option
from rpc.api import Json
from wallet.chain_client import ChainClient, Receipt, Wait

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
    options: tuple[Callable[[F], F], ...] = (
        click.option("--from", "who", required=True, help="The account that signs: a name, or alice to ferdie."),
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


def read_submission(options: dict[str, object]) -> Submission:
    """Return the options that `submission_options` added, as one record."""
    return msgspec.convert(options, Submission)


async def sign_and_submit(chain: ChainClient, call: bytes, seed: bytes, how: Submission) -> Receipt:
    """Send a call and follow it.

    Raises:
        CommandFailed: the block has it, and the call failed; says why.
    """
    raw = await chain.sign(call, seed, tip=how.tip_planck)
    receipt = await chain.submit(raw, wait=how.wait, timeout_s=how.timeout_s)
    if receipt.error is not None:
        where = f"block {receipt.block_number}"
        raise CommandFailed(f"the call failed in {where} (its fee is paid): {receipt.error}", FAILED)
    return receipt


def receipt_to_json(receipt: Receipt) -> dict[str, Json]:
    """Return a receipt for programs."""
    return {
        "hash": "0x" + receipt.hash.hex(),
        "status": receipt.status,
        "blockHash": None if receipt.block_hash is None else "0x" + receipt.block_hash.hex(),
        "blockNumber": receipt.block_number,
        "index": receipt.index,
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
