"""`matchstrike problem`: post, list, show, watch, cancel, and give a better measurement order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TypeVar, cast

import click
import msgspec

from matchstrike.commands.amounts import AMOUNT, format_amount
from matchstrike.commands.failure import TIMED_OUT, CommandFailed
from matchstrike.commands.keyring import unlock_account
from matchstrike.commands.learning_curve import format_learning
from matchstrike.commands.posting import (
    DEADLINE_BLOCKS,
    TARGET,
    Offer,
    Posting,
    describe_posting,
    load_problem,
    make_call_arguments,
    make_posting,
)
from matchstrike.commands.session import SECONDS, emit, not_found, output_option, run, url_option
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
from rpc.client import RpcClient, connect
from rpc.errors import RpcError
from runtime.problem_checks import compute_teachable_bytes
from vm.order import EFFORT_DEFAULT, EFFORT_MAX
from wallet.chain_client import ChainClient, Event, Receipt, UnexpectedAnswer, open_chain, read_int, read_object
from wallet.preview import compute_size

F = TypeVar("F", bound=Callable[..., object])
WATCH_SECONDS = 1.0
PPB_PER_PERCENT = 10_000_000
NUMBER = click.IntRange(0, 2**64 - 1)
MONEY = ("bounty", "workBudget", "reserved", "deposit")
ENDED = ("paid", "expired", "cancelled")
INSTANT_NOTE = (
    "note: this node makes blocks only for extrinsics (--sealing instant), and problems are struck only in blocks; "
    "each `matchstrike wallet transfer bob 0 --from bob --wait final` makes some more, until the bounty is paid"
)


class BestRow(msgspec.Struct, frozen=True, kw_only=True):
    """The best solution of a problem, as far as a list shows it."""

    energy: int


class ProblemRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A problem, as far as a list shows it."""

    id: int
    status: str
    spins: int
    bounty: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,39}$")]
    target_energy: int
    deadline: int
    best: BestRow | None


@click.group()
def problem() -> None:
    """Problems and their bounties.

    \b
        matchstrike problem post graph.txt --bounty 5 --from bob
        matchstrike problem list
        matchstrike problem watch 0
    """


def effort_option(function: F) -> F:
    """Add `--effort`."""
    option = click.option(
        "--effort",
        type=click.IntRange(0, EFFORT_MAX),
        default=EFFORT_DEFAULT,
        show_default=True,
        help="Effort of annealing the measurement order.",
    )
    return option(function)


@problem.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--bounty", "bounty_planck", type=AMOUNT, required=True, help="Paid for reaching the target, in tokens.")
@click.option("--target", type=TARGET, help="Cut, value or energy to reach [what a short classical search finds].")
@click.option(
    "--deadline",
    "deadline_blocks",
    type=click.IntRange(1, 2**31),
    default=DEADLINE_BLOCKS,
    show_default=True,
    help="In blocks from now.",
)
@click.option("--depth", type=click.IntRange(1, 8), default=1, show_default=True, help="Layers of the circuit.")
@click.option("--work-budget", "work_budget_planck", type=AMOUNT, default="0", help="For paid strikes.")
@click.option(
    "--price-per-gas",
    "price_per_gas_planck",
    type=click.IntRange(0, 2**128 - 1),
    default=0,
    help="Planck for one gas of a strike.",
)
@click.option(
    "--best-effort",
    "best_effort_percent",
    type=click.FloatRange(0, 100),
    default=0.0,
    show_default=True,
    help="Percent of the bounty for the best solution if none reaches the target.",
)
@effort_option
@dry_run_option
@submission_options
def post(
    file: Path,
    target: int | None,
    depth: int,
    effort: int,
    dry_run: bool,
    bounty_planck: int,
    best_effort_percent: float,
    **options: object,
) -> None:
    """Post the problem in FILE (rudy/Gset, .qubo or JSON) with a bounty.

    What would fail is not sent: then nothing is lost, not even a fee.
    """
    offer = Offer(
        bounty_planck=bounty_planck,
        work_budget_planck=read_number(options.pop("work_budget_planck")),
        price_per_gas_planck=read_number(options.pop("price_per_gas_planck")),
        best_effort_ppb=round(best_effort_percent * PPB_PER_PERCENT),
        deadline_blocks=read_number(options.pop("deadline_blocks")),
        target=target,
    )
    how = read_submission(options)
    posting = make_posting(load_problem(file), depth=depth, target=target, effort=effort)
    click.echo(describe_posting(posting), err=True)
    if dry_run:
        run(_show_post(posting, offer, how))
        return
    seed = unlock_account(how.who, how.keys_dir, how.password_file)
    receipt = run(_post(posting, offer, seed, how))
    field = find_field(receipt, "Posted", "problem")
    number = None if field is None else read_int(field)
    text = receipt_to_text(receipt) + ("" if number is None else f"\nproblem {number}")
    emit({"problem": number, **receipt_to_json(receipt)}, text, how.output)


