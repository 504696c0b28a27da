"""What the node tells every five seconds: the informant's line, and the metrics that follow the node's state."""

from __future__ import annotations

from time import monotonic

from network.service import NetworkService
from node.driver import Driver
from node.log_format import get_logger
from node.log_lines import format_rate, say_idle, shorten
from node.metrics import Metrics
from node.miner import Miner

_log = get_logger("substrate")


class Informant:
    """Looks at the node and compares with its last look."""

    def __init__(self, driver: Driver, network: NetworkService | None) -> None:
        self._driver = driver
        self._network = network
        self._looked_s = monotonic()
        self._traffic = (0, 0)
        self._height = driver.machine.importer.head.number

    def tell(self) -> None:
        """Print the line and refresh the metrics."""
        importer = self._driver.machine.importer
        now_s = monotonic()
        seconds = max(0.001, now_s - self._looked_s)
        traffic = self._network.traffic if self._network is not None else (0, 0)
        rates = ((traffic[0] - self._traffic[0]) / seconds, (traffic[1] - self._traffic[1]) / seconds)
        best, final = importer.blocks.best, importer.final
        status = self._driver.machine.peers.sync_status
        places = {"best": (best.number, best.hash), "finalized": (final.number, final.hash)}
        if status.is_major:
            speed = (best.number - self._height) / seconds
            _log.info(say_syncing(speed, target=status.highest, peers=status.peers, rates=rates, **places))
        else:
            peers = self._network.peer_count if self._network is not None else 0
            _log.info(say_idle(peers=peers, rates=rates, **places))
        self._looked_s, self._traffic, self._height = now_s, traffic, best.number
        refresh_metrics(self._driver)
        if self._network is not None:
            refresh_network_metrics(self._driver.metrics, self._network)


def say_syncing(
    speed: float,
    *,
    target: int,
    peers: int,
    best: tuple[int, bytes],
    finalized: tuple[int, bytes],
    rates: tuple[float, float],
) -> str:
    """Return the informant's line while the node catches up; `speed` is in blocks a second."""
    return (
        f"⚙️  Syncing {speed:5.1f} bps, target=#{target} ({peers} peers), best: #{best[0]} ({shorten(best[1])}), "
        f"finalized #{finalized[0]} ({shorten(finalized[1])}), ⬇ {format_rate(rates[0])} ⬆ {format_rate(rates[1])}"
    )


def refresh_metrics(driver: Driver) -> None:
    """Set the gauges that follow the node's state."""
    metrics, machine = driver.metrics, driver.machine
    importer, status = machine.importer, machine.peers.sync_status
    metrics.set(metrics.block_height, importer.head.number, status="best")
    metrics.set(metrics.block_height, importer.final.number, status="finalized")
    metrics.set(metrics.block_height, max(status.highest, importer.head.number), status="sync_target")
    metrics.set(metrics.leaves, len(importer.blocks.list_leaves()))
    metrics.set(metrics.ready_extrinsics, machine.pool.ready_count)
    metrics.set(metrics.queued_blocks, len(machine.waiting) + status.headers_held)
    metrics.set(metrics.is_major_syncing, int(status.is_major))
    if isinstance(driver.miner, Miner):
        metrics.set(metrics.tickets, driver.miner.tickets)


def refresh_network_metrics(metrics: Metrics, network: NetworkService) -> None:
    """Set the gauges of the network."""
    received, sent = network.traffic
    counts, requests = network.counts, network.requests.counts
    metrics.set(metrics.peers, network.peer_count)
    metrics.set(metrics.network_bytes, received, direction="in")
    metrics.set(metrics.network_bytes, sent, direction="out")
    metrics.set(metrics.connections_opened, counts.opened_in, direction="in")
    metrics.set(metrics.connections_opened, counts.opened_out, direction="out")
    metrics.set(metrics.connections_closed, counts.closed_in, direction="in")
    metrics.set(metrics.connections_closed, counts.closed_out, direction="out")
    metrics.set(metrics.incoming_connections, counts.opened_in)
    metrics.set(metrics.listeners, len(network.host.addresses))
    metrics.set(metrics.peers_discovered, len(network.outreach.book))
    metrics.set(metrics.requests_out_success, requests.out_success, protocol="sync")
    metrics.set(metrics.requests_out_failure, requests.out_failure, protocol="sync")
    metrics.set(metrics.requests_in_success, requests.in_success, protocol="sync")
    metrics.set(metrics.requests_in_failure, requests.in_failure, protocol="sync")
