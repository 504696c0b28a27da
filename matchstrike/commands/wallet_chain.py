"""The wallet commands that talk to a node: balance and transfer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from chain.ss58 import encode_address
from matchstrike.commands.amounts import AMOUNT, format_amount
from matchstrike.commands.keyring import keys_option, resolve_account, unlock_account
from matchstrike.commands.session import emit, output_option, run, url_option
from matchstrike.commands.submitting import (
    read_submission,
    receipt_to_json,
    receipt_to_text,
    sign_and_submit,
    submission_options,
)
from rpc.api import Json
from wallet.chain_client import ChainClient, Receipt, open_chain, read_int, read_object


@click.command()
@click.argument("account")
@keys_option
@url_option
@output_option
def balance(account: str, keys_dir: Path, url: str, output: str) -> None:
    """Show what ACCOUNT has: a name, an address, or 0x and the public key."""
    public = resolve_account(account, keys_dir)
    run(_show_balance(public, url, output))


@click.command()
@click.argument("to")
@click.argument("amount", type=AMOUNT)
@click.option("--allow-death", is_flag=True, help="Let the sending account fall below the existential deposit.")
@submission_options
def transfer(to: str, amount: int, allow_death: bool, **options: object) -> None:
    """Send AMOUNT tokens to TO: a name, an address, or 0x and the public key."""
    how = read_submission(options)
    dest = resolve_account(to, how.keys_dir)
    seed = unlock_account(how.who, how.keys_dir, how.password_file)

    async def send() -> Receipt:
        async with open_chain(how.url) as chain:
            name = "transfer_allow_death" if allow_death else "transfer_keep_alive"
            call = chain.metadata.encode_call("Balances", name, dest=dest, value=amount)
            return await sign_and_submit(chain, call, seed, how)

    receipt = run(send())
    emit(receipt_to_json(receipt), receipt_to_text(receipt), how.output)


async def _show_balance(public: bytes, url: str, output: str) -> None:
    async with open_chain(url) as chain:
        info = read_object(await chain.query("System", "Account", public))
        holds = await chain.query("Balances", "Holds", public)
        emit(_balance_to_json(public, info, holds, chain), _balance_to_text(public, info, chain), output)


def _balance_to_json(public: bytes, info: Mapping[str, Json], holds: Json, chain: ChainClient) -> Json:
    data = read_object(info["data"])
    return {
        "address": encode_address(public, chain.ss58_prefix),
        "publicKey": "0x" + public.hex(),
        "nonce": info["nonce"],
        "free": str(data["free"]),
        "reserved": str(data["reserved"]),
        "frozen": str(data["frozen"]),
        "holds": holds,
    }


def _balance_to_text(public: bytes, info: Mapping[str, Json], chain: ChainClient) -> str:
    data = read_object(info["data"])
    amounts = {name: read_int(data[name]) for name in ("free", "reserved")}
    lines = [
        f"{name:<9} {format_amount(planck, chain.token_symbol):>24}   {planck} planck"
        for name, planck in amounts.items()
    ]
    return "\n".join([encode_address(public, chain.ss58_prefix), *lines, f"nonce     {info['nonce']}"])
