"""One host of `matchstrike bench network`, in a process of its own: requests as JSON lines, one answer a line.

Run as `python -m matchstrike.commands.bench_network_node`; the first line it prints has its address.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import structlog

from network.libp2p.gossip import Received
from network.libp2p.gossip_event import Verdict
from network.libp2p.host import Host
from network.libp2p.multiaddr import parse_multiaddr
from network.libp2p.node_key import PeerId, make_node_key
from network.libp2p.stream import Stream

TOPIC = "bench"
BODY = "/matchstrike/bench/body/1"
BULK_FRAME_BYTES = 262_144
_PATIENCE_S = 120


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What the node is asked to do; which fields count depends on `do`."""

    do: str
    address: str = ""
    count: int = 0
    size: int = 0
    interval_s: float = 0.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        ms: One time for each thing asked for.
        kib: How much came on the connection during each.
        count: Messages received, or peers in the mesh.
        cpu_s: Processor seconds of the process so far.
        pss_kib: Its share of the memory.
        elapsed_s: How long the task took.
    """

    address: str = ""
    ms: tuple[float, ...] = ()
    kib: tuple[float, ...] = ()
    count: int = 0
    cpu_s: float = 0.0
    pss_kib: int = 0
    elapsed_s: float = 0.0
    error: str = ""


class BenchNode:
    """A host that dials, gossips and fetches as it is told."""

    def __init__(self, host: Host) -> None:
        """The host listens already."""
        self._host = host
        self._delays: list[float] = []
        self._body = secrets.token_bytes(BULK_FRAME_BYTES)
        host.set_handler(BODY, self._serve_bodies)
        host.subscribe(TOPIC, self._take)

    async def do(self, task: Task) -> Answer:
        """Do one task."""
        works: dict[str, Callable[[Task], Awaitable[Answer]]] = {
            "dial": self._dial,
            "mesh": self._count_mesh,
            "publish": self._publish,
            "fetch": self._fetch,
            "ping": self._ping_beside_bulk,
            "report": self._report,
        }
        return await works[task.do](task)

    async def _dial(self, task: Task) -> Answer:
        began = time.perf_counter()
        await self._host.dial(parse_multiaddr(task.address))
        return Answer(ms=((time.perf_counter() - began) * 1000,))

    async def _count_mesh(self, _: Task) -> Answer:
        known = self._host.gossip.router.list_topic_peers(TOPIC)
        is_ready = len(known) == len(self._host.peers)
        return Answer(count=len(self._host.gossip.router.mesh[TOPIC]) if is_ready else 0)

    async def _publish(self, task: Task) -> Answer:
        began = time.monotonic()
        for number in range(task.count):
            await asyncio.sleep(began + number * task.interval_s - time.monotonic())
            stamp = time.monotonic_ns().to_bytes(8, "little")
            self._host.publish(TOPIC, stamp + secrets.token_bytes(task.size - len(stamp)))
        return Answer(count=task.count)

    def _take(self, message: Received) -> Verdict:
        self._delays.append((time.monotonic_ns() - int.from_bytes(message.data[:8], "little")) / 1e6)
        return Verdict.ACCEPT

    async def _report(self, _: Task) -> Answer:
        delays, self._delays = tuple(self._delays), []
        return Answer(ms=delays, count=len(delays))

    async def _serve_bodies(self, stream: Stream) -> None:
        async with stream:
            size = int.from_bytes(await stream.read_exactly(8), "little")
            while size > 0:
                piece = self._body[:size]
                await stream.write(piece)
                size -= len(piece)

    async def _fetch_body(self, peer: PeerId, size: int) -> float:
        began = time.perf_counter()
        async with await self._host.new_stream(peer, [BODY]) as stream:
            await stream.write(size.to_bytes(8, "little"))
            while size > 0:
                size -= len(await stream.read())
        return (time.perf_counter() - began) * 1000

    async def _fetch(self, task: Task) -> Answer:
        peer = await self._host.dial(parse_multiaddr(task.address))
        began = time.perf_counter()
        found = tuple([await self._fetch_body(peer, task.size) for _ in range(task.count)])
        return Answer(ms=found, elapsed_s=time.perf_counter() - began)

    async def _ping_beside_bulk(self, task: Task) -> Answer:
        peer = await self._host.dial(parse_multiaddr(task.address))
        connection = self._host.get_connection(peer)
        if connection is None:
            raise ConnectionResetError("the peer has gone")
        began, delays, passed = time.perf_counter(), [], []
        bulk = asyncio.create_task(self._fetch_body(peer, task.size))
        while not bulk.done():
            before = connection.received_bytes
            delays.append(await self._host.ping(peer))
            passed.append((connection.received_bytes - before) / 1024)
            await asyncio.sleep(task.interval_s)
        await bulk
        return Answer(ms=tuple(delays), kib=tuple(passed), elapsed_s=time.perf_counter() - began)


def _read_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _read_pss_kib() -> int:
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


async def _run() -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with Host(make_node_key(secrets.token_bytes(32))) as host:
        address = await host.listen(parse_multiaddr("/ip4/127.0.0.1/tcp/0"))
        node = BenchNode(host)
        _say(Answer(address=str(address)))
        while line := await lines.readline():
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    answer = await node.do(msgspec.json.decode(line, type=Task))
            except (OSError, TimeoutError) as error:
                answer = Answer(error=repr(error))
            _say(msgspec.structs.replace(answer, cpu_s=_read_cpu_s(), pss_kib=_read_pss_kib()))


def _say(answer: Answer) -> None:
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),  # the answers have the other one
    )
    asyncio.run(_run())
