"""`matchstrike bench followers`: one mining validator and many nodes that follow it, as real processes on loopback."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from time import perf_counter

import click
import msgspec
from msgspec.structs import replace

from chain.ed25519 import public_of
from chain.peer_id import encode_peer_id
from genesis.chain_spec import ChainSpec, Genesis, GenesisPatch, RuntimeGenesis, format_chain_spec
from genesis.presets import make_local
from matchstrike.commands.bench_rpc import read_cpu_seconds
from matchstrike.commands.devnet_failure import tell_devnet_failures
from matchstrike.commands.failure import TIMED_OUT, CommandFailed
from matchstrike.commands.session import emit, output_option, run
from matchstrike.devnet.log_reader import LogReader
from matchstrike.devnet.node_process import NodeProcess, cancel_on_termination
from matchstrike.devnet.ports import PortChooser

PORT_FIRST = 22_000
PATIENCE_SECONDS = 300
POLL_SECONDS = 0.5
AT_ONCE = 2
MINER_BLOCKS = 5
_IMPORTED = re.compile(r"^(\S+ \S+) .* Imported #(\d+) \(\S+ → (\S+)\)")
_STAMP = "%Y-%m-%d %H:%M:%S.%f"
_FINAL = re.compile(r"finalized #(\d+)")


class FollowerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What following a chain costs. Memory is PSS: pages that processes share are divided among them.

    Attributes:
        blocks: The miner's blocks while it was measured.
        delivery: Imports of these blocks at the followers over those due.
        propagation_ms_p50: From the miner's own import to a follower's, wall time.
        followers_pss_mib: All followers together.
        miner_alone_pss_mib: The mining node with its worker processes, before there are followers to share pages with.
        miner_pss_mib: The same in the end, beside the followers.
        miner_node_pss_mib: The same without them.
        follower_cpu_ms_per_block: At the mean over followers, what it does between blocks included.
        follower_cpu_ms_per_s: The same for a second of wall time.
        start_cpu_s: Of one follower until it followed, at the mean.
        finalized: The highest final block that the miner told of.
    """

    nodes: int
    blocks: int
    seconds: float
    delivery: float
    propagation_ms_p50: float
    propagation_ms_p99: float
    propagation_ms_max: float
    followers_pss_mib: float
    follower_pss_mib_mean: float
    follower_pss_mib_max: float
    miner_alone_pss_mib: float
    miner_pss_mib: float
    miner_node_pss_mib: float
    follower_cpu_ms_per_block: float
    follower_cpu_ms_per_s: float
    miner_node_cpu_ms_per_s: float
    start_cpu_s: float
    finalized: int
    load_average: float


class WatchedNode:
    """A node's process and what its log tells."""

    def __init__(self, process: NodeProcess) -> None:
        """Not started."""
        self.process = process
        self._log = LogReader(process.log_path)
        self._read = 0
        self.imports: dict[str, float] = {}
        self.height = 0
        self.finalized = 0

    def look(self) -> None:
        """Read what the log has new.

        Raises:
            DevnetFailed: the node has ended.
        """
        self.process.check_alive()
        lines = self._log.read()
        for line in lines[self._read :]:
            found = _IMPORTED.match(line)
            if found is not None:
                self.imports.setdefault(found[3], datetime.strptime(found[1], _STAMP).timestamp())
                self.height = max(self.height, int(found[2]))
            final = _FINAL.search(line)
            if final is not None:
                self.finalized = int(final[1])
        self._read = len(lines)


def make_bench_spec(target_ms: int) -> ChainSpec:
    """Return the chain: `local` with this block target and one validator, //Alice."""
    spec = make_local()
    assert spec.genesis.runtime_genesis is not None
    patch = spec.genesis.runtime_genesis.patch
    staking = replace(patch.staking, validators=patch.staking.validators[:1])
    genesis = Genesis(runtime_genesis=RuntimeGenesis(patch=GenesisPatch(balances=patch.balances, staking=staking)))
    params = replace(spec.params, work=replace(spec.params.work, block_target_ms=target_ms))
    return replace(spec, id="bench", name="Bench", genesis=genesis, params=params)


async def measure_followers(folder: Path, *, nodes: int, blocks: int, target_ms: int) -> FollowerFigures:
    """Start the miner, then the followers a few at a time, and measure while the chain grows by `blocks`.

    Raises:
        CommandFailed: somebody did not follow in time.
        DevnetFailed: a node did not start, or ended.
    """
    cancel_on_termination()
    chain = folder / "chain.json"
    chain.write_bytes(format_chain_spec(make_bench_spec(target_ms)))
    seed, port = secrets.token_bytes(32), PortChooser().choose(PORT_FIRST)
    place = f"/ip4/127.0.0.1/tcp/{port}"
    async with AsyncExitStack() as stack:
        arguments = ["--alice", "--threads", "1", "--node-key", seed.hex(), "--listen-addr", place]
        miner = await stack.enter_async_context(_run_node(folder, "miner", chain, arguments))
        await _wait_height([miner], MINER_BLOCKS)
        alone_mib = read_node_pss_mib(miner.process.pid)
        bootnode = f"{place}/p2p/{encode_peer_id(public_of(seed))}"
        arguments = ["--bootnodes", bootnode, "--listen-addr", "/ip4/127.0.0.1/tcp/0"]
        followers: list[WatchedNode] = []
        for number in range(nodes):
            await _wait_height(followers[: len(followers) + 1 - AT_ONCE], 1)
            followers.append(await stack.enter_async_context(_run_node(folder, f"n{number}", chain, arguments)))
        miner.look()
        await _wait_height(followers, miner.height)
        figures = await _measure(miner, followers, blocks)
        return replace(figures, miner_alone_pss_mib=alone_mib)


