"""Block times: above the median of the last eleven ancestors, and not too far in the future.

Invariant: a time in the future is never an error of the sender; the block waits.
"""

from __future__ import annotations

from chain.params import WorkParams
from consensus.errors import TimestampTooOld, TooFarAhead

MEDIAN_BLOCKS = 11


def compute_median(timestamps_ms: tuple[int, ...]) -> int | None:
    """Return the median of the last eleven times, the later one of the middle two; None without any."""
    last = sorted(timestamps_ms[-MEDIAN_BLOCKS:])
    return last[len(last) // 2] if last else None


def check_timestamp(timestamp_ms: int, recent_timestamps_ms: tuple[int, ...]) -> None:
    """Refuse a block time that is not later than the median of its ancestors'.

    Raises:
        TimestampTooOld: it is not.
    """
    median = compute_median(recent_timestamps_ms)
    # SPEC TIME-01: A block's timestamp MUST exceed the median of the timestamps of its last 11 ancestors (genesis has
    # none; of two in the middle the later).
    if median is not None and timestamp_ms <= median:
        raise TimestampTooOld(f"the timestamp {timestamp_ms} does not exceed the median {median} of the last blocks")


def check_not_ahead(timestamp_ms: int, *, now_ms: int, params: WorkParams) -> None:
    """Refuse, for now, a block that is too far in the future.

    Raises:
        TooFarAhead: the block must wait.
    """
    # SPEC TIME-02: A block more than ahead_ms_max ahead of the node's clock MUST be kept until its time comes, and its
    # sender not be punished.
    if timestamp_ms > now_ms + params.ahead_ms_max:
        raise TooFarAhead(timestamp_ms, now_ms)
