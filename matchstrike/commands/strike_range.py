"""`matchstrike strike range`: many strikes of one problem, on all cores or on a cluster."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from time import perf_counter

import click

from matchstrike.commands.failure import FAILED, CommandFailed
from matchstrike.commands.posting import load_problem
from matchstrike.commands.session import emit, output_option
from matchstrike.commands.strike_setup import SHOTS_MAX, add_circuit_options, find_order, load_law, load_order
from matchstrike.commands.task_places import add_place_options, run_with_progress
from rpc.api import Json
from vm.law import InvalidLaw, compute_law
from vm.problem import NotStrikeable, check_strikeable
from vm.problem_file import ProblemFile, compute_quantity, get_quantity_name
from vm.strike import SHOTS_DEFAULT, RegisterTooLarge
from workers.strike_range import (
    STRIKES_MAX,
    InvalidRange,
    RangeResult,
    StrikeRange,
    compute_strike_seed,
    join_results,
    run_strike_range,
    split_range,
)


@click.command("range")
@add_circuit_options
@click.option("--start", type=click.IntRange(0, STRIKES_MAX), default=0, show_default=True, help="The first strike.")
@click.option("--count", type=click.IntRange(1, STRIKES_MAX), required=True, help="How many strikes.")
@click.option("--shots", type=click.IntRange(1, SHOTS_MAX), default=SHOTS_DEFAULT, show_default=True, help="Of each.")
@click.option("--order", "order_file", type=click.Path(path_type=Path), help="Measurement order, JSON [annealed].")
@click.option("--save", type=click.Path(path_type=Path), help="Write all shots to this file, packed, in their order.")
@add_place_options
@output_option
def strike_range(
    file: Path,
    depth: int,
    seed: bytes,
    start: int,
    count: int,
    shots: int,
    law_file: Path | None,
    order_file: Path | None,
    save: Path | None,
    processes: int | None,
    cluster: str | None,
    output: str,
) -> None:
    """Run many strikes of the problem in FILE, all from one seed, on every core or on a Dask cluster.

    The same range gives the same strikes wherever it runs, bit for bit; the fingerprint says so. A worker that dies
    loses nothing: its part runs again.

    \b
        matchstrike strike range examples/cubic16.txt --depth 1 --seed $(printf '%064d' 1) --count 1000
    """
    problem_file = load_problem(file)
    problem = problem_file.problem
    try:
        check_strikeable(problem)
        whole = StrikeRange(
            problem=problem,
            order=find_order(problem, depth) if order_file is None else load_order(order_file, problem.n),
            depth=depth,
            law=compute_law(problem, depth) if law_file is None else load_law(law_file, depth),
            seed=seed,
            start=start,
            count=count,
            shots=shots,
            is_kept=save is not None,
        )
        parts = split_range(whole)
    except NotStrikeable as error:
        raise CommandFailed(f"{file}: this problem cannot be struck: {error}", FAILED) from error
    except (InvalidLaw, InvalidRange, RegisterTooLarge) as error:
        raise CommandFailed(f"{file}: {error}", FAILED) from error
    if save is not None:
        _write(save, [])  # before any work, so that a bad path costs nothing
    results: dict[int, RangeResult] = {}
    began = perf_counter()
    run_with_progress(
        run_strike_range,
        parts,
        processes=processes,
        cluster=cluster,
        title="strikes",
        on_result=results.__setitem__,
    )
    seconds = perf_counter() - began
    ordered = [results[index] for index in range(len(parts))]
    if save is not None:
        _write(save, [result.shots for result in ordered])
    data = _result_to_json(problem_file, whole, reduce(join_results, ordered), len(parts), seconds)
    emit(data, "\n".join(f"{name:<16} {value}" for name, value in data.items()), output)


def _write(path: Path, parts: list[bytes]) -> None:
    try:
        with path.open("wb") as stream:
            stream.writelines(parts)
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror or error}", FAILED) from error


def _result_to_json(
    file: ProblemFile, whole: StrikeRange, result: RangeResult, tasks: int, seconds: float
) -> dict[str, Json]:
    word = get_quantity_name(file)
    bits = "".join(map(str, result.best_bits))
    data: dict[str, Json] = {
        "problem": file.name,
        "start": whole.start,
        "strikes": result.count,
        "best_energy": result.best_energy,
        "best_strike": result.best_strike,
        "best_seed": compute_strike_seed(whole.seed, result.best_strike).hex(),
        "best_shot": bits,
        "mean_energy": result.energy_sum / (result.count * whole.shots),
        "fingerprint": f"{result.fingerprint:064x}",
        "tasks": tasks,
        "cpu_seconds": round(result.cpu_seconds, 3),
        "seconds": round(seconds, 3),
    }
    if word != "energy":
        data[f"best_{word}"] = compute_quantity(file, result.best_energy)
    return data
