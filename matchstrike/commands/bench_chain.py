"""`matchstrike bench chain`: block import, state commits, and extrinsics over RPC."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import msgspec

from matchstrike.commands.bench_rpc import RpcFigures, measure_submission
from matchstrike.commands.devnet_failure import tell_devnet_failures
from matchstrike.commands.session import emit, output_option, run
from node.import_measure import ImportFigures, measure_import
from node.state_measure import StateFigures, measure_state_commit
from rpc.api import Json


@click.command("chain")
@click.option("--accounts", default=100_000, show_default=True, help="Accounts in the state.")
@click.option("--transfers", default=1_000, show_default=True, help="Signed transfers in each block.")
@click.option("--blocks", default=8, show_default=True, help="Blocks to import.")
@click.option("--submissions", default=10_000, show_default=True, help="Extrinsics to submit over RPC; 0 for none.")
@output_option
def bench_chain(accounts: int, transfers: int, blocks: int, submissions: int, output: str) -> None:
    """Measure block import, state commit and submission over RPC.

    Import goes through the function that the node uses: bytes in; every check, event, fee and root; LevelDB synced for
    each block. Rates are per CPU second. `checked` means that the pool had checked the signatures before.
    """
    with tempfile.TemporaryDirectory(prefix="matchstrike-bench-") as name:
        figures: list[ImportFigures | StateFigures | RpcFigures] = [
            measure_import(Path(name), accounts=accounts, transfers=transfers, blocks=blocks),
            measure_state_commit(Path(name), accounts=accounts),
        ]
        if submissions:
            with tell_devnet_failures():
                figures.append(run(measure_submission(Path(name), submissions)))
    data: dict[str, Json] = {}
    for record in figures:
        data.update(msgspec.to_builtins(record))
    emit(data, "\n".join(f"{key:<40} {value}" for key, value in data.items()), output)
