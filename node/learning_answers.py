"""What the chain has learnt of a problem, as the RPC shows it; energies are exact, their sums decimal strings."""

from __future__ import annotations

import msgspec

from chain.state_view import StateView
from rpc.api import Json
from runtime.belief_state import CurvePoint
from runtime.queries import get_learning
from vm.law import AngleLaw


def describe_learning(view: StateView, problem_id: int, *, posted_at: int) -> dict[str, Json]:
    """Return the law of the next block's strikes and the learning curve; nulls for a problem without strikes."""
    row = get_learning(view, problem_id)
    if row is None:
        return {"law": None, "learning": None}
    points: list[Json] = []
    begin = posted_at + 1
    for point in row.curve.points:
        points.append(_describe_point(point, begin))
        begin = point.until + 1
    learning: dict[str, Json] = {
        "strikes": row.strikes,
        "published": describe_law(row.published),
        "span": row.curve.span,
        "curve": points,
    }
    return {"law": describe_law(row.law), "learning": learning}


def describe_law(law: AngleLaw) -> Json:
    """Return a law as `matchstrike strike replay --law` reads it, in units of 2^-32 turn."""
    described: dict[str, Json] = msgspec.to_builtins(law)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in described.items()}


def _describe_point(point: CurvePoint, begin: int) -> dict[str, Json]:
    return {
        "from": min(begin, point.until),
        "until": point.until,
        "strikes": point.strikes,
        "shots": point.shots,
        "energySum": str(point.energy),
        "meanEnergy": round(point.energy / point.shots, 6),
    }
