"""`matchstrike bench rpc`: how long a reader waits at a validator that mines and is loaded with transfers.

Terms:
    loop delay: how late a timer in the node's own event loop is, from the node's metrics; shown as the bound of the
        histogram's class, so the true figure is at most that.
    idle: the same reads before the load begins; on a busy machine this shows what the machine adds.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from time import perf_counter

import aiohttp
import click
import msgspec

from chain.ed25519 import public_of
from chain.secret_uri import derive_seed
from chain.ss58 import encode_address
from matchstrike.commands.bench_rpc import SENDERS, check_accepted, make_batches
from matchstrike.commands.devnet_failure import tell_devnet_failures
from matchstrike.commands.session import emit, output_option, run
from matchstrike.devnet.node_process import run_lone_node
from matchstrike.devnet.ports import PortChooser
from rpc.api import Json
from rpc.client import RpcClient, connect
from runtime.pallets.system import ACCOUNT
from wallet.chain_client import ChainClient, open_chain

READY_SECONDS = 180
BLOCKS_BEFORE = 5
PORT_FIRST, PORTS = 11_000, 8_000  # spread by process, so that two benches side by side do not meet
IDLE_SECONDS = 10
LOADS_PER_SECOND = 10
METRIC = "substrate_event_loop_delay_time_bucket"
READS = ("state_getStorage", "system_accountNextIndex")
SS58_PREFIX = 42


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """How long readers waited, in milliseconds."""

    reads: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class ReadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Reading from a loaded validator.

    Attributes:
        transfers_largest_block: Signed transfers of the fullest block.
        load_average: Of the machine over the last minute, at the end.
    """

    seconds: float
    transfers_per_s: float
    blocks: int
    transfers_largest_block: int
    idle: Waits
    storage: Waits
    next_index: Waits
    loop_delay_p50_ms: float
    loop_delay_p99_ms: float
    loop_delay_max_ms: float
    load_average: float


@click.command("rpc")
@click.option("--seconds", default=60, show_default=True, help="How long to load the node.")
@click.option("--rate", default=300, show_default=True, help="Transfers a second.")
@click.option("--reads", default=50, show_default=True, help="Reads a second.")
@output_option
def bench_rpc(seconds: int, rate: int, reads: int, output: str) -> None:
    """Measure how long state reads take at a loaded validator.

    One node of the chain `local` mines with one process and takes a steady stream of transfers, while a reader asks
    for a balance and a next index in turn over a WebSocket. Times are wall time from question to answer.
    """
    with tempfile.TemporaryDirectory(prefix="matchstrike-bench-") as name, tell_devnet_failures():
        figures = run(measure_reads(Path(name), seconds=seconds, rate=rate, reads=reads))
    data: dict[str, Json] = msgspec.to_builtins(figures)
    emit(data, "\n".join(f"{key:<26} {value}" for key, value in data.items()), output)


