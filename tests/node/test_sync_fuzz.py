"""Whatever peers say in whatever order, the node goes on, keeps its chain and stays within its bounds."""

from __future__ import annotations

import random
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.block import Block
from chain.header import encode_header
from network.libp2p.gossip_wire import compute_message_id
from network.messages import (
    Bodies,
    ExtrinsicInventory,
    Extrinsics,
    GetBodies,
    GetExtrinsics,
    GetHeaders,
    Headers,
    Status,
)
from network.port import (
    AnswerReceived,
    GossipReceived,
    NetworkEvent,
    NoticeReceived,
    PeerConnected,
    PeerGone,
    RequestFailed,
    RequestReceived,
    SendAnswer,
    SendRequest,
)
from node.core.effects import ContinueSync, Effect
from node.core.events import SyncStep, Tick
from tests.node.world import ALICE, BOB, World, find

PEERS = ("a", "b", "c", "d")


class Babble:
    """Draws what peers say: pieces of two real chains, garbage, and answers to what was asked."""

    def __init__(self, seed: int, blocks: list[Block], extrinsics: list[bytes], genesis: bytes) -> None:
        self.random = random.Random(seed)
        self.blocks = blocks
        self.raws = [encode_header(block.header) for block in blocks]
        self.extrinsics = extrinsics
        self.genesis = genesis
        self.asked: list[SendRequest] = []
        self.owed: list[tuple[str, int]] = []
        self.last_id = 0

    def draw(self) -> NetworkEvent | Tick | SyncStep:
        """Return the next event."""
        draws = (
            self._connect,
            self._go,
            self._status,
            self._inventory,
            self._ask,
            self._answer,
            self._answer,
            self._answer,
            self._fail,
            self._gossip,
            self._gossip,
            Tick,
            SyncStep,
        )
        return self.random.choice(draws)()

    def hear(self, effects: list[Effect]) -> None:
        """Note what the node asks, and that it answers each question once."""
        self.asked += find(effects, SendRequest)
        for answer in find(effects, SendAnswer):
            self.owed.remove((answer.peer, answer.request_id))

    def _peer(self) -> str:
        return self.random.choice(PEERS)

    def _hash(self) -> bytes:
        known = [block.hash for block in self.blocks] + [self.genesis]
        return self.random.choice(known) if self.random.random() < 0.9 else self.random.randbytes(32)

    def _hashes(self, count_max: int) -> tuple[bytes, ...]:
        return tuple(self._hash() for _ in range(self.random.randint(1, count_max)))

    def _connect(self) -> NetworkEvent:
        return PeerConnected(peer=self._peer(), is_outbound=self.random.random() < 0.5)

    def _go(self) -> NetworkEvent:
        peer = self._peer()
        self.owed = [item for item in self.owed if item[0] != peer]
        return PeerGone(peer=peer)

    def _status(self) -> NetworkEvent:
        block = self.random.choice(self.blocks)
        return NoticeReceived(
            peer=self._peer(),
            notice=Status(
                version=self.random.choice((1, 1, 1, 1, 2)),
                genesis=self.genesis if self.random.random() < 0.95 else bytes(32),
                best_number=self.random.choice((block.header.number, 10**6)),
                best_hash=self._hash(),
                justified_height=self.random.choice((0, 0, 0, 7)),
                work=self.random.randbytes(self.random.randint(0, 40)),
                final_number=0,
                final_hash=self.genesis,
                is_authority=False,
            ),
        )

    def _inventory(self) -> NetworkEvent:
        hashes = tuple(self.random.randbytes(32) for _ in range(self.random.randint(1, 20)))
        return NoticeReceived(peer=self._peer(), notice=ExtrinsicInventory(hashes=hashes))

    def _ask(self) -> NetworkEvent:
        self.last_id += 1
        peer = self._peer()
        request = self.random.choice(
            (
                GetHeaders(locator=self._hashes(8), count=self.random.randint(1, 512)),
                GetBodies(hashes=self._hashes(8)),
                GetExtrinsics(hashes=self._hashes(8)),
            )
        )
        self.owed.append((peer, self.last_id))
        return RequestReceived(peer=peer, request_id=self.last_id, request=request)

    def _answer(self) -> NetworkEvent:
        """Answer a question, more often truly than not."""
        if not self.asked:
            return self._gossip()
        asked = self.asked.pop(self.random.randrange(len(self.asked)))
        start = self.random.randrange(len(self.blocks))
        truly = self.random.random() < 0.6
        answer: Headers | Bodies | Extrinsics
        match asked.request:
            case GetHeaders() if truly:
                answer = Headers(headers=tuple(self.raws[:30]))
            case GetHeaders():
                answer = Headers(headers=tuple(self.random.sample(self.raws, self.random.randint(0, 9))))
            case GetBodies(hashes=hashes) if truly:
                bodies = {block.hash: block.extrinsics for block in self.blocks}
                answer = Bodies(bodies=tuple(bodies.get(item) for item in hashes))
            case GetBodies():
                answer = Bodies(bodies=(None, self.blocks[start].extrinsics, ())[: self.random.randint(0, 3)])
            case _:
                answer = Extrinsics(extrinsics=tuple(self.random.sample(self.extrinsics, 2)))
        if self.random.random() < 0.05:
            answer = Headers(headers=())
        peer = asked.peer if self.random.random() < 0.95 else self._peer()
        return AnswerReceived(peer=peer, request_id=asked.request_id, answer=answer)

    def _fail(self) -> NetworkEvent:
        if not self.asked:
            return self._status()
        asked = self.asked.pop(self.random.randrange(len(self.asked)))
        failure = self.random.choice(("timeout", "gone", "refused", "bad"))
        return RequestFailed(peer=asked.peer, request_id=asked.request_id, failure=failure)  # type: ignore[arg-type]

    def _gossip(self) -> NetworkEvent:
        raw = self.random.choice(self.raws)
        if self.random.random() < 0.3:
            spoilt = bytearray(raw)
            spoilt[self.random.randrange(len(spoilt))] ^= 1 << self.random.randrange(8)
            raw = bytes(spoilt)
        message_id = compute_message_id("headers", raw)
        return GossipReceived(peer=self._peer(), topic="headers", message_id=message_id, data=raw)


