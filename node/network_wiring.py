"""Connects the core with the network: its events go to the driver, the core's commands come back.

A default port that is taken is no reason not to start: several nodes on one machine are the rule in tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.metadata import version as get_package_version

import msgspec

from chain.store import StoreError
from network.libp2p.host import Host
from network.libp2p.host_config import HostConfig
from network.libp2p.limits import ConnectionLimits
from network.libp2p.multiaddr import InvalidMultiaddr, Multiaddr
from network.libp2p.node_key import make_node_key
from network.local_discovery import get_meeting_folder
from network.port import NetworkCommand, NetworkEvent
from network.rates import PeerRates, Rate
from network.service import NetworkService
from network.settings import NetworkSettings, ServiceLimits
from node.core.events import SyncStep
from node.driver import Driver
from node.log_format import get_logger
from node.network_options import parse_peer_address
from node.node_key import load_node_key
from node.run_config import RunConfig
from node.startup import Site, StartFailure

MEMORY_FILE = "peers.msgpack"
SPARE_OUTBOUND = 16  # for reserved peers that are named later, and feelers
FAST_LIMITS = ServiceLimits(rates=PeerRates(headers=Rate(per_s=200, burst=2_000)))  # blocks come as fast as asked for
_log = get_logger("sub-libp2p")


@asynccontextmanager
async def open_network(driver: Driver, config: RunConfig, site: Site) -> AsyncIterator[NetworkService]:
    """Run the network until the context ends.

    Raises:
        StartFailure: it cannot listen where it was told to.
    """

    def take(event: NetworkEvent) -> None:
        with suppress(StoreError):  # the driver has told whoever stops the node
            driver.post(event)

    async with open_service(take, config, site, driver.machine.importer.chain.genesis_hash) as service:
        for address in service.host.addresses:
            _log.info("👂 Listening for peers at %s", address)
        driver.perform = service.perform
        driver.on_more_work = _Steps(driver).plan
        try:
            yield service
        finally:
            driver.perform, driver.on_more_work = _ignore, _rest


@asynccontextmanager
async def open_service(
    take: Callable[[NetworkEvent], None], config: RunConfig, site: Site, genesis: bytes
) -> AsyncIterator[NetworkService]:
    """Run the network, its events going to `take`, until the context ends; see `open_network`."""
    settings = make_network_settings(config, site, genesis)
    async with AsyncExitStack() as stack:
        try:
            service = await stack.enter_async_context(_make_service(take, config, site, settings))
        except OSError as error:
            if not config.network.is_port_free:
                raise _explain(settings.listen, error) from error
            listen = tuple(msgspec.structs.replace(address, port=0) for address in settings.listen)
            settings = msgspec.structs.replace(settings, listen=listen)
            service = await stack.enter_async_context(_make_service(take, config, site, settings))
            _log.warning("port %d is taken; listening on another one", config.network.listen[0].port)
        yield service


def make_network_settings(config: RunConfig, site: Site, genesis: bytes) -> NetworkSettings:
    """Return the service's settings; the chain decides what the flags leave open."""
    network, spec = config.network, site.spec
    is_test = spec.chain_type in ("Development", "Local")
    discovers = network.discovers if network.discovers is not None else config.shared.chain_name == "local"
    allows_private = network.allows_private if network.allows_private is not None else is_test
    return NetworkSettings(
        genesis=genesis,
        listen=network.listen,
        public=network.public,
        bootnodes=tuple(dict.fromkeys([*network.bootnodes, *parse_spec_bootnodes(spec.boot_nodes)])),
        reserved=network.reserved,
        reserved_only=network.reserved_only,
        out_peers=network.out_peers,
        allows_private=allows_private,
        meeting_folder=get_meeting_folder(genesis) if discovers and not network.reserved_only else None,
        memory_file=site.folders.network / MEMORY_FILE,
        limits=FAST_LIMITS if spec.params.work.target_fixed else ServiceLimits(),
    )


def parse_spec_bootnodes(texts: tuple[str, ...]) -> list[Multiaddr]:
    """Return a chain spec's boot nodes; those of a kind that is not dialled are told and left out."""
    addresses: list[Multiaddr] = []
    for text in texts:
        try:
            addresses.append(parse_peer_address(text))
        except InvalidMultiaddr as error:
            _log.warning("the chain spec's boot node %s is not dialled: %s", text, error)
    return addresses


def _make_service(
    take: Callable[[NetworkEvent], None], config: RunConfig, site: Site, settings: NetworkSettings
) -> NetworkService:
    secret = load_node_key(site.folders.network, given=config.node_key, file=config.node_key_file)
    network = config.network
    limits = ConnectionLimits(
        inbound_max=network.in_peers + len(network.reserved),
        outbound_max=network.out_peers + len(network.reserved) + SPARE_OUTBOUND,
    )
    agent = f"matchstrike-node/{get_package_version('matchstrike')} ({config.name})"
    host = Host(make_node_key(secret), config=HostConfig(agent=agent, connections=limits))
    return NetworkService(host, settings, take)


class _Steps:
    """Lets the core go on with its work in the next turn of the loop, behind what came in meanwhile."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._is_planned = False

    def plan(self) -> None:
        """Step once more."""
        if not self._is_planned:
            self._is_planned = True
            asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        self._is_planned = False
        with suppress(StoreError):  # the driver has told whoever stops the node
            self._driver.post(SyncStep())


def _explain(listen: tuple[Multiaddr, ...], error: OSError) -> StartFailure:
    places = ", ".join(str(address) for address in listen)
    return StartFailure(
        f"cannot listen for peers at {places} ({error.strerror or error}). "
        "Is another node running? Choose another --port or --listen-addr."
    )


def _ignore(command: NetworkCommand) -> None:
    """Perform nothing: the network is gone."""


def _rest() -> None:
    """Go on with the next tick."""
