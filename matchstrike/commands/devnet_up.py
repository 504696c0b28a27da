"""`matchstrike devnet up` and `devnet save`: a network from a file, kept running, and kept for later."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import click

from matchstrike.commands.devnet_failure import tell_devnet_failures
from matchstrike.commands.failure import USAGE, CommandFailed
from matchstrike.commands.session import run
from matchstrike.devnet.display import Display, open_display
from matchstrike.devnet.failure import DevnetFailed
from matchstrike.devnet.fleet import Fleet, run_fleet
from matchstrike.devnet.folder import (
    begin_devnet,
    copy_devnet,
    has_devnet,
    load_network,
    lock_folder,
    resume_devnet,
)
from matchstrike.devnet.node_line import open_line
from matchstrike.devnet.plan import DevnetPlan, make_join_command

REFRESH_SECONDS = 0.5


@click.command()
@click.argument("network", type=click.Path(path_type=Path))
@click.option(
    "--base-path",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep everything in this folder; `devnet up FOLDER` goes on from there.",
)
@click.option(
    "--rpc-port",
    type=click.IntRange(1, 65535),
    help="The first node's RPC port if the file names none; 9944, or the next free one.",
)
def up(network: Path, base_path: Path | None, rpc_port: int | None) -> None:
    """Start the nodes of NETWORK, a .toml or .json file as zombienet has them, and keep them running until Ctrl-C.

    NETWORK may also be the folder of an earlier `--base-path`: its devnet goes on with the same keys, chain and data.
    """
    with (
        tell_devnet_failures(),
        prepare_devnet(network, base_path, rpc_port) as (plan, folder),
        suppress(KeyboardInterrupt),
    ):
        run(_keep_running(plan, folder))


@click.command("save")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("copy", type=click.Path(path_type=Path))
def save_devnet(folder: Path, copy: Path) -> None:
    """Copy a devnet that does not run from FOLDER to COPY, to go on from this state more than once."""
    with tell_devnet_failures():
        copy_devnet(folder, copy)
    click.echo(f"saved {folder} in {copy}; `matchstrike devnet up {copy}` goes on from here")


@contextmanager
def prepare_devnet(network: Path, base_path: Path | None, rpc_port: int | None) -> Iterator[tuple[DevnetPlan, Path]]:
    """Return the plan of a new or resumed devnet and its folder; a folder that nobody named goes in the end.

    Raises:
        DevnetFailed: no network, no devnet to resume, or one that runs already.
    """
    if network.is_dir():
        if base_path is not None:
            raise CommandFailed(f"{network} is a devnet's folder already; leave --base-path out", USAGE)
        with lock_folder(network):
            yield resume_devnet(network, rpc_port=rpc_port), network.resolve()
        return
    wanted = load_network(network)
    chosen = base_path or (None if wanted.base_dir is None else network.parent / wanted.base_dir)
    with tempfile.TemporaryDirectory(prefix="matchstrike-devnet-") as name:
        folder = (chosen or Path(name)).resolve()
        with lock_folder(folder):
            if has_devnet(folder):
                raise DevnetFailed(f"{folder} has a devnet already; go on with `matchstrike devnet up {folder}`")
            yield begin_devnet(wanted, folder, name=network.name, beside=network.parent, rpc_port=rpc_port), folder


async def _keep_running(plan: DevnetPlan, folder: Path) -> None:
    async with run_fleet(plan, folder, click.echo) as fleet:
        click.echo(f"Another node joins with\n  {make_join_command(fleet.plan, folder, name='joiner')}")
        click.echo("All nodes answer; Ctrl-C stops them.")
        with open_display() as display:
            async with asyncio.TaskGroup() as group:
                group.create_task(fleet.run_faults(display.say))
                await _show_nodes(fleet, display)


async def _show_nodes(fleet: Fleet, display: Display) -> None:
    """Show the nodes for ever; one that ended by itself is told once, and ends the devnet unless the file says not."""
    told: set[int] = set()
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(open_line(node)) for node in fleet.nodes.values()]
        while True:
            for node in fleet.nodes.values():
                try:
                    node.check_alive()
                except DevnetFailed as error:
                    if fleet.plan.tears_down:
                        raise
                    if node.pid not in told:
                        told.add(node.pid)
                        display.say(str(error))
            statuses = await asyncio.gather(*(line.read_status() for line in lines))
            display.show(statuses)
            if all(node.state == "dead" for node in fleet.nodes.values()):
                raise DevnetFailed("no node is left")
            await asyncio.sleep(REFRESH_SECONDS)
