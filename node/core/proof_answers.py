"""What peers ask of us when they sync fast: finality steps, old headers, parts of states.

Source: docs/spec/light.md.
"""

from __future__ import annotations

from network.messages import (
    ANSWER_BYTES_MAX,
    STEPS_MAX,
    Answer,
    FinalitySteps,
    GetAncestors,
    GetFinality,
    GetStatePart,
    Headers,
)
from network.port import Peer
from node.core.importer import Importer
from node.core.state_parts import StateParts

ITEM_OVERHEAD_BYTES = 8
ROOM_BYTES = ANSWER_BYTES_MAX - 65_536
STEPS_BYTES_MAX = 1024 * 1024


class ProofAnswers:
    """Serves peers that have no blocks yet."""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer
        self._parts = StateParts(importer)

    def answer(
        self, peer: Peer, request: GetFinality | GetAncestors | GetStatePart, now_ms: int
    ) -> tuple[Answer | None, int]:
        """Return the answer, None to refuse, and what it cost in bytes."""
        match request:
            case GetFinality():
                return self._list_steps(request)
            case GetAncestors():
                return self._list_ancestors(request)
            case GetStatePart():
                return self._parts.get(peer, request, now_ms, bytes_max=ROOM_BYTES)

    def drop_idle(self, now_ms: int) -> None:
        """Forget states that nobody asks for any more."""
        self._parts.drop_idle(now_ms)

    def _list_steps(self, request: GetFinality) -> tuple[FinalitySteps, int]:
        chain = self._importer.chain
        record = chain.get_record(request.start)
        if record is None or chain.get_hash(record.number) != request.start:
            return FinalitySteps(steps=()), 0
        steps = self._importer.steps.list_steps(record.number, count=STEPS_MAX, bytes_max=STEPS_BYTES_MAX)
        return FinalitySteps(steps=tuple(steps)), sum(map(len, steps))

    def _list_ancestors(self, request: GetAncestors) -> tuple[Headers, int]:
        chain = self._importer.chain
        headers: list[bytes] = []
        size, wanted = 0, request.start
        for _ in range(request.count + 1):
            raw = chain.get_header_bytes(wanted)
            if raw is None or size + len(raw) + ITEM_OVERHEAD_BYTES > ROOM_BYTES:
                break
            headers.append(raw)
            size += len(raw) + ITEM_OVERHEAD_BYTES
            wanted = raw[:32]
        return Headers(headers=tuple(headers[1:])), size
