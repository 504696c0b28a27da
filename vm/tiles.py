"""How the kernels cut registers and tables into parts: what they, programs and gas have to agree on."""

from __future__ import annotations

from collections.abc import Sequence

from vm.schedule import Step

TILE_BITS = 8
TILE = 1 << TILE_BITS  # amplitudes that the kernels handle at a time
LOW_BITS = 8  # a sweep's low terms touch a position below
MIDDLE_MAX = 12  # rotations by a sweep's low terms stay in cache
BLOCK_BITS = 12  # amplitudes that stay in cache while the lower positions are mixed
NARROW = 6  # positions below have rows too short for vectors and are mixed in pairs of fixed shape
NEAR = 7  # positions from here on down are mixed in threes of fixed shape, if all three are to be mixed
TAIL_BITS = 6  # smaller registers of a suffix are finished side by side
FACTORS_KEPT_BITS = 14  # larger tables of factors are made at each visit


def compute_middle(live: int) -> int:
    """Return the position that divides a sweep's low terms from its cross terms, so that both have few phases."""
    return min(live, MIDDLE_MAX, (live + LOW_BITS) >> 1)


def compute_block_bits(live: int) -> int:
    """Return from which position on a run mixes through the whole register and not block by block."""
    return BLOCK_BITS + max(0, live - BLOCK_BITS) % 3


def count_chain(positions: Sequence[int], k: int) -> int:
    """Return how many positions one pass mixes from the k-th on: those that follow each other, as far as kernels go."""
    position, chain = positions[k], 1
    while chain < 3 and k + chain < len(positions) and positions[k + chain] == position - chain:
        chain += 1
    if chain == 3 and position in (NEAR, NEAR - 3):
        return 3
    if position >= NARROW:
        return min(chain, position - NEAR if position > NEAR else position - NARROW + 1)
    return min(chain, 1 + position % 2)


def list_highs(step: Step) -> list[int]:
    """Return the positions beyond a tile that a step's phases depend on."""
    positions = {other for _, other, *_ in step.couplings}
    if not step.measured:
        positions.add(step.position)
    return sorted(position for position in positions if position >= TILE_BITS)


def count_factor_bits(step: Step) -> int:
    """Return how many bits the rotations of a step depend on that is no sweep: its table of factors has 2^bits."""
    return min(step.live - step.measured, TILE_BITS) + len(list_highs(step))
