"""`matchstrike solve FILE`: only look, without a chain and without an account."""

from __future__ import annotations

from pathlib import Path

import msgspec

from matchstrike.commands.posting import load_problem
from matchstrike.commands.session import emit
from matchstrike.commands.solve_attempt import describe_progress, make_attempt
from matchstrike.commands.solve_options import Search
from matchstrike.commands.solve_search import Found
from matchstrike.commands.solve_strikes import settle_plan
from rpc.api import Json
from vm.problem import unpack_shots
from vm.problem_file import ProblemFile, compute_energy_target, compute_quantity, get_quantity_name


async def solve_file(path: Path, plan: Search, output: str) -> None:
    """Print the best solution that the plan finds for a file.

    Raises:
        CommandFailed: no such file, no problem in it, or nothing that the method can do with it.
    """
    file = load_problem(path)
    name = get_quantity_name(file)
    goal = None if plan.target is None else compute_energy_target(file, plan.target)
    found = await make_attempt(
        file.problem, plan, goal=goal, describe=lambda energy: f"{name} {compute_quantity(file, energy)}"
    )
    bits = format_bits(found.bits, file.problem.n)
    emit({**describe_found(file, plan, found), "bits": bits}, f"{_say_found(file, plan, found)}\n{bits}", output)


def describe_found(file: ProblemFile, plan: Search, found: Found) -> dict[str, Json]:
    """Return a solution, and how it was found, as JSON."""
    data: dict[str, Json] = {
        "quantity": get_quantity_name(file),
        "value": compute_quantity(file, found.energy),
        "energy": found.energy,
        "method": plan.method,
        "seed": plan.seed,
        "seconds": round(found.seconds, 6),
        "endedBy": found.ended_by,
    }
    if plan.target is not None:
        data["target"] = plan.target
    if plan.strikes is not None and found.last is not None:
        settled = settle_plan(plan.strikes, file.problem)
        how: dict[str, Json] = msgspec.to_builtins(settled)
        spent = describe_progress(found.last)
        data["strikes"] = {
            **{name: how[name] for name in ("engine", "controller", "depth", "shots", "refine")},
            **{name: value for name, value in spent.items() if name != "strikes"},
            "count": spent["strikes"],
        }
    return data


def format_bits(bits: bytes, spins: int) -> str:
    """Return packed bits as a word, spin 0 first."""
    return "".join(map(str, unpack_shots(bits, spins)[0].tolist()))


def _say_found(file: ProblemFile, plan: Search, found: Found) -> str:
    name = get_quantity_name(file)
    text = f"{name} {compute_quantity(file, found.energy)}, energy {found.energy}"
    if found.last is not None:
        text += f"; {found.last.strikes} strikes, {found.last.evaluations} evaluations, {found.last.gas} gas"
    if plan.target is not None and found.ended_by != "target":
        text += f"; the target, {name} {plan.target}, was not reached"
    return text
