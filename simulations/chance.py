"""All chance of a simulated world: from one seed, split by purpose.

Each purpose has its own stream, so that one draw more for one purpose changes no other. Python's Mersenne twister is
seeded by SHA-512 of the text, on every machine and in every process the same.
"""

from __future__ import annotations

from random import Random


class Chance:
    """Streams of random numbers, by purpose."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[tuple[str, ...], Random] = {}

    def get_stream(self, *purpose: str) -> Random:
        """Return the one stream of a purpose."""
        stream = self._streams.get(purpose)
        if stream is None:
            stream = self._streams[purpose] = Random(f"matchstrike simulation {self.seed}/{'/'.join(purpose)}")
        return stream

    def draw_delay_ms(self, mean_ms: float, *purpose: str) -> int:
        """Return an exponentially distributed time with this mean, 0 for a mean of 0."""
        return round(self.get_stream(*purpose).expovariate(1.0 / mean_ms)) if mean_ms > 0 else 0

    def is_hit(self, probability: float, *purpose: str) -> bool:
        """Return True with this probability; a probability of 0 draws nothing."""
        return probability > 0 and self.get_stream(*purpose).random() < probability
