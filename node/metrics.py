"""Prometheus metrics by Substrate's names, so that its dashboards and zombienet read them.

Substrate counts without the suffix `_total` in places where the Prometheus library insists on it for counters; these
are gauges here. Every metric has the label `chain`. RPC methods that do not exist are counted as `unknown`.

Source: polkadot-sdk, client/service/src/metrics.rs and its neighbours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

HOST = "127.0.0.1"
_TIMES = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_DELAYS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
_MICROSECONDS = (100.0, 500.0, 1_000.0, 5_000.0, 25_000.0, 100_000.0, 500_000.0, 1_000_000.0, 10_000_000.0)


class Metrics:
    """What the node counts. It is also the RPC server's observer."""

    def __init__(self, chain: str, methods: Sequence[str] = ()) -> None:
        self.registry = CollectorRegistry()
        self._chain = chain
        self._methods = frozenset(methods)
        self.build_info = self._gauge("build_info", "Name and version", "name", "version")
        self.node_roles = self._gauge("node_roles", "1 full, 4 authority")
        self.start_time = self._gauge("process_start_time_seconds", "Unix time of the start")
        self.block_height = self._gauge("block_height", "Height by status", "status")
        self.leaves = self._gauge("number_leaves", "Branches of the block tree")
        self.ready_extrinsics = self._gauge("ready_transactions_number", "Extrinsics that a block may include")
        self.state_cache_bytes = self._gauge("state_cache_bytes", "Memory of the state cache")
        self.peers = self._gauge("sub_libp2p_peers_count", "Connected peers")
        self.network_bytes = self._gauge("sub_libp2p_network_bytes_total", "Bytes on the wire", "direction")
        self.connections_opened = self._gauge("sub_libp2p_connections_opened_total", "Connections", "direction")
        self.connections_closed = self._gauge("sub_libp2p_connections_closed_total", "Ended ones", "direction")
        self.incoming_connections = self._gauge("sub_libp2p_incoming_connections_total", "Connections from outside")
        self.listeners = self._gauge("sub_libp2p_listeners_local_addresses", "Addresses listened at")
        self.peers_discovered = self._gauge("sub_libp2p_peerset_num_discovered", "Addresses known")
        self.requests_out_success = self._gauge("sub_libp2p_requests_out_success_total", "Answered to us", "protocol")
        self.requests_out_failure = self._gauge("sub_libp2p_requests_out_failure_total", "Not answered", "protocol")
        self.requests_in_success = self._gauge("sub_libp2p_requests_in_success_total", "Answered by us", "protocol")
        self.requests_in_failure = self._gauge("sub_libp2p_requests_in_failure_total", "Refused by us", "protocol")
        self.is_major_syncing = self._gauge("sub_libp2p_is_major_syncing", "1 while far behind")
        self.queued_blocks = self._gauge("sync_queued_blocks", "Blocks that wait for their parent or their time")
        self.pool_submitted = self._gauge("sub_txpool_submitted_transactions", "Extrinsics submitted")
        self.pool_invalid = self._gauge("sub_txpool_validations_invalid", "Extrinsics found invalid")
        self.pool_scheduled = self._gauge("sub_txpool_validations_scheduled", "Validations begun")
        self.pool_finished = self._gauge("sub_txpool_validations_finished", "Validations ended")
        self.pool_pruned = self._gauge("sub_txpool_block_transactions_pruned", "Extrinsics that a block included")
        self.pool_resubmitted = self._gauge(
            "sub_txpool_block_transactions_resubmitted", "Extrinsics that came back from undone blocks"
        )
        self.imports = self._gauge("import_queue_processed_total", "Blocks processed", "result")
        self.verification_time = self._histogram(
            "block_verification_and_import_time", "Seconds to judge, execute and write a block", _TIMES
        )
        self.block_constructed = self._histogram("proposer_block_constructed", "Seconds to prepare a block", _TIMES)
        self.block_extrinsics = self._gauge("proposer_number_of_transactions", "Extrinsics in the last prepared block")
        self.loop_delay = self._histogram("event_loop_delay_time", "Seconds a timer was late", _DELAYS)
        self.tickets = self._gauge("work_tickets", "Tickets searched since the start")
        self.rpc_started = self._gauge("rpc_calls_started", "Calls begun", "protocol", "method")
        self.rpc_finished = self._gauge("rpc_calls_finished", "Calls ended", "protocol", "method", "is_error")
        self.rpc_time = self._histogram("rpc_calls_time", "Microseconds of a call", _MICROSECONDS, "protocol", "method")
        self.sessions_opened = self._gauge("rpc_sessions_opened", "Sessions opened")
        self.sessions_closed = self._gauge("rpc_sessions_closed", "Sessions closed")

    def set(self, metric: Gauge, value: float, **labels: str) -> None:
        """Set a gauge."""
        metric.labels(self._chain, *labels.values()).set(value)

    def add(self, metric: Gauge, value: float = 1, **labels: str) -> None:
        """Add to a gauge that counts."""
        metric.labels(self._chain, *labels.values()).inc(value)

    def count_import(self, result: str) -> None:
        """Count a processed block."""
        self.add(self.imports, result=result)

    def observe(self, metric: Histogram, value: float) -> None:
        """Add to a histogram."""
        metric.labels(self._chain).observe(value)

    def on_call(self, protocol: str, method: str, seconds: float, *, is_error: bool) -> None:
        """Count an RPC call."""
        name = method if method in self._methods else "unknown"
        self.rpc_started.labels(self._chain, protocol, name).inc()
        self.rpc_finished.labels(self._chain, protocol, name, str(is_error).lower()).inc()
        self.rpc_time.labels(self._chain, protocol, name).observe(seconds * 1e6)

    def on_session(self, *, opened: bool) -> None:
        """Count a WebSocket session."""
        self.add(self.sessions_opened if opened else self.sessions_closed)

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"substrate_{name}", text, ("chain", *labels), registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"substrate_{name}", text, ("chain", *labels), buckets=buckets, registry=self.registry)


@asynccontextmanager
async def serve_metrics(metrics: Metrics, port: int) -> AsyncIterator[int]:
    """Serve `/metrics` on the loopback address until the context ends; yields the port that was bound.

    Raises:
        OSError: the port is taken.
    """

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4"})

    application = web.Application()
    application.router.add_get("/metrics", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
