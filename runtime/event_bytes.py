"""Event records as SCALE bytes: phase, pallet index, event index, fields, no topics.

Source: frame_system::EventRecord.
"""

from __future__ import annotations

from collections.abc import Sequence

from chain.scale import encode_compact
from runtime.environment import FINALIZATION
from runtime.outcomes import EventRow
from runtime.pallets.system import ExtrinsicSuccess
from runtime.runtime import get_events

_NO_TOPICS = b"\x00"


def encode_events(rows: Sequence[EventRow]) -> bytes:
    """Return the bytes of `Vec<EventRecord>`."""
    events = get_events()
    shared: dict[int, bytes] = {}  # bytes of the success events, of which a block has few distinct objects
    parts = [encode_compact(len(rows))]
    last, prefix = None, b""
    for phase, event in rows:
        if phase != last:
            last, prefix = phase, encode_phase(phase)
        kind = type(event)
        if kind is ExtrinsicSuccess:
            data = shared.get(id(event))
            if data is None:
                entry = events[kind]
                data = shared[id(event)] = entry.prefix + entry.codec.encode(event) + _NO_TOPICS
            parts += (prefix, data)
        else:
            entry = events[kind]
            parts += (prefix, entry.prefix, entry.codec.encode(event), _NO_TOPICS)
    return b"".join(parts)


def encode_phase(phase: int) -> bytes:
    """Return the bytes of a phase: an extrinsic index, or one of the two constants of runtime.environment."""
    if phase >= 0:
        return b"\x00" + phase.to_bytes(4, "little")
    return b"\x01" if phase == FINALIZATION else b"\x02"
