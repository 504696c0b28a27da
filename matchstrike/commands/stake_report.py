"""The stake commands that only look: one account, all validators, and what is final."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from chain.ss58 import encode_address
from matchstrike.commands.amounts import format_amount
from matchstrike.commands.keyring import keys_option, resolve_account
from matchstrike.commands.session import emit, output_option, run, url_option
from matchstrike.commands.stake_recent import read_recent
from matchstrike.commands.stake_text import (
    AccountReport,
    Show,
    account_to_json,
    account_to_text,
    finality_to_json,
    finality_to_text,
    validators_to_json,
    validators_to_text,
)
from matchstrike.commands.stake_view import (
    find_bonded,
    list_keys,
    list_node_keys,
    read_block_ms,
    read_ripening,
    read_span_ms,
    read_view,
)
from wallet.chain_client import ChainClient, open_chain

CHECKPOINTS_MAX = 50
checkpoints_option = click.option(
    "--checkpoints",
    type=click.IntRange(1, CHECKPOINTS_MAX),
    default=5,
    show_default=True,
    help="How many checkpoints to look back.",
)


@click.command()
@click.argument("account", required=False)
@click.option("--from", "who", help="The account, where none is named.")
@checkpoints_option
@keys_option
@url_option
@output_option
def status(account: str | None, who: str | None, checkpoints: int, keys_dir: Path, url: str, output: str) -> None:
    """Show what ACCOUNT has bonded, in which sets it votes, and what it did lately."""
    chosen = account or who
    if chosen is None:
        raise click.UsageError("name an account: matchstrike stake status ACCOUNT")
    run(_show_status(resolve_account(chosen, keys_dir), checkpoints, url, output))


@click.command()
@checkpoints_option
@url_option
@output_option
def validators(checkpoints: int, url: str, output: str) -> None:
    """List the validators and who stands for the next set, with their stake and their last votes."""
    run(_show_validators(checkpoints, url, output))


@click.command()
@url_option
@output_option
def finality(url: str, output: str) -> None:
    """Show what is justified and final, and how far that is behind the best block."""
    run(_show_finality(url, output))


async def _show_status(public: bytes, checkpoints: int, url: str, output: str) -> None:
    async with open_chain(url) as chain:
        view = await read_view(chain)
        address = encode_address(public, chain.ss58_prefix)
        bonded = await find_bonded(chain, view, public)
        report = AccountReport(
            address=address,
            public=public,
            bonded=bonded,
            parts=() if bonded is None else await read_ripening(chain, view, bonded),
            keys=await list_keys(chain, view, address),
            recent=await read_recent(chain, view, checkpoints=checkpoints),
            block_ms=await read_block_ms(chain, view),
            node_keys=await list_node_keys(chain),
        )
        emit(account_to_json(view, report), account_to_text(_make_show(chain), view, report), output)


async def _show_validators(checkpoints: int, url: str, output: str) -> None:
    async with open_chain(url) as chain:
        view = await read_view(chain)
        recent = await read_recent(chain, view, checkpoints=checkpoints)
        emit(validators_to_json(view, recent), validators_to_text(_make_show(chain), view, recent), output)


async def _show_finality(url: str, output: str) -> None:
    async with open_chain(url) as chain:
        view = await read_view(chain)
        lag_ms = await read_span_ms(chain, view, view.status.final_height)
        emit(finality_to_json(view, lag_ms), finality_to_text(view, lag_ms), output)


def _make_show(chain: ChainClient) -> Show:
    return partial(format_amount, symbol=chain.token_symbol, decimals=chain.token_decimals)
