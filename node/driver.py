"""Drives the core: gives it events and the time, and carries out its effects in order.

While `serve` runs, events wait in one queue and the core works in slices (`node.turns`), so that the loop answers reads
in the midst of a block. They see what the core holds at its pauses: the state before the block.

Invariants: the core handles one event at a time, in the order in which they came, and its effects are carried out in
the loop's thread before the next one; a failing disk stops the node.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Protocol, TypeVar

import msgspec

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
    ReportRefused,
    RunLeaves,
    StartMining,
    StopMining,
)
from node.core.events import Event, ExtrinsicReceived, Tick
from node.core.machine import Machine
from node.feeds import Hub, QueueFeed
from node.log_format import LEVELS, get_logger
from node.metrics import Metrics
from node.slices import Slices
from node.turns import Task, Turns
from rpc.api import BlockNews, ExtrinsicStatus
from runtime.pallets.system import EVENTS

WATCHERS_MAX = 65_536
HEADS_TOLD_MAX = 512
"""When finality or the best chain jumps, subscribers get the newest headers; more would overflow their queues."""

R = TypeVar("R")


class TicketSearch(Protocol):
    """Who searches tickets: worker processes, or nobody."""

    def start(self, command: StartMining) -> None: ...

    def run_leaves(self, command: RunLeaves) -> None: ...

    def stop(self) -> None: ...


class _Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """What the core did about an event at a time; the template is yet to follow."""

    effects: list[Effect]
    now_ms: int


class Driver:
    """Connects the core with feeds, metrics, log and miner."""

    def __init__(
        self,
        machine: Machine,
        metrics: Metrics,
        *,
        now_ms: Callable[[], int] | None = None,
        turns: Turns | None = None,
    ) -> None:
        """Connect; nothing is served yet.

        Args:
            turns: Of the slices in which the machine pauses; without, an event is handled in one go.
        """
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
        self._turns = turns if turns is not None else Turns(Slices())
        self._has_tick = False

    async def serve(self) -> None:
        """Let the core work in slices until cancelled."""
        await self._turns.serve()

    def post(self, event: Event) -> None:
        """Have an event handled when its turn comes; a tick that finds another one waiting is left out."""
        if not self._turns.is_serving:
            self.dispatch(event)
            return
        if isinstance(event, Tick):
            if self._has_tick:
                return
            self._has_tick = True
        self._post(lambda: self._react(event), self._on_reaction)

    async def take(self, event: Event) -> list[Effect]:
        """Have an event handled when its turn comes; return its effects, but for the template, once carried out.

        An extrinsic that finds the core idle is taken at once, without a turn of the loop.
        """
        if isinstance(event, ExtrinsicReceived) and self._turns.is_serving and not self._turns.is_busy:
            reaction = self._react(event)
            self._on_reaction(reaction)
        else:
            reaction = await self.run(lambda: self._react(event), self._on_reaction)
        return reaction.effects

    async def run(self, job: Callable[[], R], conclude: Callable[[R], None] | None = None) -> R:
        """Have a job done when the core's turn comes, and return what it returns.

        Args:
            conclude: Takes the result in the loop's thread, before the next job begins.
        """
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        results: list[R] = []

        def end() -> None:
            if conclude is not None:
                conclude(results[0])
            if not future.done():
                future.set_result(results[0])

        def fail(error: BaseException) -> bool:
            is_bearable = self._is_bearable(error) and not future.done()
            if not future.done():
                future.set_exception(error)
            return is_bearable

        self._turns.add(Task(job=lambda: results.append(job()), conclude=end, fail=fail))
        if not self._turns.is_serving:
            self._turns.catch_up()
        return await future

    def dispatch(self, event: Event) -> list[Effect]:
        """Finish what is under way, let the core handle an event in one go, carry out the effects, and return them."""
        self._turns.catch_up()
        now_ms = self._now_ms()
        try:
            effects = self._react(event, now_ms).effects + self.machine.refresh(now_ms)
        except StoreError as error:
            self.on_failure(error)
            raise
        self._carry_out_all(effects)
        return effects

    def _react(self, event: Event, now_ms: int | None = None) -> _Reaction:
        if isinstance(event, Tick):
            self._has_tick = False
        begin = perf_counter()
        now_ms = self._now_ms() if now_ms is None else now_ms
        effects = self.machine.react(event, now_ms)
        self._observe_blocks(effects, perf_counter() - begin)
        return _Reaction(effects=effects, now_ms=now_ms)

    def _observe_blocks(self, effects: list[Effect], seconds: float) -> None:
        """Note what the blocks of others took that an event brought; several in one step of the sync share it."""
        judged = [effect for effect in effects if isinstance(effect, BlockImported | BlockRefused)]
        count = sum(effect.origin != "own" for effect in judged)
        for _ in range(count):
            self.metrics.observe(self.metrics.verification_time, seconds / count)

    def _on_reaction(self, reaction: _Reaction) -> None:
        """Carry out the effects, so that a block is told without delay; then the template has its turns."""
        self._carry_out_all(reaction.effects)
        machine, now_ms = self.machine, reaction.now_ms
        if machine.is_refresh_long(now_ms):
            self._post(lambda: machine.refresh(now_ms), self._carry_out_all, is_next=True)
        else:
            self._carry_out_all(machine.refresh(now_ms))

    def _post(self, job: Callable[[], R], conclude: Callable[[R], None], *, is_next: bool = False) -> None:
        results: list[R] = []

        def fail(error: BaseException) -> bool:
            self._is_bearable(error)
            return False

        task = Task(job=lambda: results.append(job()), conclude=lambda: conclude(results[0]), fail=fail)
        self._turns.add(task, is_next=is_next)

    def _is_bearable(self, error: BaseException) -> bool:
        """Tell of a failure of the disk; return whether the core may go on."""
        if isinstance(error, StoreError):
            self.on_failure(error)
            return False
        return isinstance(error, Exception)

    def _carry_out_all(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._carry_out(effect)

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
            case ReportRefused():
                pass
            case BestChanged():
                self._on_best_changed(effect)
            case Finalized():
                for header in effect.headers[-HEADS_TOLD_MAX:]:
                    self.heads["finalized"].publish(header)
            case StartMining():
                if self.miner is not None:
                    self.miner.start(effect)
            case RunLeaves():
                if self.miner is not None:
                    self.miner.run_leaves(effect)
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
