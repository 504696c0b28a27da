"""Headers and digests, byte for byte as Substrate has them.

Terms:
    digest: the header's log items; a seal is the last item and is popped to get what the work commits to.
    pre-seal header: the header without its seal; `SCALE(pre-seal header)` goes into the work key.

Invariants: at most one seal, and it is the last item.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar, TypeAlias, cast

import msgspec

from chain.hashing import blake2b_256
from chain.scale import Codec, CodecError, LimitExceeded, TrailingBytes, UnexpectedEnd, codec_of_alias
from chain.scale_shapes import H256, Bytes4, CompactU32, Enum

POW_ENGINE = b"pow_"
WORK_ENGINE = b"mswk"
HEADER_BYTES_MAX = 16384


class InvalidHeader(CodecError):
    """Bytes that are no header."""

    rule: ClassVar[str] = "HDR-01"


class MisplacedSeal(InvalidHeader):
    """More than one seal, or a seal with log items after it."""

    rule: ClassVar[str] = "HDR-02"


class Other(msgspec.Struct, frozen=True, kw_only=True):
    """A digest item without an engine."""

    scale_index: ClassVar[int] = 0
    scale_unnamed: ClassVar[bool] = True
    data: bytes


class Consensus(msgspec.Struct, frozen=True, kw_only=True):
    """A message from the runtime to an engine."""

    scale_index: ClassVar[int] = 4
    scale_unnamed: ClassVar[bool] = True
    engine: Bytes4
    data: bytes


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """What proves the work; the last item."""

    scale_index: ClassVar[int] = 5
    scale_unnamed: ClassVar[bool] = True
    engine: Bytes4
    data: bytes


class PreRuntime(msgspec.Struct, frozen=True, kw_only=True):
    """What the runtime is told before it executes the block."""

    scale_index: ClassVar[int] = 6
    scale_unnamed: ClassVar[bool] = True
    engine: Bytes4
    data: bytes


class RuntimeEnvironmentUpdated(msgspec.Struct, frozen=True, kw_only=True):
    """A mark that the runtime changed."""

    scale_index: ClassVar[int] = 8


DigestItem: TypeAlias = Annotated[
    Other | Consensus | Seal | PreRuntime | RuntimeEnvironmentUpdated,
    Enum(("sp_runtime", "generic", "digest", "DigestItem")),
]


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """The log items of a header."""

    scale_path: ClassVar[tuple[str, ...]] = ("sp_runtime", "generic", "digest", "Digest")
    logs: tuple[DigestItem, ...] = ()


class Header(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A block's header.

    Attributes:
        parent_hash: blake2b-256 of the parent's encoded header, seal included.
        number: Height; genesis is 0.
        state_root: Root after this block.
        extrinsics_root: Merkle root of the body.
        digest: Log items.
    """

    parent_hash: H256
    number: CompactU32
    state_root: H256
    extrinsics_root: H256
    digest: Digest

    @cached_property
    def hash(self) -> bytes:
        """The block's hash: blake2b-256 of the encoded header."""
        return blake2b_256(encode_header(self))

    @property
    def seal(self) -> Seal | None:
        """The seal, if the last log item is one."""
        last = self.digest.logs[-1] if self.digest.logs else None
        return last if isinstance(last, Seal) else None


_HEADER = cast("Codec[Header]", codec_of_alias(Header))
_ITEM = cast("Codec[DigestItem]", codec_of_alias(DigestItem))


def encode_header(header: Header) -> bytes:
    """Return the SCALE bytes of a header."""
    return _HEADER.encode(header)


def decode_header(data: bytes) -> Header:
    """Return the header whose bytes are exactly `data`.

    Raises:
        InvalidHeader: too many bytes; MisplacedSeal.
        CodecError: the bytes are no canonical header.
    """
    header, end = decode_header_prefix(data, 0)
    if end != len(data):
        raise TrailingBytes(f"{len(data) - end} bytes follow a header")
    return header


def decode_header_prefix(data: bytes, start: int) -> tuple[Header, int]:
    """Return the header that begins at `start` and where it ends; see `decode_header`."""
    # SPEC HDR-01: An encoded header MUST NOT exceed 16384 bytes.
    window = data[start : start + HEADER_BYTES_MAX + 1]
    try:
        header, size = _HEADER.decode_prefix(window, 0)
    except (UnexpectedEnd, LimitExceeded) as error:
        if len(window) <= HEADER_BYTES_MAX:
            raise
        raise InvalidHeader(f"a header of more than {HEADER_BYTES_MAX} bytes") from error
    if size > HEADER_BYTES_MAX:
        raise InvalidHeader(f"a header of {size} bytes is too large")
    # SPEC HDR-02: A header MUST NOT have a seal other than as its last log item.
    if any(isinstance(item, Seal) for item in header.digest.logs[:-1]):
        raise MisplacedSeal(f"a seal with log items after it in header #{header.number}")
    return header, start + size


def encode_digest_item(item: DigestItem) -> bytes:
    """Return the SCALE bytes of one log item."""
    return _ITEM.encode(item)


def decode_digest_item(data: bytes) -> DigestItem:
    """Return the log item whose bytes are exactly `data`."""
    return _ITEM.decode(data)


def make_unsealed(header: Header) -> Header:
    """Return the header without its seal."""
    if header.seal is None:
        return header
    return _with_logs(header, header.digest.logs[:-1])


def make_sealed(header: Header, seal: Seal) -> Header:
    """Return the unsealed header with the seal as its last log item."""
    return _with_logs(header, (*make_unsealed(header).digest.logs, seal))


def _with_logs(header: Header, logs: tuple[DigestItem, ...]) -> Header:
    return Header(
        parent_hash=header.parent_hash,
        number=header.number,
        state_root=header.state_root,
        extrinsics_root=header.extrinsics_root,
        digest=Digest(logs=logs),
    )
