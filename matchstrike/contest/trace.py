"""Traces: what a method found and what it had spent by then.

Terms:
    evaluation: an energy of a configuration, or an energy difference of one flip, that the method looked at.
    recomputed: the same where differences that were kept in a table and only read again are free. A strike's shots
        count alike in both; methods that flip get their cheapest count this way.
    seconds: CPU time of one thread, which an idle core would show as wall time.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from matchstrike.contest.instances import Instance


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
        kind: classical, quantum (strikes), or chance (uniform samples, random angles).
        run: From instance, evaluations allowed and chance to a trace; stops at the instance's target.
    """

    name: str
    kind: str
    run: Callable[[Instance, int, np.random.Generator], Trace]


def get_hit(trace: Trace, target: int) -> Mark | None:
    """Return the mark at or below the target, if there is one."""
    last = trace.marks[-1] if trace.marks else None
    return last if last is not None and last.energy <= target else None