@cache
def make_chains() -> tuple[list[Block], list[bytes], bytes]:
    """Return two branches in a row, some extrinsics, and genesis."""
    one, two = World(), World(author=BOB.public)
    blocks = [one.mine() for _ in range(30)] + [two.mine() for _ in range(12)]
    extrinsics = [one.transfer(ALICE, BOB, 10**9, nonce) for nonce in range(4)] + [b"", b"\x00\x01"]
    return blocks, extrinsics, one.genesis.hash


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_babble_neither_stops_nor_bloats_nor_misleads_a_node(seed: int) -> None:
    blocks, extrinsics, genesis = make_chains()
    world = World(author=None)
    babble = Babble(seed, blocks, extrinsics, genesis)
    for _ in range(400):
        event = babble.draw()
        effects = world.handle(event, later_ms=babble.random.choice((0, 0, 10, 100, 1_000)))
        babble.hear(effects)
        while find(effects, ContinueSync):
            effects = world.handle(SyncStep())
            babble.hear(effects)
    desk = world.machine.peers
    names = {block.hash for block in blocks} | {genesis}
    assert world.head.hash in names
    assert len(desk.fetch) <= desk.limits.fetches_max
    assert len(desk.gossip) <= len(PEERS)
    assert len(desk.answering) <= desk.limits.parked_max
    assert desk.sync_status.headers_held <= desk.limits.headers_ahead_max
    assert desk.sync_status.bytes_held <= desk.limits.bodies_bytes_max
    assert len(world.machine.waiting) == 0, "peers' blocks never wait as orphans"
