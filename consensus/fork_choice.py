"""Which chain is best.

Terms:
    rank: what a chain is judged by, from the state after its newest block and the work of all its blocks.

Invariant: the best block changes only for a higher rank, so the one seen first wins a tie.

Source: Buterin, Griffith, arXiv:1710.09437, section "fork choice rule"; EIP-1011.
"""

from __future__ import annotations

import msgspec


class ChainRank(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """What a chain is judged by; the fields in the order of their weight.

    Attributes:
        justified_height: Height of the highest checkpoint that is justified in the state after its newest block.
        work_total: Sum of `compute_block_work` over its blocks, each fully checked.
    """

    justified_height: int
    work_total: int


def is_better(candidate: ChainRank, best: ChainRank) -> bool:
    """Return whether a chain replaces the best one, which was seen first."""
    # SPEC WRK-16: The best chain MUST be the one with the highest justified checkpoint, of these the one with the most
    # work, on a tie the one seen first.
    return candidate > best
