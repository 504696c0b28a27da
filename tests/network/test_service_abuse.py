"""What a bad peer achieves: honest delivery goes on, memory stays bounded, and it is scored or banned.

The attacker is a bare host that speaks what it likes; victim and honest are services.
"""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
from structlog.testing import capture_logs

from network.libp2p.gossip_wire import GossipMessage, Rpc
from network.libp2p.host import Host
from network.libp2p.memory_transport import MemoryNetwork
from network.libp2p.multiaddr import Multiaddr
from network.libp2p.multistream import ProtocolRefused
from network.libp2p.stream import Stream, StreamReset
from network.libp2p.varint import encode_frame, encode_varint
from network.messages import (
    Bodies,
    ExtrinsicInventory,
    GetBodies,
    GetHeaders,
    Headers,
    encode_message,
)
from network.peer_exchange import encode_addresses
from network.port import (
    AnswerReceived,
    GossipReceived,
    NoticeReceived,
    PeerConnected,
    PeerGone,
    RequestFailed,
    RequestReceived,
    SendAnswer,
    SendNotice,
    SendRequest,
)
from tests.network.service_support import (
    GENESIS,
    Node,
    connect,
    make_service,
    make_settings,
    make_status,
    run_scene,
    wait_events,
)
from tests.network.support import make_host, make_key, wait_until

STEM = "/matchstrike/00010203"
STATUS, TX, SYNC, PX = (f"{STEM}/{name}/1" for name in ("status", "tx", "sync", "px"))
HEADERS = f"{STEM}/headers/1"
ASK = encode_message(GetHeaders(locator=(GENESIS,), count=1))
MIB = 1_048_576


class Scene:
    """A victim, an honest peer that is connected, and an attacker that is connected as well."""

    def __init__(self, victim: Node, honest: Node, attacker: Host) -> None:
        self.victim, self.honest, self.attacker = victim, honest, attacker
        self.round = 0

    @property
    def score(self) -> float:
        return self.victim.service.door.bans.get_score(self.attacker.peer_id, self.victim.clock.now_ms)

    @property
    def is_banned(self) -> bool:
        return self.victim.service.door.bans.is_banned(self.attacker.peer_id, self.victim.clock.now_ms)

    async def check_honest(self) -> None:
        """A notice and a request of the honest peer arrive, and are answered."""
        self.round += 1
        number = self.round
        victim, honest = self.victim, self.honest
        honest.service.perform(SendNotice(peer=victim.peer, notice=ExtrinsicInventory(hashes=(bytes([number]) * 32,))))
        ask = GetHeaders(locator=(bytes([number]) * 32,), count=1)
        honest.service.perform(SendRequest(peer=victim.peer, request_id=number, request=ask, timeout_ms=20_000))

        def find() -> list[RequestReceived]:
            return [event for event in victim.list_events(RequestReceived) if event.peer == honest.peer]

        await wait_until(lambda: len(find()) == number, turns=10**6)
        answer = SendAnswer(peer=honest.peer, request_id=find()[-1].request_id, answer=Headers(headers=()))
        victim.service.perform(answer)
        await wait_events(honest, AnswerReceived, number, turns=10**6)
        heard = [event for event in victim.list_events(NoticeReceived) if event.peer == honest.peer]
        assert len(heard) >= 1

    async def wait_banned(self) -> None:
        """The attacker is banned, its connection ends, and coming back does not help."""
        await wait_until(lambda: self.is_banned, turns=10**6)
        await wait_until(lambda: self.victim.service.host.get_connection(self.attacker.peer_id) is None)
        await self.check_honest()
        await self.attacker.dial(self.victim.address)
        await wait_until(lambda: len(self.attacker.peers) == 0)

    async def open(self, protocol: str) -> Stream:
        return await self.attacker.new_stream(self.victim.service.host.peer_id, [protocol])


async def _swallow(stream: Stream) -> None:
    async with stream:
        while await stream.read():
            pass


