"""A libp2p node that is not ours, as a process that takes one JSON line and answers with one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from network.libp2p.gossip import Received
from network.libp2p.gossip_event import Verdict
from network.libp2p.host import Host
from network.libp2p.multiaddr import parse_multiaddr
from network.libp2p.multistream import ProtocolRefused

TOPIC = "matchstrike/interop"
PATIENCE_S = 30.0
LINE_BYTES_MAX = 1_048_576


class ForeignPeer:
    """The process, and what it has said.

    Attributes:
        address: Where it listens.
        received: Texts that gossip brought it.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Made by `run_foreign_peer`."""
        self._process = process
        self._answers: asyncio.Queue[dict] = asyncio.Queue()
        self.received: asyncio.Queue[str] = asyncio.Queue()
        self.address = ""

    async def ask(self, **request: str) -> dict:
        """Return its answer to a request."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            answer = await self._answers.get()
        assert "error" not in answer, answer
        return answer

    async def read_for_ever(self) -> None:
        """Sort what it says."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "answer" in said:
                self._answers.put_nowait(said["answer"])
            elif "text" in said:
                self.received.put_nowait(said["text"])


@asynccontextmanager
async def run_foreign_peer(*command: str) -> AsyncIterator[ForeignPeer]:
    """Run the process until the end of the block."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=LINE_BYTES_MAX)
    peer = ForeignPeer(process)
    reader: asyncio.Task[None] | None = None
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            first = await process.stdout.readline()
        assert first, f"{command[0]} ended with {await process.wait()}"
        peer.address = json.loads(first)["address"]
        reader = asyncio.create_task(peer.read_for_ever())
        yield peer
    finally:
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if process.returncode is None:
            process.kill()
        await process.communicate()


def accept(_: Received) -> Verdict:
    """Accept every message."""
    return Verdict.ACCEPT


async def check_we_dial(host: Host, foreign: ForeignPeer, agent: str) -> None:
    """We dial, identify and ping it."""
    peer = await host.dial(parse_multiaddr(foreign.address))
    info = await host.identify(peer)
    assert agent in info.agent
    assert "/ipfs/ping/1.0.0" in info.protocols
    assert info.observed is not None
    assert info.observed.host == "127.0.0.1"
    for _ in range(3):
        assert await host.ping(peer) < 5_000


async def check_it_refuses(host: Host, foreign: ForeignPeer) -> None:
    """What goes with a proposal that it refuses costs the stream, and the connection serves on."""
    peer = await host.dial(parse_multiaddr(foreign.address))
    for question in (b"", b"a question for nobody\n", b"\xff" * 3_000):
        async with asyncio.timeout(PATIENCE_S):
            stream = host.open_stream(peer, "/nobody/speaks/this/1")
            await stream.write(question)
            with pytest.raises(ProtocolRefused):
                await stream.read()
    assert await host.ping(peer) < 5_000


async def check_it_dials(host: Host, foreign: ForeignPeer) -> None:
    """It dials, identifies and pings us."""
    address = str(host.addresses[0])
    answer = await foreign.ask(do="dial", address=address)
    assert answer["peer"] == host.peer_id
    assert {"/ipfs/ping/1.0.0", "/meshsub/1.1.0"} <= set(answer["protocols"])
    for _ in range(3):
        assert (await foreign.ask(do="ping", address=address))["ping_ms"] < 5_000


async def check_gossip(host: Host, foreign: ForeignPeer, count: int) -> None:
    """Messages pass both ways once both are in the topic, in each other's mesh."""
    inbox = host.subscribe(TOPIC, accept)
    await foreign.ask(do="subscribe", topic=TOPIC)
    async with asyncio.timeout(PATIENCE_S):
        while not host.gossip.router.mesh[TOPIC]:
            await asyncio.sleep(0.05)  # heartbeats of two processes: there is no event to wait for
        for number in range(count):
            host.publish(TOPIC, f"ours {number}".encode())
            assert await foreign.received.get() == f"ours {number}"
        for number in range(count):
            await foreign.ask(do="publish", topic=TOPIC, text=f"theirs {number}")
            assert (await inbox.get()).data == f"theirs {number}".encode()
