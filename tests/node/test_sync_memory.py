"""What a burst can make a node keep: counts and bytes of each structure, measured."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from chain.block import Block, compute_extrinsics_root
from chain.hashing import blake2b_256
from chain.header import PreRuntime, encode_header
from consensus.digest import WorkSeal
from network.libp2p.gossip_wire import compute_message_id
from network.messages import Bodies, ExtrinsicInventory, GetBodies, GetHeaders, Headers
from network.port import (
    AnswerReceived,
    GossipReceived,
    NoticeReceived,
    PeerConnected,
    RequestReceived,
    SendRequest,
)
from node.core.body_download import BodyDownload
from node.core.desk_limits import DeskLimits
from node.core.header_row import HeaderRow, PendingHeader
from node.core.outbox import Outbox
from node.core.peer_table import PeerTable
from node.core.recent_hashes import RecentHashes
from tests.node.test_sync_desk import make_status
from tests.node.world import World, find, with_seal

PEERS = 56  # 40 inbound and 16 outbound
MIB = 1024 * 1024
LIMITS = DeskLimits()


def measure(action: Callable[[], object]) -> float:
    """Return by how many MiB an action makes the memory grow."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = action()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return (after - before) / MIB


def make_world() -> World:
    """Return a node with as many peers as it may have."""
    world = World(author=None)
    for index in range(PEERS):
        world.handle(PeerConnected(peer=str(index), is_outbound=False))
    return world


@pytest.mark.slow
def test_offers_of_extrinsics_from_all_peers_at_once_take_a_few_dozen_mebibytes() -> None:
    world = make_world()

    def flood() -> None:
        for round_number in range(20):
            for peer in range(PEERS):
                seed = (round_number * PEERS + peer).to_bytes(8, "little")
                hashes = tuple(blake2b_256(seed + index.to_bytes(2, "little")) for index in range(1_024))
                world.handle(NoticeReceived(peer=str(peer), notice=ExtrinsicInventory(hashes=hashes)))

    grown = measure(flood)
    relay = world.machine.peers.relay
    assert relay.wished_count == LIMITS.extrinsics_wanted_max
    assert relay.known_count <= PEERS * LIMITS.extrinsics_known_max
    assert grown < 80, f"{grown:.1f} MiB"


def test_the_known_hashes_of_one_peer_take_at_most_a_mebibyte_and_a_half() -> None:
    known = RecentHashes(count_max=LIMITS.extrinsics_known_max)

    def fill() -> None:
        for index in range(60_000):
            known.add(blake2b_256(index.to_bytes(8, "little")))

    grown = measure(fill)
    assert LIMITS.extrinsics_known_max // 2 <= len(known) <= LIMITS.extrinsics_known_max
    assert blake2b_256((59_999).to_bytes(8, "little")) in known
    assert grown < 1.5, f"{grown:.1f} MiB"


def test_gossip_that_cannot_be_judged_yet_keeps_one_header_of_each_peer() -> None:
    miner, world = World(), make_world()
    block = miner.mine(later_ms=30_000)
    for peer in range(PEERS):
        for index in range(20):
            seal = WorkSeal(index=index, core_hash=bytes(32), pool_shots=bytes(8_000))
            data = encode_header(with_seal(block, seal).header)
            message_id = compute_message_id("headers", data)
            world.handle(GossipReceived(peer=str(peer), topic="headers", message_id=message_id, data=data))
    assert len(world.machine.peers.gossip) <= PEERS


def test_parked_requests_are_bounded_for_each_peer_and_in_all() -> None:
    miner, world = World(), make_world()
    block = miner.mine()
    data = encode_header(block.header)
    message_id = compute_message_id("headers", data)
    world.handle(GossipReceived(peer="0", topic="headers", message_id=message_id, data=data), later_ms=1_000)
    for peer in range(PEERS):
        for number in range(10):
            request = GetBodies(hashes=(block.hash,))
            world.handle(RequestReceived(peer=str(peer), request_id=number, request=request))
    assert len(world.machine.peers.answering) == LIMITS.parked_max


