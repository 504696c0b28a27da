"""A body as a peer sends it: cheap checks against its proven or pending header, and the block's bytes."""

from __future__ import annotations

from typing import ClassVar

from chain.block import INHERENTS_MAX, SIGNED_BYTES_MIN, compute_extrinsics_root
from chain.scale import encode_compact

EXTRINSIC_OVERHEAD_BYTES = 48


class WrongBody(Exception):
    """A body that its header does not commit to, or that no block may have."""

    rule: ClassVar[str] = "SYN-11"


def check_body_of(extrinsics: tuple[bytes, ...], extrinsics_root: bytes, *, bytes_max: int) -> None:
    """Refuse a body that does not belong to a header; the counts come first, for the root costs a hash for each.

    Raises:
        WrongBody: it does not.
    """
    size = sum(map(len, extrinsics))
    # SPEC SYN-11: A body MUST have its header's extrinsics root before it counts as received.
    if size > bytes_max or len(extrinsics) > INHERENTS_MAX + size // SIGNED_BYTES_MIN:
        raise WrongBody(f"a body of {len(extrinsics)} extrinsics in {size} bytes")
    if compute_extrinsics_root(extrinsics) != extrinsics_root:
        raise WrongBody("the body is not the one that its header commits to")


def measure_body(extrinsics: tuple[bytes, ...]) -> int:
    """Return roughly how much memory a body takes."""
    return sum(map(len, extrinsics)) + EXTRINSIC_OVERHEAD_BYTES * len(extrinsics)


def join_block(header_raw: bytes, extrinsics: tuple[bytes, ...]) -> bytes:
    """Return the bytes of a block from its header's and its extrinsics'."""
    return b"".join((header_raw, encode_compact(len(extrinsics)), *extrinsics))
