"""Bodies of proven headers: asked of the peer that brought the header, then of others, and imported at once.

Invariant: only headers whose seal held are here, each on an imported parent, and no more than `fetches_max`.

Source: docs/spec/sync.md.
"""

from __future__ import annotations

import msgspec

from chain.header import Header
from network.messages import Bodies, GetBodies
from network.port import Failure, Peer
from node.core.block_body import WrongBody, check_body_of, join_block
from node.core.desk_limits import DeskLimits
from node.core.intake import Intake, get_fate
from node.core.outbox import LATE_POINTS, Ask, Outbox
from node.core.peer_table import PeerState, PeerTable


class Want(msgspec.Struct, kw_only=True):
    """A body that is awaited; changes as peers are asked."""

    header: Header
    raw: bytes
    bringer: Peer
    tried: set[Peer]
    asks: dict[int, Ask]
    next_ms: int
    rounds: int = 0


class BodyFetch:
    """Blocks at the tip on their way in."""

    def __init__(
        self, table: PeerTable, outbox: Outbox, intake: Intake, limits: DeskLimits, *, block_bytes_max: int
    ) -> None:
        self._table = table
        self._outbox = outbox
        self._intake = intake
        self._limits = limits
        self._block_bytes_max = block_bytes_max
        self._wants: dict[bytes, Want] = {}

    def __len__(self) -> int:
        return len(self._wants)

    def __contains__(self, block_hash: object) -> bool:
        return block_hash in self._wants

    def want(self, header: Header, raw: bytes, bringer: Peer, now_ms: int) -> None:
        """Fetch the body of a proven header."""
        if header.hash in self._wants:
            return
        self._wants[header.hash] = Want(header=header, raw=raw, bringer=bringer, tried=set(), asks={}, next_ms=now_ms)
        if len(self._wants) > self._limits.fetches_max:
            del self._wants[next(iter(self._wants))]
        self.advance(now_ms)

    def drop(self, block_hash: bytes) -> None:
        """Forget a block that came another way."""
        self._wants.pop(block_hash, None)

    def advance(self, now_ms: int) -> None:
        """Ask for what is due."""
        limits = self._limits
        for want in list(self._wants.values()):
            if not want.asks:
                if want.next_ms <= now_ms:
                    self._ask_next(want, now_ms)
                continue
            last = max(want.asks.values(), key=lambda ask: ask.sent_ms)
            waited_ms = now_ms - last.sent_ms
            patience_ms = self._table.compute_patience_ms(last.peer, limits.tip_patience_ms)
            if waited_ms >= patience_ms and len(want.asks) < limits.tip_asks_max:
                self._ask_next(want, now_ms)
            elif len(want.asks) == 1 and waited_ms >= limits.tip_hedge_ms:
                self._hedge(want, now_ms)

    def on_answer(self, ask: Ask, answer: Bodies, now_ms: int) -> None:
        """Import the block, or ask another peer."""
        want = self._close(ask)
        if want is None:
            return
        extrinsics = answer.bodies[0] if len(answer.bodies) == 1 else None
        if extrinsics is None:
            want.next_ms = now_ms
            self.advance(now_ms)
            return
        try:
            check_body_of(extrinsics, want.header.extrinsics_root, bytes_max=self._block_bytes_max)
        except WrongBody as error:
            self._outbox.punish(ask.peer, 100, str(error))
            want.next_ms = now_ms
            self.advance(now_ms)
            return
        self._import(want, extrinsics, ask.peer, now_ms)

    def on_failure(self, ask: Ask, failure: Failure, now_ms: int) -> None:
        """Ask another peer."""
        want = self._close(ask)
        if failure == "timeout":
            self._outbox.punish(ask.peer, LATE_POINTS, "did not send a body in time")
        if want is not None:
            want.next_ms = now_ms
            self.advance(now_ms)

    def _import(self, want: Want, extrinsics: tuple[bytes, ...], peer: Peer, now_ms: int) -> None:
        block_hash = want.header.hash
        self._wants.pop(block_hash, None)
        effects = self._intake.take_block(join_block(want.raw, extrinsics), "network", now_ms)
        self._outbox.add(effects)
        fate = get_fate(effects, block_hash)
        state = self._table.get(peer)
        if fate == "imported" and state is not None:
            state.reward()
        elif fate in ("invalid", "below final"):
            self._outbox.add(self._intake.read_votes(extrinsics, peer, now_ms))
        if fate == "invalid":
            self._outbox.punish(peer, 100, f"block {want.header.number} is invalid")

    def _ask_next(self, want: Want, now_ms: int) -> None:
        """Ask the bringer first, then others; after all of them, begin again a little later, a few times."""
        # SPEC SYN-08: The body of a proven header MUST be asked of the peer that brought it, and of another when it
        # does not come within 2 s, or half as long again as that peer's answers took lately (at most 6 s); the first
        # may still answer.
        state = self._choose(want)
        if state is None:
            want.rounds += 1
            want.tried.clear()
            want.next_ms = now_ms + self._limits.tip_retry_ms * want.rounds
            if want.rounds > self._limits.tip_rounds_max and not want.asks:
                self._wants.pop(want.header.hash, None)
            return
        self._ask(want, state, now_ms)

    def _hedge(self, want: Want, now_ms: int) -> None:
        """Ask a second peer, if one says that the block is its best, when the first takes its time."""
        for state in self._table:
            has_it = state.status is not None and state.status.best_hash == want.header.hash
            if has_it and not state.is_leaving and state.peer not in want.tried:
                self._ask(want, state, now_ms)
                return

    def _ask(self, want: Want, state: PeerState, now_ms: int) -> None:
        want.tried.add(state.peer)
        request = GetBodies(hashes=(want.header.hash,))
        timeout_ms = self._limits.tip_timeout_ms
        ask = self._outbox.ask(state.peer, "tip", request, timeout_ms=timeout_ms, now_ms=now_ms)
        want.asks[ask.request_id] = ask

    def _choose(self, want: Want) -> PeerState | None:
        bringer = self._table.get(want.bringer)
        if bringer is not None and not bringer.is_leaving and want.bringer not in want.tried:
            return bringer
        others = [
            (-state.good, index, state)
            for index, state in enumerate(self._table)
            if state.peer not in want.tried and state.has_block(want.header.number)
        ]
        return min(others)[-1] if others else None

    def _close(self, ask: Ask) -> Want | None:
        hashes = ask.request.hashes if isinstance(ask.request, GetBodies) else ()
        want = self._wants.get(hashes[0]) if hashes else None
        if want is None or want.asks.pop(ask.request_id, None) is None:
            return None
        return want
