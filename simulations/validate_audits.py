"""What spot-checks find: leaves drawn by a later ticket, and leaves that a batch draws for itself.

The challenge of the chain comes from a ticket that nobody knew when the root was committed; k of N leaves find fakes
with the chance of the hypergeometric law. A challenge from the batch's own root is drawn again, for a few hashes, until
it misses the fakes; the second table shows how much work that saves, and is why no ticket and no block here depends on
such a batch.

Source: consensus.batch.select_leaves; for the second table a batch of N strikes, g the cost of a draw, c of a strike:
the best share of fakes is 1 - (k g / (N c))^(1/(k+1)).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from math import comb
from random import Random

from consensus.batch import select_leaves
from simulations.validation import Row, make_mean_row, make_share_row

DETECTION_CASES = ((64, 32, 1), (64, 4, 8), (1_000, 32, 20), (1_000, 32, 50), (1_000, 4, 200), (1_000, 20, 50))
GRIND_LEAVES = 1_000
STRIKE_US = 1_000.0
DRAW_US = 11.4
GRIND_CASES = ((10, 0.56), (20, 0.33), (50, 0.14))


def compute_detection(count: int, k: int, fakes: int) -> float:
    """Return the chance that k different leaves of `count` hit one of the fakes."""
    return 1 - comb(count - fakes, k) / comb(count, k)


def compute_best_fakes(k: int, *, draw_us: float = DRAW_US) -> float:
    """Return the share of fakes at which a grinding batch costs least."""
    return 1.0 - float((k * draw_us / (GRIND_LEAVES * STRIKE_US)) ** (1 / (k + 1)))


def measure_detection(seed: int, scale: float) -> Iterator[Row]:
    """Yield how often an audit finds fakes."""
    for count, k, fakes in DETECTION_CASES:
        random = Random(f"audit {seed} {count} {k} {fakes}")
        trials = max(50, round(4_000 * scale))
        hits = 0
        for trial in range(trials):
            wrong = set(random.sample(range(count), fakes))
            hits += not wrong.isdisjoint(select_leaves(random.getrandbits(256), trial, count, k))
        case = f"N={count} k={k} fakes={fakes}"
        yield make_share_row("audit detection", case, compute_detection(count, k, fakes), hits, count=trials)


def draw_until_missed(root: bytes, k: int, fakes: int) -> int:
    """Return how many roots a cheat draws until the k leaves that a root selects of itself hit no fake.

    Args:
        fakes: Of the GRIND_LEAVES leaves the first so many are fake; one of them is salted anew for each draw.
    """
    draws = 0
    while True:
        draws += 1
        state = blake2b(root + draws.to_bytes(8, "little")).digest()
        for check in range(k):
            if check % 16 == 0:
                words = blake2b(state, salt=check.to_bytes(8, "little")).digest()
            word = int.from_bytes(words[4 * (check % 16) : 4 * (check % 16) + 4], "little")
            if word * GRIND_LEAVES >> 32 < fakes:
                break
        else:
            return draws


def measure_grinding(seed: int, scale: float) -> Iterator[Row]:
    """Yield the draws that a grinding batch needs, and the share of the work that it saves at its best."""
    trials = max(20, round(150 * scale))
    for k, share in GRIND_CASES:
        assert abs(compute_best_fakes(k) - share) < 0.01
        random = Random(f"grind {seed} {k}")
        fakes = round(share * GRIND_LEAVES)
        draws = [draw_until_missed(random.randbytes(32), k, fakes) for _ in range(trials)]
        expected = (1 - share) ** -k
        yield make_mean_row("grinding", f"k={k} fakes={share:.0%}, draws", expected, [float(item) for item in draws])
        saved = [share - item * DRAW_US / (GRIND_LEAVES * STRIKE_US) for item in draws]
        cost = share - expected * DRAW_US / (GRIND_LEAVES * STRIKE_US)
        yield make_mean_row("grinding", f"k={k} fakes={share:.0%}, work saved", cost, saved)
