"""What answers and reports weigh: a few hashes, a circuit, and strikes that are run again.

The weight of a strike is its gas limit times a constant. Measured over everything that the chain takes, a strike needs
0.045 to 0.063 ns for each gas that it uses, which is at most the limit, and compiling its circuit 0.02 to 0.09 ns a gas
beyond a quarter of a millisecond, on the machine of runtime.weights; the constant is 100 ps for each, so that a block
full of answers stays in its time on a slower one.

Source: docs/gas.md, `matchstrike bench gas`.
"""

from __future__ import annotations

from consensus.batch import Witness
from runtime.problem_records import Ising
from runtime.weights import ORDER_PER_TERM, PER_MICROSECOND, POST_BASE, POST_PER_TERM

STRIKE_PER_GAS = 100
COMPILE_PER_GAS = 100
LEAF = 110 * PER_MICROSECOND  # seed, packing, hashes of leaf and multiproof; its energy and features, to learn from
ANSWER = 4_500 * PER_MICROSECOND  # of it 2.5 ms to move the means of a belief of depth 8
TERMS_MAX = 65_536


def compute_leaves_weight(gas: int, leaves: int) -> int:
    """Return the weight of an answer that shows so many leaves of strikes of this gas."""
    return ANSWER + gas * COMPILE_PER_GAS + leaves * (LEAF + gas * STRIKE_PER_GAS)


def compute_answer_weight(
    batch: int, gas_per_strike: int, witness: Witness, proof: tuple[bytes, ...], shots: tuple[bytes, ...]
) -> int:
    """Return the weight of an answer from its arguments."""
    return compute_leaves_weight(gas_per_strike, len(shots))


def compute_report_weight(
    claim: object,
    gas_per_strike: int,
    witness: Witness,
    index: int,
    shots: bytes,
    path: tuple[bytes, ...],
    ising: Ising | None,
) -> int:
    """Return the weight of a report, whose order may have to be judged."""
    spins = len(witness.order)
    terms = spins + min(spins * (spins - 1) // 2, TERMS_MAX)
    shown = 0 if ising is None else len(ising.fields) + len(ising.couplings)
    return POST_BASE + POST_PER_TERM * shown + ORDER_PER_TERM * terms + compute_leaves_weight(gas_per_strike, 1)
