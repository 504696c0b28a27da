"""The state of what the chain has learnt: a belief and a learning curve for each problem.

Terms:
    law in force: what the strikes of the next block draw their angles from.
    struck: the problem that this block's own strikes run on, and the law they run under; the next block needs it to
        learn from them, when the problem's law has moved on.
    curve: mean energies of the strikes that were learnt from, oldest first, 32 points at most.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated

import msgspec

from chain.scale import codec_of
from chain.scale_shapes import I128, U32, U64, Limit
from consensus.batch import LawRecord
from consensus.belief import Belief, make_law
from runtime.storage import Overlay, StorageMap, StorageValue
from vm.law import AngleLaw

NAME = "Learning"
POINTS_MAX = 32


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Some strikes in a row.

    Attributes:
        until: Height of the block that the last of them was learnt in.
        strikes: How many.
        shots: Of all of them.
        energy: The sum of the energies of these.
    """

    until: U32
    strikes: U32
    shots: U64
    energy: I128


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """How the energies of strikes went; a point is full when it has `span` strikes."""

    span: U32 = 1
    points: Annotated[tuple[CurvePoint, ...], Limit(POINTS_MAX)] = ()


class Struck(msgspec.Struct, frozen=True, kw_only=True):
    """What the strikes of a block ran on."""

    problem: U64
    law: LawRecord


BELIEFS: StorageMap[int, Belief] = StorageMap(
    NAME, "Beliefs", (U64, Belief), hasher="Twox64Concat", docs="What is believed of the angles of problems."
)
CURVES: StorageMap[int, Curve] = StorageMap(
    NAME, "Curves", (U64, Curve), hasher="Twox64Concat", default=Curve(), docs="Learning curves of problems."
)
STRUCK: StorageValue[Struck] = StorageValue(
    NAME, "Struck", Struck, docs="The problem that this block's ticket ran on, and the law in force for that."
)


@cache
def compute_learning_bytes(depth: int) -> int:
    """Return how many bytes belief and curve of a problem take at most."""
    angles, sums = (0,) * (2 * depth), (0,) * ((depth + 1) * (2 * depth + 5))
    belief = Belief(anchors=angles, means=angles, width=0, unit=0, score_max=0, offset=0, strikes=0, moments=sums)
    curve = Curve(points=(CurvePoint(until=0, strikes=0, shots=0, energy=0),) * POINTS_MAX)
    return len(codec_of(Belief).encode(belief)) + len(codec_of(Curve).encode(curve))


def find_law(state: Overlay, problem: int) -> AngleLaw | None:
    """Return the law that the chain learnt for a problem; None where the published one is in force."""
    belief = BELIEFS.find(state, problem)
    return None if belief is None else make_law(belief)


def forget_belief(state: Overlay, problem: int) -> None:
    """Drop what was learnt of a problem."""
    if BELIEFS.find(state, problem) is not None:
        # SPEC LRN-20: Belief and curve of a problem MUST leave the state with its instance.
        BELIEFS.remove(state, problem)
        CURVES.remove(state, problem)


def add_point(curve: Curve, point: CurvePoint) -> Curve:
    """Return the curve with one more strike."""
    last = curve.points[-1] if curve.points else None
    # SPEC LRN-21: Each strike that is added MUST be counted in the last point of the problem's curve while that has
    # fewer strikes than the span, else in a new point; instead of a 33rd point, neighbours are joined two by two and
    # the span doubles, from 1.
    if last is not None and last.strikes < curve.span:
        return Curve(span=curve.span, points=(*curve.points[:-1], _join(last, point)))
    if len(curve.points) < POINTS_MAX:
        return Curve(span=curve.span, points=(*curve.points, point))
    halved = tuple(_join(*curve.points[i : i + 2]) for i in range(0, POINTS_MAX, 2))
    return Curve(span=2 * curve.span, points=(*halved, point))


def _join(left: CurvePoint, right: CurvePoint) -> CurvePoint:
    return CurvePoint(
        until=right.until,
        strikes=left.strikes + right.strikes,
        shots=left.shots + right.shots,
        energy=left.energy + right.energy,
    )
