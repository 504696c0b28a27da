"""All attacks by name."""

from __future__ import annotations

from collections.abc import Mapping

from simulations.arena import Attack
from simulations.attack_mining import SELFISH_MINING

ATTACKS: Mapping[str, Attack] = {attack.name: attack for attack in (SELFISH_MINING,)}
