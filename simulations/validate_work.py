"""What work is worth: the majority threshold under a planted problem, and the target after a step of the power.

A planted problem makes an attacker's pool strikes free, the core strikes of its tickets not. So its tickets come up to
1 + x times faster, and a share of 1/(2 + x) of the power makes as many blocks as everybody else. Weight, repeats and
target are consensus' own.

ASERT's response follows from its definition: with u the power over that which the target needs, a step to h times the
power gives E[u] = (1 + h)/2 after a half-life; the schedule being absolute, the mean interval is the block target
again.

Source: the protocol's rule for r; Lundeberg, Static difficulty adjustments (2020), section on absolutely scheduled
exponential targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import log
from random import Random

from msgspec.structs import replace

from chain.params import WorkParams
from consensus.asert import compute_initial_target, compute_target
from consensus.work import compute_repeats, compute_ticket_gas
from simulations.bare_node import BareChain, BareNode
from simulations.validation import Row, make_mean_row

CORE_GAS = 1_000_000
RATIOS = ((1, 2), (1, 1), (2, 1))
RACE_BLOCKS = 2_000
MARGIN = 0.05
CLOCK = WorkParams(block_target_ms=60_000, half_life_ms=2_880 * 60_000)  # so slow that single blocks do not matter
STEPS = (10.0, 0.5, 0.1)


def compute_planted_speed(ratio: tuple[int, int], *, pool_gas: int) -> Fraction:
    """Return how much faster a ticket is for whom the pool strike is free."""
    paid = compute_repeats(CORE_GAS, pool_gas, ratio) * CORE_GAS
    return Fraction(compute_ticket_gas(paid, pool_gas, ratio), paid)


def play_majority(random: Random, share: float, speed: float) -> tuple[float, bool, int]:
    """Race two branches; return the attacker's share of the blocks, whether fork choice took its branch, and blocks.

    Args:
        share: The attacker's share of the power.
        speed: How much faster its tickets are.
    """
    params = WorkParams(target_fixed=True, block_target_ms=600_000)
    chain = BareChain(params)
    judge, attacker, others = BareNode(chain), BareNode(chain), BareNode(chain)
    rate, now = share * speed, 0.0
    chance = rate / (rate + 1 - share)
    branch = []
    while chain.count < RACE_BLOCKS:
        now += random.expovariate(1.0 / params.block_target_ms) + 1
        is_attacker = random.random() < chance
        node = attacker if is_attacker else others
        block = chain.make_block(node.best, miner="attacker" if is_attacker else "honest", timestamp_ms=round(now))
        node.receive(block)
        if is_attacker:
            branch.append(block)
        else:
            judge.receive(block)
    for block in branch:
        judge.receive(block)
    return len(branch) / chain.count, judge.best.hash == attacker.best.hash, chain.count


def measure_majority(seed: int, scale: float) -> Iterator[Row]:
    """Yield, for each x, the attacker's share of blocks at 1/(2 + x), and which branch wins below and above it."""
    for ratio in RATIOS:
        x = ratio[0] / ratio[1]
        speed = float(compute_planted_speed(ratio, pool_gas=8 * ratio[0] * CORE_GAS))
        for offset, expected in ((-MARGIN, 0.0), (0.0, 0.5), (MARGIN, 1.0)):
            share = 1 / (2 + x) + offset
            random = Random(f"majority {seed} {ratio} {offset}")
            results = [play_majority(random, share, speed) for _ in range(max(5, round(20 * scale)))]
            blocks = sum(size for _, _, size in results)
            if offset:
                samples = [float(won) for _, won, _ in results]
                case = f"x={x:g} share={share:.3f} branch wins"
            else:
                samples = [made for made, _, _ in results]
                case = f"x={x:g} share={share:.3f} share of blocks"
            yield make_mean_row("majority, planted", case, expected, samples, blocks=blocks)


def play_step(random: Random, params: WorkParams, power: float, until_ms: int) -> BareNode:
    """Return a node at a time; from block 1 on, which came on schedule, there is so many times the power."""
    chain = BareChain(params)
    node = BareNode(chain)
    initial, now = compute_initial_target(params), float(params.block_target_ms)
    while True:
        node.receive(chain.make_block(node.best, miner="all", timestamp_ms=round(now)))
        now += random.expovariate(power * chain.get_target(node.best.hash) / initial / params.block_target_ms)
        if now > until_ms:
            return node


def measure_asert(seed: int, scale: float) -> Iterator[Row]:
    """Yield the difficulty a half-life after steps of the power, and how many blocks come long after."""
    initial = compute_initial_target(CLOCK)
    for power in STEPS:
        random = Random(f"asert {seed} {power}")
        end_ms = CLOCK.block_target_ms + CLOCK.half_life_ms
        nodes = [play_step(random, CLOCK, power, end_ms) for _ in range(max(5, round(40 * scale)))]
        samples = [initial / _compute_target_now(node, end_ms) for node in nodes]
        blocks = sum(node.chain.count for node in nodes)
        step = power * _compute_jump(CLOCK)
        case = f"power x{power:g}, difficulty after a half-life"
        yield make_mean_row("asert", case, (1 + step) / 2, samples, blocks=blocks)
    spec = replace(WorkParams(), target_initial_divisor=1_000)
    begin_ms, end_ms = 10 * spec.half_life_ms, 60 * spec.half_life_ms
    for power in (10.0, 0.5):
        random = Random(f"asert interval {seed} {power}")
        nodes = [play_step(random, spec, power, end_ms) for _ in range(max(5, round(20 * scale)))]
        samples = [float(_count_later(node, begin_ms)) for node in nodes]
        blocks = sum(node.chain.count for node in nodes)
        case = f"power x{power:g}, blocks in 50 half-lives of the default spec"
        yield make_mean_row("asert", case, (end_ms - begin_ms) / spec.block_target_ms, samples, blocks=blocks)


def _compute_target_now(node: BareNode, now_ms: int) -> int:
    """Return the target of a block whose parent came right now."""
    state = node.chain.get_state(node.best.hash)
    assert state.anchor is not None
    return compute_target(state.anchor, height=node.best.number, clock_ms=now_ms, params=node.chain.params)


def _count_later(node: BareNode, begin_ms: int) -> int:
    ancestry = node.tree.iterate_ancestry(node.best.hash)
    return sum(node.chain.get_state(block.hash).clock_ms > begin_ms for block in ancestry)


def _compute_jump(params: WorkParams) -> float:
    """Return what a block adds to the difficulty, over what a block target takes from it: near 1."""
    step = params.block_target_ms / params.half_life_ms
    return (2**step - 1) / (step * log(2))
