"""The node's dealings with its peers: an event and the time go in, commands for the network come out.

Each subject has its room: headers by gossip (`header_gossip`), the bodies of proven headers (`body_fetch`), sync
(`header_sync`, `body_download`), extrinsics (`extrinsic_relay`), answers (`answering`). Here events find their room,
and what the node did elsewhere becomes news for peers.

Invariants: what a peer says changes nothing but through `Intake`; everything kept of it is bounded (`desk_limits`).

Source: docs/spec/sync.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from chain.header import encode_header
from network.messages import Bodies, ExtrinsicInventory, Extrinsics, Headers, Status
from network.port import (
    AnswerReceived,
    Failure,
    GossipReceived,
    NetworkEvent,
    NoticeReceived,
    Peer,
    PeerConnected,
    PeerGone,
    RequestFailed,
    RequestReceived,
)
from network.rates import Rate, TokenBucket
from node.core.answering import Answering
from node.core.body_fetch import BodyFetch
from node.core.chain_view import get_rank
from node.core.desk_limits import PROTOCOL_VERSION, DeskLimits
from node.core.effects import BestChanged, BlockImported, Effect, ExtrinsicsMoved
from node.core.events import SyncStep, Tick
from node.core.extrinsic_relay import ExtrinsicRelay
from node.core.gas_budget import GasBudget
from node.core.header_gossip import HeaderGossip
from node.core.header_sync import HeaderSync
from node.core.importer import Importer
from node.core.intake import Intake
from node.core.mempool import Mempool
from node.core.outbox import Ask, Outbox
from node.core.peer_table import PeerState, PeerTable
from node.core.sync_status import SyncStatus


class PeerDesk:
    """All reactions to the network, but those to votes."""

    def __init__(
        self,
        importer: Importer,
        pool: Mempool,
        intake: Intake,
        *,
        now_ms: int,
        is_authority: bool = False,
        limits: DeskLimits | None = None,
    ) -> None:
        self.limits = limits if limits is not None else DeskLimits()
        self.table = PeerTable()
        self.outbox = Outbox(self.table)
        self._importer = importer
        self._is_authority = is_authority
        params = importer.params
        size = params.block.bytes_max
        self.budget = GasBudget(self.limits, ticket_gas_max=params.work.ticket_gas_max, now_ms=now_ms)
        self.fetch = BodyFetch(self.table, self.outbox, intake, self.limits, block_bytes_max=size)
        self.gossip = HeaderGossip(
            importer, self.table, self.outbox, self.fetch, limits=self.limits, budget=self.budget
        )
        self.sync = HeaderSync(importer, self.table, self.outbox, intake, self.limits)
        self.answering = Answering(importer, pool, self.table, self.outbox, self.fetch, limits=self.limits)
        self.relay = ExtrinsicRelay(pool, self.table, self.outbox, intake, self.limits)
        self._status_at_ms = now_ms - self.limits.status_ms
        self._is_status_due = False
        self._sync_from = importer.head.number

    @property
    def sync_status(self) -> SyncStatus:
        """How far behind the node is."""
        current = self._importer.head.number
        seen = self.table.compute_best_seen()
        row = self.sync.row
        return SyncStatus(
            peers=len(self.table),
            starting=self._sync_from,
            current=current,
            highest=current if seen is None else max(current, seen),
            headers_held=0 if row is None else len(row),
            bodies_held=len(self.sync.bodies),
            bytes_held=self.sync.bodies.bytes_held + (0 if row is None else row.bytes_held),
        )

    def is_catching_up(self, now_ms: int) -> bool:
        """Return whether sync is bringing blocks from far behind; then mining and extrinsics wait.

        Claims alone do not stop a miner: whoever says that he is far ahead must show blocks.
        """
        # SPEC SYN-19: A node MUST NOT stop mining for what peers claim, but only while sync imports blocks with more
        # than 5 headers to come.
        return 0 <= now_ms - self.sync.catch_up_ms < self.limits.catch_up_ms

    def handle(self, event: NetworkEvent | Tick | SyncStep, now_ms: int) -> list[Effect]:
        """Return what to do about an event.

        Raises:
            StoreError: the disk failed; the node must stop.
        """
        match event:
            case PeerConnected():
                self._on_connected(event, now_ms)
            case PeerGone():
                self._on_gone(event.peer, now_ms)
            case NoticeReceived():
                self._on_notice(event, now_ms)
            case RequestReceived():
                self.answering.on_request(event, now_ms)
            case AnswerReceived():
                self._on_answer(event, now_ms)
            case RequestFailed():
                self._on_failure(event, now_ms)
            case GossipReceived(topic="headers"):
                self.gossip.on_header(event, now_ms)
            case GossipReceived():
                self.outbox.judge(event.message_id, "ignore")
            case Tick():
                self._on_tick(now_ms)
            case SyncStep():
                pass
            case _:
                assert_never(event)
        self.relay.advance(now_ms)
        self.sync.advance(now_ms)
        return self.outbox.take()

    def on_effects(self, effects: Iterable[Effect], now_ms: int) -> list[Effect]:
        """Return what peers are to be told of what the node just did."""
        for effect in effects:
            match effect:
                case BlockImported():
                    self.fetch.drop(effect.hash)
                    self.answering.on_block(effect.hash)
                    if effect.origin in ("own", "rpc"):
                        self.outbox.publish(encode_header(effect.header))
                    self.gossip.retry(now_ms)
                case BestChanged():
                    self._is_status_due = True
                case ExtrinsicsMoved():
                    for item in effect.news:
                        if item.status.kind == "ready":
                            self.relay.offer(item.hash)
                case _:
                    continue
        return self.outbox.take()

    # Peers come and go

    def _on_connected(self, event: PeerConnected, now_ms: int) -> None:
        served = self.limits.served_bytes_per_second
        state = PeerState(
            event.peer,
            is_outbound=event.is_outbound,
            now_ms=now_ms,
            gas=self.budget.make_bucket(now_ms),
            served=TokenBucket(Rate(per_s=served, burst=4 * served), now_ms),
        )
        self.table.add(state)
        self.outbox.tell(event.peer, self._make_status())
        self.relay.on_connected(event.peer)

    def _on_gone(self, peer: Peer, now_ms: int) -> None:
        for ask in self.outbox.close_all(peer):
            self._fail(ask, "gone", now_ms)
        self.table.remove(peer)
        self.answering.on_gone(peer)
        self.relay.on_gone(peer)

    def _on_notice(self, event: NoticeReceived, now_ms: int) -> None:
        state = self.table.get(event.peer)
        if state is None or state.is_leaving:
            return
        match event.notice:
            case Status():
                self._on_status(state, event.notice, now_ms)
            case ExtrinsicInventory():
                if not self.is_catching_up(now_ms):
                    self.relay.on_inventory(state, event.notice)
            case _:
                assert_never(event.notice)

    def _on_status(self, state: PeerState, status: Status, now_ms: int) -> None:
        # SPEC SYN-02: A peer of another chain or with another version of the messages MUST be disconnected, without
        # punishment.
        if status.genesis != self._importer.chain.genesis_hash:
            self.outbox.disconnect(state.peer, "it is on a chain with another genesis")
            return
        if status.version != PROTOCOL_VERSION:
            self.outbox.disconnect(state.peer, f"it speaks version {status.version}, not {PROTOCOL_VERSION}")
            return
        if not state.statuses.has(1, now_ms):
            self.outbox.punish(state.peer, 1, "sends statuses too often")
            return
        state.statuses.spend(1)
        if self._contradicts(status):
            self.outbox.disconnect(state.peer, "its final block contradicts ours")
            return
        state.status, state.status_ms, state.is_claim_void = status, now_ms, False

    def _contradicts(self, status: Status) -> bool:
        """Say whether a peer's final block is on another chain than ours."""
        if status.final_number > self._importer.final.number:
            return False
        return self._importer.chain.get_hash(status.final_number) != status.final_hash

    # Requests of ours

    def _on_answer(self, event: AnswerReceived, now_ms: int) -> None:
        ask = self.outbox.close(event.request_id, event.peer)
        if ask is None:
            return
        state = self.table.get(event.peer)
        if state is not None:
            state.note_answer(now_ms - ask.sent_ms)
        match ask.purpose, event.answer:
            case "headers", Headers():
                self.sync.on_headers(ask, event.answer, now_ms)
            case "bodies", Bodies():
                self.sync.bodies.on_answer(ask, event.answer, self.sync.row, now_ms)
            case "tip", Bodies():
                self.fetch.on_answer(ask, event.answer, now_ms)
            case "extrinsics", Extrinsics():
                self.relay.on_answer(ask, event.answer)
            case _:
                self.outbox.punish(event.peer, 25, "answered another question")
                self._fail(ask, "bad", now_ms)

    def _on_failure(self, event: RequestFailed, now_ms: int) -> None:
        ask = self.outbox.close(event.request_id, event.peer)
        if ask is not None:
            self._fail(ask, event.failure, now_ms)

    def _fail(self, ask: Ask, failure: Failure, now_ms: int) -> None:
        state = self.table.get(ask.peer)
        if failure == "gone" and state is not None:
            state.is_leaving = True
        match ask.purpose:
            case "headers":
                self.sync.on_failure(ask, failure, now_ms)
            case "bodies":
                self.sync.bodies.on_failure(ask, failure, now_ms)
            case "tip":
                self.fetch.on_failure(ask, failure, now_ms)
            case "extrinsics":
                self.relay.on_failure(ask, failure)
            case _:
                assert_never(ask.purpose)

    # Time

    def _on_tick(self, now_ms: int) -> None:
        for state in self.table:
            if state.status is None and now_ms - state.since_ms >= self.limits.status_wait_ms:
                self.outbox.disconnect(state.peer, "it said no status")
            if state.failures >= self.limits.failures_max:
                self.outbox.disconnect(state.peer, "it failed too often")
            if not state.is_resting(now_ms):
                state.is_claim_void = False
        if not self.sync_status.is_major:
            self._sync_from = self._importer.head.number
        self.gossip.retry(now_ms)
        self.fetch.advance(now_ms)
        self.answering.on_tick(now_ms)
        self.relay.flush()
        self._tell_status(now_ms)

    def _tell_status(self, now_ms: int) -> None:
        # SPEC SYN-01: A node MUST send its status when a connection stands, after its best block changed (at most once
        # in 500 ms), and every 5 s.
        since_ms = now_ms - self._status_at_ms
        wait_ms = self.limits.status_ms if self._is_status_due else self.limits.status_repeat_ms
        if 0 <= since_ms < wait_ms or not len(self.table):
            return
        self._is_status_due, self._status_at_ms = False, now_ms
        status = self._make_status()
        for state in self.table:
            if not state.is_leaving:
                self.outbox.tell(state.peer, status)

    def _make_status(self) -> Status:
        importer = self._importer
        justified_height, work = get_rank(importer)
        return Status(
            version=PROTOCOL_VERSION,
            genesis=importer.chain.genesis_hash,
            best_number=importer.head.number,
            best_hash=importer.head.hash,
            justified_height=justified_height,
            work=work.to_bytes((work.bit_length() + 7) // 8, "big"),
            final_number=importer.final.number,
            final_hash=importer.final.hash,
            is_authority=self._is_authority,
        )
