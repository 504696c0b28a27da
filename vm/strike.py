"""Strikes: one run of a problem's circuit, with everything random drawn from a 32-byte seed.

`run_strike` is the consensus engine: the frontier method in compiled kernels. Same circuit, law, seed and number of
shots give the same bits on every machine.

Terms:
    circuit: a problem with its measurement order, depth and compiled schedule; made once, kept, used for many strikes.
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.derivation import Uniforms, Words, compute_uniforms, expand_seed
from vm.gas import compute_gas
from vm.kernels import draw_phases, run_program
from vm.law import AngleLaw, InvalidLaw, check_law
from vm.problem import IsingProblem, Shots
from vm.schedule import Schedule, compile_schedule
from vm.trig_table import get_trig_table

LIVE_QUBITS_MAX = 26
SHOTS_DEFAULT = 32
SHOTS_MAX = 65536


class RegisterTooLarge(Exception):
    """A circuit that needs more live qubits than the engine holds."""

    rule: ClassVar[str] = "VM-11"


class Circuit(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A problem's circuit, ready to be struck.

    Attributes:
        problem: The energy.
        order: Labels in the order of measurement.
        depth: Number of layers p.
        schedule: Compiled from the three.
    """

    problem: IsingProblem
    order: tuple[int, ...]
    depth: int
    schedule: Schedule

    @cached_property
    def program(self) -> Program:
        """The schedule as arrays for the kernels."""
        return _lower(self)


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as arrays."""

    arrays: tuple[NDArray[np.int64], ...]
    live_max: int
    kept_sizes: tuple[int, ...]


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A strike whose angles are drawn: `draw` turns uniforms into shots."""

    circuit: Circuit
    gammas: NDArray[np.int64]
    mixers: NDArray[np.int64]
    dressing: NDArray[np.int64]
    words: Words


def compile_circuit(problem: IsingProblem, *, order: tuple[int, ...] | None = None, depth: int) -> Circuit:
    """Return the circuit of a problem; without an order, qubits are measured by label.

    Raises:
        InvalidOrder: the order is no permutation.
    """
    chosen = tuple(range(problem.n)) if order is None else tuple(order)
    schedule = compile_schedule(problem, chosen, depth)
    return Circuit(problem=problem, order=chosen, depth=depth, schedule=schedule)


def get_circuit_gas(circuit: Circuit, shots: int = SHOTS_DEFAULT) -> int:
    """Return the gas of one strike."""
    return compute_gas(circuit.schedule, shots)


def run_strike(circuit: Circuit, law: AngleLaw, seed: bytes, *, shots: int = SHOTS_DEFAULT) -> Shots:
    """Return the shots of one strike, uint8[shot, qubit by label].

    Raises:
        RegisterTooLarge: more live qubits than LIVE_QUBITS_MAX.
        InvalidLaw: the law is invalid or of another depth.
    """
    prepared = prepare(circuit, law, seed, shots=shots)
    n = circuit.problem.n
    return draw(prepared, compute_uniforms(prepared.words[2 * circuit.depth + n :], n))


def prepare(circuit: Circuit, law: AngleLaw, seed: bytes, *, shots: int = 0) -> Prepared:
    """Return the strike with its angles drawn; `shots` says how many uniforms to expand as well."""
    check_law(law)
    if len(law.gamma_means) != circuit.depth:
        raise InvalidLaw(f"a law of depth {len(law.gamma_means)} does not fit a circuit of depth {circuit.depth}")
    # SPEC VM-11: A circuit that needs more than 26 live qubits MUST NOT be struck.
    if circuit.schedule.live_qubits_max > LIVE_QUBITS_MAX:
        raise RegisterTooLarge(f"{circuit.schedule.live_qubits_max} live qubits exceed {LIVE_QUBITS_MAX}")
    n = circuit.problem.n
    words = expand_seed(seed, depth=circuit.depth, n=n, shots=shots)
    gammas, mixers, dressing = draw_phases(words, _pack_law(law), circuit.depth, n)
    return Prepared(circuit=circuit, gammas=gammas, mixers=mixers, dressing=dressing, words=words)


def draw(prepared: Prepared, uniforms: Uniforms) -> Shots:
    """Return one shot for each row of uniforms (columns in measurement order), uint8[shot, qubit by label]."""
    circuit = prepared.circuit
    program = circuit.program
    count = len(uniforms)
    shots = np.empty((count, circuit.problem.n), np.uint8)
    if count == 0:
        return shots
    run_program(
        program.arrays,
        get_trig_table(),
        prepared.gammas,
        prepared.mixers,
        prepared.dressing,
        uniforms,
        shots,
        program.live_max,
        sum(program.kept_sizes[: count - 1]),
    )
    return shots


def _pack_law(law: AngleLaw) -> NDArray[np.int64]:
    """Return the law as int64[5, max(p, 2)]: gamma means, gamma widths, beta means, beta widths, dressing widths."""
    packed = np.zeros((5, max(2, len(law.gamma_means))), np.int64)
    for row, values in enumerate((law.gamma_means, law.gamma_widths, law.beta_means, law.beta_widths)):
        packed[row, : len(values)] = values
    packed[4, :2] = law.field_width, law.mixer_width
    return packed


def _lower(circuit: Circuit) -> Program:
    schedule = circuit.schedule
    steps: list[tuple[int, ...]] = []
    introduced: list[int] = []
    fields: list[tuple[int, int, int]] = []
    couplings: list[tuple[int, int, int]] = []
    kept: list[int] = []
    for step in schedule.steps:
        ends = (len(introduced), len(fields), len(couplings))
        steps.append((step.layer, step.qubit, step.position, int(step.measured), *ends))
        introduced.extend(step.introduced)
        fields.extend((position, qubit, circuit.problem.fields[qubit]) for position, qubit in step.fields)
        couplings.extend(step.couplings)
        if step.measured:
            kept.append(2 ** (step.live - 1))
    arrays = (
        np.array(steps, dtype=np.int64),
        np.array(introduced, dtype=np.int64),
        np.array(fields, dtype=np.int64).reshape(-1, 3),
        np.array(couplings, dtype=np.int64).reshape(-1, 3),
        np.array(schedule.order, dtype=np.int64),
    )
    return Program(arrays=arrays, live_max=schedule.live_qubits_max, kept_sizes=tuple(sorted(kept, reverse=True)))