async def measure_reads(folder: Path, *, seconds: int, rate: int, reads: int) -> ReadFigures:
    """Start a validator and read from it, first idle and then under load.

    Raises:
        CommandFailed: it refused a transfer.
        DevnetFailed: it did not start.
    """
    first = PORT_FIRST + os.getpid() % PORTS
    metrics_port = PortChooser().choose(first + PORTS)
    arguments = ["--chain", "local", "--alice", "--validator", "--tmp", "--threads", "1", "--no-mdns"]
    arguments += ["--prometheus-port", str(metrics_port), "--pool-limit", str(max(8192, 2 * seconds * rate))]
    async with run_lone_node(arguments, folder, port_first=first) as node:
        await node.wait_ready(READY_SECONDS)
        async with open_chain(node.url, timeout_s=60) as chain, connect(node.url, timeout_s=60) as reader:
            per_load = max(1, rate // LOADS_PER_SECOND)
            loads = [item for batch in make_batches(chain, seconds * LOADS_PER_SECOND * per_load) for item in batch]
            await _wait_mined(chain)
            idle = await _read(reader, IDLE_SECONDS, reads)
            first, before = await chain.get_best_number(), await _read_delays(metrics_port)
            started = perf_counter()
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(_read(reader, seconds, reads))
                group.create_task(_submit(chain.rpc, loads, per_load))
            spent = perf_counter() - started
            after = await _read_delays(metrics_port)
            last = await chain.get_best_number()
            sizes = [await _count_transfers(reader, number) for number in range(first + 1, last + 1)]
    waits = reading.result()
    delays = [(bound, held - old) for (bound, held), (_, old) in zip(after, before, strict=True)]
    return ReadFigures(
        seconds=round(spent, 1),
        transfers_per_s=round(len(loads) / spent),
        blocks=len(sizes),
        transfers_largest_block=max(sizes, default=0),
        idle=summarise(idle[0] + idle[1]),
        storage=summarise(waits[0]),
        next_index=summarise(waits[1]),
        loop_delay_p50_ms=find_bound(delays, 0.5),
        loop_delay_p99_ms=find_bound(delays, 0.99),
        loop_delay_max_ms=find_bound(delays, 1.0),
        load_average=round(os.getloadavg()[0], 1),
    )


async def _wait_mined(chain: ChainClient) -> None:
    """Wait until the target has begun to follow the machine's pace."""
    async with asyncio.timeout(READY_SECONDS):
        while await chain.get_best_number() < BLOCKS_BEFORE:
            await asyncio.sleep(0.5)


async def _read(reader: RpcClient, seconds: int, per_second: int) -> tuple[list[float], list[float]]:
    """Ask at fixed times, whether or not earlier answers have come; return the waits of both questions in seconds."""
    who = public_of(derive_seed(SENDERS[0]))
    questions = ("0x" + ACCOUNT.key_of(who).hex(), encode_address(who, SS58_PREFIX))
    waits: tuple[list[float], list[float]] = ([], [])

    async def ask(which: int) -> None:
        asked = perf_counter()
        await reader.call(READS[which], questions[which])
        waits[which].append(perf_counter() - asked)

    began = perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(seconds * per_second):
            await asyncio.sleep(max(0.0, began + number / per_second - perf_counter()))
            group.create_task(ask(number % 2))
    return waits


async def _submit(rpc: RpcClient, loads: Sequence[list[Json]], per_load: int) -> None:
    began = perf_counter()
    for number, start in zip(count(), range(0, len(loads), per_load), strict=False):
        await asyncio.sleep(max(0.0, began + number / LOADS_PER_SECOND - perf_counter()))
        check_accepted(await rpc.call_batch("author_submitExtrinsic", loads[start : start + per_load]))


async def _count_transfers(rpc: RpcClient, number: int) -> int:
    answer = await rpc.call("chain_getBlock", await rpc.call("chain_getBlockHash", number))
    assert isinstance(answer, dict)
    block = answer["block"]
    assert isinstance(block, dict)
    extrinsics = block["extrinsics"]
    assert isinstance(extrinsics, list)
    return max(0, len(extrinsics) - 1)  # the first one sets the time


async def _read_delays(port: int) -> list[tuple[float, float]]:
    """Return the bounds of the node's histogram in seconds, each with how many delays were at most that."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
        text = await response.text()
    rows = [line for line in text.splitlines() if line.startswith(METRIC)]
    return [(float(row.split('le="')[1].split('"')[0]), float(row.rsplit(" ", 1)[1])) for row in rows]


def find_bound(delays: Sequence[tuple[float, float]], share: float) -> float:
    """Return the bound in milliseconds that this share of the delays does not exceed."""
    wanted = share * delays[-1][1]
    return round(1e3 * next(bound for bound, held in delays if held >= wanted), 1)


def summarise(seconds: Sequence[float]) -> Waits:
    ordered = sorted(seconds)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return Waits(
        reads=len(ordered),
        p50_ms=round(1e3 * p50, 1),
        p99_ms=round(1e3 * p99, 1),
        max_ms=round(1e3 * ordered[-1], 1),
    )
