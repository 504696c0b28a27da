"""`matchstrike bench sync`: how fast an empty node gets a chain, in full and fast."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import msgspec

from matchstrike.commands.session import emit, output_option
from node.sync_measure import measure_sync


@click.command("sync")
@click.option("--blocks", type=click.IntRange(20), default=500, show_default=True, help="Blocks of the chain.")
@output_option
def bench_sync(blocks: int, output: str) -> None:
    """Measure full sync beside verification alone, and fast sync beside full sync.

    A chain with strikes, six transfers a block and the votes of four validators is made; empty nodes then get it from
    one peer, over messages as bytes, into LevelDB. Figures are CPU seconds of the receiving node.
    """
    with tempfile.TemporaryDirectory(prefix="matchstrike-bench-") as name:
        figures = msgspec.to_builtins(measure_sync(Path(name), blocks=blocks))
    emit(figures, "\n".join(f"{key:<40} {value}" for key, value in figures.items()), output)
