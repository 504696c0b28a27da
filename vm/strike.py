"""Strikes: one run of a problem's circuit, with everything random drawn from a 32-byte seed.

`run_strike` is the consensus engine: the frontier method in compiled kernels. Same circuit, law, seed and number of
shots give the same bits on every machine.

Terms:
    circuit: a problem with its measurement order, depth and compiled schedule; made once, kept, used for many strikes.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.derivation import Angles, Uniforms, Words, expand_seed
from vm.gas import Tariff, compute_gas_used, make_tariff
from vm.kernels import GAP, KEEP, RESUME, RUN, strike
from vm.law import BETA_PERIOD, DEPTH_MAX, GAMMA_PERIOD, AngleLaw, InvalidLaw, check_law
from vm.problem import IsingProblem, Shots
from vm.program import Program, make_program
from vm.schedule import Schedule, compile_schedule
from vm.trig_table import get_trig_table
from vm.work import count_registers

LIVE_QUBITS_MAX = 26
SHOTS_DEFAULT = 32
CACHE_LINE = 64  # bytes
NO_TRUNK = np.empty((2, 0))
NO_UNIFORMS = np.empty((0, 0))
NOISE_OF_ONE = 0x7FFF_8000_8000  # a word whose three low 16-bit parts give the noise 1
OWN_WIDTH = 2**31  # of a dressing that takes a word's halves as they are, less 2^31


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
        return make_program(self.problem, self.schedule)

    @cached_property
    def tariffs(self) -> dict[int, Tariff]:
        """What strikes cost, by their number of shots, as far as anybody asked."""
        return {}


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A strike whose angles are drawn: `draw` turns uniforms into shots.

    Attributes:
        circuit: The circuit.
        law: The packed angle law.
        words: The stream's words for the angles.
        trunk: float64[(re, im), 2^live], the register before the first measurement, or empty.
    """

    circuit: Circuit
    law: NDArray[np.int64]
    words: Words
    trunk: NDArray[np.float64]


def compile_circuit(problem: IsingProblem, *, order: tuple[int, ...] | None = None, depth: int) -> Circuit:
    """Return the circuit of a problem; without an order, qubits are measured by label.

    Raises:
        InvalidOrder: the order is no permutation.
    """
    chosen = tuple(range(problem.n)) if order is None else tuple(order)
    schedule = compile_schedule(problem, chosen, depth)
    return Circuit(problem=problem, order=chosen, depth=depth, schedule=schedule)


def get_gas_limit(circuit: Circuit, shots: int = SHOTS_DEFAULT) -> int:
    """Return the most gas that one strike can use."""
    return _get_tariff(circuit, shots).limit


def get_gas_used(circuit: Circuit, drawn: Shots) -> int:
    """Return the gas that the strike used which gave these shots, uint8[shot, qubit by label]."""
    return compute_gas_used(_get_tariff(circuit, len(drawn)), count_registers(drawn, circuit.order))


def run_strike(circuit: Circuit, law: AngleLaw, seed: bytes, *, shots: int = SHOTS_DEFAULT) -> Shots:
    """Return the shots of one strike, uint8[shot, qubit by label].

    Raises:
        RegisterTooLarge: more live qubits than LIVE_QUBITS_MAX.
        InvalidLaw: the law is invalid or of another depth.
    """
    packed = _check_strike(circuit, law)
    n, program = circuit.problem.n, circuit.program
    words = expand_seed(seed, depth=circuit.depth, n=n, shots=shots)
    result = np.empty((shots, n), np.uint8)
    if shots > 0:
        _run(program, packed, words, mode=RUN, trunk=NO_TRUNK, uniforms=NO_UNIFORMS, shots=result)
    return result


def run_with_angles(circuit: Circuit, angles: Angles, seed: bytes, *, shots: int = SHOTS_DEFAULT) -> Shots:
    """Return the shots of one strike with chosen angles; the seed draws only the uniforms, as it does in `run_strike`.

    With the angles that a law and the seed give, these are the shots of `run_strike`, bit for bit.

    Raises:
        RegisterTooLarge: more live qubits than LIVE_QUBITS_MAX.
        InvalidLaw: as many angles as the circuit has layers and qubits are needed, and at most DEPTH_MAX layers.
    """
    check_live_qubits(circuit)
    n, depth = circuit.problem.n, circuit.depth
    if not len(angles.gammas) == len(angles.betas) == depth <= DEPTH_MAX:
        raise InvalidLaw(f"{depth} layers need as many gammas and betas, and at most {DEPTH_MAX} can be struck")
    if not len(angles.fields) == len(angles.mixers) == n:
        raise InvalidLaw(f"{n} qubits need as many own fields and own mixers")
    words = expand_seed(seed, depth=depth, n=n, shots=shots).copy()
    packed = _encode_angles(angles, words)
    result = np.empty((shots, n), np.uint8)
    if shots > 0:
        _run(circuit.program, packed, words, mode=RUN, trunk=NO_TRUNK, uniforms=NO_UNIFORMS, shots=result)
    return result


