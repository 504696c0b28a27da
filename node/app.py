"""The node's process: one event loop; the core takes turns with it, mining is in other processes.

Start-up order: golden strikes (a VM that does not reproduce them must not judge blocks), chain spec, store with its
check, core, network, metrics, RPC, miner. SIGINT and SIGTERM stop in the opposite order.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from contextlib import AsyncExitStack
from importlib.metadata import version as get_package_version

from chain.store import StoreError
from node.api import NodeService
from node.baseline import Baseline
from node.core.events import Tick
from node.driver import Driver
from node.fast_start import check_chain, prepare_store
from node.informant import Informant, refresh_metrics
from node.log_format import get_logger
from node.log_lines import say_banner, say_start
from node.metrics import Metrics, serve_metrics
from node.miner import Miner, make_workers
from node.network_wiring import open_network
from node.ports import describe_taken_port
from node.run_config import RunConfig
from node.slices import Slices
from node.startup import (
    Site,
    StartFailure,
    load_spec,
    make_importer,
    make_machine,
    open_or_create_chain,
    open_site,
    open_store,
)
from node.turns import Turns
from rpc.methods.catalogue import get_methods
from rpc.methods.dispatch import Limits
from rpc.server import Settings, serve
from runtime.storage import Overlay
from vm.golden import run_self_test
from workers.kernel_cache import prepare_kernels

INFORMANT_SECONDS = 5.0
TICK_SECONDS_MAX = 0.05
_log = get_logger("sc_cli")


def run(config: RunConfig) -> None:
    """Run a node until a signal stops it.

    Raises:
        StartFailure: it cannot start, or had to stop; the sentence says why.
        StoreError: the database is locked, damaged, full, or another chain's.
        InvalidChainSpec: the chain spec is not valid.
        VmDiffers: this machine computes other strikes than the golden ones.
    """
    for line in say_banner(get_package_version("matchstrike"), "the Matchstrike authors"):
        _log.info(line)
    spec = load_spec(config.shared, config.sealing, misbehave=config.misbehave)
    with open_site(config, spec) as site:
        role = "AUTHORITY" if config.is_authority else "FULL"
        for line in say_start(chain=spec.name, name=config.name, role=role, database=str(site.folders.database)):
            _log.info(line)
        for notice in config.notices:
            _log.warning(notice)
        begin = time.monotonic()
        _log.info("🔬 Re-running the golden strikes (the first start compiles the VM, which takes a minute)")
        prepare_kernels()
        run_self_test()
        _log.info("🔬 This machine's VM computes what every other one does (%.1f s)", time.monotonic() - begin)
        with open_store(site.folders.database) as store:
            prepare_store(store, config, site)
            chain = open_or_create_chain(store, spec)
            check_chain(chain, config, site)
            slices = Slices()
            importer = make_importer(chain, spec, state_window=config.state_window, pause=slices.pause)
            metrics = Metrics(spec.id, sorted(get_methods()))
            driver = Driver(make_machine(importer, config, site.folders), metrics, turns=Turns(slices))
            asyncio.run(_run_services(driver, config, site))


async def _run_services(driver: Driver, config: RunConfig, site: Site) -> None:
    """Serve, mine and tell until a signal or a failure."""
    stopped = asyncio.Event()
    failures: list[StoreError] = []

    def stop_after(error: StoreError) -> None:
        failures.append(error)
        stopped.set()

    driver.on_failure = stop_after
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    _set_fixed_metrics(driver, config)
    head = driver.machine.importer.head
    _log.info("🏷  Local node identity is: %s", site.peer_id)
    _log.info("📦 Highest known block at #%d", head.number)
    try:
        async with AsyncExitStack() as stack:
            stack.callback(driver.close_feeds)
            network = await stack.enter_async_context(open_network(driver, config, site))
            service = NodeService(driver, config, site, network)
            await _open_ports(stack, service, driver, config)
            gc.collect()
            gc.freeze()
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(driver.serve()),
                    group.create_task(_tick(driver, config)),
                    group.create_task(_inform(Informant(driver, network))),
                ]
                if config.author is not None:
                    workers = await stack.enter_async_context(make_workers(config.workers))
                    driver.miner = Miner(workers, driver.post)
                    if config.anneal_seconds:
                        tasks.append(group.create_task(make_baseline(driver, config).serve(workers)))
                driver.post(Tick())
                await stopped.wait()
                for task in tasks:
                    task.cancel()
    except* StoreError:  # it broke a task as well; the sentence is enough
        if not failures:
            raise
    _log.info("Stopped at block #%d", driver.machine.importer.head.number)
    if failures:
        raise failures[0]


async def _open_ports(stack: AsyncExitStack, service: NodeService, driver: Driver, config: RunConfig) -> None:
    """Start metrics and RPC.

    Raises:
        StartFailure: a port is taken.
    """
    if config.prometheus_port is not None:
        try:
            port = await stack.enter_async_context(serve_metrics(driver.metrics, config.prometheus_port))
        except OSError as error:
            raise StartFailure(describe_taken_port(config.prometheus_port, "--prometheus-port", error)) from error
        _log.info("〽️ Prometheus exporter started at 127.0.0.1:%d", port)
    settings = make_settings(config)
    try:
        port = await stack.enter_async_context(serve(service, settings, driver.metrics))
    except OSError as error:
        raise StartFailure(describe_taken_port(config.rpc_port, "--rpc-port", error)) from error
    _log.info("Running JSON-RPC server: addr=127.0.0.1:%d", port)


def make_settings(config: RunConfig) -> Settings:
    """Return how the RPC server serves."""
    defaults = Limits()
    limits = Limits(
        request_bytes_max=config.rpc_request_bytes_max,
        response_bytes_max=config.rpc_response_bytes_max,
        batch_max=config.rpc_batch_max or defaults.batch_max,
        allow_unsafe=config.rpc_allow_unsafe,
        allow_batches=config.rpc_batch_max != 0,
    )
    origins = config.rpc_origins
    return Settings(
        port=config.rpc_port,
        origins=Settings().origins if origins is None else origins,
        limits=limits,
        connections_max=config.rpc_connections_max,
        subscriptions_max=config.rpc_subscriptions_max,
        message_buffer=config.rpc_message_buffer,
        calls_per_minute=config.rpc_calls_per_minute,
    )


def make_baseline(driver: Driver, config: RunConfig) -> Baseline:
    """Return who anneals the open problems of the best block's state."""
    importer, book = driver.machine.importer, driver.machine.desk.author.solutions
    return Baseline(lambda: Overlay(importer.chain.state), book, driver.post, seconds_max=config.anneal_seconds)


async def _tick(driver: Driver, config: RunConfig) -> None:
    """Let the core see the time pass, and observe how late the event loop is."""
    loop = asyncio.get_running_loop()
    interval = config.sealing.interval_ms / 4000 if config.sealing.mode == "interval" else TICK_SECONDS_MAX
    pause = min(TICK_SECONDS_MAX, max(0.002, interval))
    while True:
        due = loop.time() + pause
        await asyncio.sleep(pause)
        driver.metrics.observe(driver.metrics.loop_delay, max(0.0, loop.time() - due))
        driver.post(Tick())


async def _inform(informant: Informant) -> None:
    """Print the informant's line and refresh the metrics."""
    while True:
        await asyncio.sleep(INFORMANT_SECONDS)
        informant.tell()


def _set_fixed_metrics(driver: Driver, config: RunConfig) -> None:
    metrics = driver.metrics
    metrics.set(metrics.build_info, 1, name=config.name, version=get_package_version("matchstrike"))
    metrics.set(metrics.node_roles, 4 if config.is_authority else 1)
    metrics.set(metrics.start_time, time.time())
    metrics.set(metrics.peers, 0)
    metrics.set(metrics.is_major_syncing, 0)
    refresh_metrics(driver)
