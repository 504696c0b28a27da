"""Blocks: a header and the extrinsics' bytes.

Invariant: a `Block` that `decode_block` returned has the body its header commits to; what the extrinsics say is not
judged here.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from chain.header import Header, decode_header_prefix, encode_header
from chain.merkle import compute_root
from chain.scale import CodecError, LimitExceeded, TrailingBytes, UnexpectedEnd, decode_compact, encode_compact

INHERENTS_MAX = 16
SIGNED_BYTES_MIN = 100


class InvalidBody(CodecError):
    """A body that its header does not commit to."""

    rule: ClassVar[str] = "BLK-01"


class BlockTooLarge(CodecError):
    """More bytes than a block may have."""

    rule: ClassVar[str] = "BLK-02"


class TooManyExtrinsics(CodecError):
    """More extrinsics than so many bytes can hold in earnest."""

    rule: ClassVar[str] = "BLK-03"


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A header and its body, each extrinsic with its length prefix."""

    header: Header
    extrinsics: tuple[bytes, ...]

    @property
    def hash(self) -> bytes:
        """The header's hash."""
        return self.header.hash


def compute_extrinsics_root(extrinsics: tuple[bytes, ...]) -> bytes:
    """Return the Merkle root that the header carries."""
    return compute_root(extrinsics)


def encode_block(block: Block) -> bytes:
    """Return header, count and extrinsics (each has its own length)."""
    return b"".join((encode_header(block.header), encode_compact(len(block.extrinsics)), *block.extrinsics))


def decode_block(data: bytes, *, bytes_max: int) -> Block:
    """Return the block whose bytes are exactly `data`.

    Raises:
        BlockTooLarge: more than `bytes_max` bytes.
        TooManyExtrinsics: more than its bytes can hold in earnest.
        InvalidBody: the extrinsics do not have the header's root.
        CodecError: the bytes are not canonical.
    """
    # SPEC BLK-02: An encoded block MUST NOT exceed the chain spec's largest block length.
    if len(data) > bytes_max:
        raise BlockTooLarge(f"a block of {len(data)} bytes; at most {bytes_max} are allowed")
    header, position = decode_header_prefix(data, 0)
    count, position = decode_compact(data, position, 4)
    if count > len(data) - position:
        raise LimitExceeded(f"{count} extrinsics do not fit into {len(data) - position} bytes")
    # SPEC BLK-03: A block MUST NOT have more extrinsics than 16 and one for each 100 bytes of its body.
    if count > INHERENTS_MAX + (len(data) - position) // SIGNED_BYTES_MIN:
        raise TooManyExtrinsics(f"{count} extrinsics in a body of {len(data) - position} bytes")
    extrinsics: list[bytes] = []
    for _ in range(count):
        length, start = decode_compact(data, position, 4)
        if start + length > len(data):
            raise UnexpectedEnd("the bytes end inside an extrinsic")
        extrinsics.append(data[position : start + length])
        position = start + length
    if position != len(data):
        raise TrailingBytes(f"{len(data) - position} bytes follow a block")
    block = Block(header=header, extrinsics=tuple(extrinsics))
    check_body(block)
    return block


def check_body(block: Block) -> None:
    """Refuse a body that the header does not commit to.

    Raises:
        InvalidBody: the roots differ.
    """
    actual = compute_extrinsics_root(block.extrinsics)
    # SPEC BLK-01: The Merkle root of a block's extrinsics MUST equal the header's extrinsics root.
    if actual != block.header.extrinsics_root:
        raise InvalidBody(
            f"the body has the root 0x{actual.hex()}, the header says 0x{block.header.extrinsics_root.hex()}"
        )
