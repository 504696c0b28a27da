"""`matchstrike strike`: re-run any strike by hand."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
from rich.progress import Progress

from matchstrike.commands.engine_choice import check_engine_holds, engine_option
from matchstrike.commands.failure import FAILED, CommandFailed
from matchstrike.commands.posting import ORDER_SEED, load_problem
from matchstrike.commands.regular_file import read_regular_file
from matchstrike.commands.session import console, emit, output_option
from matchstrike.commands.strike_report import StrikeRun, strike_to_json, strike_to_text
from matchstrike.commands.strike_ticket import ticket
from vm.law import DEPTH_MAX, AngleLaw, InvalidLaw, check_law, compute_law
from vm.order import OrderProgress, anneal_order
from vm.problem import IsingProblem, NotStrikeable, Shots, check_strikeable
from vm.reference import run_reference_strike
from vm.schedule import InvalidOrder, check_order
from vm.strike import SHOTS_DEFAULT, Circuit, RegisterTooLarge, compile_circuit, get_circuit_gas, run_strike

SHOTS_MAX = 2**16
FILE_BYTES_MAX = 2**20


class SeedType(click.ParamType[bytes]):
    """A seed of 32 bytes in hexadecimal, with or without 0x."""

    name = "hex"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Return the bytes."""
        text = str(value).strip().removeprefix("0x")
        try:
            seed = bytes.fromhex(text)
        except ValueError:
            seed = b""
        if len(seed) != 32:
            self.fail(
                f"a seed is 32 bytes, written as 64 hexadecimal digits; here are {len(text)} characters", param, ctx
            )
        return seed


class _LawFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An angle law as people write it; the record of the vm accepts nothing less."""

    gamma_means: tuple[int, ...]
    gamma_widths: tuple[int, ...]
    beta_means: tuple[int, ...]
    beta_widths: tuple[int, ...]
    field_width: int
    mixer_width: int


@click.group()
def strike() -> None:
    """Strikes: runs of a circuit whose every bit follows from a seed."""


@strike.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--depth", type=click.IntRange(1, DEPTH_MAX), required=True, help="Layers of the circuit.")
@click.option("--seed", type=SeedType(), required=True, metavar="HEX", help="The strike's seed: 64 hexadecimal digits.")
@click.option(
    "--shots", type=click.IntRange(1, SHOTS_MAX), default=SHOTS_DEFAULT, show_default=True, help="Shots to draw."
)
@click.option("--law", "law_file", type=click.Path(path_type=Path), help="Angle law, JSON [the published angles].")
@click.option(
    "--order",
    "order_file",
    type=click.Path(path_type=Path),
    help="Measurement order, JSON [annealed as `problem post` does it].",
)
@engine_option
@output_option
def replay(
    file: Path,
    depth: int,
    seed: bytes,
    shots: int,
    law_file: Path | None,
    order_file: Path | None,
    engine: str,
    output: str,
) -> None:
    """Run the strike of the problem in FILE (rudy/Gset, .qubo or JSON) that a seed gives.

    The same file, depth, seed, law and order give the same shots on every machine. `--law` and `--order` also read what
    an earlier `replay -o json` printed.

    \b
        matchstrike strike replay examples/cubic16.txt --depth 1 --seed $(printf '%064d' 1)
    """
    problem_file = load_problem(file)
    problem = problem_file.problem
    check_engine_holds(engine, problem)
    try:
        check_strikeable(problem)
        law = compute_law(problem, depth) if law_file is None else load_law(law_file, depth)
        order = find_order(problem, depth) if order_file is None else load_order(order_file, problem.n)
        circuit = compile_circuit(problem, order=order, depth=depth)
        drawn = _run(engine, circuit, law, seed, shots)
    except NotStrikeable as error:
        raise CommandFailed(f"{file}: this problem cannot be struck: {error}", FAILED) from error
    except (InvalidLaw, RegisterTooLarge) as error:
        raise CommandFailed(f"{file}: {error}", FAILED) from error
    done = StrikeRun(
        file=problem_file,
        circuit=circuit,
        law=law,
        seed=seed,
        engine=engine,
        gas=get_circuit_gas(circuit, shots),
        shots=drawn.tolist(),
    )
    emit(strike_to_json(done), strike_to_text(done) if output == "text" else "", output)


strike.add_command(ticket)


def find_order(problem: IsingProblem, depth: int) -> tuple[int, ...]:
    """Return the order that `problem post` finds, with progress shown."""
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("annealing the measurement order", total=1)

        def show(news: OrderProgress) -> None:
            progress.update(task, total=news.total, completed=news.done)

        return anneal_order(problem, depth, seed=ORDER_SEED, on_progress=show)


def load_law(path: Path, depth: int) -> AngleLaw:
    """Return the angle law of a JSON file: the law itself, or what `replay -o json` printed.

    Raises:
        CommandFailed: no such file (5), or it holds no valid law of this depth (1).
    """
    data = _load_json(path, "law")
    try:
        read = msgspec.convert(data, _LawFile)
        law = AngleLaw(**msgspec.structs.asdict(read))
        check_law(law)
    except (msgspec.ValidationError, InvalidLaw) as error:
        raise CommandFailed(f"{path} holds no angle law: {error}", FAILED) from error
    if len(law.gamma_means) != depth:
        raise CommandFailed(f"{path} holds a law of depth {len(law.gamma_means)}, not {depth}", FAILED)
    return law


def load_order(path: Path, n: int) -> tuple[int, ...]:
    """Return the measurement order of a JSON file: a list of qubits, or what `replay -o json` printed.

    Raises:
        CommandFailed: no such file (5), or it holds no order of these qubits (1).
    """
    data = _load_json(path, "order")
    try:
        order = msgspec.convert(data, tuple[int, ...])
        check_order(order, n)
    except (msgspec.ValidationError, InvalidOrder) as error:
        raise CommandFailed(f"{path} holds no measurement order: {error}", FAILED) from error
    return order


def _load_json(path: Path, key: str) -> object:
    """Return what a JSON file holds, under `key` if it is the output of a replay."""
    raw = read_regular_file(path, bytes_max=FILE_BYTES_MAX)
    try:
        data: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} is not valid JSON: {error}", FAILED) from error
    if isinstance(data, dict) and key in data:
        return data[key]
    return data


def _run(engine: str, circuit: Circuit, law: AngleLaw, seed: bytes, shots: int) -> Shots:
    if engine == "frontier":
        return run_strike(circuit, law, seed, shots=shots)
    return run_reference_strike(circuit.problem, circuit.order, law, seed, shots=shots)