@problem.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only those that take solutions.")
@url_option
@output_option
def list_problems(only_open: bool, url: str, output: str) -> None:
    """List the posted problems, newest first."""
    answer, rows = run(_list(url, only_open))
    heads = f"{'id':>4}  {'status':<10} {'spins':>5}  {'bounty':>12}  {'target energy':>13}  {'best energy':>11}"
    lines = [f"{heads}  deadline"]
    for row in rows:
        energy = "-" if row.best is None else str(row.best.energy)
        bounty = format_amount(int(row.bounty), "")
        lines.append(
            f"{row.id:>4}  {row.status:<10} {row.spins:>5}  {bounty:>12}  {row.target_energy:>13}"
            f"  {energy:>11}  {row.deadline}"
        )
    emit(answer, "\n".join(lines) if rows else "no problems", output)


@problem.command()
@click.argument("number", type=NUMBER)
@url_option
@output_option
def show(number: int, url: str, output: str) -> None:
    """Show one problem: terms, best solution, what became of it, and what the chain has learnt of its angles."""
    record = run(_get(url, number))
    emit(record, format_record(record), output)


@problem.command()
@click.argument("number", type=NUMBER)
@click.option("--timeout", "timeout_s", type=SECONDS, default=600.0, show_default=True, help="Seconds to watch.")
@url_option
def watch(number: int, timeout_s: float, url: str) -> None:
    """Print each change of a problem until it is paid, expired or cancelled."""
    run(_watch(url, number, timeout_s))


@problem.command()
@click.argument("number", type=NUMBER)
@submission_options
def cancel(number: int, **options: object) -> None:
    """Take your problem back; free until the first solution, then it costs the deposit."""
    how = read_submission(options)
    seed = unlock_account(how.who, how.keys_dir, how.password_file)
    run(_get(how.url, number))  # for its own exit code
    receipt = run(_submit("cancel", {"problem": number}, seed, how))
    emit(receipt_to_json(receipt), receipt_to_text(receipt), how.output)


@problem.command()
@click.argument("number", type=NUMBER)
@click.argument("file", type=click.Path(path_type=Path))
@effort_option
@submission_options
def order(number: int, file: Path, effort: int, **options: object) -> None:
    """Give problem NUMBER (posted from FILE) a cheaper measurement order."""
    how = read_submission(options)
    seed = unlock_account(how.who, how.keys_dir, how.password_file)
    depth = run(_get_depth(how.url, number))
    posting = make_posting(load_problem(file), depth=depth, target=None, effort=effort)
    arguments: dict[str, object] = {"problem": number, "order": list(posting.order)}
    receipt = run(_submit("post_order", arguments, seed, how))
    emit(receipt_to_json(receipt), receipt_to_text(receipt), how.output)


def read_number(value: object) -> int:
    """Return an option that click has already made an integer."""
    assert isinstance(value, int)
    return value


def find_field(receipt: Receipt, event_name: str, field: str) -> Json:
    """Return a field of the first Problems event with a name, None if there is none."""
    found = next((e for e in receipt.events if (e.pallet, e.name) == ("Problems", event_name)), None)
    return None if found is None else _field(found, field)


def format_record(record: Mapping[str, Json]) -> str:
    """Return a problem's record for people, without its couplings."""
    hidden = ("ising", "order", "instance", "best", "law", "learning")
    lines = [f"{name:<14} {_format_value(name, value)}" for name, value in record.items() if name not in hidden]
    best = record.get("best")
    if isinstance(best, Mapping):
        lines.append(f"{'best':<14} energy {best.get('energy')} by {best.get('solver')} in block {best.get('height')}")
        lines.append(f"{'bestBits':<14} {best.get('bits')}")
    return "\n".join(lines + format_learning(record))


