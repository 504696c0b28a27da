"""A whole node in the test's own process: real core, runtime and services, a store in memory, the RPC server on a port.

Tickets are searched in the event loop itself, with the smallest chain parameters, so a block takes milliseconds. Time
passes only when a test says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from msgspec.structs import replace

from chain.ed25519 import public_of
from chain.era import IMMORTAL
from chain.extrinsic import SigningContext, encode_extra, make_signed
from chain.params import Params
from chain.runtime_metadata import RuntimeMetadata
from chain.secret_uri import derive_seed
from chain.store import MemoryStore
from consensus.ticket import search_tickets
from genesis.presets import make_development
from node.api import NodeService
from node.core.effects import StartMining
from node.core.events import Tick, TicketFound
from node.driver import Driver, get_time_ms
from node.folders import get_folders
from node.metrics import Metrics
from node.run_config import make_run_config
from node.startup import Site, make_importer, make_machine, open_or_create_chain
from rpc.api import Json
from rpc.methods.catalogue import get_methods
from rpc.server import Settings, serve

PEER_ID = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"


class LiveNode:
    """A node, the port of its RPC server, and a client session."""

    def __init__(self, driver: Driver, port: int, session: aiohttp.ClientSession) -> None:
        self.driver = driver
        self.port = port
        self.session = session
        self.metadata = RuntimeMetadata.decode(driver.machine.importer.runtime.metadata)

    @property
    def url(self) -> str:
        """Where JSON-RPC answers over HTTP; the same address serves WebSocket."""
        return f"http://127.0.0.1:{self.port}"

    async def post(self, method: str, *params: Json) -> dict[str, Json]:
        """Return the whole answer to one HTTP call."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        async with self.session.post(self.url, json=body) as response:
            answer = await response.json()
        assert isinstance(answer, dict)
        return answer

    def make_transfer(self, sender: str = "//Alice", to: str = "//Bob", *, nonce: int = 0, amount: int = 10**12) -> str:
        """Return a signed transfer as 0x-hex."""
        runtime, genesis = self.driver.machine.importer.runtime, self.driver.machine.importer.chain.genesis_hash
        context = SigningContext(
            spec_version=runtime.version.spec_version,
            transaction_version=runtime.version.transaction_version,
            genesis_hash=genesis,
            birth_hash=genesis,
        )
        seed, dest = derive_seed(sender), public_of(derive_seed(to))
        call = self.metadata.encode_call("Balances", "transfer_keep_alive", dest=dest, value=amount)
        return "0x" + make_signed(call, seed, public_of(seed), encode_extra(IMMORTAL, nonce, 0), context).hex()

    async def mine(self) -> None:
        """Let the node make one block."""
        height = self.driver.machine.importer.head.number
        for _ in range(1000):
            self.driver.dispatch(Tick())
            if self.driver.machine.importer.head.number > height:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"the node made no block on #{height}")


class _LoopSearch:
    """Searches the tickets of a job in the event loop, soon."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def start(self, command: StartMining) -> None:
        asyncio.get_running_loop().call_soon(self._search, command)

    def stop(self) -> None:
        """Nothing runs between two events."""

    def _search(self, command: StartMining) -> None:
        win = search_tickets(command.job, 0, 1).win
        assert win is not None
        self._driver.dispatch(TicketFound(generation=command.generation, seal=win))


class SteppedClock:
    """A clock that is 100 ms later each time somebody looks."""

    def __init__(self) -> None:
        self._now_ms = get_time_ms()

    def __call__(self) -> int:
        """Return the time."""
        self._now_ms += 100
        return self._now_ms


@asynccontextmanager
async def open_live_node(folder: Path, settings: Settings) -> AsyncIterator[LiveNode]:
    """Start a node whose RPC server serves as the settings say, on a free port."""
    params = Params.tiny()
    spec = replace(make_development(), params=params)
    options = {"dev": True, "sealing": "300", "rpc_port": 0, "no_prometheus": True, "name": "Live"}
    config = make_run_config(options)
    chain = open_or_create_chain(MemoryStore(), spec)
    importer = make_importer(chain, spec, state_window=config.state_window)
    folders = get_folders(folder, spec.id)
    driver = Driver(
        make_machine(importer, config, folders), Metrics(spec.id, sorted(get_methods())), now_ms=SteppedClock()
    )
    driver.miner = _LoopSearch(driver)
    service = NodeService(driver, config, Site(spec=spec, folders=folders, peer_id=PEER_ID))
    async with serve(service, replace(settings, port=0), driver.metrics) as port, aiohttp.ClientSession() as session:
        try:
            yield LiveNode(driver, port, session)
        finally:
            driver.close_feeds()


def run_live(folder: Path, work: Callable[[LiveNode], Awaitable[None]], settings: Settings | None = None) -> None:
    """Run a test's coroutine against a node of its own, for at most 150 s: it may have to compile the VM first."""

    async def run() -> None:
        async with asyncio.timeout(150), open_live_node(folder, settings or Settings()) as node:
            await work(node)

    asyncio.run(run())
