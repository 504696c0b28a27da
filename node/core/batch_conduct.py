"""What a cheat would commit: shots that no strike gave, the same whenever they are asked for.

Only nodes of development chains do so, on their operator's word, to show what it costs (`--misbehave fake-leaves`).
"""

from __future__ import annotations

from hashlib import shake_128


def make_fake_shots(key: bytes, index: int, size: int) -> bytes:
    """Return invented shots of a strike."""
    return shake_128(b"fake shots" + key + index.to_bytes(8, "little")).digest(size)
