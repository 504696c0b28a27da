"""Headers by gossip: each is judged before it is passed on, the ticket last, for it is dear.

Terms:
    slot: where the one header of a peer waits that cannot be judged yet.

Invariant: nothing is passed on whose ticket was not run here.

Source: docs/spec/sync.md.
"""

from __future__ import annotations

import msgspec

from chain.header import Header, decode_header
from chain.scale import CodecError
from consensus.digest import read_work
from consensus.errors import InvalidBlock, TicketAboveTarget, TooFarAhead, WrongPoolSize
from consensus.seal import check_header_alone, check_header_in_context
from network.port import GossipReceived, Peer
from node.core.body_fetch import BodyFetch
from node.core.chain_view import has_block
from node.core.desk_limits import DeskLimits
from node.core.gas_budget import GasBudget
from node.core.import_errors import KnownInvalid
from node.core.importer import Importer
from node.core.outbox import Outbox
from node.core.peer_table import PeerState, PeerTable

BAD_HEADER_POINTS = 50
CONTEXT_GAS = 20_000_000  # about a millisecond: reading a context from a state behind the head


class WaitingHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The header in a peer's slot.

    Attributes:
        message_id: What waits for a verdict; None if it was given already.
        try_ms: Not before this.
        until_ms: Given up then.
    """

    header: Header
    raw: bytes
    message_id: bytes | None
    try_ms: int
    until_ms: int


class HeaderGossip:
    """Judges headers."""

    def __init__(
        self,
        importer: Importer,
        table: PeerTable,
        outbox: Outbox,
        fetch: BodyFetch,
        *,
        limits: DeskLimits,
        budget: GasBudget,
    ) -> None:
        self._importer = importer
        self._table = table
        self._outbox = outbox
        self._fetch = fetch
        self._limits = limits
        self._budget = budget
        self._slots: dict[Peer, WaitingHeader] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def on_header(self, event: GossipReceived, now_ms: int) -> None:
        """Judge a header, or let it wait."""
        state = self._table.get(event.peer)
        if state is None or state.is_leaving:
            self._outbox.judge(event.message_id, "ignore")
            return
        try:
            header = decode_header(event.data)
            check_header_alone(header, self._importer.params.work)
        except (CodecError, InvalidBlock) as error:
            self._reject(event.peer, event.message_id, error)
            return
        waiting = WaitingHeader(
            header=header,
            raw=event.data,
            message_id=event.message_id,
            try_ms=now_ms,
            until_ms=now_ms + self._limits.slot_ms,
        )
        self._place(state, waiting, now_ms)

    def retry(self, now_ms: int) -> None:
        """Judge what waits and can be judged now: first what peers known to be good brought."""
        states = [(peer, self._table.get(peer)) for peer in self._slots]
        for peer, state in sorted(states, key=lambda item: item[1] is None or item[1].good == 0):
            waiting = self._slots.pop(peer)
            if state is None or state.is_leaving or now_ms > waiting.until_ms:
                self._ignore(waiting)
            elif now_ms < waiting.try_ms:
                self._slots[peer] = waiting
            else:
                self._place(state, waiting, now_ms)

    def _place(self, state: PeerState, waiting: WaitingHeader, now_ms: int) -> None:
        """Choose by the header's place in the tree whether to judge it."""
        header, importer = waiting.header, self._importer
        if has_block(importer, header.hash) or header.hash in self._fetch or header.number <= importer.final.number:
            self._ignore(waiting)
        elif importer.is_refused(header.hash) or importer.is_refused(header.parent_hash):
            self._reject(state.peer, waiting.message_id, KnownInvalid("it, or its parent, was refused before"))
        elif header.parent_hash in importer.blocks:
            self._judge(state, waiting, now_ms)
        elif header.parent_hash in self._fetch:
            self._wait(state, waiting)
        else:
            # SPEC SYN-05: A header whose parent is unknown MUST be ignored, count as no work and not be kept; its
            # sender is asked for what leads to it.
            self._ignore(waiting)
            state.hint_number = header.number

    def _judge(self, state: PeerState, waiting: WaitingHeader, now_ms: int) -> None:
        importer, header = self._importer, waiting.header
        params = importer.params.work
        if not self._budget.spend(state, CONTEXT_GAS, now_ms):
            self._wait(state, waiting)
            return
        try:
            context = importer.get_context(header)
            check_header_in_context(header, context, params, now_ms=now_ms)
        except TooFarAhead as ahead:
            self._wait_for_its_time(state, waiting, ahead)
            return
        except InvalidBlock as error:
            self._reject(state.peer, waiting.message_id, error)
            return
        gas = read_work(header).weight
        if not self._budget.spend(state, gas, now_ms):
            self._wait(state, waiting)
            return
        # SPEC SYN-03: A header MUST be passed on only after its seal was checked in the context of its parent's
        # post-state.
        try:
            importer.check_seal(header, context, params)
        except InvalidBlock as error:
            if isinstance(error, TicketAboveTarget | WrongPoolSize):
                self._budget.refund(state, gas)
            self._reject(state.peer, waiting.message_id, error)
            return
        state.reward()
        if waiting.message_id is not None:
            self._outbox.judge(waiting.message_id, "accept")
        self._fetch.want(header, waiting.raw, state.peer, now_ms)

    def _wait(self, state: PeerState, waiting: WaitingHeader) -> None:
        """Put a header into its peer's slot; a second one is ignored."""
        if state.peer in self._slots:
            self._ignore(waiting)
        else:
            self._slots[state.peer] = waiting

    def _wait_for_its_time(self, state: PeerState, waiting: WaitingHeader, ahead: TooFarAhead) -> None:
        # SPEC SYN-07: A header from the future MUST wait until its time, without being passed on or punished.
        self._ignore(waiting)
        due_ms = ahead.timestamp_ms - self._importer.params.work.ahead_ms_max
        later = msgspec.structs.replace(waiting, message_id=None, try_ms=due_ms, until_ms=due_ms + self._limits.slot_ms)
        self._wait(state, later)

    def _ignore(self, waiting: WaitingHeader) -> None:
        if waiting.message_id is not None:
            self._outbox.judge(waiting.message_id, "ignore")

    def _reject(self, peer: Peer, message_id: bytes | None, error: Exception) -> None:
        # SPEC SYN-04: A header that breaks a rule MUST be rejected, and the peer that brought it punished.
        if message_id is not None:
            self._outbox.judge(message_id, "reject")
        self._outbox.punish(peer, BAD_HEADER_POINTS, f"a header that breaks a rule: {error}")
