"""The contest in words and tables: where classical methods win comes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matchstrike.contest.intervals import Interval
from matchstrike.contest.large import LargeCell, LargeResult
from matchstrike.contest.small import CHAMPION, GOALS, Cell, SmallResult, Time
from matchstrike.contest.trials import BUDGETS
from matchstrike.contest.tuning import Goal

CLAIM_FAMILIES = ("cubic", "weighted")
CLAIM_BUDGETS = (128, 512)
CLAIM_RIVALS = ("uniform", "random-p2", "greedy", "annealing")

DEFINITIONS = """\
What counts: an evaluation is one energy of a configuration or one energy difference of a flip that is looked at. Each
shot of a strike is one; running the circuit, solving the relaxation of goemans-williamson, and a brute force for the
target are not counted, but their time is (the brute force's is not). `recomputed` is the cheapest count for methods
that flip: differences read again from a table are free. Times are CPU seconds of one thread on this machine, with
circuits compiled and measurement orders found beforehand. Intervals are 95 % and, if nothing else is said, for another
draw of instances; among so many comparisons one in twenty errs."""


def format_report(results: Sequence[SmallResult], large: LargeResult | None) -> list[str]:
    """Return the lines of the whole report."""
    cells = [cell for result in results for cell in result.cells]
    lines = ["WHERE CLASSICAL METHODS WIN", *format_wins(cells, is_win=lambda lead: lead.low > 0)]
    lines += format_time_wins(results)
    if large is not None:
        lines += format_large_wins(large.cells)
    lines += ["", f"WHERE MATCH-STRIKE ({CHAMPION}) WINS", *format_wins(cells, is_win=lambda lead: lead.high < 0)]
    lines += ["", "THE CLAIM: p = 2 at equal evaluations, 3-regular graphs", *format_claim(cells)]
    for result in results:
        lines += ["", *format_family(result)]
    if large is not None:
        lines += ["", *format_large(large)]
    return [*lines, "", DEFINITIONS]


def format_wins(cells: Sequence[Cell], *, is_win: Callable[[Interval], bool]) -> list[str]:
    """Return a line for each family and budget with the classical methods whose lead on the champion is a win."""
    lines = []
    families = list(dict.fromkeys(cell.family for cell in cells))
    if not families:
        return ["  small graphs: not measured"]
    for family in families:
        for count, budget in GOALS:
            found = [
                f"{cell.method} {cell.lead.value:+.2f} ({cell.lead.low:+.2f}..{cell.lead.high:+.2f})"
                for cell in cells
                if (cell.family, cell.count, cell.budget) == (family, count, budget)
                and cell.kind == "classical"
                and cell.lead is not None
                and is_win(cell.lead)
            ]
            if found:
                lines.append(f"  {family:<9}{format_goal((count, budget)):<22}{', '.join(found)}")
    return lines or ["  nowhere"]


def format_time_wins(results: Sequence[SmallResult]) -> list[str]:
    """Return how many times sooner the quickest classical method is at the optimum."""
    lines = []
    for result in results:
        ours = next(time for time in result.times if time.method == CHAMPION)
        quickest = min((t for t in result.times if t.kind == "classical"), key=lambda time: time.median_s.value)
        ratio = ours.median_s.value / quickest.median_s.value
        lines.append(
            f"  {result.family:<9}{'time to the optimum':<22}{quickest.method} {format_ms(quickest.median_s.value)}, "
            f"{CHAMPION} {format_ms(ours.median_s.value)}: {ratio:.1f} times"
        )
    return lines


def format_large_wins(cells: Sequence[LargeCell]) -> list[str]:
    """Return a line for each group and budget of large graphs with the classical methods above all strikes."""
    lines = []
    for group in dict.fromkeys(cell.group for cell in cells):
        for budget in BUDGETS:
            own = [cell for cell in cells if (cell.group, cell.budget) == (group, budget)]
            strikes = [cell.ratio.value for cell in own if cell.kind == "strikes"]
            best = max(strikes, default=0.0)
            found = [f"{c.method} {c.ratio.value:.3f}" for c in own if c.kind == "classical" and c.ratio.value > best]
            if found and strikes:
                lines.append(f"  {group:<16}{budget:>6} evaluations: {', '.join(found)}; best strikes {best:.3f}")
    return lines


def format_claim(cells: Sequence[Cell]) -> list[str]:
    """Return the claim's table for each kind of 3-regular graphs, and whether it holds."""
    lines = []
    for family in CLAIM_FAMILIES:
        here, elsewhere = [], []
        for budget in CLAIM_BUDGETS:
            own = {c.method: c for c in cells if (c.family, c.count, c.budget) == (family, "evaluations", budget)}
            if CHAMPION not in own:
                break
            lines.append(f"  {family}, {budget} evaluations: {CHAMPION} {format_share(own[CHAMPION].share)}")
            for name in CLAIM_RIVALS:
                lead, lead_here = own[name].lead, own[name].lead_here
                assert lead is not None
                assert lead_here is not None
                lines.append(
                    f"    {name:<11}{format_share(own[name].share)}  less {CHAMPION}'s: {lead.value:+.3f}, "
                    f"on these graphs {format_span(lead_here)}, on others {format_span(lead)}"
                )
                here += [] if lead_here.high < 0 else [f"{name} at {budget}"]
                elsewhere += [] if lead.high < 0 else [f"{name} at {budget}"]
        if lines and lines[-1].startswith("    "):
            lines.append(f"  {family}, on these graphs: {_judge(here)}; on other draws of them: {_judge(elsewhere)}")
    return lines or ["  not measured"]


def _judge(failed: Sequence[str]) -> str:
    return f"NOT SHOWN for {', '.join(failed)}" if failed else "holds"


def format_family(result: SmallResult) -> list[str]:
    """Return the tables of one family."""
    sizes = sorted({instance.n for instance in result.instances})
    lines = [
        f"{result.family.upper()}: {len(result.instances)} instances of {sizes[0]} to {sizes[-1]} vertices, "
        f"{result.runs} runs each; share of runs at the optimum"
    ]
    for count in ("evaluations", "recomputed", "seconds"):
        budgets = [budget for kind, budget in GOALS if kind == count]
        heads = [format_goal((count, budget)) for budget in budgets]
        lines.append(f"  {'method':<19}" + "".join(f"{head:<22}" for head in heads))
        for method in dict.fromkeys(cell.method for cell in result.cells if cell.count == count):
            row = {c.budget: c.share for c in result.cells if (c.count, c.method) == (count, method)}
            lines.append(f"  {method:<19}" + "".join(f"{format_share(row[budget]):<22}" for budget in budgets))
    lines.append(f"  {'method':<19}{'CPU to the optimum, median':<30}setting")
    lines += [f"  {time.method:<19}{format_time(time):<30}{time.setting}" for time in result.times]
    return lines


def format_large(large: LargeResult) -> list[str]:
    """Return the tables of the large graphs."""
    lines = [f"LARGE GRAPHS: best cut over the target's, mean; {large.runs} runs of each instance"]
    for group in dict.fromkeys(cell.group for cell in large.cells):
        own = [cell for cell in large.cells if cell.group == group]
        status = sorted({one.status for one in large.instances if one.name == group or one.family == group.split()[0]})
        budgets = [budget for budget in BUDGETS if any(cell.budget == budget for cell in own)]
        lines.append(f"  {group} (target: {', '.join(status)})")
        lines.append(f"  {'method':<19}" + "".join(f"{budget:>9}" for budget in budgets) + "   CPU of the longest run")
        for method in dict.fromkeys(cell.method for cell in own):
            row = {cell.budget: cell for cell in own if cell.method == method}
            shown = "".join(f"{row[b].ratio.value:>9.3f}" if b in row else f"{'':>9}" for b in budgets)
            longest = row[max(row)]
            lines.append(f"  {method:<19}{shown}   {format_ms(longest.seconds)}, {longest.evaluations} evaluations")
    return lines + [f"  no strikes on {reason}" for reason in large.left_out]


def format_goal(goal: Goal) -> str:
    """Return a goal as a column's head."""
    count, budget = goal
    return format_ms(budget) + " CPU" if count == "seconds" else f"{budget:.0f} {count}"


def format_share(share: Interval) -> str:
    """Return a share and its interval."""
    return f"{share.value:.3f} ({share.low:.2f}..{share.high:.2f})"


def format_span(interval: Interval) -> str:
    """Return an interval without its value."""
    return f"({interval.low:+.3f}..{interval.high:+.3f})"


def format_time(time: Time) -> str:
    """Return a median time and its interval."""
    median = time.median_s
    if median.value == float("inf"):
        return "over half the runs miss it"
    return f"{format_ms(median.value)} ({1e3 * median.low:.3g}..{1e3 * median.high:.3g})"


def format_ms(seconds: float) -> str:
    """Return a time in milliseconds."""
    return f"{1e3 * seconds:.3g} ms"
