"""Extrinsics by inventory: hashes are offered in batches, who lacks one asks for it.

Terms:
    known: hashes that a peer offered or was offered; it is not offered them again.
    wanted: hashes that peers offered and the pool lacks, with those who have them.

Invariants: every memory is bounded (`desk_limits`); what an extrinsic is worth only the pool says.

Source: docs/spec/sync.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

import msgspec

from chain.extrinsic import decode_extrinsic
from chain.hashing import blake2b_256
from network.messages import INVENTORY_MAX, ExtrinsicInventory, Extrinsics, GetExtrinsics
from network.port import Failure, Peer
from node.core.desk_limits import DeskLimits
from node.core.effects import ExtrinsicRefused
from node.core.intake import Intake
from node.core.mempool import Mempool
from node.core.outbox import LATE_POINTS, Ask, Outbox
from node.core.peer_table import PeerState, PeerTable
from node.core.pool_errors import BadFormat, Unfit
from node.core.recent_hashes import RecentHashes
from runtime.validity import BadProof

HOLDERS_MAX = 4
SEEN_MAX = 16_384
ARRIVED_BYTES_MAX = 1024 * 1024
OFFERS_PEER_SHARE = 4


class Wish(msgspec.Struct, kw_only=True):
    """A hash that was offered; changes as holders are asked.

    Attributes:
        first: Who offered it first; it counts against this peer's share.
        holders: How many that may have it were not asked yet.
    """

    first: Peer
    holders: int = 0
    is_asked: bool = False


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """An extrinsic that waits for the pool."""

    peer: Peer
    hash: bytes
    raw: bytes


class ExtrinsicRelay:
    """Passes extrinsics on."""

    def __init__(self, pool: Mempool, table: PeerTable, outbox: Outbox, intake: Intake, limits: DeskLimits) -> None:
        self._pool = pool
        self._table = table
        self._outbox = outbox
        self._intake = intake
        self._limits = limits
        self._fresh: dict[bytes, None] = {}
        self._known: dict[Peer, RecentHashes] = {}
        self._wishes: dict[bytes, Wish] = {}
        self._load: dict[Peer, int] = {}
        self._queues: dict[Peer, dict[bytes, None]] = {}
        self._arrived: deque[Arrival] = deque()
        self._arrived_bytes = 0
        self._seen = RecentHashes(count_max=SEEN_MAX)

    @property
    def wished_count(self) -> int:
        """Hashes that are wanted or asked for."""
        return len(self._wishes)

    @property
    def known_count(self) -> int:
        """Hashes remembered of all peers together."""
        return sum(map(len, self._known.values()))

    # Offering

    def on_connected(self, peer: Peer) -> None:
        """Offer a new peer what the pool has ready, with the next batch."""
        self._known[peer] = RecentHashes(count_max=self._limits.extrinsics_known_max)
        for entry in self._pool.iterate_ready():
            self._fresh[entry.hash] = None

    def on_gone(self, peer: Peer) -> None:
        """Forget a peer."""
        self._known.pop(peer, None)
        for item in self._queues.pop(peer, {}):
            self._drop_holder(item)

    def offer(self, extrinsic_hash: bytes) -> None:
        """Offer an extrinsic that became ready, with the next batch."""
        self._fresh[extrinsic_hash] = None

    def flush(self) -> None:
        """Send a batch: to each peer what it is not known to have."""
        # SPEC SYN-16: An extrinsic MUST be offered by its hash, in batches, to every peer that is not known to have
        # it, when it is ready in the pool.
        fresh = [item for item in self._fresh if self._pool.get(item) is not None]
        self._fresh.clear()
        if not fresh:
            return
        for peer, known in self._known.items():
            state = self._table.get(peer)
            if state is None or state.is_leaving:
                continue
            hashes = [item for item in fresh if item not in known]
            for start in range(0, len(hashes), INVENTORY_MAX):
                batch = tuple(hashes[start : start + INVENTORY_MAX])
                self._outbox.tell(peer, ExtrinsicInventory(hashes=batch))
            for item in hashes:
                known.add(item)

    # Asking

    def on_inventory(self, state: PeerState, notice: ExtrinsicInventory) -> None:
        """Note what a peer has, and want what the pool lacks."""
        known = self._known[state.peer]
        for item in notice.hashes:
            known.add(item)
        queue = self._queues.setdefault(state.peer, {})
        share = self._limits.extrinsics_wanted_max // OFFERS_PEER_SHARE
        for item in notice.hashes:
            if len(queue) >= share:
                return
            wish = self._wishes.get(item)
            if wish is None:
                if item in self._seen or self._pool.get(item) is not None:
                    continue
                wish = self._make_wish(item, state.peer, share)
            if wish is not None and item not in queue and wish.holders < HOLDERS_MAX:
                queue[item] = None
                wish.holders += 1

    def _make_wish(self, item: bytes, peer: Peer, share: int) -> Wish | None:
        load = self._load.get(peer, 0)
        if len(self._wishes) >= self._limits.extrinsics_wanted_max or load >= share:
            return None
        self._load[peer] = load + 1
        self._wishes[item] = wish = Wish(first=peer)
        return wish

    def advance(self, now_ms: int) -> None:
        """Give the pool a step of what arrived, and ask for more."""
        self._take_arrived(now_ms)
        if self._arrived_bytes <= ARRIVED_BYTES_MAX and len(self._arrived) <= self._limits.step_extrinsics_max:
            self._ask(now_ms)

    def _ask(self, now_ms: int) -> None:
        """Ask each peer whose last such request is over, the one served longest ago first."""
        room = self._limits.extrinsic_asks_max - self._outbox.count("extrinsics")
        for peer in list(self._queues) if room > 0 else ():
            state, queue = self._table.get(peer), self._queues[peer]
            if not queue or state is None or state.is_leaving or self._outbox.count("extrinsics", peer):
                continue
            hashes = self._take_batch(queue)
            if not hashes:
                continue
            self._queues[peer] = self._queues.pop(peer)
            request, timeout_ms = GetExtrinsics(hashes=hashes), self._limits.extrinsics_timeout_ms
            self._outbox.ask(peer, "extrinsics", request, timeout_ms=timeout_ms, now_ms=now_ms)
            room -= 1
            if room == 0:
                return

    def _take_batch(self, queue: dict[bytes, None]) -> tuple[bytes, ...]:
        """Take out of a peer's queue what is to be asked of it now; what others are asked for meanwhile stays."""
        hashes: list[bytes] = []
        for item in list(islice(queue, 2 * self._limits.extrinsics_ask_max)):
            wish = self._wishes.get(item)
            if wish is None:
                del queue[item]
            elif not wish.is_asked and len(hashes) < self._limits.extrinsics_ask_max:
                del queue[item]
                wish.holders -= 1
                wish.is_asked = True
                hashes.append(item)
        return tuple(hashes)

    def on_answer(self, ask: Ask, answer: Extrinsics) -> None:
        """Queue what was asked for; ask others for what is missing."""
        hashes = ask.request.hashes if isinstance(ask.request, GetExtrinsics) else ()
        missing = dict.fromkeys(hashes)
        for raw in answer.extrinsics:
            item = blake2b_256(raw)
            if item not in missing:
                self._outbox.punish(ask.peer, 5, "sent an extrinsic that was not asked for")
                break
            del missing[item]
            self._forget(item)
            self._arrived.append(Arrival(peer=ask.peer, hash=item, raw=raw))
            self._arrived_bytes += len(raw)
        self._ask_others(missing)

    def on_failure(self, ask: Ask, failure: Failure) -> None:
        """Ask others."""
        if failure == "timeout":
            self._outbox.punish(ask.peer, LATE_POINTS, "did not send extrinsics in time")
        self._ask_others(ask.request.hashes if isinstance(ask.request, GetExtrinsics) else ())

    def _ask_others(self, hashes: Iterable[bytes]) -> None:
        for item in hashes:
            wish = self._wishes.get(item)
            if wish is not None:
                wish.is_asked = False
                if wish.holders <= 0:
                    self._forget(item)

    def _drop_holder(self, item: bytes) -> None:
        """Note that a peer that had it is gone."""
        wish = self._wishes.get(item)
        if wish is not None:
            wish.holders -= 1
            if wish.holders <= 0 and not wish.is_asked:
                self._forget(item)

    def _take_arrived(self, now_ms: int) -> None:
        for _ in range(min(len(self._arrived), self._limits.step_extrinsics_max)):
            arrival = self._arrived.popleft()
            self._arrived_bytes -= len(arrival.raw)
            effects = self._intake.take_extrinsic(arrival.raw, now_ms)
            self._outbox.add(effects)
            refusals = [effect.error for effect in effects if isinstance(effect, ExtrinsicRefused)]
            if not refusals or isinstance(refusals[0], BadFormat | Unfit):
                self._seen.add(arrival.hash)
            if refusals:
                self._punish(arrival, refusals[0])
        if self._arrived:
            self._outbox.go_on()

    def _punish(self, arrival: Arrival, error: Exception) -> None:
        # SPEC SYN-17: A peer MUST be punished for an extrinsic that is no signed extrinsic, or is immortal and has a
        # wrong signature, and for nothing else that an extrinsic may be by now.
        if isinstance(error, BadFormat):
            self._outbox.punish(arrival.peer, 25, f"sent what is no signed extrinsic: {error}")
        elif isinstance(error, Unfit) and error.reason == BadProof.reason and _is_immortal(arrival.raw):
            self._outbox.punish(arrival.peer, 50, "sent an extrinsic with a wrong signature")

    def _forget(self, item: bytes) -> None:
        wish = self._wishes.pop(item, None)
        if wish is not None:
            self._load[wish.first] -= 1
            if not self._load[wish.first]:
                del self._load[wish.first]


def _is_immortal(raw: bytes) -> bool:
    """Tell whether all honest nodes agree about its signature: a mortal one covers a block of the signer's branch."""
    signed = decode_extrinsic(raw).signed
    return signed is not None and signed.era.is_immortal
