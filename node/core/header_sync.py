"""Header-first sync: a row of headers from one peer, their bodies from several, import in order.

Terms:
    source: the peer whose best chain the row is; it claims more than we have.
    step: a bounded part of the import; the driver calls again, so that it can serve others in between.

Invariants: a row counts as no work, however long; every block goes through the importer; a source that cannot bring
what it claims is left for another.

Source: docs/spec/sync.md.
"""

from __future__ import annotations

from chain.hashing import blake2b_256
from network.messages import ANSWER_BYTES_MAX, HEADERS_MAX, GetHeaders, Headers
from network.port import Failure, Peer
from node.core.block_body import join_block
from node.core.body_download import BodyDownload
from node.core.chain_view import get_rank, has_block, list_times, make_locator
from node.core.desk_limits import DeskLimits
from node.core.header_row import BrokenRow, HeaderRow, PendingHeader
from node.core.importer import Importer
from node.core.intake import Fate, Intake, get_fate
from node.core.outbox import LATE_POINTS, Ask, Outbox
from node.core.peer_table import PeerState, PeerTable
from node.core.source_choice import choose_source
from node.core.sync_status import MAJOR_BLOCKS

HASH_BYTES = 32
SOURCES_ASKED_MAX = 3
DENIAL_POINTS = 20
BLOCK_GAS = 20_000_000  # what a block costs beside its ticket: about a millisecond
EXTRINSIC_GAS = 4_000_000


