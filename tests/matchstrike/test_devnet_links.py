"""Links of a devnet: what passes through them, and what does not, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

from matchstrike.devnet.fleet import Fleet
from matchstrike.devnet.link_flow import RETRY_S, Sky, Weather
from matchstrike.devnet.links import Links, open_links
from matchstrike.devnet.network_file import Network, NetworkNode, read_network
from matchstrike.devnet.plan import make_arguments, make_plan, move_ports, renew_ports
from matchstrike.devnet.ports import PortChooser

TWO = Network(nodes=(NetworkNode(name="alice"), NetworkNode(name="bob")), has_links=True)
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def run_echo(work: Callable[[Links, Callable[[], Awaitable[Line]]], Awaitable[None]]) -> None:
    """Run a coroutine with the links of two nodes, of which bob says back what he hears."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_000):
            writer.write(data)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        bob = server.sockets[0].getsockname()[:2]
        port = PortChooser().choose(22_000)
        async with server, asyncio.timeout(20), open_links({("alice", "bob"): port}, lambda name: bob) as links:
            await work(links, lambda: asyncio.open_connection("127.0.0.1", port))

    asyncio.run(run())


async def say(line: Line, word: bytes) -> float:
    """Return how long a word takes to bob and back."""
    begin = time.monotonic()
    line[1].write(word)
    assert await line[0].readexactly(len(word)) == word
    return time.monotonic() - begin


async def end(line: Line) -> None:
    """Close a connection, and see its end come back."""
    line[1].write_eof()
    assert await line[0].read() == b""
    line[1].close()


def test_everything_passes_a_link_in_fine_weather_the_end_too() -> None:
    async def work(links: Links, dial: Callable[[], Awaitable[Line]]) -> None:
        line = await dial()
        await say(line, bytes(100_000))
        await end(line)
        assert links.carried == {("alice", "bob"): 1}

    run_echo(work)


def test_nothing_passes_a_cut_link_until_it_heals_and_then_nothing_is_missing() -> None:
    async def work(links: Links, dial: Callable[[], Awaitable[Line]]) -> None:
        line = await dial()
        await say(line, b"before")
        links.split([["alice"], ["bob"]])
        waiting = asyncio.create_task(say(line, b"during"))
        late = asyncio.create_task(dial_and_say(dial))
        done, _ = await asyncio.wait([waiting, late], timeout=0.3)
        assert not done
        links.heal()
        await asyncio.gather(waiting, late)
        await end(line)

    async def dial_and_say(dial: Callable[[], Awaitable[Line]]) -> None:
        line = await dial()
        await say(line, b"hello")
        await end(line)

    run_echo(work)


def test_a_delay_is_one_way_and_ends() -> None:
    async def work(links: Links, dial: Callable[[], Awaitable[Line]]) -> None:
        line = await dial()
        links.set_delay(0.1)
        assert 0.2 <= await say(line, b"slow") < 1.0
        links.heal()
        assert await say(line, b"fast") < 0.1
        await end(line)

    run_echo(work)


def test_a_lost_segment_comes_after_a_time_out_that_doubles() -> None:
    sky = Sky(Random(1))
    assert sky.draw_time_s() == 0.0
    sky.set(Weather(loss=0.3, delay_s=1.0))
    drawn = [sky.draw_time_s() for _ in range(10_000)]
    first, second = 1.0, 1.0 + RETRY_S + 2.0
    assert 0.68 < drawn.count(first) / 10_000 < 0.72
    assert 0.19 < drawn.count(second) / 10_000 < 0.23
    assert min(time_s for time_s in drawn if time_s > second) == second + 2 * (RETRY_S + 2.0)


def test_a_partition_lies_between_the_groups_and_the_unnamed_are_together() -> None:
    links = Links(("a", "b", "c", "d"), lambda name: ("", 0))
    links.split([["b"]])
    cut = [(one, two) for one in "abcd" for two in "abcd" if one < two and links.get_weather(one, two).is_cut]
    assert cut == [("a", "b"), ("b", "c"), ("b", "d")]
    links.set_loss(0.3, ["a"])
    links.split([["a", "b"], ["c", "d"]])
    assert links.get_weather("a", "b") == Weather(loss=0.3)
    assert links.get_weather("b", "c") == Weather(is_cut=True)
    links.heal()
    assert links.get_weather("a", "b") == links.get_weather("b", "c") == Weather()


def test_nodes_with_links_are_told_of_these_alone_and_learn_no_other_way() -> None:
    plan = make_plan(TWO, name="two.toml")
    alice, bob = plan.nodes
    words = make_arguments(plan, alice, Path("/data"))
    assert "--no-private-ip" in words
    assert "--allow-private-ip" not in words
    assert [words[place + 1] for place, word in enumerate(words) if word == "--bootnodes"] == [
        f"/ip4/127.0.0.1/tcp/{alice.links['bob']}/p2p/{bob.peer_id}"
    ]
    assert plan.links == {("alice", "bob"): alice.links["bob"], ("bob", "alice"): bob.links["alice"]}
    for moved in (renew_ports(plan), move_ports(plan, "alice")):
        ports = [port for node in moved.nodes for port in (*node.links.values(), node.ports.p2p, node.ports.rpc)]
        assert len(set(ports)) == len(ports)


def test_a_fault_of_links_makes_links_and_so_does_the_setting() -> None:
    nodes = "[[nodes]]\nname = 'a'\n[[nodes]]\nname = 'b'\n"
    assert not read_network(nodes).has_links
    assert read_network("[settings]\nlinks = true\n" + nodes).has_links
    network = read_network(nodes + "[[faults]]\naction = 'partition'\nafter = 5\ngroups = [['a']]")
    assert network.has_links
    assert network.faults[0].groups == (("a",),)


def test_links_whose_ports_were_taken_since_move(tmp_path: Path) -> None:
    async def run() -> None:
        plan = make_plan(TWO, name="two.toml")
        port = plan.nodes[0].links["bob"]
        fleet = Fleet(plan, tmp_path)
        taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port)
        async with taken, AsyncExitStack() as stack:
            await fleet.open_links(stack)
            moved = fleet.plan.nodes[0].links["bob"]
            assert moved != port
            _, writer = await asyncio.open_connection("127.0.0.1", moved)
            writer.close()

    asyncio.run(run())