def prepare(circuit: Circuit, law: AngleLaw, seed: bytes) -> Prepared:
    """Return the strike with its angles drawn, and its register if that is the same for all shots (dense problems).

    Raises:
        RegisterTooLarge, InvalidLaw: as `run_strike`.
    """
    packed = _check_strike(circuit, law)
    n, program, schedule = circuit.problem.n, circuit.program, circuit.schedule
    words = expand_seed(seed, depth=circuit.depth, n=n, shots=0)
    trunk = NO_TRUNK
    if not any(step.measured for step in schedule.steps[: schedule.suffix]):
        trunk = np.empty((2, 1 << schedule.steps[schedule.suffix].live))
        unused = np.empty((1, n), np.uint8)
        _run(program, packed, words, mode=KEEP, trunk=trunk, uniforms=np.zeros((1, n)), shots=unused)
    return Prepared(circuit=circuit, law=packed, words=words, trunk=trunk)


def draw(prepared: Prepared, uniforms: Uniforms) -> Shots:
    """Return one shot for each row of uniforms (columns in measurement order), uint8[shot, qubit by label]."""
    circuit = prepared.circuit
    shots = np.empty(uniforms.shape, np.uint8)
    if len(uniforms):
        mode, trunk = RESUME if prepared.trunk.size else RUN, prepared.trunk
        own = np.array(uniforms, dtype=np.float64, order="C")  # a kernel is compiled for one layout only
        _run(circuit.program, prepared.law, prepared.words, mode=mode, trunk=trunk, uniforms=own, shots=shots)
    return shots


def _get_tariff(circuit: Circuit, shots: int) -> Tariff:
    tariff = circuit.tariffs.get(shots)
    if tariff is None:
        tariff = circuit.tariffs[shots] = make_tariff(circuit.schedule, shots)
    return tariff


def _run(
    program: Program,
    law: NDArray[np.int64],
    words: Words,
    *,
    mode: int,
    trunk: NDArray[np.float64],
    uniforms: Uniforms,
    shots: Shots,
) -> None:
    """Call the kernel with the scratch memory that the program's registers need."""
    planes, phases = _make_scratch(program.planes, int(program.sizes[0]))
    table, sizes, depth = get_trig_table(), program.sizes, program.depth
    strike(program.arrays, sizes, table, law, words, depth, mode, trunk, uniforms, planes, phases, shots)


@lru_cache(maxsize=2)
def _make_scratch(planes: int, live: int) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    # Kept because fresh pages cost more than a strike. Kernels hold the interpreter lock and write before they read.
    size = planes * ((1 << live) + GAP)
    room = np.empty(size + CACHE_LINE // 8)
    start = -room.ctypes.data % CACHE_LINE // 8  # vectors that straddle lines cost a quarter of a pass
    return room[start : start + size], np.empty((3, 1 << live), np.uint16)


def _check_strike(circuit: Circuit, law: AngleLaw) -> NDArray[np.int64]:
    """Return the packed law of a strike that may be run."""
    packed = _pack_law(law)
    if len(law.gamma_means) != circuit.depth:
        raise InvalidLaw(f"a law of depth {len(law.gamma_means)} does not fit a circuit of depth {circuit.depth}")
    check_live_qubits(circuit)
    return packed


def check_live_qubits(circuit: Circuit) -> None:
    """Refuse a circuit that the engine's register cannot hold.

    Raises:
        RegisterTooLarge: more live qubits than LIVE_QUBITS_MAX.
    """
    # SPEC VM-11: A circuit that needs more than 26 live qubits MUST NOT be struck.
    if circuit.schedule.live_qubits_max > LIVE_QUBITS_MAX:
        raise RegisterTooLarge(f"{circuit.schedule.live_qubits_max} live qubits exceed {LIVE_QUBITS_MAX}")


def _encode_angles(angles: Angles, words: Words) -> NDArray[np.int64]:
    """Write into the stream's first words, and return as a packed law, what makes the kernels draw these angles.

    An angle is its mean plus its width times the noise 1; the mean is chosen so that clamping changes nothing.
    """
    depth, n = len(angles.gammas), len(angles.fields)
    packed = np.zeros((5, max(2, depth)), np.int64)
    for row, (values, period) in enumerate(((angles.gammas, GAMMA_PERIOD), (angles.betas, BETA_PERIOD))):
        for layer, value in enumerate(values):
            angle = value % 2**32
            packed[2 * row, layer] = 2 * angle - period // 2
            packed[2 * row + 1, layer] = (period // 2 - angle) << 16
    words[: 2 * depth] = NOISE_OF_ONE
    packed[4, :2] = OWN_WIDTH
    own = zip(angles.fields, angles.mixers, strict=True)
    words[2 * depth : 2 * depth + n] = [
        ((field + 2**31) % 2**32) | (((mixer + 2**31) % 2**32) << 32) for field, mixer in own
    ]
    return packed


@lru_cache(maxsize=256)
def _pack_law(law: AngleLaw) -> NDArray[np.int64]:
    """Return the checked law as int64[5, max(p, 2)]: gamma means and widths, beta means and widths, dressing widths."""
    check_law(law)
    packed = np.zeros((5, max(2, len(law.gamma_means))), np.int64)
    for row, values in enumerate((law.gamma_means, law.gamma_widths, law.beta_means, law.beta_widths)):
        packed[row, : len(values)] = values
    packed[4, :2] = law.field_width, law.mixer_width
    return packed
