"""`matchstrike devnet run`: a chain on this machine, a posted problem, and a table until its bounty is paid."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from chain.secret_uri import derive_seed
from matchstrike.commands.amounts import AMOUNT, format_amount
from matchstrike.commands.failure import FAILED, TIMED_OUT, CommandFailed
from matchstrike.commands.node_process import NodeProcess, choose_port, start_node
from matchstrike.commands.posting import (
    TARGET,
    Offer,
    Posting,
    describe_posting,
    load_problem,
    make_call_arguments,
    make_posting,
)
from matchstrike.commands.session import SECONDS, run
from rpc.api import Json
from vm.problem_file import compute_quantity, get_quantity_name
from wallet.chain_client import ChainClient, open_chain, read_int, read_object

POSTER = "//Bob"
EXAMPLE = Path(__file__).parents[2] / "examples" / "cubic16.txt"
REFRESH_SECONDS = 0.5


@click.group()
def devnet() -> None:
    """Run a chain on this machine."""


@devnet.command("run")
@click.option("--once", is_flag=True, help="End when the bounty is paid, instead of running until Ctrl-C.")
@click.option("--problem", type=click.Path(path_type=Path), default=EXAMPLE, help="The problem file to post.")
@click.option("--bounty", type=AMOUNT, default="5", show_default=True, help="The bounty, in tokens.")
@click.option("--depth", type=click.IntRange(1, 8), default=1, show_default=True, help="Layers of the circuit.")
@click.option("--target", type=TARGET, help="The cut, value or energy that earns the bounty.")
@click.option(
    "--rpc-port",
    type=click.IntRange(0, 65535),
    default=9944,
    show_default=True,
    help="The node's RPC port; another one if it is taken.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=SECONDS,
    default=240.0,
    show_default=True,
    help="Seconds until the bounty must be paid.",
)
def run_devnet(
    once: bool, problem: Path, bounty: int, depth: int, target: int | None, rpc_port: int, timeout_s: float
) -> None:
    """Start a node that mines, post a problem from a file, and show how its bounty is paid."""
    file = load_problem(problem)
    offer = Offer(bounty_planck=bounty, target=target)
    posting = make_posting(file, depth=depth, target=target)
    with suppress(KeyboardInterrupt):
        run(_run(posting, offer, rpc_port=rpc_port, timeout_s=timeout_s, once=once))


async def _run(posting: Posting, offer: Offer, *, rpc_port: int, timeout_s: float, once: bool) -> None:
    port = choose_port(rpc_port)
    arguments = ["--dev", "--prometheus-port", str(choose_port(9615))]
    with tempfile.TemporaryDirectory(prefix="matchstrike-devnet-") as name:
        async with start_node(arguments, rpc_port=port, folder=Path(name)) as node:
            click.echo(f"node    {node.url}   (log: {node.log_path})")
            await node.wait_ready(timeout_s)
            async with open_chain(node.url) as chain:
                await _show_payment(chain, node, posting, offer, timeout_s)
            if once:
                click.echo("\nThe node ends here. Without --once it keeps running, to try more.")
            else:
                _show_next_steps(node.url)
                click.echo("The node keeps running; Ctrl-C stops it.")
                await node.process.wait()
                node.check_alive()


async def _show_payment(
    chain: ChainClient, node: NodeProcess, posting: Posting, offer: Offer, timeout_s: float
) -> None:
    """Post the problem and show the table until the bounty is paid."""
    click.echo(f"problem {describe_posting(posting)}")
    number = await post(chain, posting, offer, seed=derive_seed(POSTER))
    click.echo(f"posted  problem {number}, bounty {format_amount(offer.bounty_planck, chain.token_symbol)}")
    started = monotonic()
    with Live(Table(), console=Console(), refresh_per_second=4, transient=False) as live:
        while True:
            node.check_alive()
            record = read_object(await chain.rpc.call("problem_get", number))
            live.update(await _make_table(chain, posting, record))
            if record.get("status") == "paid":
                break
            if record.get("status") in ("expired", "cancelled"):
                raise CommandFailed(f"problem {number} is {record.get('status')}; nobody reached the target", FAILED)
            if monotonic() - started > timeout_s:
                raise CommandFailed(f"the bounty was not paid within {timeout_s:g} s", TIMED_OUT)
            await asyncio.sleep(REFRESH_SECONDS)
    _show_result(posting, record, offer, chain)


async def post(chain: ChainClient, posting: Posting, offer: Offer, *, seed: bytes) -> int:
    """Post a problem and return its number.

    Raises:
        CommandFailed: the chain refused the call; says why.
    """
    arguments = make_call_arguments(posting, offer, best_number=await chain.get_best_number())
    call = chain.metadata.encode_call("Problems", "post", arguments)
    receipt = await chain.submit(await chain.sign(call, seed))
    if receipt.error is not None:
        raise CommandFailed(f"the problem was not accepted: {receipt.error}")
    for event in receipt.events:
        if (event.pallet, event.name) == ("Problems", "Posted"):
            return read_int(event.fields["problem"])
    raise CommandFailed("the block has no Problems.Posted event")


async def _make_table(chain: ChainClient, posting: Posting, record: Mapping[str, Json]) -> Table:
    header, final_hash, mining = await asyncio.gather(
        chain.rpc.call("chain_getHeader"), chain.rpc.call("chain_getFinalizedHead"), chain.rpc.call("work_mining")
    )
    final = read_object(await chain.rpc.call("chain_getHeader", final_hash))
    status = read_object(mining)
    best = record.get("best")
    quantity = "-"
    if isinstance(best, Mapping):
        quantity = str(compute_quantity(posting.file, read_int(best["energy"])))
    table = Table(title="Matchstrike devnet")
    columns = {
        "height": str(read_int(read_object(header)["number"])),
        "finalized": str(read_int(final["number"])),
        f"best {get_quantity_name(posting.file)}": f"{quantity} / {posting.target_quantity}",
        "strikes/s": f"{status.get('strikesPerSecond', 0):,}",
        "tickets/s": f"{status.get('ticketsPerSecond', 0):,}",
        "reward": format_amount(read_int(status.get("reward", 0)), chain.token_symbol),
        "problem": str(record.get("status")),
    }
    for name in columns:
        table.add_column(name, justify="right")
    table.add_row(*columns.values())
    return table


def _show_result(posting: Posting, record: Mapping[str, Json], offer: Offer, chain: ChainClient) -> None:
    best = read_object(record["best"])
    name = get_quantity_name(posting.file)
    quantity = compute_quantity(posting.file, read_int(best["energy"]))
    amount = format_amount(offer.bounty_planck, chain.token_symbol)
    click.echo(f"\npaid    {amount} to {best['solver']} for {name} {quantity} (found in block {best['height']})")


def _show_next_steps(url: str) -> None:
    click.echo("\nTry next, in another terminal (. .venv/bin/activate):")
    address = "" if url.endswith(":9944") else f" --url {url}"
    for line in (
        f"matchstrike problem list{address}",
        f"matchstrike wallet balance alice{address}",
        f"matchstrike rpc work_replay{address}",
        f"matchstrike problem post examples/weighted12.txt --bounty 2 --from bob{address}",
    ):
        click.echo(f"  {line}")