@asynccontextmanager
async def open_scene(**options: object) -> AsyncIterator[Scene]:
    """Connect the three; the attacker speaks the status protocol, so that it is let in."""
    network = MemoryNetwork()
    victim, honest = make_service(network, 1, make_settings(**options)), make_service(network, 2)
    async with victim.service, honest.service, make_host(network, 9) as attacker:
        attacker.set_handler(STATUS, _swallow)
        attacker.set_handler(TX, _swallow)
        await connect(honest, victim)
        await attacker.dial(victim.address)
        await wait_events(victim, PeerConnected, 2)
        scene = Scene(victim, honest, attacker)
        await scene.check_honest()
        yield scene


def run_attack(attack: Callable[[Scene], Awaitable[None]], *, growth_mib: float, **options: object) -> None:
    """Run an attack; measure how much memory was held at its height, and see that nothing was taken for a bug."""

    async def scene() -> None:
        async with open_scene(**options) as opened:
            tracemalloc.start()
            try:
                await attack(opened)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert peak < growth_mib * MIB, f"{peak / MIB:.1f} MiB"

    with capture_logs() as lines:
        run_scene(scene)
    assert not [line for line in lines if line["log_level"] == "error"]


async def _write_all(stream: Stream, data: bytes, count: int) -> None:
    with contextlib.suppress(ConnectionError):
        for _ in range(count):
            await stream.write(data)


@pytest.mark.parametrize(
    ("protocol", "data", "hits"),
    [
        (STATUS, encode_frame(b"\xc1\xff\x00"), 4),
        (STATUS, encode_frame(b""), 4),
        (TX, encode_frame(encode_message(make_status(1))), 4),
        (STATUS, encode_frame(encode_message(ExtrinsicInventory(hashes=(bytes(32),)))), 4),
        (SYNC, encode_frame(encode_message(Headers(headers=()))), 4),
        (SYNC, encode_frame(bytes(16_000)), 4),
        (STATUS, encode_varint(65_537), 1),
        (SYNC, encode_varint(2**40), 1),
        (SYNC, b"\x80\x00", 1),
    ],
    ids=["junk", "empty", "wrong stream", "wrong stream too", "answer unasked", "zeros", "64 KiB", "1 TiB", "varint"],
)
def test_garbage_bans_after_four_times_and_broken_frames_at_once(protocol: str, data: bytes, hits: int) -> None:
    async def attack(scene: Scene) -> None:
        for hit in range(hits):
            assert not scene.is_banned
            stream = await scene.open(protocol)
            await stream.write(data)
            stream.close_write()
            if hit < hits - 1:
                await stream.wait_reset()
                assert scene.score == 25 * (hit + 1)
        await scene.wait_banned()
        assert not scene.victim.list_events(AnswerReceived)

    run_attack(attack, growth_mib=2)


def test_random_bytes_on_every_protocol_are_refused_and_nothing_else() -> None:
    """500 streams of seeded junk; the attacker's score and bans are wiped after each."""
    chance = Random(20)

    async def attack(scene: Scene) -> None:
        door = scene.victim.service.door
        for number in range(500):
            if number % 50 == 0:
                door.remove_peer(scene.attacker.peer_id)
                door.add_peer(scene.attacker.peer_id)
            data = chance.randbytes(chance.choice((1, 3, 40, 3_000)))
            with contextlib.suppress(ConnectionError):
                stream = await scene.open(chance.choice((STATUS, TX, SYNC, PX)))
                await stream.write(encode_frame(data) if chance.random() < 0.7 else data)
                stream.close_write()
            for _ in range(4):
                await asyncio.sleep(0)
            door.bans._scores.clear()
            if scene.is_banned:
                door.bans._bans.clear()
                await wait_until(lambda: len(scene.attacker.peers) == 0)
                await scene.attacker.dial(scene.victim.address)
        await scene.check_honest()

    run_attack(attack, growth_mib=6)


