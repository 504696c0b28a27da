"""The target of the next block: aserti3-2d, an exponential moving target without memory.

The target depends only on the anchor and on how far the clock is ahead of schedule: it doubles for every half-life
behind schedule. All integers; times in milliseconds.

Terms:
    anchor: where the schedule starts; block 1, with its parent's time taken as one block target earlier.
    clock: the largest timestamp so far; an earlier timestamp, which the median rule permits, does not turn it back.
    pause rule: a step of the clock counts for at most two half-lives; the anchor moves by the rest, so a chain that
        stood still does not owe the blocks of that time.

Source: Bitcoin Cash upgrade specification 2020-11-15-asert, test vectors of Mark Lundeberg.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from chain.params import WorkParams
from chain.scale_shapes import U32, U64, U256

RADIX_BITS = 16
GAP_HALF_LIVES_MAX = 2


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """Where the schedule starts, kept in state.

    Attributes:
        height: Height of the anchor block.
        parent_time_ms: Time of the anchor's parent, later by all pauses so far.
        target: Target of the anchor block.
    """

    scale_path: ClassVar[tuple[str, ...]] = ("matchstrike", "Anchor")
    height: U32
    parent_time_ms: U64
    target: U256


def compute_largest_target(params: WorkParams) -> int:
    """Return the easiest target, so that target * weight never exceeds 2^256 - 1 where targets move."""
    # SPEC TGT-03: The largest target MUST be floor((2^256 - 1) / ticket_gas_max); with target_fixed, 2^256 - 1, so
    # that every ticket wins.
    return 2**256 - 1 if params.target_fixed else (2**256 - 1) // params.ticket_gas_max


def compute_initial_target(params: WorkParams) -> int:
    """Return the target of block 1."""
    largest = compute_largest_target(params)
    # SPEC TGT-04: The target of block 1 MUST be the largest target divided by target_initial_divisor, rounded down;
    # with target_fixed, the target of every block MUST be the largest target.
    return largest if params.target_fixed else max(1, largest // params.target_initial_divisor)


def make_first_anchor(*, timestamp_ms: int, params: WorkParams) -> Anchor:
    """Return the anchor that block 1 sets.

    Args:
        timestamp_ms: Time of block 1.
    """
    # SPEC TGT-05: The anchor MUST be block 1, the time of its parent taken as one block target before block 1's own
    # (not below 0).
    return Anchor(
        height=1,
        parent_time_ms=max(0, timestamp_ms - params.block_target_ms),
        target=compute_initial_target(params),
    )


def move_clock(clock_ms: int, *, timestamp_ms: int) -> int:
    """Return the clock after a block with this timestamp."""
    # SPEC TGT-10: The clock MUST be the largest timestamp of the chain's blocks so far, so that an earlier timestamp
    # does not turn it back.
    return max(clock_ms, timestamp_ms)


def move_anchor(anchor: Anchor, *, clock_before_ms: int, clock_ms: int, params: WorkParams) -> Anchor:
    """Return the anchor after a block: later by what the clock's step exceeds two half-lives (never for block 1)."""
    rest_ms = clock_ms - clock_before_ms - GAP_HALF_LIVES_MAX * params.half_life_ms
    if rest_ms <= 0:
        return anchor
    # SPEC TGT-06: When a block moves the clock by more than two half-lives, the anchor's parent time MUST grow by the
    # excess before the next target is computed.
    return Anchor(height=anchor.height, parent_time_ms=anchor.parent_time_ms + rest_ms, target=anchor.target)


def compute_target(anchor: Anchor, *, height: int, clock_ms: int, params: WorkParams) -> int:
    """Return the target of the block after the one at `height`.

    Args:
        height: Height of the parent, at least the anchor's.
        clock_ms: The clock after the parent.
    """
    largest = compute_largest_target(params)
    if params.target_fixed:
        return largest
    ahead_ms = clock_ms - anchor.parent_time_ms - params.block_target_ms * (height - anchor.height + 1)
    # SPEC TGT-07: The exponent MUST be (the clock's time since the anchor's parent - block target * blocks since it) *
    # 2^16 / half-life in ms, divided truncating towards zero.
    exponent = abs(ahead_ms << RADIX_BITS) // params.half_life_ms
    return _scale_target(anchor.target, exponent if ahead_ms >= 0 else -exponent, largest)


def _scale_target(target: int, exponent: int, largest: int) -> int:
    """Return target * 2^(exponent / 2^16) by the cubic approximation, inside 1..largest."""
    shift, fraction = exponent >> RADIX_BITS, exponent & 0xFFFF
    # SPEC TGT-08: The factor of a fraction f of 2^16 MUST be 2^16 + ((195766423245049 f + 971821376 f^2 + 5127 f^3 +
    # 2^47) >> 48), the product MUST be shifted right by 16 minus the whole part, and the result MUST be clamped to
    # 1..largest target.
    factor = 65536 + ((195766423245049 * fraction + 971821376 * fraction**2 + 5127 * fraction**3 + 2**47) >> 48)
    shift -= RADIX_BITS
    if shift > 256:
        return largest
    product = target * factor
    return min(max(product << shift if shift >= 0 else product >> -shift, 1), largest)
