"""The second half of fast sync: a final block's state by parts, its body, and the headers down to block 0.

Terms:
    gap: begin and end of a range of key hashes whose pairs are missing; no bytes are the end of all.
    yield: what an answer brought; `meagre` is something, but less than an honest peer has room for.

Invariants: nothing reaches the shelf that was not verified against the final block's header.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar, Literal, Protocol, TypeAlias

from chain.header import Header, decode_header
from chain.scale import CodecError
from chain.state_part import InvalidPart, Part, check_part
from consensus.light import Belief
from network.messages import HEADERS_MAX, Bodies, GetAncestors, GetBodies, GetStatePart, Headers, StatePart
from node.core.block_body import WrongBody, check_body_of
from node.core.fast_proof import FastPlan

Gap: TypeAlias = tuple[bytes, bytes]
Wanted: TypeAlias = GetStatePart | GetAncestors | GetBodies
Yield: TypeAlias = Literal["full", "meagre", "nothing"]

PART_BYTES = 512 * 1024
PART_DEPTH_MIN = 4
PART_BYTES_MEAGRE = PART_BYTES // 16
HEADERS_BYTES_MEAGRE = 1024 * 1024
FIRST_GAPS: tuple[Gap, ...] = tuple(
    (bytes([16 * i, *bytes(31)]), bytes([16 * i + 16, *bytes(31)]) if i < 15 else b"") for i in range(16)
)


class FastShelf(Protocol):
    """Where fast sync keeps what it verified; `node.fast_store` fulfils it."""

    @property
    def gaps(self) -> tuple[Gap, ...]: ...

    @property
    def lowest(self) -> Header: ...

    def choose(self, target: Header, gaps: Sequence[Gap]) -> None: ...

    def add_part(self, pairs: Sequence[tuple[bytes, bytes]], gaps: Sequence[Gap]) -> None: ...

    def add_headers(self, headers: Sequence[Header]) -> None: ...

    def add_steps(self, steps: dict[int, bytes]) -> None: ...


class FalseAnswer(Exception):
    """An answer that contradicts the final block's header."""

    rule: ClassVar[str] = "LGT-09"


class CheckpointMissing(Exception):
    """The chain of the final block does not contain the checkpoint that is trusted."""

    rule: ClassVar[str] = "LGT-10"


class TargetFetch:
    """What is missing of one final block."""

    def __init__(self, shelf: FastShelf, plan: FastPlan, target: Belief, *, anchor_number: int) -> None:
        assert target.header is not None
        self._shelf = shelf
        self._plan = plan
        self._anchor_number = anchor_number
        self.header = target.header
        self.status = target.status
        self.body: tuple[bytes, ...] | None = None
        self.bytes_taken = 0
        shelf.choose(target.header, FIRST_GAPS)

    @property
    def is_done(self) -> bool:
        """Whether nothing is missing."""
        return self.body is not None and not self._shelf.gaps and self._shelf.lowest.number <= 1

    def list_wanted(self, asked: Collection[Wanted]) -> list[Wanted]:
        """Return what to ask for next, beside what is asked for already."""
        wanted: list[Wanted] = []
        if self.body is None:
            wanted.append(GetBodies(hashes=(self.header.hash,)))
        if self._shelf.lowest.number > 1:
            wanted.append(GetAncestors(start=self._shelf.lowest.hash, count=HEADERS_MAX))
        for start, _ in self._shelf.gaps:
            wanted.append(
                GetStatePart(block_hash=self.header.hash, start=start, depth_min=PART_DEPTH_MIN, bytes_max=PART_BYTES)
            )
        return [item for item in wanted if item not in asked]

    def take(self, request: Wanted, answer: StatePart | Headers | Bodies) -> Yield:
        """Verify and keep an answer; return what there was in it.

        Raises:
            FalseAnswer: it is not what the final block's header commits to.
            CheckpointMissing: the headers lead past the trusted checkpoint's height without it.
        """
        # SPEC LGT-09: Parts, headers and body MUST be verified against the final block's header before they are
        # written.
        match request, answer:
            case GetStatePart(), StatePart():
                return self._take_part(request, answer)
            case GetAncestors(), Headers():
                return self._take_headers(request, answer)
            case GetBodies(), Bodies():
                return self._take_body(request, answer)
            case _:
                raise FalseAnswer("an answer to another question")

    def _take_part(self, request: GetStatePart, answer: StatePart) -> Yield:
        gap = next((item for item in self._shelf.gaps if item[0] == request.start), None)
        if gap is None or request.block_hash != self.header.hash:
            return "nothing"
        if answer.depth < request.depth_min:
            raise FalseAnswer(f"a part of depth {answer.depth}, asked for were {request.depth_min}")
        part = Part(depth=answer.depth, pairs=answer.pairs, siblings=answer.siblings, other=answer.other)
        try:
            end = check_part(self.header.state_root, request.start, part) or b""
        except InvalidPart as error:
            raise FalseAnswer(str(error)) from error
        rest = [] if end == gap[1] else [(end, gap[1])]
        self._shelf.add_part(part.pairs, (*rest, *(item for item in self._shelf.gaps if item != gap)))
        size = sum(len(key) + len(value) for key, value in part.pairs)
        self.bytes_taken += size
        is_deeper = part.depth > max(request.depth_min, compute_place_depth(request.start))
        return "meagre" if is_deeper and size < PART_BYTES_MEAGRE else "full"

    def _take_headers(self, request: GetAncestors, answer: Headers) -> Yield:
        below = self._shelf.lowest
        if request.start != below.hash:
            return "nothing"
        found: list[Header] = []
        for raw in answer.headers:
            if below.number <= 1:
                break
            try:
                header = decode_header(raw)
            except CodecError as error:
                raise FalseAnswer(f"below header {below.number}: {error}") from error
            if header.hash != below.parent_hash or header.number != below.number - 1:
                raise FalseAnswer(f"header {header.number} is not the one below header {below.number}")
            self._check_anchor(header)
            found.append(header)
            below = header
        if below.number == 1 and below.parent_hash != self._plan.genesis:
            raise FalseAnswer("the headers do not lead to block 0")
        if not found:
            return "nothing"
        self._shelf.add_headers(found)
        size = sum(map(len, answer.headers))
        self.bytes_taken += size
        is_short = len(found) < request.count and below.number > 1
        return "meagre" if is_short and size < HEADERS_BYTES_MEAGRE else "full"

    def _check_anchor(self, header: Header) -> None:
        # SPEC LGT-10: A chain that does not contain the checkpoint that a person named MUST be refused.
        trusted = self._plan.checkpoint
        if trusted is not None and header.number == self._anchor_number and header.hash != trusted:
            raise CheckpointMissing(f"block {header.number} is not the trusted 0x{trusted.hex()}")

    def _take_body(self, request: GetBodies, answer: Bodies) -> Yield:
        body = answer.bodies[0] if answer.bodies else None
        if body is None or request.hashes != (self.header.hash,):
            return "nothing"
        try:
            check_body_of(body, self.header.extrinsics_root, bytes_max=self._plan.params.block.bytes_max)
        except WrongBody as error:
            raise FalseAnswer(str(error)) from error
        self.body = body
        self.bytes_taken += sum(map(len, body))
        return "full"


def compute_place_depth(start: bytes) -> int:
    """Return the depth of the largest place that begins at a key hash."""
    first = int.from_bytes(start, "big")
    return 256 - ((first & -first).bit_length() - 1) if first else 0
