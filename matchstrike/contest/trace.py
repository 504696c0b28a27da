"""Traces: what a method found and what it had spent by then.

Terms:
    evaluation: an energy of a configuration, or an energy difference of one flip, that the method looked at.
    recomputed: the same where differences that were kept in a table and only read again are free. A strike's shots
        count alike in both; methods that flip get their cheapest count this way.
    seconds: CPU time of one thread, which an idle core would show as wall time.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from matchstrike.contest.instances import Instance
from vm.problem import compute_energies

Kind = Literal["classical", "strikes", "chance"]  # chance: uniform samples, random angles


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration better than all before it."""

    energy: int
    evaluations: int
    recomputed: int
    seconds: float


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one method on one instance.

    Attributes:
        marks: Improvements in order; the last one is the best.
        evaluations, recomputed, seconds: Spent at the end: at the hit, or when the budget was spent.
    """

    marks: tuple[Mark, ...]
    evaluations: int
    recomputed: int
    seconds: float


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """A way to look for cuts.

    Attributes:
        name: As the tables print it.
        kind: What it is.
        run: From instance, evaluations allowed and chance to a trace; stops at the instance's target.
        setting: Its parameters, where it has any.
        is_counted: Whether it says how many evaluations it took; if not, only its time is compared.
    """

    name: str
    kind: Kind
    run: Callable[[Instance, int, np.random.Generator], Trace]
    setting: str = ""
    is_counted: bool = True


def trace_draws(
    instance: Instance,
    evaluations_max: int,
    draw: Callable[[int], NDArray[np.uint8]],
    *,
    chunk: int,
    started: float,
) -> Trace:
    """Return the trace of configurations drawn in chunks, one evaluation each.

    Args:
        draw: From how many to uint8[drawn, variable].
        started: The process time from which its seconds count.
    """
    marks: list[Mark] = []
    spent = 0
    while spent < evaluations_max and not (marks and marks[-1].energy <= instance.target):
        count = min(chunk, evaluations_max - spent)
        energies = compute_energies(instance.problem, draw(count))
        seconds = process_time() - started
        for place, energy in enumerate(energies):
            if not marks or energy < marks[-1].energy:
                number = spent + place + 1
                marks.append(Mark(energy=int(energy), evaluations=number, recomputed=number, seconds=seconds))
        spent += count
    return Trace(marks=tuple(marks), evaluations=spent, recomputed=spent, seconds=process_time() - started)


def get_hit(trace: Trace, target: int) -> Mark | None:
    """Return the mark at or below the target, if there is one."""
    last = trace.marks[-1] if trace.marks else None
    return last if last is not None and last.energy <= target else None


def get_best(trace: Trace, evaluations: int) -> int | None:
    """Return the best energy within a number of evaluations; None if there was none yet."""
    found = [mark.energy for mark in trace.marks if mark.evaluations <= evaluations]
    return found[-1] if found else None
