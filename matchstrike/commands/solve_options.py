"""The options of `matchstrike solve` that say how to look for solutions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from matchstrike.commands.engine_choice import bond_option, solver_engine_option
from matchstrike.commands.failure import USAGE, CommandFailed
from matchstrike.commands.posting import TARGET
from matchstrike.commands.session import SECONDS
from matchstrike.commands.solve_search import METHODS
from matchstrike.commands.solve_strikes import MAKERS, REFINEMENTS, StrikePlan
from vm.engines.engine import SHOTS_MAX
from vm.law import DEPTH_MAX

F = TypeVar("F", bound=Callable[..., object])
COUNT_MAX = 2**62


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """How to look for solutions.

    Attributes:
        target: Of a file, in the file's own quantity.
        trace: Where each piece of news goes, a JSON object a line.
        strikes: None where nothing is struck.
    """

    method: str
    seconds: float
    seed: int
    target: int | None
    trace: Path | None
    strikes: StrikePlan | None


STRIKE_OPTIONS = (
    click.option(
        "--controller", type=click.Choice(sorted(MAKERS)), help="What chooses the angles [best for the size]."
    ),
    click.option("--depth", type=click.IntRange(1, DEPTH_MAX), help="Layers of the circuit [best for the size]."),
    click.option("--shots", type=click.IntRange(1, SHOTS_MAX), help="Shots of a strike [32]."),
    click.option("--refine", type=click.Choice(sorted(REFINEMENTS)), help="What is done to each shot [none]."),
    click.option("--evaluations", "evaluations_max", type=click.IntRange(1, COUNT_MAX), help="Stop after so many."),
    click.option("--gas", "gas_max", type=click.IntRange(1, COUNT_MAX), help="Stop before the strikes take more gas."),
)


def search_options(function: F) -> F:
    """Add `--method` and all that goes with it."""
    options = (
        click.option("--method", type=click.Choice(METHODS), default="anneal", show_default=True, help="How to look."),
        click.option("--seconds", type=SECONDS, default=10.0, show_default=True, help="How long to search a problem."),
        click.option("--target", type=TARGET, help="Stop at this cut, value or energy (only for a FILE)."),
        click.option("--seed", type=click.IntRange(0, COUNT_MAX), default=0, show_default=True, help="Of the search."),
        click.option(
            "--trace", type=click.Path(path_type=Path), help="Write each strike or improvement as a JSON line."
        ),
        solver_engine_option,
        bond_option,
        *STRIKE_OPTIONS,
    )
    for option in reversed(options):
        function = option(function)
    return function


def read_search(options: dict[str, object], *, has_target: bool) -> Search:
    """Return the options that `search_options` added, as one record.

    Args:
        has_target: The problem brings its own target.

    Raises:
        CommandFailed: options that do not go together.
    """
    given = {name: options[name] for name in StrikePlan.__struct_fields__ if options.get(name) is not None}
    method = str(options["method"])
    if given and method != "match-strike":
        flag = next(iter(given)).removesuffix("_max").replace("_", "-")
        flag = "bond-max" if flag == "bond" else flag
        raise CommandFailed(f"--{flag} is for strikes; add --method match-strike, or leave it out", USAGE)
    if "bond_max" in given and given.get("engine") not in ("mps", "quimb"):
        raise CommandFailed("--bond-max is for --engine mps and --engine quimb", USAGE)
    if has_target and options["target"] is not None:
        raise CommandFailed("--target is for files; a posted problem has its own target", USAGE)
    strikes = msgspec.convert(given, StrikePlan) if method == "match-strike" else None
    rest = {name: options[name] for name in ("method", "seconds", "seed", "target", "trace")}
    return msgspec.convert({**rest, "strikes": strikes}, Search)
