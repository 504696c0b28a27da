"""When to mine: always, for each extrinsic, or at an interval.

Terms:
    pow: mine all the time; a new template on a new head, else at most once per block target.
    instant: mine when an extrinsic is ready, and on until the block with the last one is final.
    interval: mine one block every so many milliseconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Sealing(msgspec.Struct, frozen=True, kw_only=True):
    """When blocks are made: by work alone, for each extrinsic, or at an interval."""

    mode: Literal["pow", "instant", "interval"] = "pow"
    interval_ms: int = 0


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether to make a template now.

    Attributes:
        made_ms: When the present template was made, None if there is none on the head.
        head_since_ms: When the head was imported, or the node started.
        has_ready: The pool has an extrinsic for a block.
        has_unsettled: A block that is not final yet holds signed extrinsics.
    """

    made_ms: int | None
    head_since_ms: int
    has_ready: bool
    has_unsettled: bool


def is_template_due(sealing: Sealing, situation: Situation, *, now_ms: int, block_target_ms: int) -> bool:
    """Return whether to make a template now."""
    made_ms = situation.made_ms
    match sealing.mode:
        case "pow":
            return made_ms is None or now_ms - made_ms >= block_target_ms
        case "instant":
            return made_ms is None and (situation.has_ready or situation.has_unsettled)
        case "interval":
            return made_ms is None and now_ms - situation.head_since_ms >= sealing.interval_ms
