"""What the simulator must reproduce before it is believed: known results, each beside what was measured.

Terms:
    row: one known number and its measurement; it passes when they are within three standard errors.
    sample: one independent run's value; the standard error is that of the mean of the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import msgspec

ERRORS_MAX = 3.0


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One known result.

    Attributes:
        table: Which known result.
        case: For which parameters.
        expected: What is known.
        measured: What the simulator gives.
        standard_error: Of the measurement; 0 where every sample must be the same.
        samples: Independent runs.
        blocks: Blocks that were simulated for it.
    """

    table: str
    case: str
    expected: float
    measured: float
    standard_error: float
    samples: int
    blocks: int

    @property
    def is_passed(self) -> bool:
        """Whether expectation and measurement agree within three standard errors."""
        return abs(self.measured - self.expected) <= ERRORS_MAX * self.standard_error


def make_mean_row(table: str, case: str, expected: float, samples: Sequence[float], *, blocks: int = 0) -> Row:
    """Return the row of a mean over independent samples."""
    count = len(samples)
    mean = sum(samples) / count
    variance = sum((sample - mean) ** 2 for sample in samples) / (count - 1)
    return Row(
        table=table,
        case=case,
        expected=expected,
        measured=mean,
        standard_error=sqrt(variance / count),
        samples=count,
        blocks=blocks,
    )


def make_share_row(table: str, case: str, expected: float, hits: int, *, count: int, blocks: int = 0) -> Row:
    """Return the row of a share of hits; its error is that of the expected share, so that no hit is judged too."""
    return Row(
        table=table,
        case=case,
        expected=expected,
        measured=hits / count,
        standard_error=sqrt(expected * (1 - expected) / count),
        samples=count,
        blocks=blocks,
    )
