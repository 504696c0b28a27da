"""All attacks by name."""

from __future__ import annotations

from collections.abc import Mapping

from simulations.arena import Attack
from simulations.attack_audits import GRIND_CHALLENGES
from simulations.attack_batches import CENSOR_AUDIT, COLLUSION, FAKE_LEAVES, WITHHOLD_AUDIT
from simulations.attack_belief import POISON_BELIEF
from simulations.attack_blocks import CENSORSHIP, DOUBLE_SPEND, FORGE_SEALS, SPAM
from simulations.attack_circuits import GUESS_SHOTS, PLANTED_STRUCTURE, SKIM_SEEDS
from simulations.attack_mining import SELFISH_MINING
from simulations.attack_network import (
    ECLIPSE,
    EQUIVOCATION,
    FREE_RIDING,
    LONG_RANGE,
    PARTITION,
)
from simulations.attack_solutions import SNIPE, STEAL_SOLUTION
from simulations.attack_theft import PROOF_THEFT
from simulations.attack_votes import NOTHING_AT_STAKE

ATTACKS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        SELFISH_MINING,
        PROOF_THEFT,
        DOUBLE_SPEND,
        LONG_RANGE,
        PARTITION,
        ECLIPSE,
        EQUIVOCATION,
        NOTHING_AT_STAKE,
        FREE_RIDING,
        CENSORSHIP,
        FORGE_SEALS,
        SPAM,
        GRIND_CHALLENGES,
        FAKE_LEAVES,
        WITHHOLD_AUDIT,
        CENSOR_AUDIT,
        COLLUSION,
        STEAL_SOLUTION,
        SNIPE,
        POISON_BELIEF,
        GUESS_SHOTS,
        SKIM_SEEDS,
        PLANTED_STRUCTURE,
    )
}
