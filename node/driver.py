"""Drives the core: gives it events and the time, and carries out its effects in order.

Invariants: the core is entered from the event loop's thread only, and never from within itself; a failing disk stops
the node.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Protocol

from chain.header import Header
from chain.store import StoreError
from network.port import NetworkCommand
from node.core.effects import (
    BestChanged,
    BlockImported,
    BlockPostponed,
    BlockRefused,
    ContinueSync,
    Effect,
    ExtrinsicAccepted,
    ExtrinsicRefused,
    ExtrinsicsMoved,
    Finalized,
    Log,
    StartMining,
    StopMining,
)
from node.core.events import BlockReceived, Event
from node.core.machine import Machine
from node.feeds import Hub, QueueFeed
from node.log_format import LEVELS, get_logger
from node.metrics import Metrics
from rpc.api import BlockNews, ExtrinsicStatus
from runtime.pallets.system import EVENTS

WATCHERS_MAX = 65_536
HEADS_TOLD_MAX = 512
"""When finality or the best chain jumps, subscribers get the newest headers; more would overflow their queues."""


class TicketSearch(Protocol):
    """Who searches tickets: worker processes, or nobody."""

    def start(self, command: StartMining) -> None: ...

    def stop(self) -> None: ...


class Driver:
    """Connects the core with feeds, metrics, log and miner."""

    def __init__(self, machine: Machine, metrics: Metrics, *, now_ms: Callable[[], int] | None = None) -> None:
        self.machine = machine
        self.metrics = metrics
        self.miner: TicketSearch | None = None
        self.heads: dict[str, Hub[Header]] = {"best": Hub(), "all": Hub(), "finalized": Hub()}
        self.news: Hub[BlockNews] = Hub()
        self.on_failure: Callable[[StoreError], None] = _raise
        self.perform: Callable[[NetworkCommand], None] = _ignore
        self.on_more_work: Callable[[], None] = _rest
        self._watchers: dict[bytes, list[QueueFeed[ExtrinsicStatus]]] = {}
        self._now_ms = now_ms if now_ms is not None else get_time_ms

    def dispatch(self, event: Event) -> list[Effect]:
        """Let the core handle an event, carry out the effects, and return them."""
        begin = perf_counter()
        try:
            effects = self.machine.handle(event, self._now_ms())
        except StoreError as error:
            self.on_failure(error)
            raise
        if isinstance(event, BlockReceived):
            self.metrics.observe(self.metrics.verification_time, perf_counter() - begin)
        for effect in effects:
            self._carry_out(effect)
        return effects

    def now_ms(self) -> int:
        """Return the time as the core sees it."""
        return self._now_ms()

    def watch(self, extrinsic_hash: bytes) -> QueueFeed[ExtrinsicStatus]:
        """Return a feed of what becomes of an extrinsic; it ends with the last status."""

        def forget(feed: QueueFeed[ExtrinsicStatus]) -> None:
            feeds = self._watchers.get(extrinsic_hash, [])
            if feed in feeds:
                feeds.remove(feed)
            if not feeds:
                self._watchers.pop(extrinsic_hash, None)

        feed: QueueFeed[ExtrinsicStatus] = QueueFeed(forget)
        self._watchers.setdefault(extrinsic_hash, []).append(feed)
        if len(self._watchers) > WATCHERS_MAX:
            for oldest in list(self._watchers[next(iter(self._watchers))]):
                oldest.close()
        return feed

    def close_feeds(self) -> None:
        """End every feed."""
        for hub in self.heads.values():
            hub.close()
        self.news.close()
        for feeds in list(self._watchers.values()):
            for feed in list(feeds):
                feed.finish()

    def _carry_out(self, effect: Effect) -> None:
        metrics = self.metrics
        match effect:
            case Log():
                get_logger(effect.target).log(LEVELS[effect.level], effect.message)
            case ExtrinsicsMoved():
                self._tell_watchers(effect)
            case ExtrinsicAccepted():
                metrics.add(metrics.pool_submitted)
            case ExtrinsicRefused():
                metrics.add(metrics.pool_invalid)
            case BlockImported():
                self._on_imported(effect)
            case BlockRefused():
                metrics.count_import("bad_block")
            case BlockPostponed():
                metrics.count_import("unknown_parent")
            case BestChanged():
                self._on_best_changed(effect)
            case Finalized():
                for header in effect.headers[-HEADS_TOLD_MAX:]:
                    self.heads["finalized"].publish(header)
            case StartMining():
                if self.miner is not None:
                    self.miner.start(effect)
            case StopMining():
                if self.miner is not None:
                    self.miner.stop()
            case ContinueSync():
                self.on_more_work()
            case _:
                self.perform(effect)

    def _on_imported(self, effect: BlockImported) -> None:
        self.metrics.count_import("success")
        self.heads["all"].publish(effect.header)

    def _on_best_changed(self, effect: BestChanged) -> None:
        importer = self.machine.importer
        for block_hash in effect.enacted[-HEADS_TOLD_MAX:]:
            header = importer.get_header(block_hash)
            if header is None:
                continue
            self.heads["best"].publish(header)
            if len(self.news):
                self.news.publish(BlockNews(hash=block_hash, header=header, changes=self._get_changes(header)))

    def _get_changes(self, header: Header) -> Mapping[bytes, bytes | None]:
        """Return what a block of the best chain changed, with the events themselves in place of their hash."""
        importer = self.machine.importer
        changes = dict(importer.states.compute_changes(header.number))
        execution = importer.chain.get_execution(header.hash)
        if execution is not None:
            changes[EVENTS.key] = execution.events
        return changes

    def _tell_watchers(self, effect: ExtrinsicsMoved) -> None:
        if not self._watchers:
            return
        for item in effect.news:
            for feed in list(self._watchers.get(item.hash, ())):
                feed.push(item.status)
                if item.status.is_last:
                    feed.finish()


def get_time_ms() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000


def _ignore(command: NetworkCommand) -> None:
    """Perform nothing: the node has no network."""


def _rest() -> None:
    """Go on with the next tick."""


def _raise(error: StoreError) -> None:
    raise error
