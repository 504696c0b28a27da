"""`matchstrike devnet test`: a network, and assertions about it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from matchstrike.commands.devnet_failure import tell_devnet_failures
from matchstrike.commands.devnet_up import prepare_devnet
from matchstrike.commands.failure import FAILED, CommandFailed
from matchstrike.commands.session import not_found, run
from matchstrike.devnet.failure import BadScript
from matchstrike.devnet.fleet import run_fleet
from matchstrike.devnet.plan import DevnetPlan
from matchstrike.devnet.script import Script
from matchstrike.devnet.script_grammar import parse_script
from matchstrike.devnet.script_runner import Outcome, check_names, run_script


@click.command("test")
@click.argument("script", type=click.Path(path_type=Path))
@click.option(
    "--base-path",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the nodes' data and logs in this folder.",
)
@click.option(
    "--rpc-port",
    type=click.IntRange(1, 65535),
    help="The first node's RPC port if the network names none; 9944, or the next free one.",
)
def test_devnet(script: Path, base_path: Path | None, rpc_port: int | None) -> None:
    """Start the network that SCRIPT names, a .zndsl file as zombienet has them, and check what it says, line by line.

    Ends with exit code 1 at the first line that does not hold.
    """
    with tell_devnet_failures():
        parsed = _load_script(script)
        assert parsed.network is not None
        network = script.parent / parsed.network
        with prepare_devnet(network, base_path, rpc_port) as (plan, folder):
            check_names(parsed, tuple(node.name for node in plan.nodes))
            run(_run(parsed, plan, folder))


def _load_script(path: Path) -> Script:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise not_found(f"there is no file {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} cannot be read", FAILED) from error
    try:
        script = parse_script(text)
    except BadScript as error:
        raise BadScript(f"{path} is no test of a devnet:\n{error}") from error
    if script.network is None:
        raise BadScript(f'{path} is no test of a devnet: it names no network; write "Network: FILE.toml" on top')
    return script


async def _run(script: Script, plan: DevnetPlan, folder: Path) -> None:
    if script.description:
        click.echo(script.description)
    async with run_fleet(plan, folder, click.echo) as fleet, asyncio.TaskGroup() as group:
        faults = group.create_task(fleet.run_faults(click.echo))
        failed = await run_script(script, fleet, _show)
        faults.cancel()
    if failed is not None:
        raise CommandFailed(f"line {failed.statement.line} did not hold: {failed.statement.text}", FAILED)
    click.echo(f"all {len(script.statements)} statements held")


def _show(outcome: Outcome) -> None:
    mark = "ok    " if outcome.passed else "FAILED"
    click.echo(f"{mark} {outcome.seconds:6.1f} s  {outcome.statement.text}")
    if not outcome.passed:
        click.echo("\n".join("       " + line for line in outcome.detail.splitlines()))
