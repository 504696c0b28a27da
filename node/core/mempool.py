"""The pool: extrinsics that wait for a block, one nonce queue for each account.

Terms:
    ready: every smaller nonce of the account is on chain or in the pool; a block may include it.
    future: a smaller nonce is missing.
    priority: what orders accounts against each other and decides replacement and eviction; the runtime computes it.
    drop record: why an extrinsic left without a block, kept for a while so that its sender can ask.

Invariants: one extrinsic for an account and nonce; no more than the limits; no extrinsic that died of age.
News leaves as `ExtrinsicNews`; the clock comes in as `now_ms`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from chain.extrinsic import Extrinsic
from node.core.drop_records import DropRecord, DropRecords
from node.core.nonce_queue import NonceQueue, PoolEntry
from node.core.pool_errors import AlreadyImported, BadFormat, PoolFull, PriorityTooLow, TemporarilyBanned
from rpc.api import ExtrinsicStatus


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a pool holds and remembers."""

    count_max: int = 8192
    bytes_max: int = 20480 * 1024
    future_count_max: int = 1024
    ban_ms: int = 1_800_000
    records_max: int = 16_384


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """What the runtime said about an extrinsic on top of the head.

    Attributes:
        next_nonce: The account's nonce in the head's state.
        dies_at: First block that may no longer include it, None if it is immortal.
        signature_key: By which its checked signature is known.
    """

    priority: int
    next_nonce: int
    dies_at: int | None = None
    signature_key: bytes = b""
    fee_planck: int = 0


class ExtrinsicNews(msgspec.Struct, frozen=True, kw_only=True):
    """A step in one extrinsic's life."""

    hash: bytes
    status: ExtrinsicStatus


