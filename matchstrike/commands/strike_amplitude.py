"""`matchstrike strike amplitude`: one amplitude of a strike's circuit, in slices on all cores or a cluster."""

from __future__ import annotations

import re
from pathlib import Path
from time import perf_counter

import click
import msgspec

from matchstrike.commands.failure import FAILED, CommandFailed
from matchstrike.commands.posting import load_problem
from matchstrike.commands.regular_file import read_regular_file
from matchstrike.commands.session import console, emit, output_option
from matchstrike.commands.strike_setup import add_circuit_options, load_law
from matchstrike.commands.task_places import add_place_options, run_with_progress
from rpc.api import Json
from vm.amplitude_network import make_amplitude_network
from vm.engines.angled_circuit import AngledCircuit, InvalidAngles, set_drawn_angles
from vm.engines.engine import InvalidRequest
from vm.law import InvalidLaw, compute_law
from vm.problem import IsingProblem, NotStrikeable, check_strikeable
from vm.strike import compile_circuit
from workers.contraction import (
    SIZE_BITS_DEFAULT,
    SIZE_BITS_MAX,
    ContractionPlan,
    ContractionRefused,
    SliceValues,
    check_plan,
    find_plan,
    run_slices,
    split_slices,
    sum_slices,
)

PLAN_BYTES_MAX = 2**24


@click.command("amplitude")
@add_circuit_options
@click.option("--bits", required=True, metavar="BITS", help="The bit string, spin 0 first; 0 alone is all zeros.")
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), help="Use this plan, or write it if not there.")
@click.option(
    "--size-bits",
    type=click.IntRange(4, SIZE_BITS_MAX),
    default=SIZE_BITS_DEFAULT,
    show_default=True,
    help="A new plan's largest tensor has at most 2 to this power entries of 16 bytes.",
)
@click.option("--effort", type=click.IntRange(1, 100), default=8, show_default=True, help="Spent on a new plan.")
@add_place_options
@output_option
def amplitude(
    file: Path,
    depth: int,
    seed: bytes,
    bits: str,
    law_file: Path | None,
    plan_file: Path | None,
    size_bits: int,
    effort: int,
    processes: int | None,
    cluster: str | None,
    output: str,
) -> None:
    """Compute one amplitude of the circuit that a strike of FILE with this seed runs; needs matchstrike[cluster].

    The contraction is cut into slices and their values are added in a fixed order: the same plan gives the same
    amplitude, bit for bit, in one process and on a whole cluster.

    \b
        matchstrike strike amplitude examples/cubic16.txt --depth 2 --seed $(printf '%064d' 1) --bits 0
    """
    problem = load_problem(file).problem
    try:
        check_strikeable(problem)
        law = compute_law(problem, depth) if law_file is None else load_law(law_file, depth)
        circuit = set_drawn_angles(compile_circuit(problem, depth=depth), law, seed)
        network = make_amplitude_network(circuit, _read_bits(bits, problem.n))
        plan = _get_plan(plan_file, circuit, size_bits, effort)
        tasks = split_slices(plan, network)
    except (NotStrikeable, InvalidLaw, InvalidAngles, InvalidRequest, ContractionRefused) as error:
        raise CommandFailed(f"{file}: {error}", FAILED) from error
    results: list[SliceValues] = []
    began = perf_counter()
    try:
        run_with_progress(
            run_slices,
            tasks,
            processes=processes,
            cluster=cluster,
            title="slices",
            on_result=lambda _, values: results.append(values),
        )
    except ContractionRefused as error:
        raise CommandFailed(f"{file}: {error}", FAILED) from error
    value = sum_slices(results)
    data: dict[str, Json] = {
        "amplitude": [value.real, value.imag],
        "amplitude_hex": [value.real.hex(), value.imag.hex()],
        "probability": abs(value) ** 2,
        "slices": plan.slices,
        "tasks": len(tasks),
        "operations": plan.operations,
        "largest_bits": plan.largest_bits,
        "cpu_seconds": round(sum(result.cpu_seconds for result in results), 3),
        "seconds": round(perf_counter() - began, 3),
    }
    emit(data, "\n".join(f"{name:<16} {item}" for name, item in data.items()), output)


def _read_bits(text: str, n: int) -> list[int]:
    if not re.fullmatch("[01]+", text):
        raise InvalidRequest(f"a bit string has only 0 and 1, not {text!r}")
    return [0] * n if text == "0" else [int(bit) for bit in text]


def _get_plan(path: Path | None, circuit: AngledCircuit, size_bits: int, effort: int) -> ContractionPlan:
    """Return the plan of a file, or a new one, which is written there."""
    problem, depth = circuit.circuit.problem, circuit.circuit.depth
    if path is not None and path.exists():
        return load_plan(path, problem, depth)
    with console.status("looking for a contraction tree"):
        plan = find_plan(problem, depth, size_bits=size_bits, effort=effort)
    if path is not None:
        try:
            path.write_bytes(msgspec.json.encode(plan))
        except OSError as error:
            raise CommandFailed(f"{path}: {error.strerror or error}", FAILED) from error
    return plan


def load_plan(path: Path, problem: IsingProblem, depth: int) -> ContractionPlan:
    """Return the plan of a file that `amplitude --plan` wrote.

    Raises:
        CommandFailed: no such file (5), or it holds no plan.
        ContractionRefused: a plan of other circuits.
    """
    try:
        plan = msgspec.json.decode(read_regular_file(path, bytes_max=PLAN_BYTES_MAX), type=ContractionPlan)
    except msgspec.DecodeError as error:
        raise CommandFailed(f"{path} holds no contraction plan: {error}", FAILED) from error
    check_plan(plan, problem, depth)
    return plan
