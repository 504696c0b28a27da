"""Which chain is best, and how deep a block must lie to be final.

Invariant: the best block changes only for strictly more work, so the one seen first wins a tie.
"""

from __future__ import annotations

from chain.params import WorkParams


def is_better(candidate_work: int, best_work: int) -> bool:
    """Return whether a chain with `candidate_work` replaces the best one, which was seen first.

    Args:
        candidate_work: Sum of `compute_block_work` over the fully checked blocks of the candidate.
        best_work: The same of the present best chain.
    """
    # SPEC WRK-16: The best chain MUST be the one with the most work, on a tie the one seen first.
    return candidate_work > best_work


def compute_final_height(best_height: int, params: WorkParams) -> int:
    """Return the height of the highest final block on the best chain; genesis is always final."""
    # SPEC WRK-17: Until voting exists, a block of the best chain MUST count as final when final_depth blocks stand on
    # it.
    return max(0, best_height - params.final_depth)


def is_final(height: int, best_height: int, params: WorkParams) -> bool:
    """Return whether the block at `height` of the best chain is final."""
    return height <= compute_final_height(best_height, params)