@asynccontextmanager
async def _run_node(folder: Path, name: str, chain: Path, arguments: Sequence[str]) -> AsyncIterator[WatchedNode]:
    command = [sys.executable, "-m", "node.main", "--chain", str(chain), "--tmp", "--name", name]
    command += ["--rpc-port", "0", "--prometheus-port", "0", "--no-mdns", "--detailed-log-output", *arguments]
    process = NodeProcess(name, command, url="", peer_id="", log_path=folder / f"{name}.log")
    await process.start()
    try:
        yield WatchedNode(process)
    finally:
        await process.stop()


async def _wait_height(nodes: Sequence[WatchedNode], height: int) -> None:
    """Wait until all have this block, or one of this height.

    Raises:
        CommandFailed: they have not, in time.
    """
    deadline = perf_counter() + PATIENCE_SECONDS
    while True:
        for node in nodes:
            node.look()
        late = [node for node in nodes if node.height < height]
        if not late:
            return
        if perf_counter() > deadline:
            raise CommandFailed(
                f"{late[0].process.name} has no block #{height}:\n{late[0].process.read_last_lines()}", TIMED_OUT
            )
        await asyncio.sleep(POLL_SECONDS)


async def _measure(miner: WatchedNode, followers: Sequence[WatchedNode], blocks: int) -> FollowerFigures:
    miner.look()
    known, began = set(miner.imports), perf_counter()
    before = [read_cpu_seconds(node.process.pid) for node in (miner, *followers)]
    await _wait_height([miner], miner.height + blocks)
    measured = {block: when for block, when in miner.imports.items() if block not in known}
    await asyncio.sleep(POLL_SECONDS)
    await _wait_height(followers, miner.height)
    seconds = perf_counter() - began
    own, *used = [
        read_cpu_seconds(node.process.pid) - old for node, old in zip((miner, *followers), before, strict=True)
    ]
    delays = [
        1e3 * (node.imports[block] - when)
        for node in followers
        for block, when in measured.items()
        if block in node.imports
    ]
    pss = [read_pss_mib(node.process.pid) for node in followers]
    mean_cpu = sum(used) / len(used)
    return FollowerFigures(
        nodes=len(followers),
        blocks=len(measured),
        seconds=round(seconds, 1),
        delivery=len(delays) / (len(measured) * len(followers)),
        propagation_ms_p50=_pick(delays, 50),
        propagation_ms_p99=_pick(delays, 99),
        propagation_ms_max=_pick(delays, 100),
        followers_pss_mib=round(sum(pss)),
        follower_pss_mib_mean=round(sum(pss) / len(pss), 1),
        follower_pss_mib_max=round(max(pss), 1),
        miner_alone_pss_mib=0.0,
        miner_pss_mib=read_node_pss_mib(miner.process.pid),
        miner_node_pss_mib=round(read_pss_mib(miner.process.pid), 1),
        follower_cpu_ms_per_block=round(1e3 * mean_cpu / len(measured), 1),
        follower_cpu_ms_per_s=round(1e3 * mean_cpu / seconds, 1),
        miner_node_cpu_ms_per_s=round(1e3 * own / seconds, 1),
        start_cpu_s=round(sum(before[1:]) / len(followers), 2),
        finalized=miner.finalized,
        load_average=round(os.getloadavg()[0], 1),
    )


def read_pss_mib(pid: int) -> float:
    """Return a process's share of the memory: its own pages, and its part of those that it shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def read_node_pss_mib(pid: int) -> float:
    """Return a node's share with that of its workers."""
    return round(sum(map(read_pss_mib, [pid, *list_children(pid)])), 1)


def list_children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text(encoding="ascii").split()]


def _pick(values: Sequence[float], percent: int) -> float:
    ranked = sorted(values)
    return round(ranked[min(len(ranked) - 1, len(ranked) * percent // 100)], 1) if ranked else 0.0


@click.command("followers")
@click.option("--nodes", default=5, show_default=True, type=click.IntRange(1, 200), help="Nodes that follow.")
@click.option("--blocks", default=10, show_default=True, type=click.IntRange(1), help="Blocks to measure.")
@click.option("--target", default=8.0, show_default=True, type=click.FloatRange(1, 60), help="Block target, seconds.")
@output_option
def bench_followers(nodes: int, blocks: int, target: float, output: str) -> None:
    """Measure many nodes that follow one chain on this machine: memory (PSS), CPU time, propagation.

    One validator mines with one process; every other node is a process of its own that imports, verifies and relays.
    """
    with tempfile.TemporaryDirectory(prefix="matchstrike-bench-") as name, tell_devnet_failures():
        figures = run(measure_followers(Path(name), nodes=nodes, blocks=blocks, target_ms=round(1e3 * target)))
    data = msgspec.to_builtins(figures)
    emit(data, "\n".join(f"{key:<28} {value}" for key, value in data.items()), output)
