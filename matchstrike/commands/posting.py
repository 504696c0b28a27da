"""From a problem file to the arguments of `Problems.post`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
from rich.progress import Progress

from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.regular_file import read_regular_file
from matchstrike.commands.session import console
from vm.formats import read_problem
from vm.local_search import search_locally
from vm.order import EFFORT_DEFAULT, OrderProgress, anneal_order, compute_live_profile
from vm.problem import NotStrikeable, check_strikeable, compute_energy
from vm.problem_file import (
    InvalidProblemFile,
    ProblemFile,
    compute_energy_target,
    compute_quantity,
    get_quantity_name,
)

ORDER_SEED = 1
SEARCH_SEED = 1
DEADLINE_BLOCKS = 200
TARGET = click.IntRange(-(2**62), 2**62)


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What the poster offers, in planck and blocks; the best-effort share in billionths of the bounty."""

    bounty_planck: int
    work_budget_planck: int = 0
    price_per_gas_planck: int = 0
    best_effort_ppb: int = 0
    deadline_blocks: int = DEADLINE_BLOCKS
    target: int | None = None


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `Problems.post` needs, and what to tell the poster.

    Attributes:
        target_quantity: The cut, value or energy that earns the bounty.
        baseline_quantity: What a short classical search finds by itself.
    """

    file: ProblemFile
    depth: int
    order: tuple[int, ...]
    live_qubits_max: int
    target_energy: int
    target_quantity: int
    baseline_quantity: int


def load_problem(path: Path) -> ProblemFile:
    """Return the problem of a file.

    Raises:
        CommandFailed: no such file (5), or it is no problem file (1).
    """
    data = read_regular_file(path)
    try:
        return read_problem(data, name=path.name)
    except InvalidProblemFile as error:
        raise CommandFailed(str(error)) from error


def make_posting(file: ProblemFile, *, depth: int, target: int | None, effort: int = EFFORT_DEFAULT) -> Posting:
    """Return the posting: order annealed with progress shown, target turned into an energy.

    Without a target, the best that a short classical search finds is asked for: everybody can have that for nothing.
    """
    problem = file.problem
    baseline = compute_quantity(file, compute_energy(problem, search_locally(problem, seed=SEARCH_SEED)[0]))
    wanted = baseline if target is None else target
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("annealing the measurement order", total=1)

        def show(news: OrderProgress) -> None:
            progress.update(task, total=news.total, completed=news.done)

        order = anneal_order(problem, depth, seed=ORDER_SEED, effort=effort, on_progress=show)
    return Posting(
        file=file,
        depth=depth,
        order=order,
        live_qubits_max=max(compute_live_profile(problem, order, depth)),
        target_energy=compute_energy_target(file, wanted),
        target_quantity=wanted,
        baseline_quantity=baseline,
    )


def make_call_arguments(posting: Posting, offer: Offer, *, best_number: int) -> dict[str, object]:
    """Return the arguments of `Problems.post` by name."""
    problem = posting.file.problem
    return {
        "ising": {
            "offset": problem.offset,
            "fields": list(problem.fields),
            "couplings": [list(coupling) for coupling in problem.couplings],
        },
        "depth": posting.depth,
        "order": list(posting.order),
        "terms": {
            "bounty": offer.bounty_planck,
            "target_energy": posting.target_energy,
            "deadline": best_number + offer.deadline_blocks,
            "work_budget": offer.work_budget_planck,
            "price_per_gas": offer.price_per_gas_planck,
            "best_effort_ppb": offer.best_effort_ppb,
        },
    }


def describe_posting(posting: Posting) -> str:
    """Return a line for people, and a warning if no miner can run the problem's circuit."""
    problem, name = posting.file.problem, get_quantity_name(posting.file)
    line = (
        f"{posting.file.name}: {problem.n} spins, {len(problem.couplings)} couplings, depth {posting.depth}, "
        f"{posting.live_qubits_max} live qubits; target {name} {posting.target_quantity} "
        f"(a short classical search finds {posting.baseline_quantity})"
    )
    try:
        check_strikeable(problem)
    except NotStrikeable as error:
        line += f"\nwarning: no miner can strike this problem: {error} (docs/problem-files.md tells what to do)"
    return line
