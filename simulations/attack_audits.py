"""The attack on the choice of audited leaves: fake some, and draw again until none of them is asked for.

The choice of leaves is consensus' own (`select_leaves`); it needs no network, because a batch and its audit follow from
a root, a ticket and a number.
"""

from __future__ import annotations

from random import Random

from chain.params import UNIT_PLANCK, BatchParams
from consensus.batch import select_leaves
from simulations.arena import Attack, Options, Trial
from simulations.validate_audits import DRAW_US, GRIND_LEAVES, STRIKE_US, draw_until_missed

PARAMS = BatchParams()
PRICE = 1.25  # paid for a strike, in costs of a strike
BOND = PARAMS.bond_planck / UNIT_PLANCK * GRIND_LEAVES / 10  # a token buys a tenth of such a batch


def play_grind_challenges(seed: int, options: Options) -> Trial:
    """Sell batches with fakes; without the defence a batch's own root chooses the leaves, and is drawn again."""
    batches, share = round(options["batches"]), options["fakes"]
    fakes = round(share * GRIND_LEAVES)
    spent, earned, caught = batches * (GRIND_LEAVES - fakes) * 1.0, 0.0, 0
    for number in range(batches):
        random = Random(f"grind challenges {seed} {number}")
        if options.is_defended:
            wrong = set(random.sample(range(GRIND_LEAVES), fakes))
            chosen = select_leaves(random.getrandbits(256), number, GRIND_LEAVES, PARAMS.leaves_max)
            is_caught = not wrong.isdisjoint(chosen)
        else:
            spent += draw_until_missed(random.randbytes(32), PARAMS.leaves_max, fakes) * DRAW_US / STRIKE_US
            is_caught = False
        caught += is_caught
        earned += -BOND if is_caught else GRIND_LEAVES * PRICE
    honest = batches * GRIND_LEAVES * (PRICE - 1)
    unit = batches * GRIND_LEAVES
    return Trial(attack=(earned - spent) / unit, honest=honest / unit, facts={"caught": caught / batches})


GRIND_CHALLENGES = Attack(
    name="grind-challenges",
    summary="A solver sells a batch with fake leaves, and tries roots until the audit asks for none of them.",
    unit="costs of a strike, for each strike sold",
    defence="a later block's ticket selects the leaves, and a wrong one costs the bond; off: the batch's own root does",
    play=play_grind_challenges,
    defaults={"fakes": 0.1, "batches": 40},
    parameter="fakes",
    steps=(0.001, 0.003, 0.01, 0.03, 0.1, 0.2),
    holds_to=1.0,
)
