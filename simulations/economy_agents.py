"""Who takes part in the economy: miners who come and go, and validators who bond where it pays.

Amounts of the world outside are dollars; a token's price is an assumption of the run.

Terms:
    core-hour: one core that runs strikes for an hour. income: what a core-hour of mining earned, in planck.
    wanted: what a validator must earn a year on its stake, as a share, to bond it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

import msgspec

from chain.params import UNIT_PLANCK, Params
from runtime.issuance import compute_validators_share
from simulations.verification_cost import REFERENCE

HOUR_MS = 3_600_000
GAS_PER_CORE_MS = 1 / (1000 * REFERENCE.per_gas)


class Miner(msgspec.Struct, frozen=True, kw_only=True):
    """A miner, with what a core-hour costs it in dollars."""

    name: str
    cores: float
    core_hour_usd: float


class Validator(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with this share of all tokens, who bonds them for a yield."""

    name: str
    holds: float
    wanted: float


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """Who finds the next block, and when."""

    author: str
    delay_ms: int


class MiningMarket:
    """The miners, and who of them mines now."""

    def __init__(self, miners: Sequence[Miner], active: Iterable[str], price_usd: float) -> None:
        """Begin with these at work.

        Args:
            price_usd: Of a token.
        """
        self.miners = tuple(sorted(miners, key=lambda miner: (miner.core_hour_usd, miner.name)))
        self.active = set(active)
        self._price_usd = price_usd
        assert self.active, "somebody mines"

    @property
    def cores(self) -> float:
        """Cores that mine now."""
        return sum(miner.cores for miner in self.miners if miner.name in self.active)

    @property
    def largest(self) -> str:
        """The miner at work with the most cores."""
        return max((miner.cores, miner.name) for miner in self.miners if miner.name in self.active)[1]

    def compute_target(self, params: Params) -> int:
        """Return the target at which these make a block each block target."""
        return round(2**256 / (self.cores * GAS_PER_CORE_MS * params.work.block_target_ms))

    def draw_block(self, target: int, chance: Random) -> Draw:
        """Return who finds a block first at this target."""
        working = [miner for miner in self.miners if miner.name in self.active]
        rate = self.cores * GAS_PER_CORE_MS * (target / 2**256)
        delay_ms = max(1, round(chance.expovariate(rate)))
        return Draw(author=chance.choices(working, [miner.cores for miner in working])[0].name, delay_ms=delay_ms)

    def compute_cost(self, miner: Miner) -> float:
        """Return what a core-hour costs a miner, in planck."""
        return miner.core_hour_usd / self._price_usd * UNIT_PLANCK

    def review(self, income: float) -> None:
        """Let the dearest miner that loses stop, or else the cheapest idle one begin that would still gain."""
        working = [miner for miner in self.miners if miner.name in self.active]
        if self.compute_cost(working[-1]) > income and len(working) > 1:
            self.active.remove(working[-1].name)
            return
        for miner in self.miners:
            if miner.name not in self.active:
                shared = income * self.cores / (self.cores + miner.cores)
                if shared > self.compute_cost(miner):
                    self.active.add(miner.name)
                return


def make_miners(count: int, *, cores: float, core_hour_usd: float, chance: Random) -> tuple[Miner, ...]:
    """Return miners of a quarter to four times a size, whose costs are half to three times the usual."""
    return tuple(
        Miner(
            name=f"miner {number}",
            cores=round(cores * 4.0 ** chance.uniform(-1, 1), 2),
            core_hour_usd=core_hour_usd * 0.5 * 6.0 ** chance.random(),
        )
        for number in range(count)
    )


def make_validators(count: int, *, chance: Random) -> tuple[Validator, ...]:
    """Return holders of 2 to 6 % of all tokens each, who want 2 to 15 % a year."""
    return tuple(
        Validator(name=f"validator {number}", holds=chance.uniform(0.02, 0.06), wanted=chance.uniform(0.02, 0.15))
        for number in range(count)
    )


def choose_validators(
    validators: Sequence[Validator], *, issuance: int, height: int, params: Params, blocks_a_year: float
) -> dict[str, int]:
    """Return who bonds how much: the most modest first, as long as what all would earn is what each one wants."""
    pot = compute_validators_share(params.money, height) * blocks_a_year
    stakes: dict[str, int] = {}
    for validator in sorted(validators, key=lambda item: (item.wanted, item.name)):
        stake = int(issuance * validator.holds)
        total = sum(stakes.values()) + stake
        if stake >= params.staking.bond_min_planck and pot / total >= validator.wanted:
            stakes[validator.name] = stake
    return stakes
