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

import msgspec

from chain.hashing import blake2b_256
from network.messages import INVENTORY_MAX, ExtrinsicInventory, Extrinsics, GetExtrinsics
from network.port import Failure, Peer
from node.core.desk_limits import DeskLimits
from node.core.effects import ExtrinsicRefused
from node.core.intake import Intake
from node.core.mempool import Mempool
from node.core.outbox import Ask, Outbox
from node.core.peer_table import PeerState, PeerTable
from node.core.pool_errors import BadFormat, Unfit
from runtime.validity import BadProof

HOLDERS_MAX = 4
KEY_BYTES = 8
SEEN_MAX = 16_384
ARRIVED_BYTES_MAX = 1024 * 1024
OFFERS_PEER_SHARE = 4


class Wish(msgspec.Struct, kw_only=True):
    """A hash that was offered; changes as holders are asked.

    Attributes:
        first: Who offered it first; it counts against this peer's share.
        holders: Who else may have it.
    """

    first: Peer
    holders: list[Peer]
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
        self._known: dict[Peer, dict[int, None]] = {}
        self._wishes: dict[bytes, Wish] = {}
        self._load: dict[Peer, int] = {}
        self._arrived: deque[Arrival] = deque()
        self._arrived_bytes = 0
        self._seen: dict[bytes, None] = {}

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
        self._known[peer] = {}
        for entry in self._pool.iterate_ready():
            self._fresh[entry.hash] = None

    def on_gone(self, peer: Peer) -> None:
        """Forget a peer."""
        self._known.pop(peer, None)

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
            hashes = [item for item in fresh if _get_key(item) not in known]
            for start in range(0, len(hashes), INVENTORY_MAX):
                batch = tuple(hashes[start : start + INVENTORY_MAX])
                self._outbox.tell(peer, ExtrinsicInventory(hashes=batch))
            self._note_known(known, hashes)

    # Asking

    def on_inventory(self, state: PeerState, notice: ExtrinsicInventory) -> None:
        """Note what a peer has, and want what the pool lacks."""
        known = self._known.setdefault(state.peer, {})
        self._note_known(known, notice.hashes)
        share = self._limits.extrinsics_wanted_max // OFFERS_PEER_SHARE
        for item in notice.hashes:
            wish = self._wishes.get(item)
            if wish is not None:
                if state.peer != wish.first and len(wish.holders) < HOLDERS_MAX and state.peer not in wish.holders:
                    wish.holders.append(state.peer)
                continue
            if item in self._seen or self._pool.get(item) is not None:
                continue
            load = self._load.get(state.peer, 0)
            if len(self._wishes) >= self._limits.extrinsics_wanted_max or load >= share:
                return
            self._wishes[item] = Wish(first=state.peer, holders=[state.peer])
            self._load[state.peer] = load + 1

    def advance(self, now_ms: int) -> None:
        """Give the pool a step of what arrived, and ask for more."""
        self._take_arrived(now_ms)
        if self._arrived_bytes <= ARRIVED_BYTES_MAX and len(self._arrived) <= self._limits.step_extrinsics_max:
            self._ask(now_ms)

    def _ask(self, now_ms: int) -> None:
        room = self._limits.extrinsic_asks_max - self._outbox.count("extrinsics")
        if room <= 0 or not self._wishes:
            return
        batches: dict[Peer, list[bytes]] = {}
        for item, wish in list(self._wishes.items()):
            if wish.is_asked:
                continue
            peer = self._choose(wish, batches, room)
            if peer is not None:
                wish.holders.remove(peer)
                wish.is_asked = True
                batches.setdefault(peer, []).append(item)
            elif not wish.holders:
                self._forget(item)
        for peer, hashes in batches.items():
            request, timeout_ms = GetExtrinsics(hashes=tuple(hashes)), self._limits.extrinsics_timeout_ms
            self._outbox.ask(peer, "extrinsics", request, timeout_ms=timeout_ms, now_ms=now_ms)

    def _choose(self, wish: Wish, batches: dict[Peer, list[bytes]], room: int) -> Peer | None:
        """Return a holder with a free place; holders that left are taken out."""
        for peer in list(wish.holders):
            state = self._table.get(peer)
            if state is None or state.is_leaving:
                wish.holders.remove(peer)
            elif peer in batches:
                if len(batches[peer]) < self._limits.extrinsics_ask_max:
                    return peer
            elif len(batches) < room and self._outbox.count("extrinsics", peer) == 0:
                return peer
        return None

    def on_answer(self, ask: Ask, answer: Extrinsics) -> None:
        """Queue what was asked for; ask others for what is missing."""
        hashes = ask.request.hashes if isinstance(ask.request, GetExtrinsics) else ()
        missing = dict.fromkeys(hashes)
        for raw in answer.extrinsics:
            item = blake2b_256(raw)
            if item not in missing:
                self._outbox.punish(ask.peer, 5, "sent an extrinsic that was not asked for")
                continue
            del missing[item]
            self._forget(item)
            self._arrived.append(Arrival(peer=ask.peer, hash=item, raw=raw))
            self._arrived_bytes += len(raw)
        self._ask_others(missing)

    def on_failure(self, ask: Ask, failure: Failure) -> None:
        """Ask others."""
        if failure == "timeout":
            self._outbox.punish(ask.peer, 5, "did not send extrinsics in time")
        self._ask_others(ask.request.hashes if isinstance(ask.request, GetExtrinsics) else ())

    def _ask_others(self, hashes: Iterable[bytes]) -> None:
        for item in hashes:
            wish = self._wishes.get(item)
            if wish is not None:
                wish.is_asked = False
                if not wish.holders:
                    self._forget(item)

    def _take_arrived(self, now_ms: int) -> None:
        for _ in range(min(len(self._arrived), self._limits.step_extrinsics_max)):
            arrival = self._arrived.popleft()
            self._arrived_bytes -= len(arrival.raw)
            effects = self._intake.take_extrinsic(arrival.raw, now_ms)
            self._outbox.add(effects)
            refusals = [effect.error for effect in effects if isinstance(effect, ExtrinsicRefused)]
            if not refusals or isinstance(refusals[0], BadFormat | Unfit):
                self._note_seen(arrival.hash)
            if refusals:
                self._punish(arrival.peer, refusals[0])
        if self._arrived:
            self._outbox.go_on()

    def _punish(self, peer: Peer, error: Exception) -> None:
        # SPEC SYN-17: A peer MUST be punished for an extrinsic that is no signed extrinsic or has a wrong signature,
        # and for nothing else that an extrinsic may be by now.
        if isinstance(error, BadFormat):
            self._outbox.punish(peer, 25, f"sent what is no signed extrinsic: {error}")
        elif isinstance(error, Unfit) and error.reason == BadProof.reason:
            self._outbox.punish(peer, 50, "sent an extrinsic with a wrong signature")

    def _forget(self, item: bytes) -> None:
        wish = self._wishes.pop(item, None)
        if wish is not None:
            self._load[wish.first] -= 1
            if not self._load[wish.first]:
                del self._load[wish.first]

    def _note_seen(self, item: bytes) -> None:
        self._seen[item] = None
        if len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]

    def _note_known(self, known: dict[int, None], hashes: Iterable[bytes]) -> None:
        for item in hashes:
            known[_get_key(item)] = None
        while len(known) > self._limits.extrinsics_known_max:
            del known[next(iter(known))]


def _get_key(extrinsic_hash: bytes) -> int:
    """Return the part of a hash that is remembered for a peer: it saves two thirds of the memory."""
    return int.from_bytes(extrinsic_hash[:KEY_BYTES], "little")
