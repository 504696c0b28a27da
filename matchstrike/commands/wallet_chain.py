"""The wallet commands that talk to a node: balance and transfer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import click

from chain.ss58 import encode_address
from matchstrike.commands.amounts import AMOUNT, format_amount
from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.keyring import keys_option, resolve_account, unlock_account
from matchstrike.commands.session import emit, output_option, run, url_option
from matchstrike.commands.spending import NOTHING_SENT, Plan
from matchstrike.commands.submitting import (
    Submission,
    dry_run_option,
    read_submission,
    receipt_to_json,
    receipt_to_text,
    show_plan,
    sign_and_submit,
    submission_options,
)
from rpc.api import Json
from wallet.chain_client import ChainClient, Receipt, open_chain, read_int, read_object
from wallet.preview import get_funds


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
@dry_run_option
@submission_options
def transfer(to: str, amount: int, allow_death: bool, dry_run: bool, **options: object) -> None:
    """Send AMOUNT tokens to TO: a name, an address, or 0x and the public key.

    What would fail is not sent: then nothing is lost, not even a fee.
    """
    how = read_submission(options)
    dest = resolve_account(to, how.keys_dir)
    if dry_run:
        run(_show_transfer(dest, amount, allow_death=allow_death, how=how))
        return
    seed = unlock_account(how.who, how.keys_dir, how.password_file)
    receipt = run(_transfer(dest, amount, allow_death=allow_death, seed=seed, how=how))
    emit(receipt_to_json(receipt), receipt_to_text(receipt), how.output)


async def _show_transfer(dest: bytes, amount: int, *, allow_death: bool, how: Submission) -> None:
    async with open_chain(how.url) as chain:
        await show_plan(chain, await _plan_transfer(chain, dest, amount, allow_death=allow_death), how)


async def _transfer(dest: bytes, amount: int, *, allow_death: bool, seed: bytes, how: Submission) -> Receipt:
    async with open_chain(how.url) as chain:
        plan = await _plan_transfer(chain, dest, amount, allow_death=allow_death)
        return await sign_and_submit(chain, plan, seed, how)


async def _plan_transfer(chain: ChainClient, dest: bytes, amount: int, *, allow_death: bool) -> Plan:
    """Return the call.

    Raises:
        CommandFailed: it would make an account with less than the existential deposit.
    """
    existential = read_int(cast("Json", chain.metadata.constant("Balances", "ExistentialDeposit")))
    if amount and (await get_funds(chain, dest)).free_planck + amount < existential:
        least = format_amount(existential, chain.token_symbol, chain.token_decimals)
        address = encode_address(dest, chain.ss58_prefix)
        raise CommandFailed(f"{address} would have less than {least}, the existential deposit. {NOTHING_SENT}")
    name = "transfer_allow_death" if allow_death else "transfer_keep_alive"
    call = chain.metadata.encode_call("Balances", name, dest=dest, value=amount)
    return Plan(call=call, spends=(("transfer", amount),), keeps_alive=not allow_death)


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
