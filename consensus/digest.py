"""The digest of a mined header: who mined, what the ticket was drawn for, and the seal that proves it.

A header has exactly three log items: `PreRuntime("pow_", author)`, which block explorers read,
`PreRuntime("mswk", WorkDigest)`, and last `Seal("pow_", WorkSeal)`. The header without its seal goes into the work key.

Terms: problem, core epoch, weight, target, ticket: see docs/glossary.md.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from chain.header import POW_ENGINE, WORK_ENGINE, Digest, DigestItem, Header, PreRuntime, Seal
from chain.scale import CodecError, codec_of
from chain.scale_shapes import H256, U32, U64, U256, Limit
from consensus.errors import DigestMalformed, SealMalformed, SealMissing, WorkDigestMalformed

AUTHOR_BYTES = 32
POOL_SHOTS_BYTES_MAX = 8192


class WorkDigest(msgspec.Struct, frozen=True, kw_only=True):
    """What a ticket is drawn for; all of it must agree with the parent's post-state.

    Attributes:
        problem: Id of the pool problem, None for core work only.
        core_epoch: Epoch whose core problem the core strikes run on.
        weight: The most gas that a ticket can use.
        target: A ticket wins below target * the gas that it used.
        timestamp_ms: The block's time; the body's timestamp inherent repeats it.
    """

    scale_path: ClassVar[tuple[str, ...]] = ("matchstrike", "WorkDigest")
    problem: U64 | None
    core_epoch: U32
    weight: U64
    target: U256
    timestamp_ms: U64


class WorkSeal(msgspec.Struct, frozen=True, kw_only=True):
    """The winning ticket: everything in it follows from the work key and the index.

    Attributes:
        index: Which ticket of the work key.
        core_hash: Hash of the shots of all core strikes.
        pool_shots: Packed shots of the pool strike, empty without a pool problem.
    """

    scale_path: ClassVar[tuple[str, ...]] = ("matchstrike", "WorkSeal")
    index: U64
    core_hash: H256
    pool_shots: Annotated[bytes, Limit(POOL_SHOTS_BYTES_MAX)]


_WORK = codec_of(WorkDigest)
_SEAL = codec_of(WorkSeal)


def make_digest(author: bytes, work: WorkDigest) -> Digest:
    """Return the digest of a header before its seal."""
    if len(author) != AUTHOR_BYTES:
        raise ValueError(f"an author has {AUTHOR_BYTES} bytes, not {len(author)}")
    return Digest(
        logs=(
            PreRuntime(engine=POW_ENGINE, data=author),
            PreRuntime(engine=WORK_ENGINE, data=_WORK.encode(work)),
        )
    )


def make_seal(seal: WorkSeal) -> Seal:
    """Return the log item that seals a header."""
    return Seal(engine=POW_ENGINE, data=_SEAL.encode(seal))


def read_author(header: Header) -> bytes:
    """Return the author's public key, 32 bytes; the header may be sealed or not.

    Raises:
        DigestMalformed: the log items are not those of a mined header.
    """
    return _get_items(header)[0].data


def read_work(header: Header) -> WorkDigest:
    """Return what the ticket is drawn for; the header may be sealed or not.

    Raises:
        DigestMalformed: the log items are not those of a mined header.
        WorkDigestMalformed: the work item's bytes are not canonical.
    """
    data = _get_items(header)[1].data
    try:
        return _WORK.decode(data)
    except CodecError as error:
        # SPEC WRK-02: The data of the work item MUST be the canonical SCALE of problem (Option<u64>), core epoch (u32),
        # weight (u64), target (u256) and timestamp (u64, ms).
        raise WorkDigestMalformed(f"the work item is malformed: {error}") from error


def read_seal(header: Header) -> WorkSeal:
    """Return the seal.

    Raises:
        SealMissing: the header is not sealed by this engine.
        SealMalformed: the seal's bytes are not canonical.
    """
    seal = header.seal
    # SPEC SEAL-01: The last log item of a header above genesis MUST be Seal("pow_", data).
    if seal is None or seal.engine != POW_ENGINE:
        raise SealMissing("the header has no proof-of-work seal")
    try:
        return _SEAL.decode(seal.data)
    except CodecError as error:
        # SPEC SEAL-02: The data of the seal MUST be the canonical SCALE of index (u64), core hash (32 bytes) and pool
        # shots (at most 8192 bytes).
        raise SealMalformed(f"the seal is malformed: {error}") from error


def _get_items(header: Header) -> tuple[PreRuntime, PreRuntime]:
    logs: tuple[DigestItem, ...] = header.digest.logs
    if header.seal is not None:
        logs = logs[:-1]
    # SPEC WRK-01: A header above genesis MUST have exactly the log items PreRuntime("pow_", author of 32 bytes),
    # PreRuntime("mswk", work) and the seal, in this order.
    if len(logs) != 2:
        raise DigestMalformed(f"{len(logs)} log items stand before the seal, not 2")
    author, work = logs
    if not isinstance(author, PreRuntime) or author.engine != POW_ENGINE or len(author.data) != AUTHOR_BYTES:
        raise DigestMalformed("the first log item does not name the author")
    if not isinstance(work, PreRuntime) or work.engine != WORK_ENGINE:
        raise DigestMalformed("the second log item is not the work item")
    return author, work
