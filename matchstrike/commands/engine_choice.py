"""`--engine`: of the commands that run strikes again, and what the slow engine cannot hold; of a solver's search."""

from __future__ import annotations

import click

from matchstrike.commands.failure import FAILED, CommandFailed
from vm.engines.catalogue import ENGINE_NAMES
from vm.engines.matrix_product import BOND_LIMIT
from vm.problem import IsingProblem

REFERENCE_QUBITS_MAX = 20

engine_option = click.option(
    "--engine",
    type=click.Choice(["frontier", "reference"]),
    default="frontier",
    show_default=True,
    help="The consensus engine, or the slow whole-state one it is compared with.",
)
solver_engine_option = click.option(
    "--engine",
    type=click.Choice(ENGINE_NAMES),
    help="What runs the strikes [frontier]: exact and fast; the slow whole state; matrix product states.",
)
bond_option = click.option(
    "--bond-max",
    type=click.IntRange(1, BOND_LIMIT),
    help="Bond dimension of mps and quimb [64]: more is truer and slower.",
)


def check_engine_holds(engine: str, problem: IsingProblem) -> None:
    """Refuse a problem that the chosen engine cannot hold.

    Raises:
        CommandFailed: too many spins for the whole-state engine.
    """
    if engine == "reference" and problem.n > REFERENCE_QUBITS_MAX:
        raise CommandFailed(
            f"the reference engine holds the whole state: at most {REFERENCE_QUBITS_MAX} spins, not {problem.n}; "
            "use --engine frontier",
            FAILED,
        )
