"""Header-first sync: a row of headers from one peer, their bodies from several, import in order.

Terms:
    source: the peer whose best chain the row is; it claims more than we have.
    step: a bounded part of the import; the driver calls again, so that it can serve others in between.

Invariants: a row counts as no work, however long; every block goes through the importer; a source that cannot bring
what it claims is left for another.

Source: docs/spec/sync.md.
"""

from __future__ import annotations

from network.messages import HEADERS_MAX, GetHeaders, Headers
from network.port import Failure, Peer
from node.core.block_body import join_block
from node.core.body_download import BodyDownload
from node.core.chain_view import get_rank, has_block, list_times, make_locator
from node.core.desk_limits import DeskLimits
from node.core.header_row import BrokenRow, HeaderRow, PendingHeader
from node.core.importer import Importer
from node.core.intake import Fate, Intake, get_fate
from node.core.outbox import Ask, Outbox
from node.core.peer_table import PeerState, PeerTable


class HeaderSync:
    """Brings the chain of the peer that claims most."""

    def __init__(
        self, importer: Importer, table: PeerTable, outbox: Outbox, intake: Intake, limits: DeskLimits
    ) -> None:
        self._importer = importer
        self._table = table
        self._outbox = outbox
        self._intake = intake
        self._limits = limits
        self._ask_id: int | None = None
        self._is_at_tip = False
        self.row: HeaderRow | None = None
        self.bodies = BodyDownload(table, outbox, limits, block_bytes_max=importer.params.block.bytes_max)

    def advance(self, now_ms: int) -> None:
        """Do whatever can be done now: import, ask for bodies, ask for headers."""
        if self.row is not None:
            self._import_ready(self.row, now_ms)
        row = self.row
        if row is not None and not row and self._ask_id is None and self._is_over(row):
            self._drop_row()
        if self.row is None:
            if self._ask_id is None:
                self._begin(now_ms)
            return
        self._ask_more(self.row, now_ms)
        if self._is_worth_fetching(self.row):
            self.bodies.schedule(self.row, now_ms)
            if self.bodies.is_stuck(self.row, now_ms):
                self._abandon(self.row, now_ms, "cannot bring the bodies of its own chain", points=20)
        elif self._is_over(self.row) and self._ask_id is None:
            self._abandon(self.row, now_ms, "claims more than its headers amount to", points=5)

    # Headers

    def _begin(self, now_ms: int) -> None:
        source = self._choose_source(now_ms)
        if source is not None:
            self._ask_headers(source.peer, make_locator(self._importer), now_ms)

    def _choose_source(self, now_ms: int) -> PeerState | None:
        """Return the peer to follow: few failures, known good, then the greatest claim."""
        candidates = [
            (-state.failures, state.good > 0, state.claim, -index, state)
            for index, state in enumerate(self._table)
            if self._is_ahead(state, now_ms)
        ]
        return max(candidates)[-1] if candidates else None

    def _is_ahead(self, state: PeerState, now_ms: int) -> bool:
        if state.is_leaving or state.rests_until_ms > now_ms:
            return False
        if state.hint_number is not None and state.hint_number > self._importer.final.number:
            return True
        if state.status is None or state.claim <= get_rank(self._importer):
            return False
        is_far = state.best_number > self._importer.head.number + self._limits.settle_blocks
        is_settled = now_ms - state.status_ms >= self._limits.settle_ms
        return (is_far or is_settled) and not has_block(self._importer, state.status.best_hash)

    def _ask_more(self, row: HeaderRow, now_ms: int) -> None:
        has_room = len(row) + HEADERS_MAX <= self._limits.headers_ahead_max
        has_bytes = row.bytes_held < self._limits.headers_bytes_max
        # SPEC SYN-10: Unproven headers and the bodies that wait for import MUST stay below fixed counts and bytes.
        if self._ask_id is None and not self._is_over(row) and has_room and has_bytes:
            self._ask_headers(row.source, make_locator(self._importer, (row.tail[1],)), now_ms)

    def _ask_headers(self, peer: Peer, locator: tuple[bytes, ...], now_ms: int) -> None:
        request = GetHeaders(locator=locator, count=HEADERS_MAX)
        timeout_ms = self._limits.headers_timeout_ms
        self._ask_id = self._outbox.ask(peer, "headers", request, timeout_ms=timeout_ms, now_ms=now_ms)

    def on_headers(self, ask: Ask, answer: Headers, now_ms: int) -> None:
        """Take the headers that a source sent."""
        state = self._close(ask)
        if state is None or not isinstance(ask.request, GetHeaders):
            return
        state.hint_number = None
        if not answer.headers:
            self._on_nothing(state, now_ms)
            return
        try:
            self._take(state, ask.request, answer.headers, now_ms)
        except BrokenRow as error:
            self._outbox.punish(state.peer, 50, f"headers that break a rule: {error}")
            state.rest(now_ms, self._limits.rest_ms)
            state.is_claim_void = True
            self._is_at_tip = True

    def on_failure(self, ask: Ask, failure: Failure, now_ms: int) -> None:
        """Leave a source that does not send headers."""
        state = self._close(ask)
        if state is None:
            return
        state.rest(now_ms, self._limits.rest_ms)
        state.hint_number = None
        self._is_at_tip = True
        if failure == "timeout":
            self._outbox.punish(ask.peer, 5, "did not send headers in time")

    def _close(self, ask: Ask) -> PeerState | None:
        if self._ask_id == ask.request_id:
            self._ask_id = None
            return self._table.get(ask.peer)
        return None

    def _on_nothing(self, state: PeerState, now_ms: int) -> None:
        """Judge a source that has nothing after our locator."""
        self._is_at_tip = True
        if state.status is None or has_block(self._importer, state.status.best_hash):
            return
        # SPEC SYN-13: A peer whose best chain does not contain our final block MUST be disconnected, without
        # punishment.
        is_beyond = state.best_number >= self._importer.final.number
        if is_beyond and state.claim > get_rank(self._importer):
            self._outbox.disconnect(state.peer, "its best chain does not contain our final block")
        state.is_claim_void = True
        state.rest(now_ms, self._limits.rest_ms)

    def _take(self, state: PeerState, request: GetHeaders, raws: tuple[bytes, ...], now_ms: int) -> None:
        due_ms = now_ms + self._importer.params.work.ahead_ms_max
        parent = raws[0][:32]
        if parent not in request.locator:
            raise BrokenRow("the first header stands on no block of the locator")
        row = self.row
        if row is None or parent != row.tail[1] or row.source != state.peer:
            row = self._make_row(parent, state.peer)
            if row is None:
                return
        self._is_at_tip = len(raws) < request.count
        taken = row.extend(raws, self._importer.params.work, due_ms=due_ms)
        if len(taken) < len(raws):
            self._is_at_tip = True
            state.rests_until_ms = now_ms + self._limits.settle_ms
        if any(self._importer.is_refused(item.hash) for item in taken):
            self._drop_row()
            self._outbox.punish(state.peer, 100, "follows a block that was refused")

    def _make_row(self, parent: bytes, source: Peer) -> HeaderRow | None:
        """Begin a new row on a block of ours; None if that block left our tree meanwhile."""
        self._drop_row()
        importer = self._importer
        if parent not in importer.blocks:
            return None
        block = importer.blocks.get(parent)
        times = list_times(importer, parent)
        self.row = HeaderRow(root=(block.number, parent), times_ms=times, work=block.work_total, source=source)
        return self.row

    # Bodies and import

    def _is_worth_fetching(self, row: HeaderRow) -> bool:
        """Say whether the headers, were they true, would make a better chain, or are as many as we hold."""
        importer = self._importer
        source = self._table.get(row.source)
        # SPEC SYN-14: Bodies of a branch MUST NOT be fetched before its headers claim more than the best chain has.
        if row.work > importer.blocks.best.work_total or row.root_hash == importer.head.hash:
            return True
        if source is not None and source.claim[0] > get_rank(importer)[0]:
            return True
        return len(row) + HEADERS_MAX > self._limits.headers_ahead_max

    def _is_over(self, row: HeaderRow) -> bool:
        source = self._table.get(row.source)
        return self._is_at_tip or source is None or source.is_leaving

    def _import_ready(self, row: HeaderRow, now_ms: int) -> None:
        """Import the blocks whose turn it is, as many as one step may."""
        count = gas = 0
        while (first := row.first) is not None and self.bodies.has(first.hash):
            # SPEC SYN-15: One call MUST NOT import more than a step; the rest follows in further calls.
            if count >= self._limits.step_blocks_max or gas >= self._limits.step_gas_max:
                self._outbox.go_on()
                return
            count, gas = count + 1, gas + first.gas
            if not self._import_first(row, now_ms):
                return

    def _import_first(self, row: HeaderRow, now_ms: int) -> bool:
        first = row.pop_first()
        body = self.bodies.take(first.hash)
        assert body is not None
        # SPEC SYN-12: Every block that a peer sends MUST be imported as any other block is, its parent first.
        effects = self._intake.take_block(join_block(first.raw, body.extrinsics), "network", now_ms)
        self._outbox.add(effects)
        fate = get_fate(effects, first.hash)
        if fate == "imported":
            for peer in {row.source, body.peer}:
                state = self._table.get(peer)
                if state is not None:
                    state.reward()
        if fate in ("imported", "known"):
            return True
        self._on_bad_block(row, first, fate, body.peer, now_ms)
        return False

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
        if source is not None:
            source.is_claim_void = True
            source.rest(now_ms, self._limits.rest_ms)
            if points:
                self._outbox.punish(row.source, points, reason)
        self._drop_row()

    def _drop_row(self) -> None:
        self.row = None
        self._is_at_tip = False
        self.bodies.reset()
