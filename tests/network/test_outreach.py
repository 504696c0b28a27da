"""Nodes find each other: boot nodes, exchanged addresses, a shared folder, memory, feelers, reserved peers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import SystemRandom

import msgspec

from network.dialer import FEELER_MS
from network.libp2p.memory_transport import MemoryNetwork
from network.libp2p.multiaddr import Multiaddr
from network.messages import GetHeaders
from network.outreach import EXCHANGE_MS
from network.port import GossipReceived, JudgeGossip, PeerConnected, PeerGone, Publish, SendRequest
from network.saved_peers import load_saved_peers
from network.settings import NetworkSettings
from tests.network.service_support import GENESIS, Node, connect, make_service, make_settings, run_scene
from tests.network.support import make_host, make_key, wait_until


def make_public(number: int) -> str:
    """Return a public IP address of a group of its own."""
    return f"45.{number}.1.1"


def get_address(number: int) -> Multiaddr:
    return Multiaddr(kind="ip4", host=make_public(number), port=30_333, peer_id=make_key(number).peer_id)


@asynccontextmanager
async def run_world(
    settings: dict[int, NetworkSettings], network: MemoryNetwork | None = None
) -> AsyncIterator[dict[int, Node]]:
    """Run nodes at public addresses, one group each; nothing happens until their clocks are turned."""
    network = network or MemoryNetwork()
    async with AsyncExitStack() as stack:
        nodes = {
            number: make_service(network, number, options, ip=make_public(number))
            for number, options in settings.items()
        }
        for node in nodes.values():
            await stack.enter_async_context(node.service)
        yield nodes


async def turn_clocks(nodes: dict[int, Node], *, seconds: int, step_ms: int = 1_000) -> None:
    """Let time pass for everybody."""
    for _ in range(seconds * 1_000 // step_ms):
        for node in nodes.values():
            node.clock.now_ms += step_ms
            node.service.check(node.clock.now_ms)
        for _ in range(60):
            await asyncio.sleep(0)


def get_peers(node: Node) -> set[str]:
    return {session.peer for session in node.service.sessions.values() if session.is_greeted}


def test_who_knows_one_boot_node_comes_to_know_all() -> None:
    async def scene() -> None:
        boot = make_settings(allows_private=False)
        others = make_settings(allows_private=False, bootnodes=(get_address(1),))
        async with run_world({1: boot, 2: others, 3: others, 4: others, 5: others}) as nodes:
            await turn_clocks(nodes, seconds=200)
            everybody = {node.peer for node in nodes.values()}
            for node in nodes.values():
                assert get_peers(node) == everybody - {node.peer}
            tried = sum(node.service.outreach.book.count(is_tried=True) for node in nodes.values())
            assert tried >= 4

    run_scene(scene)


def test_net_42_a_peer_is_believed_only_about_the_address_from_which_it_speaks() -> None:
    async def scene() -> None:
        network = MemoryNetwork()
        async with run_world({1: make_settings(allows_private=False)}, network) as nodes:
            victim = nodes[1]
            async with make_host(network, 66, ip="66.6.1.1") as liar:

                async def swallow(stream: object) -> None:
                    await asyncio.Event().wait()

                liar.set_handler("/matchstrike/00010203/status/1", swallow)
                liar.external = (
                    Multiaddr(kind="ip4", host=make_public(9), port=30_333),
                    Multiaddr(kind="ip4", host="66.6.1.1", port=7),
                    Multiaddr(kind="ip4", host="0.0.0.0", port=8),
                )
                await liar.dial(victim.address)
                await wait_until(lambda: len(victim.service.outreach.book) > 0)
                known = {str(entry.address) for entry in victim.service.outreach.book.list_entries()}
                assert known == {f"/ip4/66.6.1.1/tcp/{port}/p2p/{liar.peer_id}" for port in (7, 8)}

    run_scene(scene)


def test_what_a_node_knew_and_whom_it_banned_outlive_it(tmp_path: Path) -> None:
    async def scene() -> None:
        network = MemoryNetwork()
        file = tmp_path / "network" / "peers"
        remembers = make_settings(allows_private=False, bootnodes=(get_address(2),), memory_file=file)
        plain = make_settings(allows_private=False)
        async with run_world({2: plain, 3: plain}, network) as others:
            async with run_world({1: remembers}, network) as nodes:
                await turn_clocks({**nodes, **others}, seconds=3)
                assert get_peers(nodes[1]) == {others[2].peer}
                nodes[1].service.door.bans.add_points(others[3].peer, None, 100, nodes[1].clock.now_ms)
            saved = load_saved_peers(file, SystemRandom())
            assert [address.host for address in saved.anchors] == [make_public(2)]
            assert [entry.is_tried for entry in saved.entries] == [True]
            alone = msgspec.structs.replace(remembers, bootnodes=())
            async with run_world({1: alone}, network) as nodes:
                await turn_clocks({**nodes, **others}, seconds=2)
                assert get_peers(nodes[1]) == {others[2].peer}, "the anchor"
                await others[3].dial(nodes[1])
                await wait_until(lambda: len(others[3].service.host.peers) == 0)

    run_scene(scene)


def test_net_40_a_feeler_learns_that_an_address_answers_and_the_core_hears_nothing() -> None:
    async def scene() -> None:
        settings = make_settings(allows_private=False, out_peers=0)
        async with run_world({1: settings, 2: make_settings(allows_private=False)}) as nodes:
            book = nodes[1].service.outreach.book
            book.learn(get_address(2), "s", 0)
            book.learn(get_address(3), "s", 0)  # nobody is there
            await turn_clocks(nodes, seconds=4 * FEELER_MS // 1_000 + 2, step_ms=FEELER_MS // 4)
            assert book.count(is_tried=True) == 1
            entry = book.get(get_address(3))
            assert entry is not None
            assert entry.failures >= 1
            assert nodes[1].list_events(PeerConnected) == []
            assert nodes[1].service.peer_count == 0

    run_scene(scene)


def test_reserved_peers_come_back_and_alone_if_asked() -> None:
    async def scene() -> None:
        only = make_settings(allows_private=False, reserved=(get_address(2),), reserved_only=True)
        plain = make_settings(allows_private=False, bootnodes=(get_address(1),))
        async with run_world({1: only, 2: make_settings(allows_private=False), 3: plain}) as nodes:
            await turn_clocks(nodes, seconds=5)
            assert get_peers(nodes[1]) == {nodes[2].peer}, "the third was turned away"
            nodes[2].service.host.disconnect(nodes[1].service.host.peer_id)
            await wait_until(lambda: len(nodes[1].list_events(PeerGone)) == 1)
            await turn_clocks(nodes, seconds=5)
            assert get_peers(nodes[1]) == {nodes[2].peer}
            nodes[1].service.add_reserved(get_address(3))
            await turn_clocks(nodes, seconds=30)
            assert get_peers(nodes[1]) == {nodes[2].peer, nodes[3].peer}
            nodes[1].service.remove_reserved(nodes[2].peer)
            await wait_until(lambda: get_peers(nodes[1]) == {nodes[3].peer})
            assert nodes[1].service.list_reserved() == [nodes[3].peer]

    run_scene(scene)


def test_nodes_that_share_a_folder_meet(tmp_path: Path) -> None:
    async def scene() -> None:
        settings = make_settings(meeting_folder=tmp_path / "meet" / "chain")
        async with run_world({1: settings, 2: settings, 3: settings}) as nodes:
            await turn_clocks(nodes, seconds=12)
            for node in nodes.values():
                assert len(get_peers(node)) == 2
        assert list((tmp_path / "meet" / "chain").iterdir()) == [], "each took its note away"

    run_scene(scene)


def test_a_boot_node_of_another_chain_is_tried_less_and_less() -> None:
    async def scene() -> None:
        foreign = make_settings(genesis=bytes(32), allows_private=False)
        plain = make_settings(allows_private=False, bootnodes=(get_address(1),))
        async with run_world({1: foreign, 2: plain}) as nodes:
            await turn_clocks(nodes, seconds=120)
            assert nodes[1].events == nodes[2].events == []
            assert 4 <= nodes[1].service.counts.opened_in <= 10
            assert nodes[1].service.door.bans.list_bans(0) == ()

    run_scene(scene)


def test_our_address_is_what_two_groups_say() -> None:
    async def scene() -> None:
        plain = make_settings(allows_private=False)
        async with run_world({1: plain, 2: plain, 3: plain}) as nodes:
            await connect(nodes[1], nodes[2])
            await wait_until(lambda: bool(nodes[1].service.outreach._witnesses))
            assert nodes[1].service.host.external == ()
            await connect(nodes[1], nodes[3])
            await wait_until(lambda: bool(nodes[1].service.host.external))
            assert [str(address) for address in nodes[1].service.addresses] == [str(get_address(1))]

    run_scene(scene)


def test_peers_are_asked_for_addresses_no_more_often_than_they_answer() -> None:
    async def scene() -> None:
        plain = make_settings(allows_private=False)
        async with run_world({1: plain, 2: plain}) as nodes:
            await connect(nodes[1], nodes[2])
            await turn_clocks(nodes, seconds=10 * EXCHANGE_MS // 1_000, step_ms=5_000)
            for node, other in ((nodes[1], nodes[2]), (nodes[2], nodes[1])):
                assert node.service.door.bans.get_score(other.peer, node.clock.now_ms) == 0

    run_scene(scene)


def test_answers_that_we_asked_for_are_not_counted_as_a_flood() -> None:
    async def scene() -> None:
        async with run_world({1: make_settings(), 2: make_settings()}) as nodes:
            await connect(nodes[1], nodes[2])
            session = nodes[1].service.sessions[nodes[2].service.host.peer_id]
            ask = GetHeaders(locator=(GENESIS,), count=1)
            command = SendRequest(peer=nodes[2].peer, request_id=1, request=ask, timeout_ms=50)
            nodes[1].service.perform(command)
            session.take_unsolicited()
            connection = nodes[1].service.host.get_connection(session.peer)
            assert connection is not None
            connection.received_bytes += 5_000_000
            assert session.take_unsolicited() == 0
            connection.received_bytes += 5_000_000
            assert 1_500_000 < session.take_unsolicited() < 2_000_000

    run_scene(scene)


def test_a_network_outlives_its_boot_node_and_gossip_reaches_everybody() -> None:
    """Eight nodes that look for three connections each; the boot node leaves, then another one joins by a neighbour."""

    async def scene() -> None:
        network = MemoryNetwork()
        rest = make_settings(allows_private=False, bootnodes=(get_address(1),), out_peers=3)
        async with run_world(dict.fromkeys(range(2, 9), rest), network) as nodes:
            async with run_world({1: make_settings(allows_private=False, out_peers=3)}, network) as boot:
                await turn_clocks({**nodes, **boot}, seconds=160, step_ms=2_000)
            await turn_clocks(nodes, seconds=60, step_ms=2_000)
            late = make_settings(allows_private=False, bootnodes=(get_address(5),), out_peers=3)
            async with run_world({9: late}, network) as newcomer:
                nodes[9] = newcomer[9]
                await turn_clocks(nodes, seconds=60, step_ms=2_000)
                assert all(len(get_peers(node)) >= 2 for node in nodes.values())
                for node in nodes.values():
                    node.service.host.gossip.beat_now()
                await _spread(nodes, b"a header")

    run_scene(scene)


async def _spread(nodes: dict[int, Node], data: bytes) -> None:
    """Publish at the newcomer; every core accepts what it hears, and each hears it once."""
    nodes[9].service.perform(Publish(topic="headers", data=data))
    judged: set[int] = set()
    async with asyncio.timeout(20):
        while len(judged) < len(nodes) - 1:
            await asyncio.sleep(0)
            for number, node in nodes.items():
                for event in node.list_events(GossipReceived):
                    if number not in judged:
                        judged.add(number)
                        node.service.perform(JudgeGossip(message_id=event.message_id, verdict="accept"))
    assert all(len(node.list_events(GossipReceived)) == (number != 9) for number, node in nodes.items())