def test_net_29_streams_of_protocols_that_nobody_speaks_are_counted() -> None:
    async def attack(scene: Scene) -> None:
        for _ in range(1_300):
            with contextlib.suppress(ProtocolRefused, ConnectionError):
                await scene.open("/unknown/1")
        await scene.wait_banned()

    run_attack(attack, growth_mib=4)


def test_net_29_a_flood_of_notices_is_passed_over_and_bans() -> None:
    """20,000 statuses in a row: the core sees at most the burst."""

    async def attack(scene: Scene) -> None:
        stream = await scene.open(STATUS)
        await _write_all(stream, encode_frame(encode_message(make_status(1))) * 100, 200)
        await scene.wait_banned()
        heard = [event for event in scene.victim.list_events(NoticeReceived) if event.peer == scene.attacker.peer_id]
        assert len(heard) <= 1_400

    run_attack(attack, growth_mib=8)


def test_net_33_a_flood_of_inventories_waits_at_its_sender() -> None:
    """64 MiB of hashes: two lists are read, a window of the rest is held."""

    async def attack(scene: Scene) -> None:
        stream = await scene.open(TX)
        frame = encode_frame(encode_message(ExtrinsicInventory(hashes=(bytes(32),) * 1_024)))
        writer = asyncio.create_task(_write_all(stream, frame, 2_000))
        for _ in range(5):
            await scene.check_honest()
        heard = [event for event in scene.victim.list_events(NoticeReceived) if event.peer == scene.attacker.peer_id]
        assert len(heard) <= 3
        assert not writer.done()
        stream.reset()
        await writer

    run_attack(attack, growth_mib=6)


def test_net_27_a_flood_of_requests_has_16_places() -> None:
    async def attack(scene: Scene) -> None:
        for _ in range(200):
            with contextlib.suppress(ConnectionError):
                await (await scene.open(SYNC)).write_frame(ASK)
        await scene.wait_banned()
        asked = [event for event in scene.victim.list_events(RequestReceived) if event.peer == scene.attacker.peer_id]
        assert len(asked) == 2
        await scene.check_honest()

    run_attack(attack, growth_mib=4)


def test_net_43_a_peer_that_asks_for_everything_and_reads_nothing() -> None:
    """16 requests, each answered with 8 MB: two answers are held, their streams dropped, and each drop costs."""

    async def attack(scene: Scene) -> None:
        victim, peer = scene.victim, scene.attacker.peer_id
        ask = encode_message(GetBodies(hashes=(bytes(32),)))
        for _ in range(16):
            await (await scene.open(SYNC)).write_frame(ask)
        big = Bodies(bodies=((bytes(8_000_000),),))
        answered = 0
        for _ in range(7):
            await _wait_asked(victim, peer, answered + 1)
            session = victim.service.sessions[scene.attacker.peer_id]
            assert len(session.asking) <= 16
            for event in _asked(victim, peer)[answered:]:
                victim.service.perform(SendAnswer(peer=peer, request_id=event.request_id, answer=big))
            answered = len(_asked(victim, peer))
            assert victim.service.requests.unread_bytes <= 2 * 8_100_000
        await wait_until(lambda: scene.score >= 35, turns=10**7)
        await scene.check_honest()

    run_attack(attack, growth_mib=60, writing_s=0.02)


async def _wait_asked(node: Node, peer: str, count: int) -> None:
    await wait_until(lambda: len(_asked(node, peer)) >= count, turns=10**7)


def _asked(node: Node, peer: str) -> list[RequestReceived]:
    return [event for event in node.list_events(RequestReceived) if event.peer == peer]


def test_net_43_the_slowest_reader_gives_way() -> None:
    async def attack(scene: Scene) -> None:
        victim, peer = scene.victim, scene.attacker.peer_id
        streams = [await scene.open(SYNC) for _ in range(2)]
        for stream in streams:
            await stream.write_frame(encode_message(GetBodies(hashes=(bytes(32),))))
        await wait_until(lambda: len(_asked(victim, peer)) == 2)
        for event in _asked(victim, peer):
            answer = Bodies(bodies=((bytes(3_000_000),),))
            victim.service.perform(SendAnswer(peer=peer, request_id=event.request_id, answer=answer))
        await wait_until(lambda: streams[0].is_reset)
        assert scene.score == 5
        assert not streams[1].is_reset
        assert victim.service.requests.unread_bytes <= 5_000_000
        await scene.check_honest()

    run_attack(attack, growth_mib=20, answer_bytes_max=5_000_000)


