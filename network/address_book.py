"""Addresses of other nodes, kept so that nobody can fill the book with his own. No I/O, no clock here.

Two tables of buckets, after Bitcoin's addrman. New holds what others say, tried what we reached ourselves. In which
bucket and slot an address stands follows from a secret, from the group of the address and, in new, from the group of
whoever said it: a group reaches few buckets, and a bucket has few slots.

Terms:
    group: the first 16 bits of an IPv4 address, the first 32 of an IPv6 address; all private addresses are one group.
    source: the group of the peer that told an address.

Source: bitcoin/bitcoin, `src/addrman.h`; E. Heilman and others, "Eclipse attacks on Bitcoin's peer-to-peer network"
(2015), sec. 7; docs/spec/network.md.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from hashlib import blake2b
from random import Random

import msgspec

from network.libp2p.multiaddr import Multiaddr
from network.libp2p.node_key import PeerId

NEW_BUCKETS, TRIED_BUCKETS, SLOTS = 128, 32, 32
SOURCE_BUCKETS, GROUP_BUCKETS = 8, 4
BACKOFF_MS, BACKOFF_MS_MAX = 2_000, 600_000
STALE_MS = 7 * 86_400_000
FAILURES_MAX = 4
_DRAWS = 64
Table = dict[int, dict[int, str]]


class BookEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one address.

    Attributes:
        source: Group of whoever told it first.
        success_ms: When we last reached it; 0 if never.
        failures: Attempts that failed since then.
        next_ms: Not to be dialled before.
        is_tried: In which table it stands.
    """

    address: Multiaddr
    source: str
    learned_ms: int
    success_ms: int = 0
    failures: int = 0
    next_ms: int = 0
    is_tried: bool = False