class Mempool:
    """Extrinsics that wait for a block."""

    def __init__(self, limits: PoolLimits) -> None:
        self.limits = limits
        self._entries: dict[bytes, PoolEntry] = {}
        self._queues: dict[bytes, NonceQueue] = {}
        self._signature_keys: set[bytes] = set()
        self._worst: list[tuple[int, int, bytes]] = []
        self._bytes = 0
        self._future_count = 0
        self._sequence = 0
        self._records = DropRecords(count_max=limits.records_max)

    # What it holds

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes_held(self) -> int:
        """Length of everything it holds."""
        return self._bytes

    @property
    def future_count(self) -> int:
        """How many wait for a smaller nonce."""
        return self._future_count

    @property
    def ready_count(self) -> int:
        """How many a block may include."""
        return len(self._entries) - self._future_count

    def get(self, extrinsic_hash: bytes) -> PoolEntry | None:
        """Return the entry with this hash."""
        return self._entries.get(extrinsic_hash)

    def get_drop(self, extrinsic_hash: bytes) -> DropRecord | None:
        """Return why an extrinsic left without a block, as long as that is remembered."""
        return self._records.get(extrinsic_hash)

    def list_drops(self, count: int) -> list[tuple[bytes, DropRecord]]:
        """Return the last extrinsics that left without a block, newest first."""
        return self._records.list_newest(count)

    def is_ready(self, entry: PoolEntry) -> bool:
        """Return whether a block may include the entry."""
        return self._queues[entry.signer].is_ready(entry.nonce)

    def is_signature_checked(self, signature_key: bytes) -> bool:
        """Return whether it holds an extrinsic whose signature was checked under this key."""
        return signature_key in self._signature_keys

    def get_state_nonce(self, account: bytes) -> int | None:
        """Return the account's nonce in the head's state, if it has an extrinsic here."""
        queue = self._queues.get(account)
        return None if queue is None else queue.next_nonce

    def get_next_nonce(self, account: bytes, next_nonce: int) -> int:
        """Return the first nonce that neither chain nor ready extrinsics use; `next_nonce` is the state's."""
        queue = self._queues.get(account)
        return next_nonce if queue is None else max(next_nonce, queue.ready_end)

    def iterate_ready(self) -> Iterator[PoolEntry]:
        """Yield the ready extrinsics, best first, each account's in the order of its nonces."""
        heads = [_get_rank(queue.get_head()) for queue in self._queues.values() if queue.has_ready]
        heapq.heapify(heads)
        while heads:
            entry = heads[0][2]
            yield entry
            queue = self._queues.get(entry.signer)
            following = None if queue is None or not queue.is_ready(entry.nonce + 1) else queue.entries[entry.nonce + 1]
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, _get_rank(following))

    def iterate_entries(self) -> Iterator[PoolEntry]:
        """Yield everything, oldest first."""
        return iter(list(self._entries.values()))

    # What comes in

    def check_new(self, extrinsic_hash: bytes, now_ms: int) -> None:
        """Refuse what needs no look at the runtime.

        Raises:
            AlreadyImported: the pool holds it.
            TemporarilyBanned: it turned out invalid a short while ago.
        """
        if extrinsic_hash in self._entries:
            raise AlreadyImported(f"0x{extrinsic_hash.hex()} is in the pool")
        if self._records.is_banned(extrinsic_hash, now_ms):
            record = self._records.get(extrinsic_hash)
            raise TemporarilyBanned(record.reason if record else "it was invalid a short while ago")

    def add(self, extrinsic: Extrinsic, validity: Validity, now_ms: int) -> list[ExtrinsicNews]:
        """Take an extrinsic that the runtime found valid.

        Raises:
            PoolRefusal: a subclass says why; the pool is as it was.
        """
        signed = extrinsic.signed
        if signed is None:
            raise BadFormat("an extrinsic without a signature belongs to a block's author, not into the pool")
        entry = PoolEntry(
            extrinsic=extrinsic,
            hash=extrinsic.hash,
            signer=signed.signer,
            nonce=signed.nonce,
            priority=validity.priority,
            dies_at=validity.dies_at,
            signature_key=validity.signature_key,
            fee_planck=validity.fee_planck,
            sequence=self._sequence,
        )
        self.check_new(entry.hash, now_ms)
        queue = self._queues.get(entry.signer)
        old = queue.entries.get(entry.nonce) if queue is not None else None
        if old is not None and entry.priority <= old.priority:
            raise PriorityTooLow(f"({old.priority} vs {entry.priority})")
        victims = self._choose_victims(entry, old, validity.next_nonce)
        self._sequence += 1
        news: list[ExtrinsicNews] = []
        for victim in victims:
            news += self._drop(victim, "dropped", "the pool is full and others offer more", now_ms)
        self._records.forget(entry.hash)
        if old is not None:
            return [*news, *self._replace(old, entry, now_ms)]
        return [*news, *self._put_in(entry, validity.next_nonce)]

    # What leaves

    def remove(self, extrinsic_hash: bytes, kind: str, reason: str, now_ms: int) -> list[ExtrinsicNews]:
        """Remove an entry as `invalid` (banned for a while) or `dropped`; its followers become future."""
        entry = self._entries.get(extrinsic_hash)
        if entry is None:
            return []
        if kind == "invalid":
            self._records.ban(extrinsic_hash, now_ms + self.limits.ban_ms)
        return self._drop(entry, kind, reason, now_ms)

    def on_best_block(
        self, included: Iterable[bytes], nonces: Mapping[bytes, int], *, number: int, block_hash: bytes, now_ms: int
    ) -> list[ExtrinsicNews]:
        """Take out what a new best block includes or makes impossible.

        Args:
            included: Hashes of the block's extrinsics.
            nonces: The next nonce of every account that signed one of them.
        """
        in_block = ExtrinsicStatus(kind="inBlock", value=block_hash)
        hashes = tuple(included)
        news = [ExtrinsicNews(hash=extrinsic_hash, status=in_block) for extrinsic_hash in hashes]
        news += self._set_next_nonces(nonces, frozenset(hashes), now_ms)
        dead = [entry for entry in self._entries.values() if entry.dies_at is not None and entry.dies_at <= number + 1]
        for entry in dead:
            news += self._drop(entry, "invalid", f"its era ended before block {entry.dies_at}", now_ms)
        return news

    def on_undone(self, nonces: Mapping[bytes, int], now_ms: int) -> list[ExtrinsicNews]:
        """Take over the accounts' nonces after blocks were undone."""
        return self._set_next_nonces(nonces, frozenset(), now_ms)

    def _set_next_nonces(
        self, nonces: Mapping[bytes, int], included: frozenset[bytes], now_ms: int
    ) -> list[ExtrinsicNews]:
        news: list[ExtrinsicNews] = []
        for account, next_nonce in nonces.items():
            queue = self._queues.get(account)
            if queue is None:
                continue
            was_ready = frozenset(range(queue.next_nonce, queue.ready_end))
            for entry in [entry for nonce, entry in queue.entries.items() if nonce < next_nonce]:
                self._take_out(entry)
                if entry.hash not in included:
                    reason = f"another extrinsic with the nonce {entry.nonce} is on chain"
                    news.append(self._record(entry, "invalid", reason, now_ms))
            if not queue.entries:
                continue
            self._future_count += queue.ready_count
            queue.set_next_nonce(next_nonce)
            self._future_count -= queue.ready_count
            news += _get_moves(queue, was_ready)
        return news

    def _drop(self, entry: PoolEntry, kind: str, reason: str, now_ms: int) -> list[ExtrinsicNews]:
        queue = self._queues[entry.signer]
        was_ready = frozenset(range(queue.next_nonce, queue.ready_end))
        self._take_out(entry)
        return [self._record(entry, kind, reason, now_ms), *_get_moves(queue, was_ready)]

    def _record(self, entry: PoolEntry, kind: str, reason: str, now_ms: int) -> ExtrinsicNews:
        self._records.add(entry.hash, DropRecord(kind=kind, reason=reason, at_ms=now_ms))
        return ExtrinsicNews(hash=entry.hash, status=ExtrinsicStatus(kind=kind, reason=reason))

    def _replace(self, old: PoolEntry, entry: PoolEntry, now_ms: int) -> list[ExtrinsicNews]:
        queue = self._queues[old.signer]
        queue.add(entry)
        del self._entries[old.hash]
        self._signature_keys.discard(old.signature_key)
        self._bytes -= old.size
        self._hold(entry)
        self._records.add(old.hash, DropRecord(kind="usurped", reason="replaced by a higher priority", at_ms=now_ms))
        kind = "ready" if queue.is_ready(entry.nonce) else "future"
        return [
            ExtrinsicNews(hash=old.hash, status=ExtrinsicStatus(kind="usurped", value=entry.hash)),
            ExtrinsicNews(hash=entry.hash, status=ExtrinsicStatus(kind=kind)),
        ]

    def _put_in(self, entry: PoolEntry, next_nonce: int) -> list[ExtrinsicNews]:
        queue = self._queues.setdefault(entry.signer, NonceQueue(next_nonce))
        was_ready = frozenset(range(queue.next_nonce, queue.ready_end))
        queue.add(entry)
        self._future_count += 1 - (queue.ready_count - len(was_ready))
        self._hold(entry)
        if not queue.is_ready(entry.nonce):
            return [ExtrinsicNews(hash=entry.hash, status=ExtrinsicStatus(kind="future"))]
        return _get_moves(queue, was_ready)

    def _hold(self, entry: PoolEntry) -> None:
        self._entries[entry.hash] = entry
        self._signature_keys.add(entry.signature_key)
        self._bytes += entry.size
        heapq.heappush(self._worst, (entry.priority, -entry.sequence, entry.hash))
        if len(self._worst) > 2 * len(self._entries) + 64:
            self._worst = [(held.priority, -held.sequence, held.hash) for held in self._entries.values()]
            heapq.heapify(self._worst)

    def _take_out(self, entry: PoolEntry) -> None:
        queue = self._queues[entry.signer]
        ready_before = queue.ready_count
        queue.remove(entry.nonce)
        del self._entries[entry.hash]
        self._signature_keys.discard(entry.signature_key)
        self._bytes -= entry.size
        self._future_count += (ready_before - queue.ready_count) - 1
        if not queue.entries:
            del self._queues[entry.signer]

    def _choose_victims(self, entry: PoolEntry, old: PoolEntry | None, next_nonce: int) -> list[PoolEntry]:
        """Return what must go to make room: the lowest priorities, latest first.

        Raises:
            PoolFull: room could only be made by dropping something that offers at least as much.
        """
        queue = self._queues.get(entry.signer)
        ready_end = next_nonce if queue is None else queue.ready_end
        if entry.nonce > ready_end and old is None and self._future_count >= self.limits.future_count_max:
            raise PoolFull(f"{self._future_count} extrinsics wait for a smaller nonce; nonce {ready_end} comes next")
        count = len(self._entries) + 1 - (old is not None) - self.limits.count_max
        size = self._bytes + entry.size - (old.size if old is not None else 0) - self.limits.bytes_max
        if count <= 0 and size <= 0:
            return []
        victims: list[PoolEntry] = []
        popped: list[tuple[int, int, bytes]] = []
        while (count > 0 or size > 0) and self._worst and self._worst[0][0] < entry.priority:
            popped.append(heapq.heappop(self._worst))
            victim = self._entries.get(popped[-1][2])
            if victim is None or victim is old or victim.sequence != -popped[-1][1]:
                continue
            if victim.signer == entry.signer:  # never drop what the newcomer may stand on
                continue
            victims.append(victim)
            count -= 1
            size -= victim.size
        for item in popped:
            heapq.heappush(self._worst, item)
        if count > 0 or size > 0:
            raise PoolFull("the pool is full and everything in it offers at least as much")
        return victims


def _get_rank(entry: PoolEntry) -> tuple[int, int, PoolEntry]:
    return (-entry.priority, entry.sequence, entry)


def _get_moves(queue: NonceQueue, was_ready: frozenset[int]) -> list[ExtrinsicNews]:
    """Return the news of entries that became ready or future."""
    ready, future = ExtrinsicStatus(kind="ready"), ExtrinsicStatus(kind="future")
    is_ready = range(queue.next_nonce, queue.ready_end)
    moved = [
        ExtrinsicNews(hash=queue.entries[nonce].hash, status=ready) for nonce in is_ready if nonce not in was_ready
    ]
    moved += [
        ExtrinsicNews(hash=queue.entries[nonce].hash, status=future)
        for nonce in sorted(was_ready)
        if nonce not in is_ready and nonce in queue.entries
    ]
    return moved
