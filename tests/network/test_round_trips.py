"""Proposals that do not wait for their answer: what a question costs, and what a refusal does to what went with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from network.libp2p.guard import OpenGuard
from network.libp2p.host import Host
from network.libp2p.memory_transport import MemoryNetwork
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.multistream import HEADER, NOT_AVAILABLE, ProtocolRefused, Responder, encode_line
from network.libp2p.node_key import PeerId
from network.libp2p.protocol_error import BadNegotiation, RemoteProtocolError
from network.libp2p.stream import Stream, StreamReset
from tests.network.support import make_host, wait_until

TURNS = 200
Scene = Callable[[Host, Host, MemoryNetwork], Awaitable[None]]


def _run(scene: Scene) -> None:
    """Run a scene with a host that listens and one that has dialled it, everything of the handshake delivered."""

    async def run() -> None:
        network = MemoryNetwork()
        async with asyncio.timeout(60), make_host(network, 1) as a, make_host(network, 2) as b:
            a.set_handler("/echo/1", _echo)
            await a.listen(Multiaddr(kind="ip4", host="10.0.1.1", port=1))
            await b.dial(a.addresses[0])
            await _turn()
            await scene(a, b, network)

    asyncio.run(run())


async def _turn() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def _echo(stream: Stream) -> None:
    async with stream:
        while data := await stream.read():
            await stream.write(data)


async def _count_round_trips(work: Awaitable[object], network: MemoryNetwork) -> int:
    """Return how often bytes crossed to the other end and back before the work was done."""
    near, far = network.pipes
    for pipe in (near, far):
        pipe.hold()
    task = asyncio.ensure_future(work)
    trips = 0
    await _turn()
    while not task.done():
        trips += 1
        for pipe in (near, far):
            pipe.release()
            await _turn()
            pipe.hold()
            await _turn()
    await task
    for pipe in (near, far):
        pipe.release()
    return trips


async def _ask_echo(stream: Stream, question: bytes = b"how far are you?") -> None:
    async with stream:
        await stream.write(question)
        stream.close_write()
        assert await stream.read_exactly(len(question)) == question
        assert await stream.read() == b""
        assert stream.protocol == "/echo/1"


def test_net_56_a_question_on_a_fresh_stream_costs_one_round_trip() -> None:
    async def scene(a: Host, b: Host, network: MemoryNetwork) -> None:
        assert await _count_round_trips(_ask_echo(b.open_stream(a.peer_id, "/echo/1")), network) == 1
        assert await _count_round_trips(b.ping(a.peer_id), network) == 1
        assert await _count_round_trips(b.identify(a.peer_id), network) == 1

    _run(scene)


def test_who_proposes_several_waits_for_each_answer() -> None:
    async def scene(a: Host, b: Host, network: MemoryNetwork) -> None:
        async def ask() -> None:
            await _ask_echo(await b.new_stream(a.peer_id, ["/echo/3", "/echo/2", "/echo/1"]))

        assert await _count_round_trips(ask(), network) == 4

    _run(scene)


def test_what_goes_with_a_proposal_may_exceed_the_window() -> None:
    async def scene(a: Host, b: Host, network: MemoryNetwork) -> None:
        taken = asyncio.get_running_loop().create_future()

        async def take(stream: Stream) -> None:
            async with stream:
                taken.set_result(await stream.read_frame(4_000_000))

        a.set_handler("/big/1", take)
        async with b.open_stream(a.peer_id, "/big/1") as stream:
            await stream.write_frame(bytes(3_000_000))
            assert await taken == bytes(3_000_000)

    _run(scene)


@pytest.mark.parametrize("data", [b"", b"question", b"\x80" * 20, b"\xff\xff\x03", encode_line("/x"), bytes(200_000)])
def test_net_55_a_refusal_is_told_whatever_went_with_the_proposal(data: bytes) -> None:
    """The peer that refuses finds no fault, keeps nothing and serves on; the one that asked hears why."""

    async def scene(a: Host, b: Host, network: MemoryNetwork) -> None:
        a.guard, b.guard = guards = _NotingGuard(), _NotingGuard()
        stream = b.open_stream(a.peer_id, "/none/1")
        await stream.write(data)
        with pytest.raises(ProtocolRefused):
            await stream.read()
        with pytest.raises(ProtocolRefused):
            await stream.write(b"more")
        await _turn()
        for one, other in ((a, b), (b, a)):
            connection = one.get_connection(other.peer_id)
            assert connection is not None
            assert connection.backlog_bytes == 0
        assert guards[0].faults == guards[1].faults == []
        assert await b.ping(a.peer_id) < 10_000

    _run(scene)


def test_net_55_a_responder_takes_no_fault_from_what_follows_a_refusal() -> None:
    opening = encode_line(HEADER) + encode_line("/a")
    for rest in (b"\x00", b"\xff" * 12, b"\x05hello", b"\xff\xff\x03", b"\x02\xff\n"):
        responder = Responder(lambda _: False)
        assert responder.receive(opening + rest) == encode_line(HEADER) + encode_line(NOT_AVAILABLE)
        assert responder.has_failed
        with pytest.raises(RemoteProtocolError):
            Responder(lambda _: False).receive(encode_line(HEADER) + rest)  # before it, they are one


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (encode_line(HEADER) + encode_line(NOT_AVAILABLE), ProtocolRefused),
        (encode_line(HEADER) + encode_line("/another/1"), BadNegotiation),
        (encode_line("/http/1.1"), BadNegotiation),
        (b"\xff" * 12, RemoteProtocolError),
        (encode_line(HEADER), StreamReset),
        (b"", StreamReset),
    ],
)
@pytest.mark.parametrize("ends", ["close", "reset"])
def test_net_56_without_the_proposals_name_nothing_is_read(answer: bytes, error: type[Exception], ends: str) -> None:
    """However the answer is cut, and even when a reset follows it at once."""

    async def scene(a: Host, b: Host, network: MemoryNetwork) -> None:
        def serve(_: object, theirs: Stream) -> None:
            for start in range(len(answer)):
                theirs.write_now(answer[start : start + 1])
            theirs.write_now(b"" if not answer or error is StreamReset else b"secret")
            if ends == "close":
                theirs.close_write()
            else:
                asyncio.get_running_loop().call_soon(theirs.reset)

        vars(a)["on_stream"] = serve
        stream = b.open_stream(a.peer_id, "/echo/1")
        with pytest.raises(error):
            await stream.read()
        await wait_until(lambda: stream.buffered_bytes == 0)
        connection = b.get_connection(a.peer_id)
        assert connection is not None
        assert connection.backlog_bytes == 0

    _run(scene)


class _NotingGuard(OpenGuard):
    """Hears everybody, and notes faults."""

    def __init__(self) -> None:
        self.faults: list[RemoteProtocolError] = []

    def on_fault(self, peer: PeerId, error: RemoteProtocolError) -> None:
        """Note it."""
        self.faults.append(error)
