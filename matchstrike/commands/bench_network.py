"""`matchstrike bench network`: the network stack alone, on the loopback interface, each host in its own process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

import click
import msgspec

from matchstrike.commands.bench_network_node import Answer, Task
from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.session import emit, output_option, run

DIALS = 4
BODY_BYTES = 300_000
MESSAGE_BYTES = 300
PING_INTERVAL_S = 0.002
LINE_BYTES_MAX = 1 << 24
PATIENCE_S = 180
SETTLING_S = 20


class NetworkFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the stack costs. CPU time is of all hosts together; times else are of the wall: a busy machine adds to them.

    Attributes:
        connect_cpu_ms: Both ends of one connection, gossip's greeting included.
        gossip_delivery: Messages received over messages due, 1.0 when none was lost.
        gossip_cpu_ms: For each message and host, heartbeats included.
        body_cpu_ms: Both ends of one body.
        ping_alone_ms, ping_bulk_ms: On a connection that does nothing else, and on one that carries bulk.
        ping_bulk_kib_p99: How much bulk comes while a ping is on its way there and back; no busy machine adds to it.
        host_pss_mib: Memory of one host at the end, shared pages divided among who shares them.
    """

    hosts: int
    connect_ms_p50: float
    connect_ms_p99: float
    connect_cpu_ms: float
    gossip_messages: int
    gossip_per_s: float
    gossip_delivery: float
    gossip_ms_p50: float
    gossip_ms_p99: float
    gossip_cpu_ms: float
    bodies: int
    body_ms_p50: float
    body_ms_p99: float
    body_cpu_ms: float
    bulk_mib_per_s: float
    bulk_mib_per_cpu_s: float
    ping_alone_ms_p99: float
    ping_bulk_ms_p50: float
    ping_bulk_ms_p99: float
    ping_bulk_kib_p50: float
    ping_bulk_kib_p99: float
    host_pss_mib: float


class Child:
    """One host's process."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        """Made by `run_child`."""
        self._process = process
        self.address = address

    async def ask(self, task: Task) -> Answer:
        """Return the answer to a task.

        Raises:
            CommandFailed: the host could not do it.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(task) + b"\n")
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise CommandFailed(f"a host did not {task.do} within {PATIENCE_S} s") from None
        answer = msgspec.json.decode(line, type=Answer) if line else Answer(error="its process ended")
        if answer.error:
            raise CommandFailed(f"a host could not {task.do}: {answer.error}")
        return answer


@asynccontextmanager
async def run_child() -> AsyncIterator[Child]:
    """Run one host for the length of the context."""
    command = (sys.executable, "-m", "matchstrike.commands.bench_network_node")
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=LINE_BYTES_MAX)
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise CommandFailed("a host did not start")
        yield Child(process, msgspec.json.decode(line, type=Answer).address)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def measure_network(*, hosts: int, messages: int, rate: float, bodies: int, bulk_mib: int) -> NetworkFigures:
    """Run the hosts and one more that serves the bodies, and measure."""
    async with AsyncExitStack() as stack:
        children = await asyncio.gather(*(stack.enter_async_context(run_child()) for _ in range(hosts + 1)))
        *nodes, server = children
        figures = await _measure_connect(nodes)
        figures |= await _measure_gossip(nodes, messages, rate)
        figures |= await _measure_bodies(nodes, server, bodies)
        figures |= await _measure_bulk(nodes[0], server, bulk_mib * 1024 * 1024)
        ends = await _ask_all(nodes, Task(do="mesh"))
        pss = round(sum(end.pss_kib for end in ends) / 1024 / hosts, 1)
        return msgspec.convert({"hosts": hosts, "host_pss_mib": pss, **figures}, NetworkFigures)


async def _ask_all(nodes: Sequence[Child], task: Task) -> list[Answer]:
    return await asyncio.gather(*(node.ask(task) for node in nodes))


async def _read_cpu_s(nodes: Sequence[Child]) -> float:
    return sum(answer.cpu_s for answer in await _ask_all(nodes, Task(do="mesh")))


async def _measure_connect(nodes: Sequence[Child]) -> dict[str, float]:
    """Each host dials four others, one after the other: a random graph of about eight neighbours a host."""
    pairs = _draw_pairs(len(nodes))
    before = await _read_cpu_s(nodes)
    times = [ms for a, b in pairs for ms in (await nodes[a].ask(Task(do="dial", address=nodes[b].address))).ms]
    used = await _read_cpu_s(nodes) - before
    return {
        "connect_ms_p50": _pick(times, 50),
        "connect_ms_p99": _pick(times, 99),
        "connect_cpu_ms": round(used * 1000 / len(times), 2),
    }


def _draw_pairs(hosts: int) -> list[tuple[int, int]]:
    """Return who dials whom, nobody the same one twice, nor one that has dialled it."""
    chance, met = Random(1), set[frozenset[int]]()
    pairs = []
    for host in range(hosts):
        strangers = [other for other in range(hosts) if other != host and frozenset((host, other)) not in met]
        for other in chance.sample(strangers, min(DIALS, len(strangers))):
            met.add(frozenset((host, other)))
            pairs.append((host, other))
    return pairs


