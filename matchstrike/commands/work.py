"""`matchstrike work`: bond as a solver, and see which batches of strikes were sold and how their audits ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import click

from chain.ss58 import encode_address
from matchstrike.commands.amounts import AMOUNT, format_amount
from matchstrike.commands.keyring import keys_option, resolve_account, unlock_account
from matchstrike.commands.session import emit, not_found, output_option, run, url_option
from matchstrike.commands.spending import Plan
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
from rpc.client import connect
from wallet.chain_client import Receipt, open_chain, read_object

BATCH_COLUMNS = ("id", "problem", "status", "count", "payment", "committedAt", "auditAt", "settledAt", "solver")
SOLVER_COLUMNS = ("reputation", "paid", "void", "slashed", "openBatches", "bond", "account")
MONEY = ("payment", "bond")


@click.group()
def work() -> None:
    """Sell strikes in batches: bond once, and a mining node does the rest.

    \b
        matchstrike work bond 50 --from mine
        matchstrike work solvers
        matchstrike work batches --problem 0
    """


@work.command()
@click.argument("amount", type=AMOUNT)
@dry_run_option
@submission_options
def bond(amount: int, dry_run: bool, **options: object) -> None:
    """Bond AMOUNT tokens as a solver; each open batch needs its share, and a wrong strike costs it."""
    _send("bond", {"amount": amount}, (("bond", amount),), dry_run=dry_run, options=options)


@work.command()
@click.argument("amount", type=AMOUNT)
@dry_run_option
@submission_options
def unbond(amount: int, dry_run: bool, **options: object) -> None:
    """Begin to take AMOUNT tokens of the bond back; they can be slashed until they may be withdrawn."""
    _send("unbond", {"amount": amount}, (), dry_run=dry_run, options=options)


@work.command()
@dry_run_option
@submission_options
def withdraw(dry_run: bool, **options: object) -> None:
    """Free what was unbonded long enough ago."""
    _send("withdraw", {}, (), dry_run=dry_run, options=options)


@work.command()
@click.option("--problem", type=click.IntRange(0), help="Only batches of this problem.")
@click.option("--solver", metavar="NAME|ADDRESS", help="Only batches of this account.")
@click.option("--open", "only_open", is_flag=True, help="Only those that wait for their audit.")
@keys_option
@url_option
@output_option
def batches(problem: int | None, solver: str | None, only_open: bool, keys_dir: Path, url: str, output: str) -> None:
    """List the batches of strikes, newest first, with their audits."""
    account = None if solver is None else encode_address(resolve_account(solver, keys_dir))
    rows = cast("Sequence[Mapping[str, Json]]", run(_call(url, "work_batches", problem, account, only_open)))
    emit(cast("Json", rows), _format_table(rows, BATCH_COLUMNS) if rows else "no batches", output)


@work.command()
@url_option
@output_option
def solvers(url: str, output: str) -> None:
    """List who sells strikes, the best reputation first; whoever was slashed is named."""
    rows = cast("Sequence[Mapping[str, Json]]", run(_call(url, "work_solvers")))
    emit(cast("Json", rows), _format_table(rows, SOLVER_COLUMNS) if rows else "no solvers", output)


@work.command()
@click.argument("who", metavar="NAME|ADDRESS")
@keys_option
@url_option
@output_option
def solver(who: str, keys_dir: Path, url: str, output: str) -> None:
    """Show one solver's bond and reputation."""
    record = run(_call(url, "work_solver", encode_address(resolve_account(who, keys_dir))))
    if record is None:
        raise not_found(f"{who} never bonded as a solver")
    rows = [f"{name:<12} {_format(name, value)}" for name, value in read_object(record).items()]
    emit(record, "\n".join(rows), output)


def _format_table(rows: Sequence[Mapping[str, Json]], columns: Sequence[str]) -> str:
    cells = [tuple(_format(name, row.get(name)) for name in columns) for row in rows]
    widths = [max(len(line[i]) for line in (tuple(columns), *cells)) for i in range(len(columns))]
    lines = ["  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in cells]
    return "\n".join(["  ".join(name.rjust(width) for name, width in zip(columns, widths, strict=True)), *lines])


def _format(name: str, value: Json) -> str:
    if name in MONEY and isinstance(value, str):
        return format_amount(int(value), "").strip()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(item) for item in value) or "-"
    return "-" if value is None else str(value)


def _send(
    name: str,
    arguments: dict[str, object],
    spends: tuple[tuple[str, int], ...],
    *,
    dry_run: bool,
    options: dict[str, object],
) -> None:
    how = read_submission(options)
    if dry_run:
        run(_show(name, arguments, spends, how))
        return
    seed = unlock_account(how.who, how.keys_dir, how.password_file)
    receipt = run(_submit(name, arguments, seed, how))
    emit(receipt_to_json(receipt), receipt_to_text(receipt), how.output)


async def _show(name: str, arguments: dict[str, object], spends: tuple[tuple[str, int], ...], how: Submission) -> None:
    async with open_chain(how.url) as chain:
        await show_plan(chain, Plan(call=chain.metadata.encode_call("Batches", name, arguments), spends=spends), how)


async def _submit(name: str, arguments: dict[str, object], seed: bytes, how: Submission) -> Receipt:
    async with open_chain(how.url) as chain:
        return await sign_and_submit(
            chain, Plan(call=chain.metadata.encode_call("Batches", name, arguments)), seed, how
        )


async def _call(url: str, method: str, *params: Json) -> Json:
    async with connect(url) as client:
        return await client.call(method, *params)
