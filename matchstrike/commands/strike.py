"""`matchstrike strike`: re-run any strike by hand."""

from __future__ import annotations

from pathlib import Path

import click

from matchstrike.commands.engine_choice import check_engine_holds, engine_option
from matchstrike.commands.failure import FAILED, USAGE, CommandFailed
from matchstrike.commands.posting import load_problem
from matchstrike.commands.session import console, emit, output_option
from matchstrike.commands.strike_amplitude import amplitude
from matchstrike.commands.strike_range import strike_range
from matchstrike.commands.strike_report import StrikeRun, strike_to_json, strike_to_text
from matchstrike.commands.strike_setup import SHOTS_MAX, add_circuit_options, find_order, load_law, load_order
from matchstrike.commands.strike_ticket import ticket
from vm.engines.angled_circuit import set_drawn_angles
from vm.engines.engine import EngineRefused
from vm.law import AngleLaw, InvalidLaw, compute_law
from vm.problem import NotStrikeable, Shots, check_strikeable
from vm.reference import run_reference_strike
from vm.strike import SHOTS_DEFAULT, Circuit, RegisterTooLarge, compile_circuit, get_gas_used, run_strike
from workers.sharded_register import ShardedRegister, ShardLost


@click.group()
def strike() -> None:
    """Strikes: runs of a circuit whose every bit follows from a seed."""


@strike.command()
@add_circuit_options
@click.option(
    "--shots", type=click.IntRange(1, SHOTS_MAX), default=SHOTS_DEFAULT, show_default=True, help="Shots to draw."
)
@click.option(
    "--order",
    "order_file",
    type=click.Path(path_type=Path),
    help="Measurement order, JSON [annealed as `problem post` does it].",
)
@engine_option
@click.option(
    "--shards", type=int, help="Spread the state of --engine reference over 2, 4, 8 ... processes; it may be larger."
)
@output_option
def replay(
    file: Path,
    depth: int,
    seed: bytes,
    shots: int,
    law_file: Path | None,
    order_file: Path | None,
    engine: str,
    shards: int | None,
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
    if shards is None:
        check_engine_holds(engine, problem)
    elif engine != "reference":
        raise CommandFailed("--shards spreads the whole state of --engine reference; frontier needs none", USAGE)
    try:
        check_strikeable(problem)
        law = compute_law(problem, depth) if law_file is None else load_law(law_file, depth)
        order = find_order(problem, depth) if order_file is None else load_order(order_file, problem.n)
        circuit = compile_circuit(problem, order=order, depth=depth)
        if shards is None:
            drawn = _run(engine, circuit, law, seed, shots)
        else:
            drawn = _run_sharded(shards, circuit, law, seed, shots)
    except NotStrikeable as error:
        raise CommandFailed(f"{file}: this problem cannot be struck: {error}", FAILED) from error
    except (InvalidLaw, RegisterTooLarge, EngineRefused, ShardLost) as error:
        raise CommandFailed(f"{file}: {error}", FAILED) from error
    done = StrikeRun(
        file=problem_file,
        circuit=circuit,
        law=law,
        seed=seed,
        engine=engine,
        gas=get_gas_used(circuit, drawn),
        shots=drawn.tolist(),
    )
    emit(strike_to_json(done), strike_to_text(done) if output == "text" else "", output)


strike.add_command(amplitude)
strike.add_command(strike_range)
strike.add_command(ticket)


def _run(engine: str, circuit: Circuit, law: AngleLaw, seed: bytes, shots: int) -> Shots:
    if engine == "frontier":
        return run_strike(circuit, law, seed, shots=shots)
    return run_reference_strike(circuit.problem, circuit.order, law, seed, shots=shots)


def _run_sharded(shards: int, circuit: Circuit, law: AngleLaw, seed: bytes, shots: int) -> Shots:
    """Return the shots of the reference's state, spread over processes, and tell what these had to exchange."""
    with console.status(f"running the whole state in {shards} processes"), ShardedRegister(shards) as register:
        drawn = register.sample(set_drawn_angles(circuit, law, seed), shots=shots, seed=seed)
        traffic = register.traffic
    click.echo(
        f"{shards} shards: {traffic.exchanges} exchanges, {traffic.bytes_sent / 2**20:.1f} MiB between them; "
        f"{traffic.seconds:.2f} s of CPU time",
        err=True,
    )
    return drawn
