"""How much work a peer may cause with how few bytes: reads, records and frames. The time is an argument. No I/O here.

Terms:
    piece: one read from the socket, one record or one frame. Bytes that pass pay for pieces, 256 received or 64 sent
        for each: who reads our data grants window with small frames. So bulk is free, and so is the answer to our own
        data; what remains is pings, window updates, empty frames and records, streams opened for nothing, single bytes.

Source: docs/spec/network.md.
"""

from __future__ import annotations

import msgspec

from network.libp2p.protocol_error import PieceFlood

_RECEIVED_BYTES = 256
_SENT_BYTES = 64
_FORGET = 6  # held time is forgotten at a sixth of the time that passes


class PaceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection may cause.

    Attributes:
        pieces_per_s: Unpaid pieces, sustained.
        burst: Unpaid pieces at once.
        wait_ms_max: Longest time of not reading.
        held_ms_max: After so long a time of not reading, hardly interrupted, the peer is disconnected.
    """

    pieces_per_s: int = 2_000
    burst: int = 10_000
    wait_ms_max: int = 10_000
    held_ms_max: int = 20_000


class Pace:
    """One connection's account."""

    def __init__(self, limits: PaceLimits, now_ms: int) -> None:
        """Everything is free at first, up to the burst."""
        self._limits = limits
        self._tokens = float(limits.burst)
        self._at_ms = now_ms
        self._held_ms = 0.0

    def take(self, pieces: int, received: int, sent: int, now_ms: int) -> int:
        """Count pieces and the bytes that passed with them; return for how many milliseconds to stop reading.

        Raises:
            PieceFlood: the peer has been held back for too long.
        """
        # SPEC NET-45: Reads, records and frames that bytes do not pay for MUST be taken no faster than 2,000 a second
        # (10,000 at once) from one connection; a peer that is held back by it for 20 s is disconnected.
        limits = self._limits
        passed = max(0, now_ms - self._at_ms)
        self._at_ms = now_ms
        self._held_ms = max(0.0, self._held_ms - passed / _FORGET)
        self._tokens = min(limits.burst, self._tokens + passed * limits.pieces_per_s / 1_000)
        self._tokens -= max(0.0, pieces - received / _RECEIVED_BYTES - sent / _SENT_BYTES)
        if self._tokens >= 0:
            return 0
        wait_ms = min(limits.wait_ms_max, int(-self._tokens * 1_000 / limits.pieces_per_s) + 1)
        self._held_ms += wait_ms
        if self._held_ms > limits.held_ms_max:
            raise PieceFlood("the peer goes on sending next to nothing in very many pieces")
        return wait_ms
