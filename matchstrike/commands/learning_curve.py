"""A problem's learning curve for people: how mean energies fell, and where the angles stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import pi

from rpc.api import Json

BARS = "▁▂▃▄▅▆▇█"
POINTS_SHOWN = 16
TURN = 2 * pi / 2**32  # radians in a unit of an angle


def format_learning(record: Mapping[str, Json]) -> list[str]:
    """Return the lines about a problem's law and curve, none for a problem that takes no strikes.

    Bars are high where mean energies are low, that is good. Angles are in radians, with their change since the
    published ones.
    """
    law, learning = record.get("law"), record.get("learning")
    if not isinstance(law, Mapping) or not isinstance(learning, Mapping):
        return []
    published = learning.get("published")
    lines = [f"{'learnt from':<14} {learning.get('strikes')} strikes"]
    if isinstance(published, Mapping):
        lines += [_format_angles(name, law, published) for name in ("gamma", "beta")]
    means = [mean for mean, _ in read_curve(learning)]
    if means:
        heights = f"blocks {_find(learning, 0, 'from')} to {_find(learning, -1, 'until')}"
        lines.append(f"{'mean energy':<14} {draw_curve(means)}  {means[0]:.2f} to {means[-1]:.2f}, {heights}")
    return lines


def read_curve(learning: Mapping[str, Json]) -> list[tuple[float, int]]:
    """Return mean energy and number of strikes of the points to show, neighbours joined until they are few."""
    rows = [
        (int(str(point["energySum"])), int(str(point["shots"])), int(str(point["strikes"])))
        for point in _read_points(learning)
    ]
    while len(rows) > POINTS_SHOWN:
        pairs = [rows[i : i + 2] for i in range(0, len(rows), 2)]
        rows = [(sum(r[0] for r in pair), sum(r[1] for r in pair), sum(r[2] for r in pair)) for pair in pairs]
    return [(energy / shots, strikes) for energy, shots, strikes in rows if shots]


def draw_curve(means: Sequence[float]) -> str:
    """Return one bar a mean, the lowest energy the highest bar."""
    low, high = min(means), max(means)
    span = high - low
    return "".join(BARS[round((high - mean) / span * (len(BARS) - 1)) if span else 0] for mean in means)


def _format_angles(name: str, law: Mapping[str, Json], published: Mapping[str, Json]) -> str:
    means, widths = _read_angles(law, f"{name}_means"), _read_angles(law, f"{name}_widths")
    first = _read_angles(published, f"{name}_means")
    parts = [
        f"{mean * TURN:.4f} +- {width * TURN:.4f} ({100 * (mean / begun - 1):+.1f} %)"
        for mean, width, begun in zip(means, widths, first, strict=False)
        if begun
    ]
    return f"{name:<14} {', '.join(parts)}"


def _read_angles(law: Mapping[str, Json], name: str) -> list[int]:
    values = law.get(name)
    return [value for value in values if isinstance(value, int)] if isinstance(values, list) else []


def _read_points(learning: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    points = learning.get("curve")
    return [point for point in points if isinstance(point, Mapping)] if isinstance(points, list) else []


def _find(learning: Mapping[str, Json], index: int, name: str) -> Json:
    return _read_points(learning)[index].get(name)
