"""What `scripts/devnet` shows: nodes that find each other, a posted problem, and its bounty paid for good."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import click
import msgspec

from chain.secret_uri import derive_seed
from matchstrike.commands.amounts import format_amount
from matchstrike.commands.failure import FAILED, TIMED_OUT, CommandFailed
from matchstrike.commands.posting import Offer, Posting, describe_posting, make_call_arguments
from matchstrike.devnet.display import Display, open_display
from matchstrike.devnet.finality_lag import FinalityLag, follow_finality
from matchstrike.devnet.fleet import Fleet, run_fleet
from matchstrike.devnet.node_line import NodeLine, NodeStatus, open_line
from matchstrike.devnet.plan import DevnetPlan, make_join_command
from rpc.api import Json
from vm.problem_file import compute_quantity, get_quantity_name
from wallet.chain_client import ChainClient, open_chain, read_int, read_object

POSTER = "//Bob"
REFRESH_SECONDS = 0.5


class Demonstration(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown, and for how long."""

    posting: Posting
    offer: Offer
    timeout_s: float
    is_once: bool


async def run_demonstration(plan: DevnetPlan, folder: Path, shown: Demonstration) -> None:
    """Run the nodes, post the problem, show the way of its bounty, and end or keep running."""
    async with run_fleet(plan, folder, click.echo) as fleet:
        deadline = monotonic() + shown.timeout_s
        lag = FinalityLag()
        async with AsyncExitStack() as stack:
            lines = [await stack.enter_async_context(open_line(node)) for node in fleet.nodes.values()]
            chain = await stack.enter_async_context(open_chain(fleet.first.url))
            follower = asyncio.create_task(follow_finality(fleet.first.url, lag))
            stack.push_async_callback(_end, follower)
            watch = _Watch(fleet, lines, deadline)
            if len(lines) > 1:
                await _wait_connected(watch)
            await _show_payment(watch, chain, shown)
        _show_lag(lag)
        if shown.is_once:
            click.echo("\nThe nodes end here. Without --once they keep running, to try more.")
            return
        _show_next_steps(fleet.first.url, make_join_command(fleet.plan, folder, name="eve"))
        click.echo("The nodes keep running; Ctrl-C stops them.")
        while True:
            fleet.check_alive()
            await asyncio.sleep(REFRESH_SECONDS)


class _Watch:
    """Looks at all nodes, and gives up when one has ended or the time is over."""

    def __init__(self, fleet: Fleet, lines: Sequence[NodeLine], deadline: float) -> None:
        self._fleet = fleet
        self._lines = lines
        self._deadline = deadline

    async def look(self, what: str) -> list[NodeStatus]:
        """Return what the nodes tell, half a second after the last time.

        Raises:
            DevnetFailed: a node has ended.
            CommandFailed: the time is over; says that `what` did not happen.
        """
        self._fleet.check_alive()
        if monotonic() > self._deadline:
            raise CommandFailed(f"in time {what} did not happen:\n{self._fleet.first.read_last_lines()}", TIMED_OUT)
        await asyncio.sleep(REFRESH_SECONDS)
        return list(await asyncio.gather(*(line.read_status() for line in self._lines)))


async def _wait_connected(watch: _Watch) -> None:
    """Wait until every node has all others for peers and a block after the first is final."""
    begin = monotonic()
    with open_display() as display:
        while True:
            statuses = await watch.look("the connecting of the nodes and a final block")
            display.show(statuses, "waiting for peers and a final block")
            connected = all((status.peers or 0) >= min(len(statuses) - 1, 1) for status in statuses)
            if connected and all((status.final or 0) >= 1 for status in statuses):
                break
    number = min(status.final or 0 for status in statuses)
    click.echo(f"final   connected, and block {number} is final on every node after {monotonic() - begin:.0f} s")


async def _show_payment(watch: _Watch, chain: ChainClient, shown: Demonstration) -> None:
    """Post the problem and show the nodes until the block that paid the bounty is final on all of them."""
    posting, offer = shown.posting, shown.offer
    click.echo(f"problem {describe_posting(posting)}")
    number = await post(chain, posting, offer, seed=derive_seed(POSTER))
    click.echo(f"posted  problem {number}, bounty {format_amount(offer.bounty_planck, chain.token_symbol)}")
    with open_display() as display:
        record = await _follow_payment(watch, chain, posting, number, display)
    name = get_quantity_name(posting.file)
    quantity = compute_quantity(posting.file, read_int(read_object(record["best"])["energy"]))
    best = read_object(record["best"])
    amount = format_amount(offer.bounty_planck, chain.token_symbol)
    click.echo(f"paid    {amount} to {best['solver']} for {name} {quantity} (found in block {best['height']})")


async def _follow_payment(
    watch: _Watch, chain: ChainClient, posting: Posting, number: int, display: Display
) -> Mapping[str, Json]:
    """Show the nodes until the bounty is paid and final; return the problem's record."""
    paid_at: int | None = None
    while True:
        statuses = await watch.look("the payment of the bounty")
        record = read_object(await chain.rpc.call("problem_get", number))
        status = record.get("status")
        display.show(statuses, _describe_problem(chain, posting, record, statuses[0]))
        if status in ("expired", "cancelled"):
            raise CommandFailed(f"problem {number} is {status}; nobody reached the target", FAILED)
        if status != "paid":
            paid_at = None  # a change of branch may undo a payment
        elif paid_at is None:
            paid_at = await chain.get_best_number()
        elif all((node.final or 0) >= paid_at for node in statuses):
            return record


def _describe_problem(chain: ChainClient, posting: Posting, record: Mapping[str, Json], first: NodeStatus) -> str:
    best = record.get("best")
    quantity = "-"
    if isinstance(best, Mapping):
        quantity = str(compute_quantity(posting.file, read_int(best["energy"])))
    reward = format_amount(first.reward_planck or 0, chain.token_symbol)
    name = get_quantity_name(posting.file)
    return f"best {name} {quantity} / {posting.target_quantity}, problem {record.get('status')}, block reward {reward}"


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


def _show_lag(lag: FinalityLag) -> None:
    figures = lag.compute_figures()
    if figures is not None:
        click.echo(
            f"lag     from a block's timestamp until it is final: median {figures.median_s:.1f} s, "
            f"largest {figures.largest_s:.1f} s, over {figures.blocks} blocks"
        )


async def _end(task: asyncio.Task[None]) -> None:
    """Stop measuring; say so if it had stopped by itself."""
    task.cancel()
    [error] = await asyncio.gather(task, return_exceptions=True)
    if not isinstance(error, asyncio.CancelledError):
        click.echo(f"the measuring of the lag stopped before the end: {error}", err=True)


def _show_next_steps(url: str, join: str) -> None:
    click.echo("\nTry next, in another terminal (. .venv/bin/activate):")
    address = "" if url.endswith(":9944") else f" --url {url}"
    for line in (
        f"matchstrike problem list{address}",
        f"matchstrike wallet balance alice{address}",
        f"matchstrike rpc work_replay{address}",
        f"matchstrike problem post examples/weighted12.txt --bounty 2 --from bob{address}",
    ):
        click.echo(f"  {line}")
    click.echo(f"\nAnother node joins with\n  {join}")
