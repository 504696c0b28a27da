"""One attempt of `matchstrike solve` at a problem, with its news told to the person and to the trace.

The trace is a file of JSON objects, one a line and written at once: `energy` (the best so far), `seconds`, `isBetter`,
and where strikes are fired `strikes` with what they spent and the last one's angles in radians.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi
from typing import Literal

import click
import msgspec

from matchstrike.commands.failure import FAILED, CommandFailed
from matchstrike.commands.solve_options import Search
from matchstrike.commands.solve_search import Found, News, search_by_annealing
from matchstrike.commands.solve_strikes import search_by_strikes, settle_plan
from rpc.api import Json
from vm.engines.angled_circuit import TURN
from vm.match_strike import Progress
from vm.problem import IsingProblem

Describe = Callable[[int], str]  # of an energy
ANGLE_DIGITS = 6


async def make_attempt(
    problem: IsingProblem, plan: Search, *, goal: int | None, describe: Describe, number: int = 0
) -> Found:
    """Return the best that the plan's method finds.

    Args:
        goal: Energy at which to stop.
        describe: Says an energy to the person.
        number: Of attempts at this problem before; each searches elsewhere.
    """

    def tell(news: News) -> None:
        _write_trace(plan, news)
        if news.is_better:
            click.echo(f"{describe(news.energy)} after {news.seconds:.1f} s{say_spent(news.strikes)}", err=True)

    seed = plan.seed + number
    if plan.strikes is None:
        return await search_by_annealing(problem, seconds=plan.seconds, goal=goal, tell=tell, seed=seed)
    strikes = settle_plan(plan.strikes, problem)
    text = f"{strikes.controller} angles, depth {strikes.depth}, {strikes.shots} shots a strike"
    click.echo(f"match-strike: engine {strikes.engine}, {text}, seed {seed}", err=True)
    return await search_by_strikes(problem, strikes, seconds=plan.seconds, goal=goal, tell=tell, seed=seed)


def say_spent(strikes: Progress | None) -> str:
    """Return what an improvement had cost, and its angles; nothing where nothing was struck."""
    if strikes is None:
        return ""
    angles = f"gamma {_format_angles(strikes.gammas)}, beta {_format_angles(strikes.betas)} rad"
    return f": strike {strikes.strikes}, {strikes.evaluations} evaluations, {angles}"


def begin_trace(plan: Search) -> None:
    """Empty the trace, if there is to be one.

    Raises:
        CommandFailed: the file cannot be written.
    """
    _write(plan, "wb", b"")


def _write_trace(plan: Search, news: News) -> None:
    row: dict[str, Json] = {"energy": news.energy, "seconds": news.seconds, "isBetter": news.is_better}
    if news.strikes is not None:
        row["strikes"] = describe_progress(news.strikes)
    _write(plan, "ab", msgspec.json.encode(row) + b"\n")


def _write(plan: Search, mode: Literal["wb", "ab"], data: bytes) -> None:
    if plan.trace is None:
        return
    try:
        with plan.trace.open(mode) as stream:
            stream.write(data)
    except OSError as error:
        raise CommandFailed(f"{plan.trace} cannot be written: {error.strerror}", FAILED) from error


def describe_progress(progress: Progress) -> dict[str, Json]:
    """Return what strikes have spent, and the last one's angles, as JSON."""
    return {
        "strikes": progress.strikes,
        "evaluations": progress.evaluations,
        "gas": progress.gas,
        "meanEnergy": progress.mean_energy,
        "gammas": _list_radians(progress.gammas),
        "betas": _list_radians(progress.betas),
    }


def _list_radians(turns: tuple[int, ...]) -> list[Json]:
    return [round(2 * pi * turn / TURN, ANGLE_DIGITS) for turn in turns]


def _format_angles(turns: tuple[int, ...]) -> str:
    return " ".join(f"{2 * pi * turn / TURN:.3f}" for turn in turns)
