"""The frame of every attack: what it gains against being honest, over many seeds, with and without its defence.

Terms:
    trial: one seed, played twice: once by the attacker, once by the same node being honest.
    gain: the attacker's result less the honest one, in the attack's unit.
    bound: the gain that the defence admits; 0 where an attack must not pay at all.
    verdict: "pays" if the whole confidence interval of the gain lies above the bound; if it lies at or below, "costs"
        without a gain and "bounded" with one; else "even".

Invariant: an attack's report follows from its name, seed and options alone; no timings, no process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import sqrt

import msgspec

# Two-sided 95 % quantiles of Student's t for 1, 2, 3 ... degrees of freedom; beyond the list the normal one.
T_QUANTILES = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)
SEED_STEP = 1_000_003


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How an attack is played.

    Attributes:
        numbers: The attack's parameters by name.
        is_defended: Whether its defence is on.
    """

    numbers: Mapping[str, float]
    is_defended: bool = True

    def __getitem__(self, name: str) -> float:
        return self.numbers[name]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What came out of one seed.

    Attributes:
        attack: The attacker's result.
        honest: The result of the same node being honest.
        facts: What else was counted.
    """

    attack: float
    honest: float
    facts: Mapping[str, float] = {}


class Attack(msgspec.Struct, frozen=True, kw_only=True):
    """One attack.

    Attributes:
        unit: What gains are counted in.
        defence: What protects, and what `defence=off` does.
        defaults: The parameters; `seeds` is added.
        parameter: The one that a sweep varies.
        steps: Its values in a sweep.
        holds_to: Up to this value of the parameter the attack must not pay; above it may.
        bound: The gain that is admitted.
        is_rising: False if a larger parameter makes the attack weaker.
    """

    name: str
    summary: str
    unit: str
    defence: str
    play: Callable[[int, Options], Trial]
    defaults: Mapping[str, float]
    parameter: str
    steps: tuple[float, ...]
    holds_to: float
    bound: float = 0.0
    is_rising: bool = True
    seeds: int = 6


class AttackReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an attack gains.

    Attributes:
        gain: Mean over the seeds; `low` and `high` are the ends of its 95 % confidence interval.
        must_not_pay: Whether the options lie where the defence must hold.
        is_held: False if the attack pays where it must not.
    """

    attack: str
    seed: int
    seeds: int
    defence: str
    options: Mapping[str, float]
    unit: str
    gain: float
    low: float
    high: float
    honest: float
    bound: float
    verdict: str
    parameter: str
    holds_to: float
    must_not_pay: bool
    is_held: bool
    gains: tuple[float, ...]
    facts: Mapping[str, float]


class UnknownOption(Exception):
    """An option that an attack does not have, or a value that is no number."""


def make_options(attack: Attack, settings: Mapping[str, str]) -> Options:
    """Return the options of a run.

    Raises:
        UnknownOption: the sentence lists what there is.
    """
    numbers = {**attack.defaults, "seeds": float(attack.seeds)}
    is_defended = True
    for name, text in settings.items():
        if name == "defence":
            if text not in ("on", "off"):
                raise UnknownOption(f"defence is on or off, not {text!r}")
            is_defended = text == "on"
        elif name not in numbers:
            raise UnknownOption(
                f"{attack.name} has no option {name!r}; it has {', '.join(sorted(numbers))} and defence"
            )
        else:
            try:
                numbers[name] = float(text)
            except ValueError as error:
                raise UnknownOption(f"{name} needs a number, not {text!r}") from error
    if numbers["seeds"] < 1:
        raise UnknownOption("seeds must be at least 1")
    return Options(numbers=numbers, is_defended=is_defended)


def play_attack(
    attack: Attack, seed: int, options: Options, on_trial: Callable[[int], None] | None = None
) -> AttackReport:
    """Return what an attack gains over its seeds.

    Args:
        on_trial: Told after each trial how many are done.
    """
    trials: list[Trial] = []
    for number in range(int(options["seeds"])):
        trials.append(attack.play(seed + SEED_STEP * number, options))
        if on_trial is not None:
            on_trial(number + 1)
    gains = tuple(trial.attack - trial.honest for trial in trials)
    gain, margin = compute_interval(gains)
    low, high = gain - margin, gain + margin
    value = options[attack.parameter]
    must_not_pay = options.is_defended and (value <= attack.holds_to if attack.is_rising else value >= attack.holds_to)
    verdict = _judge(gain, low, high, attack.bound)
    return AttackReport(
        attack=attack.name,
        seed=seed,
        seeds=len(trials),
        defence="on" if options.is_defended else "off",
        options=dict(options.numbers),
        unit=attack.unit,
        gain=gain,
        low=low,
        high=high,
        honest=sum(trial.honest for trial in trials) / len(trials),
        bound=attack.bound,
        verdict=verdict,
        parameter=attack.parameter,
        holds_to=attack.holds_to,
        must_not_pay=must_not_pay,
        is_held=not (must_not_pay and verdict == "pays"),
        gains=gains,
        facts={name: sum(trial.facts[name] for trial in trials) / len(trials) for name in trials[0].facts},
    )


def _judge(gain: float, low: float, high: float, bound: float) -> str:
    if low > bound:
        return "pays"
    if high > bound:
        return "even"
    return "bounded" if gain > 0 else "costs"


def compute_interval(values: tuple[float, ...]) -> tuple[float, float]:
    """Return the mean and half the width of its 95 % confidence interval; without a second value the width is 0."""
    count = len(values)
    mean = sum(values) / count
    if count < 2:
        return mean, 0.0
    variance = sum((value - mean) ** 2 for value in values) / (count - 1)
    quantile = T_QUANTILES[count - 2] if count - 2 < len(T_QUANTILES) else 1.96
    return mean, quantile * sqrt(variance / count)


def find_crossing(points: list[tuple[float, float]], bound: float) -> float | None:
    """Return where the gain crosses the bound, linearly between the last two points of a sweep that lie around it."""
    for (left, below), (right, above) in pairwise(points):
        if (below - bound) * (above - bound) <= 0 and below != above:
            return left + (right - left) * (bound - below) / (above - below)
    return None
