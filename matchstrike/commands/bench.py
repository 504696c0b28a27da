"""`matchstrike bench`: measures this machine; every figure that the documents state comes from here."""

from __future__ import annotations

import click

from matchstrike.commands.bench_chain import bench_chain
from matchstrike.commands.bench_engines import bench_engines
from matchstrike.commands.bench_followers import bench_followers
from matchstrike.commands.bench_gas import bench_gas
from matchstrike.commands.bench_match import bench_match
from matchstrike.commands.bench_network import bench_network
from matchstrike.commands.bench_reads import bench_rpc
from matchstrike.commands.bench_scaling import bench_scaling
from matchstrike.commands.bench_sync import bench_sync
from matchstrike.commands.bench_verification import bench_verification
from matchstrike.commands.bench_vm import bench_vm


@click.group()
def bench() -> None:
    """Measure this machine. Rates are per CPU second, so that other work on the machine disturbs them little."""


bench.add_command(bench_chain)
bench.add_command(bench_engines)
bench.add_command(bench_followers)
bench.add_command(bench_gas)
bench.add_command(bench_match)
bench.add_command(bench_network)
bench.add_command(bench_rpc)
bench.add_command(bench_scaling)
bench.add_command(bench_sync)
bench.add_command(bench_verification)
bench.add_command(bench_vm)
