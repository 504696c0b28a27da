"""Two cores on real connections: blocks pass, peers are shown, ports and addresses fail with sentences."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from genesis.presets import load_chain_spec
from network.libp2p.multiaddr import Multiaddr
from network.service import NetworkService
from node.api import NodeService
from node.core.events import Tick
from node.driver import Driver
from node.folders import get_folders
from node.informant import Informant
from node.metrics import Metrics
from node.network_options import PORT
from node.network_wiring import make_network_settings, open_network, parse_spec_bootnodes
from node.run_config import RunConfig, make_run_config
from node.startup import Site, StartFailure
from rpc.errors import RpcError
from tests.node.world import World, make_tiny_spec

PEER = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"


class Station:
    """A node without its process."""

    def __init__(self, folder: Path, **flags: object) -> None:
        self.world = World()
        spec = make_tiny_spec()
        self.site = Site(spec=spec, folders=get_folders(folder, spec.id), peer_id="")
        self.config: RunConfig = make_run_config({"dev": True, "port": 0, **flags})
        self.metrics = Metrics("tiny")
        self.driver = Driver(self.world.machine, self.metrics, now_ms=lambda: self.world.now_ms)
        self.world.dispatch = self.driver.dispatch

    def tick(self) -> None:
        """Let 50 ms pass."""
        self.world.now_ms += 50
        self.driver.dispatch(Tick())


async def wait_until(condition: Callable[[], bool], *stations: Station) -> None:
    """Let the loop turn and time pass until the condition holds."""
    async with asyncio.timeout(30):
        while not condition():
            for station in stations:
                station.tick()
            for _ in range(20):
                await asyncio.sleep(0)


def run_scene(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scene()

    asyncio.run(bounded())


@contextmanager
def take_port() -> Iterator[int]:
    """Listen at a port that nobody else then can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_blocks_pass_and_peers_are_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        one, two = Station(tmp_path / "one"), Station(tmp_path / "two", name="two")
        old = [one.world.mine() for _ in range(3)]
        async with open_network(one.driver, one.config, one.site) as first:
            address = str(first.addresses[0])
            two.config = make_run_config({"dev": True, "port": 0, "name": "two", "bootnodes": (address,)})
            async with open_network(two.driver, two.config, two.site) as second:
                await wait_until(lambda: two.world.head.hash == old[-1].hash, one, two)
                new = one.world.mine()
                await wait_until(lambda: two.world.head.hash == new.hash, one, two)
                await wait_until(lambda: _knows(second, 4), one, two)
                _check_views(one, two, (first, second))
            await wait_until(lambda: first.peer_count == 0, one, two)
            new = one.world.mine()
            assert two.world.head.hash != new.hash

    with caplog.at_level(logging.INFO):
        run_scene(scene)
    assert "👂 Listening for peers at /ip4/127.0.0.1/tcp/" in caplog.text
    assert "💤 Idle (1 peers), best: #4" in caplog.text
    assert "kiB/s" in caplog.text or "B/s" in caplog.text


def _knows(service: NetworkService, height: int) -> bool:
    statuses = [session.status for session in service.sessions.values()]
    return any(status is not None and status.best_number == height for status in statuses)


def _check_views(one: Station, two: Station, services: tuple[NetworkService, NetworkService]) -> None:
    api = NodeService(two.driver, two.config, two.site, services[1])
    (peer,) = api.list_peers()
    assert (peer.peer_id, peer.roles) == (services[0].host.peer_id, "AUTHORITY")
    assert (peer.best_hash, peer.best_number) == (one.world.head.hash, 4)
    assert api.get_sync_state().peers == 1
    assert not api.get_sync_state().is_syncing
    assert api.list_listen_addresses() == [str(address) for address in services[1].addresses]
    Informant(two.driver, services[1]).tell()
    shown = two.metrics.render().decode()
    assert 'substrate_sub_libp2p_peers_count{chain="tiny"} 1.0' in shown
    assert 'substrate_sub_libp2p_connections_opened_total{chain="tiny",direction="out"} 1.0' in shown
    assert 'substrate_sub_libp2p_requests_out_failure_total{chain="tiny",protocol="sync"} 0.0' in shown
    assert 'substrate_block_verification_and_import_time_count{chain="tiny"} 4.0' in shown
    assert "import_time_count" not in one.metrics.render().decode()  # its own
    received = float(shown.split('network_bytes_total{chain="tiny",direction="in"} ')[1].split()[0])
    assert received > 1_000


def test_reserved_peers_are_added_and_removed_by_rpc(tmp_path: Path) -> None:
    async def scene() -> None:
        station = Station(tmp_path)
        async with open_network(station.driver, station.config, station.site) as service:
            api = NodeService(station.driver, station.config, station.site, service)
            api.add_reserved(f"/ip4/127.0.0.1/tcp/1/p2p/{PEER}")
            assert api.list_reserved() == [PEER]
            api.remove_reserved(PEER)
            assert api.list_reserved() == []
            for call, text in ((api.add_reserved, "/ip4/127.0.0.1/tcp/1"), (api.remove_reserved, "nobody")):
                with pytest.raises(RpcError) as caught:
                    call(text)
                assert caught.value.code == 2002

    run_scene(scene)


def test_a_node_without_a_network_says_so(tmp_path: Path) -> None:
    station = Station(tmp_path)
    api = NodeService(station.driver, station.config, station.site)
    assert api.list_peers() == api.list_listen_addresses() == api.list_reserved() == []
    with pytest.raises(RpcError) as caught:
        api.add_reserved(f"/ip4/127.0.0.1/tcp/1/p2p/{PEER}")
    assert caught.value.code == 2002


def test_a_port_that_was_asked_for_and_is_taken_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    async def scene() -> None:
        with take_port() as port:
            station = Station(tmp_path, port=port)
            with pytest.raises(StartFailure, match=f"cannot listen for peers at /ip4/127.0.0.1/tcp/{port}"):
                async with open_network(station.driver, station.config, station.site):
                    pass

    run_scene(scene)


def test_the_usual_port_may_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        with take_port() as port:
            monkeypatch.setattr("node.network_options.PORT", port)
            station = Station(tmp_path, port=None)
            assert station.config.network.listen[0].port == port
            async with open_network(station.driver, station.config, station.site) as service:
                assert service.host.addresses[0].port not in (0, port, PORT)

    run_scene(scene)


def test_the_chain_decides_what_no_flag_says(tmp_path: Path) -> None:
    def settle(chain: str, **flags: object) -> tuple[bool, bool]:
        spec = load_chain_spec(chain)
        site = Site(spec=spec, folders=get_folders(tmp_path, spec.id), peer_id="")
        settings = make_network_settings(make_run_config({"chain": chain, **flags}), site, bytes(32))
        return settings.allows_private, settings.meeting_folder is not None

    assert settle("dev") == (True, False)
    assert settle("local") == (True, True)
    assert settle("testnet") == (False, False)
    assert settle("local", no_mdns=True, no_private_ip=True) == (False, False)
    assert settle("testnet", discover_local=True, allow_private_ip=True) == (True, True)


def test_boot_nodes_of_a_chain_spec_that_cannot_be_dialled_are_told(caplog: pytest.LogCaptureFixture) -> None:
    good = f"/ip4/45.1.1.1/tcp/1/p2p/{PEER}"
    found = parse_spec_bootnodes((good, "/ip4/45.1.1.1/udp/1/quic", "/ip4/45.1.1.1/tcp/1"))
    assert found == [Multiaddr(kind="ip4", host="45.1.1.1", port=1, peer_id=found[0].peer_id)]
    assert caplog.text.count("is not dialled") == 2
