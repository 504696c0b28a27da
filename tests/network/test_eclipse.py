"""Whoever takes all inbound places of a node that runs: others get in, and those who were there stay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from network.chain_protocols import make_chain_protocols
from network.libp2p.host_config import HostConfig
from network.libp2p.limits import Admission, ConnectionLimits
from network.libp2p.memory_transport import MemoryNetwork
from network.messages import Extrinsics, GetExtrinsics
from network.port import GossipReceived, JudgeGossip, Publish, RequestReceived, SendAnswer, SendRequest
from tests.network.service_support import GENESIS, Node, make_service, make_settings, run_scene, wait_events
from tests.network.support import make_key, wait_until

PLACES = 20


class Town:
    """One node with few inbound places, and everybody else at public addresses.

    Attributes:
        places: How many inbound places it has.
    """

    def __init__(self, stack: AsyncExitStack, places: int, visitors: int) -> None:
        self._stack = stack
        self._network = MemoryNetwork()
        self._count = 1
        self.places = places
        limits = ConnectionLimits(inbound_max=places, visitors_max=visitors)
        config = HostConfig(connections=limits, visit_s=0.2)
        self.victim = make_service(self._network, 1, make_settings(out_peers=0), ip="45.1.1.1", config=config)

    async def settle(self, ip: str, **options: object) -> Node:
        """Return a new node at this address."""
        self._count += 1
        settings = make_settings(**{"out_peers": 0, **options})
        node = make_service(self._network, self._count, settings, ip=ip)
        await self._stack.enter_async_context(node.service)
        return node

    async def knock(self, ip: str) -> Node:
        """Return a new node at this address that has dialled the victim, whatever came of it."""
        self.victim.clock.now_ms += 1_000
        node = await self.settle(ip)
        await self.knock_again(node)
        return node

    async def knock_again(self, node: Node) -> None:
        """Dial the victim, and wait until it is clear whether it takes the node."""
        with suppress(OSError):
            await node.dial(self.victim)
        host = self.victim.service.host
        await wait_until(lambda: len(self.here([node])) == 1 or host.peer_id not in list(node.service.host.peers))

    async def come(self, count: int) -> list[Node]:
        """Return honest nodes, each in a group of its own."""
        first = self._count
        return [await self.knock(f"70.{first + number}.1.1") for number in range(count)]

    async def flood(self, count: int) -> list[Node]:
        """Return nodes of three subnets."""
        return [await self.knock(f"66.{number % 3}.1.{number}") for number in range(count)]

    async def tell(self, node: Node) -> GossipReceived:
        """Return what the victim hears when the node publishes a header."""
        topic = make_chain_protocols(GENESIS).topics["headers"]
        await wait_until(lambda: bool(node.service.host.gossip.router.list_topic_peers(topic)))
        node.service.perform(Publish(topic="headers", data=b"a header"))
        return (await wait_events(self.victim, GossipReceived, 1))[0]

    @property
    def admission(self) -> Admission:
        """What the victim counts."""
        return self.victim.service.host._admission

    def here(self, nodes: Sequence[Node]) -> list[Node]:
        """Return those of the nodes that the victim speaks with."""
        sessions = self.victim.service.sessions
        return [node for node in nodes if node.peer in sessions and sessions[node.peer].is_greeted]


@asynccontextmanager
async def open_town(places: int = PLACES, visitors: int = 0) -> AsyncIterator[Town]:
    """Run the victim, and whoever knocks."""
    async with AsyncExitStack() as stack:
        town = Town(stack, places, visitors)
        await stack.enter_async_context(town.victim.service)
        yield town


def test_net_52_three_subnets_that_took_every_place_keep_no_honest_node_out() -> None:
    async def scene() -> None:
        async with open_town() as town:
            crowd = await town.flood(PLACES)
            assert len(town.here(crowd)) == PLACES
            honest = await town.come(12)
            assert town.here(honest) == honest
            again = await town.flood(12)
            assert town.here(honest) == honest
            assert len(town.here([*crowd, *again])) == PLACES - 12
            assert (await town.tell(honest[0])).data == b"a header"

    run_scene(scene)


def test_net_52_a_flood_of_three_subnets_drives_out_no_more_than_three() -> None:
    async def scene() -> None:
        async with open_town() as town:
            honest = await town.come(PLACES)
            crowd = await town.flood(12)
            for node in crowd:
                if not town.here([node]):
                    await town.knock_again(node)
            assert len(town.here(honest)) >= PLACES - 3
            assert 1 <= len(town.here(crowd)) <= 3
            assert town.admission.inbound == PLACES

    run_scene(scene)


def test_net_53_who_brings_valid_headers_or_extrinsics_stays() -> None:
    """The two youngest of ten, who else are the first to go."""

    async def scene() -> None:
        async with open_town(10) as town:
            peers = await town.come(10)
            victim, teller, seller = town.victim, peers[-1], peers[-2]
            heard = await town.tell(teller)
            victim.service.perform(JudgeGossip(message_id=heard.message_id, verdict="accept"))
            request = GetExtrinsics(hashes=(bytes(32),))
            victim.service.perform(SendRequest(peer=seller.peer, request_id=1, request=request, timeout_ms=9_000))
            asked = (await wait_events(seller, RequestReceived, 1))[0]
            answer = Extrinsics(extrinsics=(b"an extrinsic",))
            seller.service.perform(SendAnswer(peer=victim.peer, request_id=asked.request_id, answer=answer))
            await wait_until(lambda: victim.service.requests.counts.out_success == 1)
            await town.come(3)
            assert town.here([teller, seller]) == [teller, seller]
            assert len(town.here(peers)) < 10

    run_scene(scene)


def test_net_53_the_nearest_stay() -> None:
    """The two youngest of ten again."""

    async def scene() -> None:
        async with open_town(10) as town:
            peers = await town.come(10)
            for node in peers:
                connection = town.victim.service.host.get_connection(node.peer)
                assert connection is not None
                assert connection._session is not None
                connection._session.round_trip_ms = 1 if node in peers[8:] else 50
            await town.come(3)
            assert town.here(peers[8:]) == peers[8:]
            assert len(town.here(peers)) < 10

    run_scene(scene)


def test_net_52_a_reserved_peer_gets_in_and_stays_and_a_banned_one_gets_nobodys_place() -> None:
    async def scene() -> None:
        async with open_town(4) as town:
            crowd = await town.flood(4)
            door = town.victim.service.door
            door.trusted.update(node.peer for node in crowd[:1])
            door.bans.add_points(make_key(6).peer_id, None, 100, town.victim.clock.now_ms)
            assert not town.here(await town.come(1))
            assert town.here(crowd) == crowd
            door.trusted.add(make_key(7).peer_id)
            assert town.here([await town.knock("66.0.1.1")])
            await town.come(4)
            assert town.here(crowd[:1])

    run_scene(scene)


def test_net_54_a_full_boot_node_introduces_newcomers_of_its_own_group_to_others() -> None:
    async def scene() -> None:
        async with open_town(4, visitors=1) as town:
            crowd = [await town.knock(f"66.0.1.{number}") for number in range(4)]
            boot = town.victim.address
            newcomer = await town.settle("66.0.1.9", bootnodes=(boot,), out_peers=2)
            others = {node.peer for node in crowd}
            async with asyncio.timeout(20):
                while not others & {peer for peer, one in newcomer.service.sessions.items() if one.is_greeted}:
                    newcomer.clock.now_ms += 1_000
                    newcomer.service.check(newcomer.clock.now_ms)
                    await asyncio.sleep(0)
                while newcomer.peer in town.victim.service.sessions:
                    await asyncio.sleep(0)
            assert town.here(crowd) == crowd
            assert town.admission.visitors == 0
            assert town.admission.inbound == 4

    run_scene(scene)


def test_net_54_visitors_are_few_and_the_first_gives_way_after_2_s() -> None:
    async def scene() -> None:
        async with open_town(2, visitors=1) as town:
            crowd = [await town.knock(f"66.0.1.{number}") for number in range(5)]
            assert town.here(crowd) == [*crowd[:2], crowd[4]]
            assert town.admission.visitors == 1

    run_scene(scene)


def test_net_54_a_visitor_stays_when_a_place_becomes_free() -> None:
    async def scene() -> None:
        async with open_town(2, visitors=1) as town:
            crowd = [await town.knock(f"66.0.1.{number}") for number in range(3)]
            town.victim.service.host.disconnect(crowd[0].peer)
            async with asyncio.timeout(20):
                while town.admission.visitors:
                    await asyncio.sleep(0)
            assert town.here(crowd) == crowd[1:]
            assert town.admission.inbound == 2

    run_scene(scene)