class HeaderSync:
    """Brings the chain of the peer that claims most.

    Attributes:
        catch_up_ms: When it last imported a block with more than a few headers to come.
    """

    def __init__(
        self, importer: Importer, table: PeerTable, outbox: Outbox, intake: Intake, limits: DeskLimits
    ) -> None:
        self._importer = importer
        self._table = table
        self._outbox = outbox
        self._intake = intake
        self._limits = limits
        self._asks: dict[Peer, Ask] = {}
        self._is_at_tip = False
        self._row_ms = 0
        self.catch_up_ms = 0
        self.row: HeaderRow | None = None
        self.bodies = BodyDownload(table, outbox, limits, block_bytes_max=importer.params.block.bytes_max)

    def advance(self, now_ms: int) -> None:
        """Do whatever can be done now: import, ask for bodies, ask for headers."""
        if self.row is not None:
            self._import_ready(self.row, now_ms)
        row = self.row
        if row is not None and not row and self._is_over(row):
            self._drop_row()
        if self.row is None:
            self._begin(now_ms)
            return
        self._ask_more(self.row, now_ms)
        if self._is_worth_fetching(self.row):
            self.bodies.schedule(self.row, now_ms)
            if self.bodies.is_stuck(self.row, now_ms):
                points = DENIAL_POINTS if self.bodies.has_denied(self.row) else 0
                self._abandon(self.row, now_ms, "lacks bodies of its own chain", points=points)
            elif self._is_stalled(self.row, now_ms):
                self._abandon(self.row, now_ms, "", points=0)
        elif self._is_over(self.row):
            self._abandon(self.row, now_ms, "", points=0)  # it may have claimed more after it sent the headers

    # Headers

    def _begin(self, now_ms: int) -> None:
        """Ask a source for headers, and a further one while those asked take their time."""
        least_ms, patience = self._limits.hedge_ms, self._table.compute_patience_ms
        is_waiting = any(now_ms - ask.sent_ms < patience(ask.peer, least_ms) for ask in self._asks.values())
        if is_waiting or len(self._asks) >= SOURCES_ASKED_MAX:
            return
        source = choose_source(self._importer, self._table, self._limits, asked=self._asks, now_ms=now_ms)
        if source is not None:
            self._ask(source.peer, make_locator(self._importer), now_ms)

    def _ask_more(self, row: HeaderRow, now_ms: int) -> None:
        has_room = len(row) + HEADERS_MAX <= self._limits.headers_ahead_max
        has_bytes = row.bytes_held < self._limits.headers_bytes_max
        # SPEC SYN-10: Unproven headers and the bodies that wait for import MUST stay below fixed counts and bytes.
        if row.source not in self._asks and not self._is_over(row) and has_room and has_bytes:
            self._ask(row.source, make_locator(self._importer, (row.tail[1],)), now_ms)

    def _ask(self, peer: Peer, locator: tuple[bytes, ...], now_ms: int) -> None:
        request, timeout_ms = GetHeaders(locator=locator, count=HEADERS_MAX), self._limits.headers_timeout_ms
        self._asks[peer] = self._outbox.ask(peer, "headers", request, timeout_ms=timeout_ms, now_ms=now_ms)

    def on_headers(self, ask: Ask, answer: Headers, now_ms: int) -> None:
        """Take the headers that a source sent."""
        self._asks.pop(ask.peer, None)
        state = self._table.get(ask.peer)
        if state is None or not isinstance(ask.request, GetHeaders):
            return
        state.hint_number = None
        if self.row is not None and self.row.source != ask.peer:
            return
        try:
            self._take(state, ask.request, answer.headers, now_ms)
        except BrokenRow as error:
            self._outbox.punish(state.peer, 50, f"headers that break a rule: {error}")
            self._lose_trust(state, now_ms)
            self._is_at_tip = True

    def on_failure(self, ask: Ask, failure: Failure, now_ms: int) -> None:
        """Leave a source that does not send headers."""
        self._asks.pop(ask.peer, None)
        if failure == "timeout":
            self._outbox.punish(ask.peer, LATE_POINTS, "did not send headers in time")
        state = self._table.get(ask.peer)
        if state is not None:
            state.rest(now_ms, self._limits.rest_ms)
            state.hint_number = None
        if self.row is not None and self.row.source == ask.peer:
            self._is_at_tip = True

    def _take(self, state: PeerState, request: GetHeaders, raws: tuple[bytes, ...], now_ms: int) -> None:
        """Append an answer to the row, or begin a row with it."""
        if len(raws) > request.count or (raws and raws[0][:HASH_BYTES] not in request.locator):
            raise BrokenRow("the first header stands on no block of the locator, or there are too many")
        if not raws and self.row is None:
            state.step_aside(now_ms, self._limits.rest_ms)  # it made us ask, by a claim or a header, and has nothing
        news = self._skip_known(raws)
        if not news:
            self._on_nothing(state, now_ms)
            return
        parent, row = news[0][:HASH_BYTES], self.row
        if row is not None and parent != row.tail[1]:
            # It has changed its chain. Begin again later: one that did so all the time would get us nowhere.
            state.rest(now_ms, self._limits.rest_ms)
            self._drop_row()
            return
        row = row if row is not None else self._make_row(parent, state.peer, now_ms)
        if row is None:
            state.step_aside(now_ms, self._limits.rest_ms)
            return
        self._is_at_tip = len(raws) < request.count
        due_ms = now_ms + self._importer.params.work.ahead_ms_max
        taken = row.extend(news, self._importer.params.work, due_ms=due_ms)
        if len(taken) < len(news):
            self._is_at_tip = True
            state.rests_until_ms = now_ms + self._limits.settle_ms
        elif self._is_at_tip and _claims_more(state, row) and sum(map(len, raws)) < ANSWER_BYTES_MAX // 2:
            state.failures += 1  # it could have sent more: others come first next time
            state.step_aside(now_ms, self._limits.rest_ms)
        if any(self._importer.is_refused(item.hash) for item in taken):
            self._drop_row()
            self._outbox.punish(state.peer, 100, "follows a block that was refused")

    def _skip_known(self, raws: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return what is left of an answer after the blocks that we have by now."""
        before: bytes | None = None
        for index, raw in enumerate(raws):
            block_hash = blake2b_256(raw)
            if block_hash not in self._importer.blocks:
                if before is not None and raw[:HASH_BYTES] != before:
                    raise BrokenRow("a header does not follow the one before it, which is known")
                return raws[index:]
            before = block_hash
        return ()

    def _on_nothing(self, state: PeerState, now_ms: int) -> None:
        """Judge a source that has nothing after our locator, whose last block is final."""
        self._is_at_tip = True
        if state.status is None or has_block(self._importer, state.status.best_hash):
            return
        # SPEC SYN-13: A peer whose best chain does not contain our final block MUST be disconnected, without
        # punishment.
        if state.best_number >= self._importer.final.number and state.claim > get_rank(self._importer):
            self._outbox.disconnect(state.peer, "its best chain does not contain our final block")
        self._lose_trust(state, now_ms)

    def _make_row(self, parent: bytes, source: Peer, now_ms: int) -> HeaderRow | None:
        """Begin a row on a block of ours; None if that block left our tree meanwhile."""
        importer = self._importer
        if parent not in importer.blocks:
            return None
        block = importer.blocks.get(parent)
        times = list_times(importer, parent)
        self._row_ms = now_ms
        self.row = HeaderRow(root=(block.number, parent), times_ms=times, work=block.work_total, source=source)
        return self.row

    def _is_worth_fetching(self, row: HeaderRow) -> bool:
        """Say whether the headers, were they true, would make a better chain, or are as many as we hold."""
        importer = self._importer
        source = self._table.get(row.source)
        # SPEC SYN-14: Bodies of a branch MUST NOT be fetched before its headers claim more than the best chain has.
        if row.work > importer.blocks.best.work_total:
            return True
        if source is not None and source.claim[0] > get_rank(importer)[0]:
            return True
        return len(row) + HEADERS_MAX > self._limits.headers_ahead_max

    def _is_over(self, row: HeaderRow) -> bool:
        """Say whether no more headers will come."""
        source = self._table.get(row.source)
        return self._is_at_tip or source is None or source.is_leaving

    def _is_stalled(self, row: HeaderRow, now_ms: int) -> bool:
        """Say whether nothing has come for a while, and there is another peer to follow."""
        # SPEC SYN-28: A row of which nothing came for 6 s, or three times as long as its source's answers took lately
        # (at most 15 s), MUST be left when there is another peer to follow.
        source = self._table.get(row.source)
        far_ms = 0 if source is None else min(3 * source.answer_ms, self._limits.stall_far_ms)
        since_ms = now_ms - max(self.bodies.progress_ms, self._row_ms)
        if since_ms < 0:  # the clock was set back
            self.bodies.progress_ms = self._row_ms = now_ms
        if row.first is None or since_ms < max(self._limits.stall_ms, far_ms) or self.bodies.has(row.first.hash):
            return False
        other = choose_source(self._importer, self._table, self._limits, asked=(row.source,), now_ms=now_ms)
        return other is not None and not other.is_resting(now_ms)

    # Import

    def _import_ready(self, row: HeaderRow, now_ms: int) -> None:
        """Import the blocks whose turn it is, as many as one step may."""
        count = gas = 0
        while (first := row.first) is not None:
            if first.hash in self._importer.blocks:  # it came by gossip meanwhile
                row.pop_first()
                self.bodies.take(first.hash)
                continue
            if not self.bodies.has(first.hash):
                return
            # SPEC SYN-15: One call MUST NOT import more than a step; the rest follows in further calls.
            if count >= self._limits.step_blocks_max or gas >= self._limits.step_gas_max:
                self._outbox.go_on()
                return
            count, gas = count + 1, gas + self._import_first(row, now_ms)
            if self.row is not row:
                return

    def _import_first(self, row: HeaderRow, now_ms: int) -> int:
        """Import the next block, and return about what it cost."""
        first = row.pop_first()
        body = self.bodies.take(first.hash)
        assert body is not None
        # SPEC SYN-12: Every block that a peer sends MUST be imported as any other block is, its parent first.
        effects = self._intake.take_block(join_block(first.raw, body.extrinsics), "network", now_ms)
        self._outbox.add(effects)
        fate = get_fate(effects, first.hash)
        if fate == "imported":
            if len(row) > MAJOR_BLOCKS:
                self.catch_up_ms = now_ms
            for peer in {row.source, body.peer}:
                state = self._table.get(peer)
                if state is not None:
                    state.reward()
        elif fate != "known":
            self._outbox.add(self._intake.read_votes(body.extrinsics, body.peer, now_ms))
            self._on_bad_block(row, first, fate, body.peer, now_ms)
        return first.gas + BLOCK_GAS + EXTRINSIC_GAS * len(body.extrinsics)

    def _on_bad_block(self, row: HeaderRow, item: PendingHeader, fate: Fate, peer: Peer, now_ms: int) -> None:
        """Leave a row whose next block the node does not take."""
        if fate == "invalid":
            for guilty in sorted({row.source, peer}):
                self._outbox.punish(guilty, 100, f"block {item.number} of its chain is invalid")
        elif fate == "below final":
            self._outbox.disconnect(row.source, "its best chain does not contain our final block")
        self._abandon(row, now_ms, "", points=0)

    def _abandon(self, row: HeaderRow, now_ms: int, reason: str, *, points: int) -> None:
        """Give up a row and leave its source alone for a while."""
        source = self._table.get(row.source)
        if source is not None and not source.is_leaving:
            self._lose_trust(source, now_ms)
            if points:
                self._outbox.punish(row.source, points, reason)
        self._drop_row()

    def _lose_trust(self, state: PeerState, now_ms: int) -> None:
        """Believe a peer's claim no more until it makes another, and leave it alone for a while."""
        state.is_claim_void = True
        state.rest(now_ms, self._limits.rest_ms)

    def _drop_row(self) -> None:
        self.row = None
        self._is_at_tip = False
        self.bodies.reset()


def _claims_more(state: PeerState, row: HeaderRow) -> bool:
    """Say whether a peer claims a chain that is longer, or has more work, than all the headers that it sent."""
    return row.tail[0] < state.best_number or row.work < state.claim[1]