async def _measure_gossip(nodes: Sequence[Child], messages: int, rate: float) -> dict[str, float]:
    """Every host publishes its share, until each has what the others published."""
    for _ in range(SETTLING_S):
        if all(answer.count for answer in await _ask_all(nodes, Task(do="mesh"))):
            break
        await asyncio.sleep(1)
    share = max(1, messages // len(nodes))
    due, interval = share * len(nodes) * (len(nodes) - 1), len(nodes) / rate
    before = await _read_cpu_s(nodes)
    await _ask_all(nodes, Task(do="publish", count=share, size=MESSAGE_BYTES, interval_s=interval))
    delays: list[float] = []
    for _ in range(SETTLING_S):
        for answer in await _ask_all(nodes, Task(do="report")):
            delays += answer.ms
        if len(delays) >= due:
            break
        await asyncio.sleep(0.5)
    used = await _read_cpu_s(nodes) - before
    return {
        "gossip_messages": share * len(nodes),
        "gossip_per_s": rate,
        "gossip_delivery": len(delays) / due,
        "gossip_ms_p50": _pick(delays, 50),
        "gossip_ms_p99": _pick(delays, 99),
        "gossip_cpu_ms": round(used * 1000 / (share * len(nodes)) / len(nodes), 3),
    }


async def _measure_bodies(nodes: Sequence[Child], server: Child, bodies: int) -> dict[str, float]:
    """All hosts ask the same one at once."""
    everybody = [*nodes, server]
    await asyncio.gather(*(node.ask(Task(do="dial", address=server.address)) for node in nodes))
    before = await _read_cpu_s(everybody)
    task = Task(do="fetch", address=server.address, count=bodies, size=BODY_BYTES)
    times = [ms for answer in await _ask_all(nodes, task) for ms in answer.ms]
    used = await _read_cpu_s(everybody) - before
    return {
        "bodies": len(times),
        "body_ms_p50": _pick(times, 50),
        "body_ms_p99": _pick(times, 99),
        "body_cpu_ms": round(used * 1000 / len(times), 2),
    }


async def _measure_bulk(node: Child, server: Child, size: int) -> dict[str, float]:
    """One host fetches bulk and pings the same peer on the same connection meanwhile; then fetches without pings."""
    pings = Task(do="ping", address=server.address, size=1, interval_s=0)
    alone = [ms for _ in range(100) for ms in (await node.ask(pings)).ms]
    beside = await node.ask(Task(do="ping", address=server.address, size=size, interval_s=PING_INTERVAL_S))
    before = await _read_cpu_s([node, server])
    bulk = await node.ask(Task(do="fetch", address=server.address, count=1, size=size))
    used = await _read_cpu_s([node, server]) - before
    return {
        "bulk_mib_per_s": round(size / 1024 / 1024 / bulk.elapsed_s, 1),
        "bulk_mib_per_cpu_s": round(size / 1024 / 1024 / max(used, 1e-6), 1),
        "ping_alone_ms_p99": _pick(alone, 99),
        "ping_bulk_ms_p50": _pick(beside.ms, 50),
        "ping_bulk_ms_p99": _pick(beside.ms, 99),
        "ping_bulk_kib_p50": _pick(beside.kib, 50),
        "ping_bulk_kib_p99": _pick(beside.kib, 99),
    }


def _pick(values: Sequence[float], percent: int) -> float:
    """Return a percentile; no value, as when nothing came, counts as 0."""
    ranked = sorted(values)
    return round(ranked[min(len(ranked) - 1, len(ranked) * percent // 100)], 2) if ranked else 0.0


@click.command("network")
@click.option("--hosts", default=20, show_default=True, type=click.IntRange(2, 40), help="Hosts, a process each.")
@click.option("--messages", default=500, show_default=True, type=click.IntRange(1), help="Messages of 300 bytes.")
@click.option("--rate", default=50.0, show_default=True, help="Messages a second, in all.")
@click.option("--bodies", default=5, show_default=True, type=click.IntRange(1), help="Bodies of 300 kB for each host.")
@click.option("--bulk", default=100, show_default=True, type=click.IntRange(1), help="MiB of bulk beside pings.")
@output_option
def bench_network(hosts: int, messages: int, rate: float, bodies: int, bulk: int, output: str) -> None:
    """Measure the network stack alone: connecting, gossip, bodies by request, bulk beside pings, memory.

    Every host is a process of its own. CPU time is of all of them; times in ms are of the wall, and a busy machine
    adds to them.
    """
    figures = run(measure_network(hosts=hosts, messages=messages, rate=rate, bodies=bodies, bulk_mib=bulk))
    data = msgspec.to_builtins(figures)
    emit(data, "\n".join(f"{key:<40} {value}" for key, value in data.items()), output)
