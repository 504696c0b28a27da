"""What nodes of one chain say to each other: records, and their one encoding.

Terms:
    notice: a message that wants no answer. request, answer: a pair on one stream.
    header, extrinsic: their SCALE bytes, as `chain.header` and `chain.extrinsic` have them; opaque here.

Invariants: a message has one encoding (MessagePack, records as arrays that begin with their number); what differs from
it by a byte is refused, and so is what exceeds a bound. No I/O here.

Source: docs/spec/network.md.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias, TypeVar

import msgspec

from chain.block import INHERENTS_MAX, SIGNED_BYTES_MIN
from network.libp2p.protocol_error import RemoteProtocolError

NOTICE_BYTES_MAX = 64 * 1024
REQUEST_BYTES_MAX = 16 * 1024
ANSWER_BYTES_MAX = 8 * 1024 * 1024
HEADERS_MAX = 512
BODIES_MAX = 64
LOCATOR_MAX = 64
EXTRINSICS_MAX = 480  # what a request has room for
INVENTORY_MAX = 1_024
STEPS_MAX = 256
STEP_BYTES_MAX = 98_304
PAIRS_MAX = 65_536

Hash: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Height: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=HEADERS_MAX)]
Step: TypeAlias = Annotated[bytes, msgspec.Meta(max_length=STEP_BYTES_MAX)]
T = TypeVar("T")


class BadMessage(RemoteProtocolError):
    """Bytes that are no message of this protocol, or not its one encoding."""

    rule: ClassVar[str] = "NET-25"


class Status(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=0):
    """Who a node is and how far its chain goes; sent at connect and when its best block changes.

    Attributes:
        version: Of these messages.
        justified_height: Of the best chain; with `work` what fork choice compares. A claim until the blocks are here.
        work: Total work of the best chain, big endian without leading zeros.
    """

    version: Annotated[int, msgspec.Meta(ge=0, lt=2**16)]
    genesis: Hash
    best_number: Height
    best_hash: Hash
    justified_height: Height
    work: Annotated[bytes, msgspec.Meta(max_length=40)]
    final_number: Height
    final_hash: Hash
    is_authority: bool


class ExtrinsicInventory(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=1):
    """Extrinsics that a node's pool has, by hash."""

    hashes: Annotated[tuple[Hash, ...], msgspec.Meta(min_length=1, max_length=INVENTORY_MAX)]


class GetHeaders(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=8):
    """Headers of your best chain after the first block of my locator that is on it.

    Attributes:
        locator: Hashes of my chain, newest first; the last one is final or genesis.
    """

    locator: Annotated[tuple[Hash, ...], msgspec.Meta(min_length=1, max_length=LOCATOR_MAX)]
    count: Count


class GetBodies(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=9):
    """The extrinsics of these blocks."""

    hashes: Annotated[tuple[Hash, ...], msgspec.Meta(min_length=1, max_length=BODIES_MAX)]


class GetExtrinsics(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=10):
    """Extrinsics of your pool."""

    hashes: Annotated[tuple[Hash, ...], msgspec.Meta(min_length=1, max_length=EXTRINSICS_MAX)]


class GetFinality(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=11):
    """The finality steps of your chain from this checkpoint of mine on; its own step comes first, block 0 has none."""

    start: Hash


class GetAncestors(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=12):
    """The headers of the blocks before this one, as Headers, newest first."""

    start: Hash
    count: Count


class GetStatePart(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=13):
    """The pairs of the state after this final block whose key hashes begin at `start`.

    Attributes:
        depth_min: The fewest leading bits that these key hashes have to share.
        bytes_max: About how much the answer may hold; more only where one pair alone is larger.
    """

    block_hash: Hash
    start: Hash
    depth_min: Annotated[int, msgspec.Meta(ge=0, le=255)]
    bytes_max: Annotated[int, msgspec.Meta(ge=1, le=ANSWER_BYTES_MAX)]


class Headers(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=16):
    """Headers in a row, oldest first; none if no block of the locator is on my best chain, or nothing follows."""

    headers: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=HEADERS_MAX)]


class Bodies(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=17):
    """The extrinsics of the blocks asked for, in their order; None for one I lack. A shorter list holds what fits."""

    bodies: Annotated[tuple[tuple[bytes, ...] | None, ...], msgspec.Meta(max_length=BODIES_MAX)]


