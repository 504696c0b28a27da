"""One HTML page of all sweeps: a plot and a table for each attack, without any script or other file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from simulations.sweep import Sweep

WIDTH, HEIGHT, MARGIN = 560, 260, 56
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; }
h2 { margin-top: 2.5rem; } table { border-collapse: collapse; }
td, th { padding: .15rem .8rem .15rem 0; text-align: right; }
svg { width: 100%; height: auto; background: #fafafa; border: 1px solid #ddd; } .note { color: #57606a; }
@media (prefers-color-scheme: dark) { body { background: #16191d; color: #e6e9ec; } svg { background: #fff; } }
"""


def make_page(sweeps: Sequence[Sweep], *, seed: int) -> str:
    """Return the page."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'><title>The arena</title>",
        f"<style>{STYLE}</style></head><body><h1>The arena</h1>",
        "<p>What each attack gains against being honest, with its defence on (line, 95 % interval) and off (red, at "
        f"the defaults). The dashed line is the gain that is admitted. Seed {seed}; <code>matchstrike sim sweep</code> "
        "repeats it.</p>",
        *(_make_section(sweep) for sweep in sweeps),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _make_section(sweep: Sweep) -> str:
    stops = "" if sweep.stops_paying is None else f" The gain crosses the bound at {sweep.stops_paying:.3g}."
    rows = [
        _make_row(f"{report.options[sweep.parameter]:g}", report.gain, report.low, report.high, report.verdict)
        for report in sweep.points
    ]
    off = sweep.undefended
    rows.append(_make_row("defence off", off.gain, off.low, off.high, off.verdict))
    return (
        f"<h2 id='{escape(sweep.attack)}'>{escape(sweep.attack)}</h2><p>{escape(sweep.summary)}</p>"
        f"<p class='note'>Defence: {escape(sweep.defence)}. Gain in {escape(sweep.unit)}.{stops}</p>"
        f"{make_plot(sweep)}<table><tr><th>{escape(sweep.parameter)}</th><th>gain</th><th>from</th><th>to</th>"
        f"<th>the attack</th></tr>{''.join(rows)}</table>"
    )


def _make_row(label: str, gain: float, low: float, high: float, verdict: str) -> str:
    cells = (escape(label), f"{gain:.4g}", f"{low:.4g}", f"{high:.4g}", escape(verdict))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def make_plot(sweep: Sweep) -> str:
    """Return the gain over the parameter as SVG."""
    values = [report.options[sweep.parameter] for report in sweep.points]
    gains = [edge for report in sweep.points for edge in (report.low, report.high)]
    left, right = min(values), max(values)
    low, high = _widen(min(*gains, 0.0, sweep.bound), max(*gains, 0.0, sweep.bound))

    def x(value: float) -> float:
        return MARGIN + (WIDTH - 1.5 * MARGIN) * ((value - left) / (right - left) if right > left else 0.5)

    def y(gain: float) -> float:
        return HEIGHT - MARGIN + (1.5 * MARGIN - HEIGHT) * (min(max(gain, low), high) - low) / (high - low)

    parts = [f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{escape(sweep.attack)}: gain'>"]
    parts += _make_axes(values, (low, high), x_of=[x(value) for value in values], y_of=(y(low), y(high)))
    parts.append(_line([(x(left), y(sweep.bound)), (x(right), y(sweep.bound))], "#57606a", dashed=True))
    parts.append(
        _line([(x(value), y(report.gain)) for value, report in zip(values, sweep.points, strict=True)], "#0b5cad")
    )
    for value, report in zip(values, sweep.points, strict=True):
        parts.append(_line([(x(value), y(report.low)), (x(value), y(report.high))], "#0b5cad"))
        parts.append(f"<circle cx='{x(value):.1f}' cy='{y(report.gain):.1f}' r='3.5' fill='#0b5cad'/>")
    off = sweep.undefended
    at = x(min(max(off.options[sweep.parameter], left), right))
    mark = "above the plot" if off.gain > high else "off"
    parts.append(f"<circle cx='{at:.1f}' cy='{y(off.gain):.1f}' r='5' fill='#c62828'><title>{mark}</title></circle>")
    parts.append(
        f"<text x='{WIDTH / 2}' y='{HEIGHT - 8}' text-anchor='middle' font-size='13'>{escape(sweep.parameter)}</text>"
    )
    return "".join([*parts, "</svg>"])


def _widen(low: float, high: float) -> tuple[float, float]:
    room = 0.08 * (high - low) or 1.0
    return low - room, high + room


def _make_axes(
    values: Sequence[float], edges: tuple[float, float], *, x_of: Sequence[float], y_of: tuple[float, float]
) -> Iterable[str]:
    for value, at in zip(values, x_of, strict=True):
        yield f"<text x='{at:.1f}' y='{HEIGHT - MARGIN + 18}' text-anchor='middle' font-size='11'>{value:g}</text>"
    for edge, at in zip(edges, y_of, strict=True):
        yield f"<text x='{MARGIN - 6}' y='{at + 4:.1f}' text-anchor='end' font-size='11'>{edge:.3g}</text>"
        yield _line([(MARGIN, at), (WIDTH - MARGIN / 2, at)], "#ddd")


def _line(points: Sequence[tuple[float, float]], colour: str, *, dashed: bool = False) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = " stroke-dasharray='5 4'" if dashed else ""
    return f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='1.8'{dash}/>"
