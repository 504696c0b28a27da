"""`matchstrike devnet`: chains of one or many nodes on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from matchstrike.commands.amounts import AMOUNT
from matchstrike.commands.devnet_demonstration import Demonstration, run_demonstration
from matchstrike.commands.devnet_failure import tell_devnet_failures
from matchstrike.commands.devnet_test import test_devnet
from matchstrike.commands.devnet_up import save_devnet, up
from matchstrike.commands.posting import TARGET, Offer, load_problem, make_posting
from matchstrike.commands.session import SECONDS, run
from matchstrike.devnet.folder import begin_devnet
from matchstrike.devnet.network_file import Network, NetworkNode

EXAMPLE = Path(__file__).parents[2] / "examples" / "cubic16.txt"
NAMES = ("alice", "bob", "charlie", "dave", "eve", "ferdie")
NODES = 4


@click.group()
def devnet() -> None:
    """Run chains of one or many nodes on this machine."""


devnet.add_command(up)
devnet.add_command(test_devnet)
devnet.add_command(save_devnet)


@devnet.command("run")
@click.option("--once", is_flag=True, help="End when the bounty is paid and final, not at Ctrl-C.")
@click.option(
    "--nodes",
    type=click.IntRange(1, len(NAMES)),
    default=NODES,
    show_default=True,
    help="How many nodes: alice, bob and so on.",
)
@click.option("--problem", type=click.Path(path_type=Path), default=EXAMPLE, help="The problem file to post.")
@click.option("--bounty", type=AMOUNT, default="5", show_default=True, help="The bounty, in tokens.")
@click.option("--depth", type=click.IntRange(1, 8), default=1, show_default=True, help="Layers of the circuit.")
@click.option("--target", type=TARGET, help="The cut, value or energy that earns the bounty.")
@click.option(
    "--rpc-port",
    type=click.IntRange(1, 65535),
    default=9944,
    show_default=True,
    help="The first node's RPC port; the next free one if it is taken.",
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
    once: bool,
    nodes: int,
    problem: Path,
    bounty: int,
    depth: int,
    target: int | None,
    rpc_port: int,
    timeout_s: float,
) -> None:
    """Start nodes that mine, post a problem from a file, and show how its bounty is paid."""
    file = load_problem(problem)
    offer = Offer(bounty_planck=bounty, target=target)
    shown = Demonstration(
        posting=make_posting(file, depth=depth, target=target), offer=offer, timeout_s=timeout_s, is_once=once
    )
    with tell_devnet_failures(), _make_folder() as folder:
        plan = begin_devnet(
            make_demonstration_network(nodes), folder, name="devnet run", beside=Path(), rpc_port=rpc_port
        )
        with suppress(KeyboardInterrupt):
            run(run_demonstration(plan, folder, shown))


def make_demonstration_network(count: int) -> Network:
    """Return the network of `devnet run`: validators that mine; a lone one on the chain that needs no others."""
    nodes = tuple(NetworkNode(name=name) for name in NAMES[:count])
    return Network(nodes=nodes, chain="dev" if count == 1 else "local")


@contextmanager
def _make_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="matchstrike-devnet-") as name:
        yield Path(name)
