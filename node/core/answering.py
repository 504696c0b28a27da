"""What peers ask of us: headers, bodies and extrinsics, as much as one answer may hold.

Terms:
    parked: a request for the body of a block that is about to be imported; it is answered when that happened.

Source: docs/spec/sync.md.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from network.messages import (
    ANSWER_BYTES_MAX,
    Answer,
    Bodies,
    Extrinsics,
    GetAncestors,
    GetBodies,
    GetExtrinsics,
    GetFinality,
    GetHeaders,
    GetStatePart,
    Headers,
)
from network.port import Peer, RequestReceived
from node.core.body_fetch import BodyFetch
from node.core.desk_limits import DeskLimits
from node.core.importer import Importer
from node.core.mempool import Mempool
from node.core.outbox import Outbox
from node.core.peer_table import PeerTable
from node.core.proof_answers import ProofAnswers

ITEM_OVERHEAD_BYTES = 8
REQUEST_COST_BYTES = 64 * 1024  # look-ups cost, even when they find nothing
ROOM_BYTES = ANSWER_BYTES_MAX - 4096


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits for a block."""

    peer: Peer
    request_id: int
    block_hash: bytes
    until_ms: int


class Answering:
    """Serves peers from store and pool."""

    def __init__(
        self,
        importer: Importer,
        pool: Mempool,
        table: PeerTable,
        outbox: Outbox,
        fetch: BodyFetch,
        *,
        limits: DeskLimits,
    ) -> None:
        self._importer = importer
        self._pool = pool
        self._table = table
        self._outbox = outbox
        self._fetch = fetch
        self._limits = limits
        self._parked: list[Parked] = []
        self._proofs = ProofAnswers(importer)

    def __len__(self) -> int:
        return len(self._parked)

    def on_request(self, event: RequestReceived, now_ms: int) -> None:
        """Answer, refuse or park a request."""
        state = self._table.get(event.peer)
        # SPEC SYN-18: An answer MUST hold the longest prefix that fits into 8 MiB, and a peer that asks for more than
        # its share MUST be refused.
        if state is None or state.is_leaving or not state.served.has(1, now_ms):
            self._outbox.answer(event.peer, event.request_id, None)
            return
        answer: Answer | None
        match event.request:
            case GetHeaders():
                if self._lacks_bodies(event.request):
                    self._outbox.answer(event.peer, event.request_id, None)
                    return
                answer, size = self._list_headers(event.request)
            case GetBodies():
                if self._park(event, event.request, now_ms):
                    return
                answer, size = self._list_bodies(event.request)
            case GetExtrinsics():
                answer, size = self._list_extrinsics(event.request)
            case GetFinality() | GetAncestors() | GetStatePart():
                answer, size = self._proofs.answer(event.peer, event.request, now_ms)
            case _:
                assert_never(event.request)
        state.served.spend(REQUEST_COST_BYTES + size)
        self._outbox.answer(event.peer, event.request_id, answer)

    def on_block(self, block_hash: bytes) -> None:
        """Answer those who waited for a block that is now imported."""
        for item in [item for item in self._parked if item.block_hash == block_hash]:
            self._release(item)

    def on_tick(self, now_ms: int) -> None:
        """Answer those who waited in vain."""
        self._proofs.drop_idle(now_ms)
        for item in [item for item in self._parked if item.until_ms <= now_ms or item.block_hash not in self._fetch]:
            self._release(item)

    def on_gone(self, peer: Peer) -> None:
        """Forget what a peer waits for."""
        self._parked = [item for item in self._parked if item.peer != peer]

    def _park(self, event: RequestReceived, request: GetBodies, now_ms: int) -> bool:
        is_awaited = len(request.hashes) == 1 and request.hashes[0] in self._fetch
        count = sum(item.peer == event.peer for item in self._parked)
        if not is_awaited or count >= self._limits.parked_peer_max or len(self._parked) >= self._limits.parked_max:
            return False
        until_ms = now_ms + self._limits.parked_ms
        self._parked.append(
            Parked(peer=event.peer, request_id=event.request_id, block_hash=request.hashes[0], until_ms=until_ms)
        )
        return True

    def _release(self, item: Parked) -> None:
        self._parked.remove(item)
        answer, size = self._list_bodies(GetBodies(hashes=(item.block_hash,)))
        state = self._table.get(item.peer)
        if state is not None:
            state.served.spend(size)
            self._outbox.answer(item.peer, item.request_id, answer)

    def _list_headers(self, request: GetHeaders) -> tuple[Headers, int]:
        """Return what follows the first block of the locator that is on our best chain."""
        chain = self._importer.chain
        headers: list[bytes] = []
        size = 0
        start = next((number for item in request.locator if (number := self._find_number(item)) is not None), None)
        if start is not None:
            for number in range(start + 1, min(start + request.count, self._importer.head.number) + 1):
                block_hash = chain.get_hash(number)
                raw = chain.get_header_bytes(block_hash) if block_hash is not None else None
                if raw is None or size + len(raw) + ITEM_OVERHEAD_BYTES > ROOM_BYTES:
                    break
                headers.append(raw)
                size += len(raw) + ITEM_OVERHEAD_BYTES
        return Headers(headers=tuple(headers)), size

    def _lacks_bodies(self, request: GetHeaders) -> bool:
        """Say whether the bodies that will be asked for next are missing, as this node began with fast sync."""
        first = self._importer.chain.first_body
        if first == 0:
            return False
        start = next((number for item in request.locator if (number := self._find_number(item)) is not None), None)
        return start is not None and start + 1 < first

    def _find_number(self, block_hash: bytes) -> int | None:
        record = self._importer.chain.get_record(block_hash)
        if record is None or self._importer.chain.get_hash(record.number) != block_hash:
            return None
        return record.number

    def _list_bodies(self, request: GetBodies) -> tuple[Bodies, int]:
        bodies: list[tuple[bytes, ...] | None] = []
        size = 0
        for block_hash in request.hashes:
            body = self._importer.chain.get_body(block_hash)
            added = ITEM_OVERHEAD_BYTES + sum(len(item) + ITEM_OVERHEAD_BYTES for item in body or ())
            if bodies and size + added > ROOM_BYTES:
                break
            bodies.append(body)
            size += added
        return Bodies(bodies=tuple(bodies)), size

    def _list_extrinsics(self, request: GetExtrinsics) -> tuple[Extrinsics, int]:
        found: list[bytes] = []
        size = 0
        for extrinsic_hash in request.hashes:
            entry = self._pool.get(extrinsic_hash)
            if entry is not None:
                raw = entry.extrinsic.raw
                if size + len(raw) + ITEM_OVERHEAD_BYTES > ROOM_BYTES:
                    break
                found.append(raw)
                size += len(raw) + ITEM_OVERHEAD_BYTES
        return Extrinsics(extrinsics=tuple(found)), size