def test_syn_10_a_row_of_the_largest_headers_stops_at_its_bytes() -> None:
    """No header is that large in earnest; one of a forger may be."""
    miner = World()
    block = miner.mine()
    row = HeaderRow(root=(0, miner.genesis.hash), times_ms=(), work=0, source="0")
    seal = WorkSeal(index=0, core_hash=bytes(32), pool_shots=bytes(8_000))
    raw = encode_header(with_seal(block, seal).header)
    assert len(row.extend((raw,), miner.params.work, due_ms=miner.now_ms)) == 1
    largest = LIMITS.headers_bytes_max + 512 * 16_384  # a full row, and one more answer
    assert largest <= 16 * MIB
    assert row.bytes_held == len(raw)
    assert not any(isinstance(item, PreRuntime) and len(item.data) > 8_192 for item in block.header.digest.logs)


def make_download(peers: int) -> tuple[PeerTable, Outbox, BodyDownload]:
    """Return the download of a node with peers that claim everything."""
    world = World(author=None)
    for index in range(peers):
        world.handle(PeerConnected(peer=str(index), is_outbound=True))
    desk = world.machine.peers
    for state in desk.table:
        state.status = make_status(world, best_number=2**31)
    return desk.table, desk.outbox, desk.sync.bodies


def test_syn_10_bodies_ahead_of_the_import_stay_within_their_bytes() -> None:
    """Every peer sends the largest answers; the block that import waits for never comes."""
    table, outbox, bodies = make_download(12)
    large = (bytes(900_000),)
    root = Block(header=World().genesis, extrinsics=large)
    row = HeaderRow(root=(0, bytes(32)), times_ms=(), work=0, source="0")
    items = [make_pending(index, root) for index in range(1, 1_200)]
    row._headers.extend(items)
    row._by_hash.update((item.hash, item) for item in items)
    outbox.take()
    bodies.schedule(row, 0)
    held = 0
    for _ in range(12):
        for ask in list(outbox._asks.values()):
            assert isinstance(ask.request, GetBodies)
            if items[0].hash in ask.request.hashes:
                continue
            outbox.close(ask.request_id, ask.peer)
            count = min(8, len(ask.request.hashes))
            bodies.on_answer(ask, Bodies(bodies=(large,) * count), row, 0)
        held = max(held, bodies.bytes_held)
        assert bodies.bytes_held + 8 * MIB * outbox.count("bodies") <= LIMITS.bodies_bytes_max + 8 * MIB
        bodies.schedule(row, 0)
    assert 30 * MIB < held <= LIMITS.bodies_bytes_max
    assert len(table) == 12


def make_pending(number: int, block: Block) -> PendingHeader:
    """Return a header whose body is the one of a block."""
    return PendingHeader(
        hash=blake2b_256(number.to_bytes(4, "little")),
        parent_hash=blake2b_256((number - 1).to_bytes(4, "little")),
        number=number,
        extrinsics_root=compute_extrinsics_root(block.extrinsics),
        timestamp_ms=number,
        gas=1,
        work=1,
        raw=b"",
    )


def test_answers_for_an_endless_chain_ask_for_no_more_headers_than_fit() -> None:
    miner, world = World(), make_world()
    for _ in range(60):
        miner.mine()
    world.now_ms = miner.now_ms
    raws = [miner.importer.chain.get_header_bytes(miner.importer.chain.get_hash(n) or b"") or b"" for n in range(1, 61)]
    status = make_status(world, best_number=10**6, best_hash=bytes(32), work=b"\xff" * 20)
    effects = world.handle(NoticeReceived(peer="0", notice=status))
    answers = 0
    while requests := [item for item in find(effects, SendRequest) if isinstance(item.request, GetHeaders)]:
        answers += 1
        start = 12 * (answers - 1)
        headers = Headers(headers=tuple(raws[start : start + 12]) if start < 60 else ())
        answer = AnswerReceived(peer=requests[0].peer, request_id=requests[0].request_id, answer=headers)
        effects = world.handle(answer)
        assert world.machine.peers.sync_status.headers_held <= LIMITS.headers_ahead_max
    assert answers <= 6