class Extrinsics(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=18):
    """Those of the extrinsics asked for that I still have."""

    extrinsics: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=EXTRINSICS_MAX)]


class FinalitySteps(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=19):
    """Finality steps, each on the one before; none if I do not know the checkpoint asked from, or nobody votes."""

    steps: Annotated[tuple[Step, ...], msgspec.Meta(max_length=STEPS_MAX)]


class StatePart(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=20):
    """All pairs of one place of a state's tree, as `chain.state_part.Part` has them."""

    depth: Annotated[int, msgspec.Meta(ge=0, le=255)]
    pairs: Annotated[tuple[tuple[bytes, bytes], ...], msgspec.Meta(max_length=PAIRS_MAX)]
    siblings: Annotated[tuple[Hash, ...], msgspec.Meta(max_length=255)]
    other: Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)] | None


Notice: TypeAlias = Status | ExtrinsicInventory
Request: TypeAlias = GetHeaders | GetBodies | GetExtrinsics | GetFinality | GetAncestors | GetStatePart
Answer: TypeAlias = Headers | Bodies | Extrinsics | FinalitySteps | StatePart
Message: TypeAlias = Notice | Request | Answer

_encoder = msgspec.msgpack.Encoder()
_notices: msgspec.msgpack.Decoder[Notice] = msgspec.msgpack.Decoder(Notice)
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


class _UnreadBodies(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=17):
    """`Bodies` whose extrinsics stay bytes."""

    bodies: Annotated[tuple[msgspec.Raw, ...], msgspec.Meta(max_length=BODIES_MAX)]


_unread_bodies: msgspec.msgpack.Decoder[_UnreadBodies] = msgspec.msgpack.Decoder(_UnreadBodies)
_BODIES_BEGIN = b"\x92\x11"


def encode_message(message: Message) -> bytes:
    """Return the one encoding of a message."""
    return _encoder.encode(message)


def decode_notice(data: bytes) -> Notice:
    """Return the notice in `data`.

    Raises:
        BadMessage: it is none, too large, or not encoded canonically.
    """
    return _decode(_notices, data, NOTICE_BYTES_MAX)


def decode_request(data: bytes) -> Request:
    """Return the request in `data`; raises BadMessage."""
    return _decode(_requests, data, REQUEST_BYTES_MAX)


def decode_answer(data: bytes) -> Answer:
    """Return the answer in `data`; raises BadMessage."""
    if data.startswith(_BODIES_BEGIN) and len(data) <= ANSWER_BYTES_MAX:
        _check_counts(data)
    return _decode(_answers, data, ANSWER_BYTES_MAX)


def _check_counts(data: bytes) -> None:
    """Refuse bodies of more extrinsics than blocks of so many bytes have, before each becomes an object."""
    # SPEC NET-51: A body of more extrinsics than a block of its bytes can have MUST be refused before they are decoded.
    try:
        bodies = _unread_bodies.decode(data).bodies
    except msgspec.DecodeError as error:
        raise BadMessage(f"the bytes are no message: {error}") from error
    for body in bodies:
        raw = memoryview(body)
        count = _read_count(raw)
        if count > INHERENTS_MAX + len(raw) // SIGNED_BYTES_MIN:
            raise BadMessage(f"a body of {count} extrinsics in {len(raw)} bytes")


def _read_count(raw: memoryview) -> int:
    """Return how many items a MessagePack array has; 0 for anything else, which the decoder judges."""
    first = raw[0]
    if first & 0xF0 == 0x90:
        return first & 0x0F
    width = {0xDC: 2, 0xDD: 4}.get(first, 0)
    return int.from_bytes(raw[1 : 1 + width], "big")


def _decode(decoder: msgspec.msgpack.Decoder[T], data: bytes, bytes_max: int) -> T:
    # SPEC NET-25: A message MUST be the canonical MessagePack of a known record within its bounds.
    if len(data) > bytes_max:
        raise BadMessage(f"a message of {len(data)} bytes exceeds {bytes_max}")
    try:
        message = decoder.decode(data)
    except msgspec.DecodeError as error:
        raise BadMessage(f"the bytes are no message: {error}") from error
    if _encoder.encode(message) != data:
        raise BadMessage("the message is not in its one encoding")
    return message
