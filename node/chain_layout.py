"""What the node's store holds beside the state: keys and records. docs/spec/storage.md says it in words.

Terms:
    canonical: on the chain of the head. Side blocks are stored too, with what they change, but have no index entries.
    record: what the block tree needs to know of a block without decoding it.

State values (`s`), undo records (`u`) and the state's height (`t`) belong to `chain.state_tree`.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from chain.header import Header
from chain.store import StoreDamaged

FORMAT_VERSION = 2
ADVICE = "Restore a copy of the folder, or remove it with `purge-chain` and synchronise again."

HEADER_PREFIX = b"h"
BODY_PREFIX = b"b"
RECORD_PREFIX = b"r"
NUMBER_PREFIX = b"c"
CANONICAL_PREFIX = b"n"
EVENTS_PREFIX = b"e"
EXTRINSIC_PREFIX = b"x"
SIDE_PREFIX = b"o"
STEP_PREFIX = b"l"
META_PREFIX = b"m"

T = TypeVar("T")


class BlockData(msgspec.Struct, frozen=True, kw_only=True):
    """One block as the node keeps it.

    Attributes:
        header: With its seal.
        extrinsics: As they were received.
        work_total: Work of the chain up to and with this block.
        justified_height: Height of the highest checkpoint that is justified in the state after the block.
        final_height: Height of the newest block that is final in that state.
        events: SCALE bytes of System.Events after the block.
        receipts: What else the node wants to keep about the block's execution.
    """

    header: Header
    extrinsics: tuple[bytes, ...]
    work_total: int
    justified_height: int = 0
    final_height: int = 0
    events: bytes = b""
    receipts: bytes = b""


class BlockRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A stored block's place in the tree; the work is big endian, as MessagePack's integers end at 2^64."""

    number: int
    parent: bytes
    state_root: bytes
    work: bytes
    justified_height: int
    final_height: int

    @property
    def work_total(self) -> int:
        """Work of the chain up to and with this block."""
        return int.from_bytes(self.work, "big")


class ExecutionRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What executing a canonical block left behind beside the state."""

    events: bytes
    receipts: bytes


class SideRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What executing a block off the canonical chain did: enough to join the chain without executing it again.

    Attributes:
        changes: What it changed over its parent's state (None: removed).
    """

    events: bytes
    receipts: bytes
    changes: dict[bytes, bytes | None]


class ExtrinsicPlace(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Where an extrinsic stands on the canonical chain."""

    block_hash: bytes
    index: int


class HeadRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A block of the canonical chain: its head, or the newest final block."""

    number: int
    hash: bytes


class StoreFormat(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Which layout, and which chain."""

    version: int
    genesis_hash: bytes


_encoder = msgspec.msgpack.Encoder()


def encode_record(record: msgspec.Struct | tuple[bytes, ...]) -> bytes:
    """Return the MessagePack of a record."""
    return _encoder.encode(record)


def decode_record(raw: bytes, kind: type[T], *, what: str) -> T:
    """Return the record in `raw`.

    Raises:
        StoreDamaged: the bytes are no such record.
    """
    try:
        return msgspec.msgpack.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise StoreDamaged(f"{what} cannot be read ({error})") from error


def make_block_record(data: BlockData) -> BlockRecord:
    """Return a block's record."""
    header = data.header
    return BlockRecord(
        number=header.number,
        parent=header.parent_hash,
        state_root=header.state_root,
        work=data.work_total.to_bytes((data.work_total.bit_length() + 7) // 8, "big"),
        justified_height=data.justified_height,
        final_height=data.final_height,
    )


def get_canonical_key(number: int) -> bytes:
    """Return the key under which the canonical hash at a height stands."""
    return CANONICAL_PREFIX + number.to_bytes(8, "big")


def get_number_key(number: int, block_hash: bytes) -> bytes:
    """Return the key that lists a block, canonical or not, under its height."""
    return NUMBER_PREFIX + number.to_bytes(8, "big") + block_hash


def get_meta_key(name: str) -> bytes:
    """Return the key of a named value."""
    return META_PREFIX + name.encode()


FORMAT_KEY = get_meta_key("format")
HEAD_KEY = get_meta_key("head")
FINAL_META = "final"
BODIES_META = "bodies"
"""Number of the first block whose body is stored, 8 bytes; absent where all are."""