def _format_value(name: str, value: Json) -> str:
    if name in MONEY and isinstance(value, str):
        return f"{format_amount(int(value), '').strip()}   {value} planck"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _field(event: Event, field: str) -> Json:
    return event.fields.get(field)


async def _post(posting: Posting, offer: Offer, seed: bytes, how: Submission) -> Receipt:
    async with open_chain(how.url) as chain:
        receipt = await sign_and_submit(chain, await _plan_post(chain, posting, offer), seed, how)
        if how.output == "text":
            await _warn_of_instant_sealing(chain.rpc)
        return receipt


async def _show_post(posting: Posting, offer: Offer, how: Submission) -> None:
    async with open_chain(how.url) as chain:
        await show_plan(chain, await _plan_post(chain, posting, offer), how)


async def _warn_of_instant_sealing(client: RpcClient) -> None:
    """Say how a bounty comes to be paid where no blocks come by themselves; other nodes know no `work_mining`."""
    with suppress(RpcError, UnexpectedAnswer):
        if read_object(await client.call("work_mining")).get("sealing") == "instant":
            click.echo(INSTANT_NOTE, err=True)


async def _plan_post(chain: ChainClient, posting: Posting, offer: Offer) -> Plan:
    arguments = make_call_arguments(posting, offer, best_number=await chain.get_best_number())
    instance = {"ising": arguments["ising"], "order": arguments["order"]}
    base, per_byte = (
        read_int(cast("Json", chain.metadata.constant("Problems", name))) for name in ("DepositBase", "DepositPerByte")
    )
    size = compute_size(chain, "Problems", "Instances", instance)
    deposit = base + per_byte * (size + compute_teachable_bytes(posting.file.problem, posting.depth))
    spends = (("bounty", offer.bounty_planck), ("work budget", offer.work_budget_planck), ("deposit", deposit))
    return Plan(
        call=chain.metadata.encode_call("Problems", "post", arguments),
        spends=tuple((name, planck) for name, planck in spends if planck),
    )


async def _submit(name: str, arguments: dict[str, object], seed: bytes, how: Submission) -> Receipt:
    async with open_chain(how.url) as chain:
        plan = Plan(call=chain.metadata.encode_call("Problems", name, arguments))
        return await sign_and_submit(chain, plan, seed, how)


async def _call(url: str, method: str, *params: Json) -> Json:
    async with connect(url) as client:
        return await client.call(method, *params)


async def _list(url: str, only_open: bool) -> tuple[Json, list[ProblemRow]]:
    answer = await _call(url, "problem_list", only_open)
    try:
        return answer, msgspec.convert(answer, list[ProblemRow])
    except msgspec.ValidationError as error:
        raise UnexpectedAnswer(f"the node answered no list of problems: {error}") from error


async def _get_depth(url: str, number: int) -> int:
    return read_int((await _get(url, number)).get("depth"))


async def _get(url: str, number: int) -> Mapping[str, Json]:
    record = await _call(url, "problem_get", number)
    if record is None:
        raise not_found(f"there is no problem {number}")
    return read_object(record)


async def _watch(url: str, number: int, timeout_s: float) -> None:
    async with connect(url) as client:
        if (await _get(url, number)).get("status") not in ENDED:
            await _warn_of_instant_sealing(client)
    last: Json = None
    status: Json = "not answered for"
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                record = await _get(url, number)
                status = record.get("status")
                news: Json = [status, record.get("best")]
                if news != last:
                    click.echo(_news_line(record))
                    last = news
                if status in ENDED:
                    break
                await asyncio.sleep(WATCH_SECONDS)
    except TimeoutError as error:
        raise CommandFailed(f"problem {number} is {status} after {timeout_s:g} s", TIMED_OUT) from error


def _news_line(record: Mapping[str, Json]) -> str:
    best = record.get("best")
    if not isinstance(best, Mapping):
        return f"{record.get('status')}: no solution yet"
    return f"{record.get('status')}: energy {best.get('energy')} by {best.get('solver')} in block {best.get('height')}"
