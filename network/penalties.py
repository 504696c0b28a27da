"""What breaking the rules costs: points, of which 100 ban. The table of docs/spec/network.md.

A node of another chain, and one that relays an extrinsic that has become stale, did nothing wrong.
"""

from __future__ import annotations

from network.libp2p.protocol_error import RemoteProtocolError
from network.messages import BadMessage

BAN_POINTS = 100
BROKEN_RULE = 100  # frames, sizes, negotiations: no correct implementation sends them
GARBAGE = 25  # what does not decode
UNASKED = 5  # an answer to another question
LATE = 5  # does not read our answers
EXCESS = 1  # a message above the rate


def get_fault_points(error: RemoteProtocolError) -> int:
    """Return what a broken rule costs."""
    return GARBAGE if isinstance(error, BadMessage) else BROKEN_RULE