class AddressBook:
    """The two tables of one node."""

    def __init__(self, secret: bytes, chance: Random, *, allows_private: bool) -> None:
        """Empty; `secret` must stay ours and the same as long as the entries live."""
        self._secret = secret
        self._chance = chance
        self._allows_private = allows_private
        self._entries: dict[str, BookEntry] = {}
        self._new: Table = {}
        self._tried: Table = {}

    def __len__(self) -> int:
        """Return how many addresses are known."""
        return len(self._entries)

    def restore(self, entries: Iterable[BookEntry]) -> None:
        """Put entries of an earlier run back; those that have no place any more are dropped."""
        for entry in entries:
            if self._is_wanted(entry.address):
                self._place(entry, self._tried if entry.is_tried else self._new)

    def list_entries(self) -> tuple[BookEntry, ...]:
        """Return everything, for the next run."""
        return tuple(self._entries.values())

    def count(self, *, is_tried: bool) -> int:
        """Return how many addresses a table holds."""
        return sum(len(slots) for slots in (self._tried if is_tried else self._new).values())

    def get(self, address: Multiaddr) -> BookEntry | None:
        """Return what is known of an address."""
        return self._entries.get(str(address))

    # -- what happens

    def learn(self, address: Multiaddr, source: str, now_ms: int) -> bool:
        """Take an address that somebody told; False when it is known, not wanted, or its slot has a better one."""
        # SPEC NET-38: An address that others told MUST stand in one of 128 buckets of 32 slots, of which one source
        # group reaches 8; one that we reached in one of 32 buckets of 32, of which one group of addresses reaches 4.
        if not self._is_wanted(address) or str(address) in self._entries:
            return False
        entry = BookEntry(address=address, source=source, learned_ms=now_ms)
        bucket, slot = self._locate(entry)
        standing = self._get_at(self._new, bucket, slot)
        if standing is not None and not _is_stale(standing, now_ms):
            return False
        self._place(entry, self._new)
        return True

    def on_success(self, address: Multiaddr, source: str, now_ms: int) -> None:
        """We reached it: it moves to the tried table, unless a good one holds its slot there."""
        if not self._is_wanted(address):
            return
        old = self._entries.get(str(address)) or BookEntry(address=address, source=source, learned_ms=now_ms)
        tried = msgspec.structs.replace(old, success_ms=now_ms, failures=0, next_ms=0, is_tried=True)
        bucket, slot = self._locate(tried)
        standing = self._get_at(self._tried, bucket, slot)
        if standing is not None and standing.address != address:
            if standing.failures == 0 and now_ms - standing.success_ms < STALE_MS:
                self._place(msgspec.structs.replace(tried, is_tried=False), self._new)
                return
            self._place(msgspec.structs.replace(standing, is_tried=False), self._new)
        self._place(tried, self._tried)

    def on_failure(self, address: Multiaddr, now_ms: int) -> None:
        """An attempt failed: the next one must wait, each time longer."""
        entry = self._entries.get(str(address))
        if entry is None:
            return
        wait_ms = compute_backoff(entry.failures, self._chance, base_ms=BACKOFF_MS, max_ms=BACKOFF_MS_MAX)
        self._entries[str(address)] = msgspec.structs.replace(
            entry, failures=entry.failures + 1, next_ms=now_ms + wait_ms
        )

    def forget(self, address: Multiaddr) -> None:
        """It is of another chain, or our own."""
        entry = self._entries.pop(str(address), None)
        if entry is not None:
            self._free(entry)

    # -- whom to dial and to tell of

    def choose(
        self, now_ms: int, *, groups: Collection[str], peers: Collection[PeerId], only_new: bool = False
    ) -> Multiaddr | None:
        """Return an address to dial: of another group than these, and of another peer.

        A coin chooses the table, then every bucket that holds something is as likely as any other.
        """
        for _ in range(_DRAWS):
            table = (
                self._new if only_new or not self._tried or (self._new and self._chance.random() < 0.5) else self._tried
            )
            if not table:
                return None
            slots = table[self._chance.choice(sorted(table))]
            entry = self._entries[slots[self._chance.choice(sorted(slots))]]
            address = entry.address
            if is_ahead(entry.next_ms, now_ms, BACKOFF_MS_MAX) or address.peer_id in peers:
                continue
            if not is_private(address) and name_group(address) in groups:
                continue
            return address
        return None

    def sample(self, count: int, more: Iterable[Multiaddr] = ()) -> list[Multiaddr]:
        """Return addresses that we reached ourselves, and of `more`: first one of each group."""
        reached = [entry.address for entry in self._entries.values() if entry.is_tried]
        known = {str(address): address for address in [*reached, *more] if self._is_wanted(address)}
        drawn = list(known.values())
        self._chance.shuffle(drawn)
        seen: set[str] = set()
        firsts: list[Multiaddr] = []
        rest: list[Multiaddr] = []
        for address in drawn:
            group = name_group(address)
            (rest if group in seen else firsts).append(address)
            seen.add(group)
        return [*firsts, *rest][:count]

    # -- inside

    def _is_wanted(self, address: Multiaddr) -> bool:
        # SPEC NET-37: A node MUST keep and tell only addresses with an IP, a port and a peer id; private ones in test
        # networks only.
        if address.peer_id is None or address.kind not in ("ip4", "ip6") or address.port == 0:
            return False
        ip = ipaddress.ip_address(address.host)
        if ip.is_unspecified or ip.is_multicast:
            return False
        return ip.is_global or (self._allows_private and is_private(address))

    def _locate(self, entry: BookEntry) -> tuple[int, int]:
        """Return bucket and slot."""
        address = entry.address
        name, group = f"{address.host}:{address.port}", name_group(address)
        if entry.is_tried:
            bucket = self._hash("tried", group, str(self._hash("among", name) % GROUP_BUCKETS)) % TRIED_BUCKETS
        else:
            among = str(self._hash("among", group, entry.source) % SOURCE_BUCKETS)
            bucket = self._hash("new", entry.source, among) % NEW_BUCKETS
        return bucket, self._hash("slot", str(entry.is_tried), str(bucket), name) % SLOTS

    def _hash(self, *parts: str) -> int:
        text = "\0".join(parts).encode()
        return int.from_bytes(blake2b(text, key=self._secret, digest_size=8).digest(), "little")

    def _get_at(self, table: Table, bucket: int, slot: int) -> BookEntry | None:
        name = table.get(bucket, {}).get(slot)
        return None if name is None else self._entries[name]

    def _place(self, entry: BookEntry, table: Table) -> None:
        """Put an entry into its slot; whoever stood there is forgotten."""
        name = str(entry.address)
        old = self._entries.pop(name, None)
        if old is not None:
            self._free(old)
        bucket, slot = self._locate(entry)
        standing = self._get_at(table, bucket, slot)
        if standing is not None:
            self.forget(standing.address)
        table.setdefault(bucket, {})[slot] = name
        self._entries[name] = entry

    def _free(self, entry: BookEntry) -> None:
        table = self._tried if entry.is_tried else self._new
        bucket, slot = self._locate(entry)
        slots = table.get(bucket, {})
        if slots.get(slot) == str(entry.address):
            del slots[slot]
            if not slots:
                del table[bucket]


def compute_backoff(failures: int, chance: Random, *, base_ms: int, max_ms: int) -> int:
    """Return how long to wait: doubled with each failure, between half and one and a half of it."""
    wait_ms = min(max_ms, base_ms * 2 ** min(failures, 20))
    return int(wait_ms * (0.5 + chance.random()))


def is_ahead(due_ms: int, now_ms: int, wait_ms_max: int) -> bool:
    """Say whether a wait is not over; one that is too long was begun before the clock was set back."""
    return 0 < due_ms - now_ms <= 3 * wait_ms_max // 2


def name_group(address: Multiaddr) -> str:
    """Return the group of an address."""
    if address.kind not in ("ip4", "ip6"):
        return f"name {address.host}"
    ip = ipaddress.ip_address(address.host)
    if ip.is_private:
        return "private"
    return str(ipaddress.ip_network((ip, 16 if ip.version == 4 else 32), strict=False))


def is_private(address: Multiaddr) -> bool:
    """Can nobody have this address in the open net?"""
    return address.kind in ("ip4", "ip6") and ipaddress.ip_address(address.host).is_private


def _is_stale(entry: BookEntry, now_ms: int) -> bool:
    """May a new address take its slot?"""
    if entry.success_ms == 0 and entry.failures >= FAILURES_MAX:
        return True
    return now_ms - max(entry.learned_ms, entry.success_ms) > STALE_MS
