"""Selfish mining: the revenue of Eyal and Sirer, and the shares of power at which it begins to pay.

Three nodes: the attacker, and two groups of many small honest miners. Of two branches of equal work a node keeps the
first it saw; the attacker reaches one group before an honest finder does, the other after, so the first group's share
of the honest power is the gamma of the paper. Everybody else's choices are fork choice's.

Source: Eyal, Sirer, Majority is not Enough, arXiv:1311.0243, algorithm 1 and equation 8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

from chain.params import WorkParams
from simulations.bare_node import BareBlock, BareChain, BareNode
from simulations.selfish import SelfishPlan
from simulations.validation import Row, make_mean_row

BLOCK_MS = 600_000
PARAMS = WorkParams(target_fixed=True, block_target_ms=BLOCK_MS)
ATTACKER = "attacker"
RUNS, RUN_BLOCKS = 40, 5_000

REVENUE_CASES = ((0.4, 0.0), (0.35, 0.5), (0.4, 1.0))
THRESHOLDS = ((0.0, 1 / 3), (0.5, 1 / 4))
STEP = 0.05


def compute_revenue(alpha: float, gamma: float) -> float:
    """Return a selfish miner's share of the blocks (equation 8)."""
    own = alpha * (1 - alpha) ** 2 * (4 * alpha + gamma * (1 - 2 * alpha)) - alpha**3
    return own / (1 - alpha * (1 + (2 - alpha) * alpha))


class SelfishMiner:
    """Keeps what it finds, and publishes by the plan."""

    def __init__(self, chain: BareChain) -> None:
        """Begin with nothing in hand."""
        self.node = BareNode(chain)
        self.plan = SelfishPlan()
        self._hidden: list[BareBlock] = []
        self._public = 0  # height of the highest block that others have

    def on_mined(self, block: BareBlock) -> list[BareBlock]:
        """Return what to publish after finding a block."""
        lead = self.node.best.number - self._public
        self.node.receive(block)
        self._hidden.append(block)
        return self._publish(self.plan.on_mined(lead))

    def on_heard(self, block: BareBlock) -> list[BareBlock]:
        """Return what to publish after others found a block."""
        lead = self.node.best.number - self._public
        self.node.receive(block)
        self._public = max(self._public, block.number)
        return self._publish(self.plan.on_heard(lead))

    def _publish(self, count: int) -> list[BareBlock]:
        shown, self._hidden = self._hidden[:count], self._hidden[count:]
        if shown:
            self._public = max(self._public, shown[-1].number)
        return shown


class HonestGroup:
    """Many small honest miners who hear everything in the same order."""

    def __init__(self, chain: BareChain) -> None:
        """Begin with genesis."""
        self.node = BareNode(chain)

    def hear(self, blocks: list[BareBlock]) -> None:
        """Take published blocks in the order of their arrival."""
        for block in blocks:
            self.node.receive(block)


def play_selfish(random: Random, alpha: float, gamma: float, *, blocks: int = RUN_BLOCKS) -> tuple[float, int]:
    """Return the attacker's share of the best chain after so many blocks and until nothing is in dispute.

    Args:
        alpha: Its share of the power.
        gamma: Share of the honest power that hears it first.
    """
    chain = BareChain(PARAMS)
    attacker, near, far = SelfishMiner(chain), HonestGroup(chain), HonestGroup(chain)
    miners: dict[bytes, str] = {}
    now = 0.0
    while chain.count < blocks or not attacker.plan.is_idle or near.node.best != far.node.best:
        now += random.expovariate(1.0 / BLOCK_MS) + 1
        draw = random.random()
        if draw < alpha:
            block = chain.make_block(attacker.node.best, miner=ATTACKER, timestamp_ms=round(now))
            shown = attacker.on_mined(block)
            near.hear(shown)
            far.hear(shown)
        else:
            finder = near if draw < alpha + gamma * (1 - alpha) else far
            block = chain.make_block(finder.node.best, miner="honest", timestamp_ms=round(now))
            shown = attacker.on_heard(block)
            near.hear([*shown, block])
            far.hear([block, *shown])
        miners[block.hash] = block.miner
    best = far.node.best
    rewards = Counter(miners[item.hash] for item in far.node.tree.iterate_ancestry(best.hash) if item.number)
    assert rewards.total() == best.number, "each block of the best chain is one miner's reward, and no other is"
    return rewards[ATTACKER] / best.number, chain.count


def measure_selfish(seed: int, scale: float) -> Iterator[Row]:
    """Yield revenues, and the gain at and around both thresholds; `scale` multiplies the number of runs."""
    for alpha, gamma in REVENUE_CASES:
        expected = compute_revenue(alpha, gamma)
        yield _measure(seed, "selfish revenue", alpha, gamma, expected, scale=scale)
    for gamma, threshold in THRESHOLDS:
        for alpha in (threshold - STEP, threshold, threshold + STEP):
            # At the threshold the revenue is the share of the power: neither gain nor loss.
            expected = alpha if alpha == threshold else compute_revenue(alpha, gamma)
            yield _measure(seed, "selfish threshold", alpha, gamma, expected, scale=scale)


def _measure(seed: int, table: str, alpha: float, gamma: float, expected: float, *, scale: float) -> Row:
    random = Random(f"{table} {seed} {alpha} {gamma}")
    count, size = max(12, round(RUNS * scale)), max(1_000, round(RUN_BLOCKS * min(1.0, 2 * scale)))
    results = [play_selfish(random, alpha, gamma, blocks=size) for _ in range(count)]
    shares, blocks = [share for share, _ in results], sum(mined for _, mined in results)
    return make_mean_row(table, f"alpha={alpha:.4g} gamma={gamma:g}", expected, shares, blocks=blocks)
