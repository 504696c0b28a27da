"""How much money a block creates, and who may have it.

Terms:
    issuance of a height: what its block may create at most. The author earns it less the validators' share.
    pot: the validators' share of all blocks from one checkpoint to the next; included votes earn it.
"""

from __future__ import annotations

from functools import lru_cache

from chain.params import MoneyParams
from runtime.limits import BILLION

REWARD_ERA_BLOCKS = 1_000
_FIXED_ONE = 10**18


def compute_miner_reward(money: MoneyParams, height: int) -> int:
    """Return what the author of block `height` earns: the issuance less the validators' share."""
    # SPEC MNY-12: The author MUST earn the issuance less the validators' share, issued for included votes only.
    return _compute_issuance_at(money, height) - compute_validators_share(money, height)


def compute_validators_share(money: MoneyParams, height: int) -> int:
    """Return what validators may earn of the issuance of block `height`."""
    return _compute_issuance_at(money, height) * money.validator_share_ppb // BILLION


def _compute_issuance_at(money: MoneyParams, height: int) -> int:
    return _compute_issuance(money.reward_initial_planck, money.reward_decay_ppb, height // REWARD_ERA_BLOCKS)


@lru_cache(maxsize=16)
def _compute_issuance(initial: int, decay_ppb: int, era: int) -> int:
    # SPEC MNY-13: The issuance MUST be `initial * (1 - decay)^(1000 * era)`, by squaring in 10^-18, truncated.
    factor, square, exponent = _FIXED_ONE, (BILLION - decay_ppb) * (_FIXED_ONE // BILLION), era * REWARD_ERA_BLOCKS
    while exponent:
        if exponent & 1:
            factor = factor * square // _FIXED_ONE
        square = square * square // _FIXED_ONE
        exponent >>= 1
    return initial * factor // _FIXED_ONE