def test_net_34_a_peer_that_never_reads_notices_is_disconnected_at_8_mib() -> None:
    async def attack(scene: Scene) -> None:
        async def never(stream: Stream) -> None:
            await asyncio.Event().wait()

        victim, attacker = scene.victim, scene.attacker
        scene.attacker.set_handler(TX, never)
        victim.service.host.disconnect(attacker.peer_id)
        await wait_events(victim, PeerGone, 1)
        await wait_until(lambda: len(attacker.peers) == 0)
        await attacker.dial(victim.address)
        await wait_events(victim, PeerConnected, 3)
        big = ExtrinsicInventory(hashes=(bytes(32),) * 1_024)
        sent = 0
        while len(victim.list_events(PeerGone)) < 2:
            sent += 1
            victim.service.perform(SendNotice(peer=attacker.peer_id, notice=big))
            await asyncio.sleep(0)
        assert 200 < sent < 300  # 33 kB each
        await scene.check_honest()

    run_attack(attack, growth_mib=24)


def test_answers_to_another_question_fail_the_request_and_cost() -> None:
    async def attack(scene: Scene) -> None:
        victim, attacker = scene.victim, scene.attacker
        answers = [
            encode_frame(encode_message(Bodies(bodies=()))),
            encode_frame(encode_message(Headers(headers=(b"1", b"2")))),
            encode_frame(b"junk"),
        ]

        async def lie(stream: Stream) -> None:
            async with stream:
                await stream.read_frame(16_384)
                await stream.write(answers.pop(0) + bytes(1_000))

        attacker.set_handler(SYNC, lie)
        for number in range(3):
            request = GetHeaders(locator=(GENESIS,), count=1)
            victim.service.perform(
                SendRequest(peer=attacker.peer_id, request_id=number, request=request, timeout_ms=5_000)
            )
            await wait_events(victim, RequestFailed, number + 1)
        assert [event.failure for event in victim.list_events(RequestFailed)] == ["bad"] * 3
        assert scene.score == 30 + 30 + 25
        await scene.check_honest()

    run_attack(attack, growth_mib=2)


def _gossip(scene: Scene, data: list[bytes]) -> None:
    messages = tuple(GossipMessage(HEADERS, item) for item in data)
    scene.attacker.gossip.send_control(scene.victim.service.host.peer_id, Rpc(messages=messages))


async def _open_gossip(scene: Scene) -> None:
    await wait_until(lambda: scene.attacker.gossip.get_stream(scene.victim.service.host.peer_id) is not None)


def test_replayed_gossip_is_heard_once_and_bans_in_the_end() -> None:
    """One header, 40,000 times."""

    async def attack(scene: Scene) -> None:
        await _open_gossip(scene)
        for _ in range(400):
            _gossip(scene, [b"the same header"] * 100)
            await asyncio.sleep(0)
        await scene.wait_banned()
        assert len(scene.victim.list_events(GossipReceived)) == 1

    run_attack(attack, growth_mib=8)


def test_net_30_a_flood_of_new_headers_is_cut_to_its_rate_and_bans() -> None:
    async def attack(scene: Scene) -> None:
        await _open_gossip(scene)
        for number in range(40):
            _gossip(scene, [number.to_bytes(2, "big") + bytes([n]) + bytes(2_000) for n in range(10)])
            await asyncio.sleep(0)
        await scene.wait_banned()
        assert 60 <= len(scene.victim.list_events(GossipReceived)) <= 75

    run_attack(attack, growth_mib=8)


