"""Event records as SCALE bytes: phase, pallet index, event index, fields, no topics.

Source: frame_system::EventRecord.
"""

from __future__ import annotations

from collections.abc import Sequence

from chain.scale import encode_compact
from runtime.environment import FINALIZATION
from runtime.outcomes import EventRow
from runtime.runtime import get_events

_NO_TOPICS = b"\x00"


def encode_events(rows: Sequence[EventRow]) -> bytes:
    """Return the bytes of `Vec<EventRecord>`."""
    events = get_events()
    parts = [encode_compact(len(rows))]
    last, prefix = None, b""
    for phase, event in rows:
        if phase != last:
            last, prefix = phase, encode_phase(phase)
        entry = events[type(event)]
        parts += (prefix, entry.prefix, entry.codec.encode(event), _NO_TOPICS)
    return b"".join(parts)


def encode_phase(phase: int) -> bytes:
    """Return the bytes of a phase: an extrinsic index, or one of the two constants of runtime.environment."""
    if phase >= 0:
        return b"\x00" + phase.to_bytes(4, "little")
    return b"\x01" if phase == FINALIZATION else b"\x02"
