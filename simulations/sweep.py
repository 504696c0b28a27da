"""An attack over the values of its parameter, with its defence on, and once with it off."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from simulations.arena import Attack, AttackReport, find_crossing, make_options, play_attack
from simulations.attacks import ATTACKS


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """What an attack gains over its parameter.

    Attributes:
        points: One report for each value, in ascending order of the parameter.
        undefended: With the defence off, at the defaults.
        stops_paying: Where the gain crosses the bound, by a line between two points; None if it never does.
    """

    attack: str
    summary: str
    defence: str
    unit: str
    parameter: str
    bound: float
    holds_to: float
    points: tuple[AttackReport, ...]
    undefended: AttackReport
    stops_paying: float | None


def list_settings(attack: Attack, settings: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the options of each run of a sweep; the last one is the run without defence."""
    points = [{**settings, attack.parameter: repr(step)} for step in sorted(attack.steps)]
    return [*points, {**settings, "defence": "off"}]


def play_point(name: str, seed: int, settings: Mapping[str, str]) -> AttackReport:
    """Return one run of a sweep; for a process of its own."""
    attack = ATTACKS[name]
    return play_attack(attack, seed, make_options(attack, settings))


def make_sweep(attack: Attack, reports: list[AttackReport]) -> Sweep:
    """Return the sweep of the runs that `list_settings` asks for, in its order."""
    *points, undefended = reports
    line = [(report.options[attack.parameter], report.gain) for report in points]
    return Sweep(
        attack=attack.name,
        summary=attack.summary,
        defence=attack.defence,
        unit=attack.unit,
        parameter=attack.parameter,
        bound=attack.bound,
        holds_to=attack.holds_to,
        points=tuple(points),
        undefended=undefended,
        stops_paying=find_crossing(line, attack.bound),
    )
