"""Double spends as races of two branches: the tables of Nakamoto and of Rosenfeld.

An attacker with share q has mined one block in secret when a payment goes into the chain. The merchant waits for n
blocks; the attacker publishes its branch as soon as the node's fork choice prefers it, and gives up without hope.
In Nakamoto's model the n honest blocks take exactly their mean time, in Rosenfeld's theirs is drawn too.

Source: Nakamoto, Bitcoin (2008), section 11; Rosenfeld, Analysis of hashrate-based double-spending (2012), section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb, exp, factorial, log
from random import Random

from chain.block_tree import TreeBlock
from chain.params import WorkParams
from simulations.bare_node import GENESIS_HASH, BareBlock, BareChain, BareNode
from simulations.validation import Row, make_share_row

HOPE_MIN = 1e-6  # the attacker gives up when its chance to catch up falls below
BLOCK_MS = 600_000
PARAMS = WorkParams(target_fixed=True, block_target_ms=BLOCK_MS)

NAKAMOTO_CASES = ((0.1, 1), (0.1, 2), (0.1, 3), (0.3, 1), (0.3, 5), (0.3, 10))
ROSENFELD_CASES = ((0.1, 1), (0.1, 2), (0.2, 2), (0.2, 4), (0.3, 1), (0.3, 3), (0.3, 6), (0.4, 2))


def compute_nakamoto(q: float, n: int) -> float:
    """Return Nakamoto's chance of a double spend against n confirmations."""
    p = 1 - q
    mean = n * q / p
    return 1 - sum(mean**k * exp(-mean) / factorial(k) * (1 - (q / p) ** (n - k)) for k in range(n + 1))


def compute_rosenfeld(q: float, n: int) -> float:
    """Return Rosenfeld's chance of a double spend against n confirmations."""
    p = 1 - q
    return 1 - sum(comb(m + n - 1, m) * (p**n * q**m - p**m * q**n) for m in range(n + 1))


def play_race(random: Random, q: float, n: int, *, is_paced: bool) -> tuple[bool, int]:
    """Play one double spend; return whether it succeeded and how many blocks were mined.

    Args:
        q: The attacker's share of the power.
        n: Confirmations that the merchant waits for.
        is_paced: The confirmations come at their mean time (Nakamoto).
    """
    chain = BareChain(PARAMS)
    victim = BareNode(chain)
    secret = _extend(chain, [], 0, "attacker")
    root = secret[0].hash
    deficit_max = int(log(HOPE_MIN) / log(q / (1 - q))) + 1
    for is_attacker, now_ms in _draw_miners(random, q, n, is_paced):
        if is_attacker:
            _extend(chain, secret, now_ms, "attacker")
        else:
            block = chain.make_block(victim.best, miner="honest", timestamp_ms=now_ms)
            victim.receive(block)
        if victim.best.number < n:
            continue
        if len(secret) > victim.best.number:
            for block in secret:
                victim.receive(block)
            return victim.tree.is_ancestor(root, victim.best.hash), chain.count
        if victim.best.number - len(secret) >= deficit_max:
            break
    return False, chain.count


def measure_double_spends(seed: int, scale: float) -> Iterator[Row]:
    """Yield both tables; `scale` multiplies the number of races."""
    kinds = (
        ("nakamoto", NAKAMOTO_CASES, compute_nakamoto, True),
        ("rosenfeld", ROSENFELD_CASES, compute_rosenfeld, False),
    )
    for table, cases, compute, is_paced in kinds:
        for q, n in cases:
            random = Random(f"{table} {seed} {q} {n}")
            count = round(2_500 * scale)
            results = [play_race(random, q, n, is_paced=is_paced) for _ in range(count)]
            wins, blocks = sum(won for won, _ in results), sum(size for _, size in results)
            yield make_share_row(table, f"q={q} n={n}", compute(q, n), wins, count=count, blocks=blocks)


def _draw_miners(random: Random, q: float, n: int, is_paced: bool) -> Iterator[tuple[bool, int]]:
    """Yield who mines the next block, and when; without end."""
    now, honest, attacker_at, pace = 1.0, 0, 0.0, BLOCK_MS / (1 - q)
    if is_paced:
        attacker_at = now + random.expovariate(q / BLOCK_MS)
        while honest < n:
            honest_at = 1.0 + pace * (honest + 1)
            if attacker_at < honest_at:
                now, attacker_at = attacker_at, attacker_at + random.expovariate(q / BLOCK_MS)
                yield True, round(now)
            else:
                now, honest = honest_at, honest + 1
                yield False, round(now)
    while True:
        now += max(1.0, random.expovariate(1.0 / BLOCK_MS))
        yield random.random() < q, round(now)


def _extend(chain: BareChain, secret: list[BareBlock], now_ms: int, miner: str) -> list[BareBlock]:
    """Put a block on a branch that nobody else has seen."""
    last = secret[-1] if secret else None
    parent = TreeBlock(
        hash=GENESIS_HASH if last is None else last.hash,
        parent=GENESIS_HASH if last is None else last.parent,
        number=len(secret),
        work_total=0,
    )
    block = chain.make_block(parent, miner=miner, timestamp_ms=now_ms + 1)
    chain.execute(block)
    secret.append(block)
    return secret