def test_net_36_a_header_that_is_too_large_bans_at_once() -> None:
    async def attack(scene: Scene) -> None:
        await _open_gossip(scene)
        _gossip(scene, [bytes(16_385)])
        await scene.wait_banned()
        assert not scene.victim.list_events(GossipReceived)

    run_attack(attack, growth_mib=2)


def test_net_29_bytes_that_nobody_asked_for_are_counted() -> None:
    """80 MiB where 64 may come at once."""

    async def attack(scene: Scene) -> None:
        scene.victim.service.host.set_handler("/sink/1", _swallow)
        stream = await scene.open("/sink/1")
        await _write_all(stream, bytes(MIB), 80)
        scene.victim.service.check(scene.victim.service.host.clock())
        await scene.wait_banned()

    run_attack(attack, growth_mib=8)


def test_a_peer_that_says_nothing_is_parted_from() -> None:
    async def attack(scene: Scene) -> None:
        victim, attacker = scene.victim, scene.attacker
        stuck = asyncio.Event()

        async def stall(stream: Stream) -> None:
            await stuck.wait()

        victim.service.host.disconnect(attacker.peer_id)
        await wait_until(lambda: len(attacker.peers) == 0)
        attacker._handlers.pop(STATUS)
        attacker.on_stream = lambda connection, stream: attacker.spawn(stall(stream))  # type: ignore[method-assign]
        await attacker.dial(victim.address)
        await wait_until(lambda: attacker.peer_id in victim.service.sessions)
        victim.service.check(victim.service.host.clock() + 9_000)
        assert attacker.peer_id in victim.service.sessions
        victim.service.check(victim.service.host.clock() + 11_000)
        await wait_until(lambda: attacker.peer_id not in victim.service.sessions)
        assert len(victim.list_events(PeerConnected)) == 2, "honest, and the attacker's first time"
        stuck.set()

    run_attack(attack, growth_mib=2)


def test_net_41_addresses_are_given_once_a_minute_and_lists_that_are_too_long_cost() -> None:
    async def attack(scene: Scene) -> None:
        first = await scene.open(PX)
        assert await first.read_frame(8_192) is not None
        with pytest.raises(StreamReset):
            await (await scene.open(PX)).read_frame(8_192)
        assert scene.score >= 1

        async def lie(stream: Stream) -> None:
            async with stream:
                await stream.write_frame(b"\xdc\x00\x21" + b"\xc4\x00" * 33)

        scene.attacker.set_handler(PX, lie)
        session = scene.victim.service.sessions[scene.attacker.peer_id]
        before = scene.score
        scene.victim.service.outreach._plan_exchange(session)
        await wait_until(lambda: scene.score >= before + 25)
        assert encode_addresses([]) == b"\x90"

    run_attack(attack, growth_mib=2)


def test_net_38_thousands_of_addresses_of_one_subnet_take_one_bucket() -> None:
    """60 lists of 32 addresses of one /16: one bucket of 32 places, and the honest address stays."""

    async def attack(scene: Scene) -> None:
        victim, told = scene.victim, [0]
        book = victim.service.outreach.book
        honest = Multiaddr(kind="ip4", host="45.1.1.1", port=1, peer_id=make_key(2).peer_id)
        book.on_success(honest, "s", 0)

        async def tell(stream: Stream) -> None:
            async with stream:
                told[0] += 1
                hosts = [f"66.6.{told[0] % 256}.{number + told[0] // 256 * 32}" for number in range(32)]
                names = [Multiaddr(kind="ip4", host=host, port=5, peer_id=make_key(3).peer_id) for host in hosts]
                await stream.write_frame(encode_addresses(names))

        scene.attacker.set_handler(PX, tell)
        session = victim.service.sessions[scene.attacker.peer_id]
        for count in range(60):
            await victim.service.outreach._exchange(session)
            assert told[0] == count + 1
        assert 20 < book.count(is_tried=False) <= 40
        entry = book.get(honest)
        assert entry is not None
        assert entry.is_tried
        await scene.check_honest()

    run_attack(attack, growth_mib=6)
