"""`matchstrike stake`: bond stake, validate with a vote key, and see what validators do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import click

from chain.ss58 import encode_address
from matchstrike.commands.amounts import AMOUNT, format_amount
from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.keyring import resolve_account, unlock_account
from matchstrike.commands.session import emit, run
from matchstrike.commands.spending import Plan
from matchstrike.commands.stake_offence import offences, report_offence
from matchstrike.commands.stake_plan import (
    add_advice,
    describe_joining,
    describe_ripening,
    plan_bond,
    plan_chill,
    plan_unbond,
    plan_validate,
    plan_withdraw,
    read_vote_key,
)
from matchstrike.commands.stake_report import finality, status, validators
from matchstrike.commands.stake_verify import verify
from matchstrike.commands.stake_view import find_bonded, list_node_keys, read_block_ms, read_ripening, read_view
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
from wallet.chain_client import ChainClient, Receipt, open_chain, read_int

MakePlan = Callable[[ChainClient, bytes], Awaitable[Plan]]
ALL = "all"
KEY_NOTE = (
    "this node does not vote with that key; put the key into the keystore of one node "
    "(`matchstrike-node key insert --key-type vote`) and restart it"
)


class PartType(click.ParamType[int | None]):
    """An amount, or `all`."""

    name = "amount|all"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Return planck, None for all."""
        return None if value == ALL else AMOUNT.convert(value, param, ctx)


class VoteKeyType(click.ParamType[bytes]):
    """A public vote key."""

    name = "address|0xhex"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Return its 32 bytes."""
        try:
            return value if isinstance(value, bytes) else read_vote_key(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group()
def stake() -> None:
    """Stake, validators and finality.

    \b
        matchstrike stake bond 1000 --from mine
        matchstrike stake validate --vote-key 0x... --from mine
        matchstrike stake status mine
    """


@stake.command()
@click.argument("amount", type=AMOUNT)
@dry_run_option
@submission_options
def bond(amount: int, dry_run: bool, **options: object) -> None:
    """Bond AMOUNT tokens, or add them to what is bonded. They go on hold and stand for nothing until `validate`."""
    _send(lambda chain, who: plan_bond(chain, who, amount), dry_run=dry_run, options=options)


@stake.command()
@click.argument("amount", type=PartType())
@dry_run_option
@submission_options
def unbond(amount: int | None, dry_run: bool, **options: object) -> None:
    """Begin to take AMOUNT tokens (or `all`) of the active stake back.

    They wait until they count in no set and nobody can report their votes any more; then `withdraw` frees them.
    """
    _send(lambda chain, who: plan_unbond(chain, who, amount), dry_run=dry_run, options=options)


@stake.command()
@dry_run_option
@submission_options
def withdraw(dry_run: bool, **options: object) -> None:
    """Free what was unbonded and is ripe."""
    _send(plan_withdraw, dry_run=dry_run, options=options)


@stake.command()
@click.option("--vote-key", type=VoteKeyType(), help="Public key that the node votes with [the present one].")
@dry_run_option
@submission_options
def validate(vote_key: bytes | None, dry_run: bool, **options: object) -> None:
    """Stand for the next set of validators, or change the vote key.

    The secret of the vote key belongs into the keystore of one node. A key that is new to the chain costs the price of
    its record, once.
    """
    _send(lambda chain, who: plan_validate(chain, who, vote_key), dry_run=dry_run, options=options)


@stake.command()
@dry_run_option
@submission_options
def chill(dry_run: bool, **options: object) -> None:
    """Stand for the next set no more. The stake stays bonded; keep the node voting until its set is over."""
    _send(plan_chill, dry_run=dry_run, options=options)


stake.add_command(status)
stake.add_command(validators)
stake.add_command(finality)
stake.add_command(verify)
stake.add_command(report_offence)
stake.add_command(offences)


def _send(make: MakePlan, *, dry_run: bool, options: dict[str, object]) -> None:
    """Show or send the call that `make` returns."""
    how = read_submission(options)
    if dry_run:
        run(_show(make, how))
        return
    seed = unlock_account(how.who, how.keys_dir, how.password_file)
    receipt, news = run(_submit(make, seed, how))
    emit(receipt_to_json(receipt), "\n".join([receipt_to_text(receipt), *news]), how.output)


async def _show(make: MakePlan, how: Submission) -> None:
    async with open_chain(how.url) as chain:
        await show_plan(chain, await make(chain, resolve_account(how.who, how.keys_dir)), how)


async def _submit(make: MakePlan, seed: bytes, how: Submission) -> tuple[Receipt, list[str]]:
    async with open_chain(how.url) as chain:
        who = resolve_account(how.who, how.keys_dir)
        plan = await make(chain, who)
        try:
            receipt = await sign_and_submit(chain, plan, seed, how)
        except CommandFailed as error:
            raise CommandFailed(add_advice(str(error)), error.exit_code) from None
        return receipt, await _list_news(chain, who, receipt) if how.output == "text" else []


async def _list_news(chain: ChainClient, who: bytes, receipt: Receipt) -> list[str]:
    """Return what the account should know now, one line for each event of staking."""
    lines = []
    for event in receipt.events:
        if event.pallet != "Staking":
            continue
        match event.name:
            case "Withdrawn":
                amount = read_int(event.fields["amount"])
                lines.append(f"{format_amount(amount, chain.token_symbol, chain.token_decimals)} are free again")
            case "Unbonded":
                view = await read_view(chain)
                bonded = await find_bonded(chain, view, who)
                parts = () if bonded is None else await read_ripening(chain, view, bonded)
                if parts:
                    lines.append(describe_ripening(view, parts[-1], await read_block_ms(chain, view)))
            case "Standing":
                view = await read_view(chain)
                lines.append(describe_joining(view, await read_block_ms(chain, view)))
                keys = await list_node_keys(chain)
                if keys is not None and event.fields["vote_key"] not in {row.key for row in keys}:
                    lines.append(KEY_NOTE)
            case "Chilled" if event.fields["stash"] == encode_address(who, chain.ss58_prefix):
                lines.append("does not stand any more; keep the node voting until `stake status` shows no set")
    return lines
