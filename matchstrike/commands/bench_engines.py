"""`matchstrike bench engines`: strikes of 40 to 100 qubits on every engine: time, memory, and how far off they may be.

Each case has one annealed measurement order that all engines use, and every strike fresh angles with dressing. What an
engine refuses, or what is not installed, has its row all the same.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from time import process_time
from types import FrameType

import click
import msgspec
from msgspec.structs import replace

from matchstrike.commands.bench_vm import ORDER_SEED, make_cubic_problem
from matchstrike.commands.session import SECONDS, console, emit, output_option
from rpc.api import Json
from vm.engines.angled_circuit import AngledCircuit, set_drawn_angles
from vm.engines.engine import EngineRefused
from vm.engines.frontier import FrontierEngine
from vm.engines.mps import MpsEngine
from vm.engines.quimb_mps import QuimbEngine
from vm.law import compute_law
from vm.order import anneal_order
from vm.pauli import make_energy_sum
from vm.problem import IsingProblem, make_problem
from vm.strike import SHOTS_DEFAULT, Circuit, compile_circuit

QUBITS = (40, 60, 80, 100)
BOND_MAX = 128
BYTES = 8  # of a number of the frontier's register
CHUNKS = 3
CHUNK_CPU_S = 0.1


class EngineRow(msgspec.Struct, frozen=True, kw_only=True):
    """One engine on one circuit.

    Attributes:
        status: ok, refused, missing, or gave up (after the time that was allowed).
        live_qubits_max: What the frontier would hold.
        ms_per_strike: CPU time of a strike with its shots; the median for the frontier, one strike for the others.
        state_bytes: The register, or the tensors.
        bond_dimension: Of a matrix product state.
        distance_max: Bound on the total variation of the samples; 0 where exact; None where none is known.
        energy, energy_error: Of the strike whose seed is 0; the error as the engine states it.
    """

    graph: str
    n: int
    p: int
    shots: int
    engine: str
    status: str = "ok"
    live_qubits_max: int
    ms_per_strike: float | None = None
    state_bytes: int | None = None
    bond_dimension: int | None = None
    distance_max: float | None = None
    energy: float | None = None
    energy_error: float | None = None
    note: str = ""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit to be struck."""

    graph: str
    problem: IsingProblem
    circuit: Circuit

    def angle(self, index: int) -> AngledCircuit:
        """Return the circuit with the angles of a seed."""
        law = compute_law(self.problem, self.circuit.depth)
        return set_drawn_angles(self.circuit, law, _make_seed(index))


@click.command("engines")
@click.option("--qubits", type=click.IntRange(4, 400), multiple=True, help="Sizes; repeatable. [40, 60, 80, 100]")
@click.option("--bond-max", type=click.IntRange(2, 4096), default=BOND_MAX, show_default=True, help="For both MPS.")
@click.option("--shots", type=click.IntRange(1), default=SHOTS_DEFAULT, show_default=True, help="Shots of a strike.")
@click.option("--no-quimb", is_flag=True, help="Without quimb, which takes most of the time.")
@click.option("--give-up", type=SECONDS, default=600.0, show_default=True, help="CPU seconds for one row of an MPS.")
@output_option
def bench_engines(
    qubits: tuple[int, ...], bond_max: int, shots: int, no_quimb: bool, give_up: float, output: str
) -> None:
    """Measure one strike on each engine, on circuits that no state vector holds.

    Grids and random cubic graphs; the last ones are deeper than the frontier can hold. What takes too long is given up,
    and its row says after how many seconds.
    """
    rows: list[EngineRow] = []
    with console.status("measuring") as status:
        for case in make_cases(qubits or QUBITS):
            name = f"{case.graph}, n = {case.problem.n}, p = {case.circuit.depth}"
            status.update(f"frontier: {name}")
            rows.append(measure_frontier(case, shots))
            status.update(f"mps: {name}")
            rows.append(try_measuring(measure_mps, "mps", case, (shots, bond_max), give_up))
            if not no_quimb:
                status.update(f"quimb: {name}")
                rows.append(try_measuring(measure_quimb, "quimb", case, (shots, bond_max), give_up))
    data: dict[str, Json] = {"bond_max": bond_max, "rows": msgspec.to_builtins(rows)}
    emit(data, "\n".join(_format_rows(rows)), output)


def make_cases(sizes: Sequence[int]) -> Iterator[Case]:
    """Yield the circuits: grids of four columns and square ones, cubic graphs, and deeper ones."""
    for n in sizes:
        for depth in (1, 2):
            yield _make_case(f"grid {n // 4}x4", make_grid_problem(n // 4, 4), depth)
        columns = next(c for c in range(int(n**0.5), 0, -1) if n % c == 0)
        yield _make_case(f"grid {n // columns}x{columns}", make_grid_problem(n // columns, columns), 1)
        for depth in (1, 2):
            yield _make_case("cubic", make_cubic_problem(n, random.Random(n)), depth)


def make_grid_problem(rows: int, columns: int) -> IsingProblem:
    """Return a grid with unit couplings, labelled row by row."""
    across = [(r * columns + c, r * columns + c + 1, 1) for r in range(rows) for c in range(columns - 1)]
    down = [(r * columns + c, (r + 1) * columns + c, 1) for r in range(rows - 1) for c in range(columns)]
    return make_problem(rows * columns, across + down)


class GaveUp(Exception):
    """A row took longer than it was allowed."""


def try_measuring(
    measure: Callable[[Case, int, int], EngineRow],
    engine: str,
    case: Case,
    sizes: tuple[int, int],
    give_up_s: float,
) -> EngineRow:
    """Return an engine's row, or one that says after how many CPU seconds it was given up."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise GaveUp

    shots, bond_max = sizes
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, give_up_s)
    try:
        return measure(case, shots, bond_max)
    except GaveUp:
        return replace(_make_row(case, shots, engine), status="gave up", note=f"gave up after {give_up_s:g} s")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def measure_frontier(case: Case, shots: int) -> EngineRow:
    """Return the row of the exact engine."""
    engine, row = FrontierEngine(), _make_row(case, shots, "frontier")
    angled = [case.angle(index) for index in range(8)]

    def run(index: int) -> None:
        engine.sample(angled[index % 8], shots=shots, seed=_make_seed(index))

    try:
        cpu_s = _measure_median(run)
    except EngineRefused as error:
        row = replace(row, status="refused", note=str(error))
    else:
        planes = case.circuit.program.planes
        size = planes * BYTES << case.circuit.schedule.live_qubits_max
        row = replace(row, ms_per_strike=1e3 * cpu_s, state_bytes=size, distance_max=0.0)
    try:
        energy = engine.expectation(angled[0], make_energy_sum(case.problem))
    except EngineRefused as error:
        return replace(row, note=row.note or str(error))
    return replace(row, energy=energy.value, energy_error=energy.error)


def measure_mps(case: Case, shots: int, bond_max: int) -> EngineRow:
    """Return the row of our matrix product state."""
    engine, row, angled = MpsEngine(bond_max=bond_max), _make_row(case, shots, "mps"), case.angle(0)
    started = process_time()
    engine.sample(angled, shots=shots, seed=_make_seed(0))
    cpu_s = process_time() - started
    found = engine.truncation(angled)
    energy = engine.expectation(angled, make_energy_sum(case.problem))
    return replace(
        row,
        ms_per_strike=1e3 * cpu_s,
        state_bytes=found.size_bytes,
        bond_dimension=found.bond_dimension,
        distance_max=found.trace_distance_max,
        energy=energy.value,
        energy_error=energy.error,
    )


def measure_quimb(case: Case, shots: int, bond_max: int) -> EngineRow:
    """Return the row of quimb's `CircuitMPS`, one strike after a small one that fills its caches."""
    row, angled = _make_row(case, shots, "quimb"), case.angle(0)
    try:
        engine = QuimbEngine(bond_max=bond_max)
    except EngineRefused as error:
        return replace(row, status="missing", note=str(error))
    small = _make_case("grid 2x2", make_grid_problem(2, 2), 1).angle(0)
    list(engine.make_circuit(small).sample(shots, seed=1))
    started = process_time()
    made = engine.make_circuit(angled)
    list(made.sample(shots, seed=1))
    cpu_s = process_time() - started
    size = sum(int(tensor.data.nbytes) for tensor in made.psi)
    fidelity = float(made.fidelity_estimate())
    return replace(
        row,
        ms_per_strike=1e3 * cpu_s,
        state_bytes=size,
        bond_dimension=int(made.psi.max_bond()),
        note=f"fidelity estimated at {fidelity:.3g}",
    )


def _make_case(graph: str, problem: IsingProblem, depth: int) -> Case:
    order = anneal_order(problem, depth, seed=ORDER_SEED)
    return Case(graph=graph, problem=problem, circuit=compile_circuit(problem, order=order, depth=depth))


def _make_row(case: Case, shots: int, engine: str) -> EngineRow:
    circuit = case.circuit
    live = circuit.schedule.live_qubits_max
    return EngineRow(
        graph=case.graph, n=case.problem.n, p=circuit.depth, shots=shots, engine=engine, live_qubits_max=live
    )


def _make_seed(index: int) -> bytes:
    return index.to_bytes(32, "little")


def _measure_median(run: Callable[[int], None]) -> float:
    """Return the CPU time of a strike: the median of chunks, after a warm-up; of one strike if that is long."""
    started = process_time()
    run(0)
    first = process_time() - started
    if first > 20 * CHUNK_CPU_S:  # long, or compiled just now
        started = process_time()
        run(1)
        first = process_time() - started
    samples = []
    if first > 20 * CHUNK_CPU_S:
        return first
    count = max(1, round(CHUNK_CPU_S / max(first, 1e-6)))
    for chunk in range(CHUNKS):
        started = process_time()
        for index in range(count):
            run(chunk * count + index)
        samples.append((process_time() - started) / count)
    return median(samples)


def _format_rows(rows: Sequence[EngineRow]) -> list[str]:
    head = f"{'graph':<12}{'n':>5}{'p':>3}{'live':>6}  {'engine':<10}{'ms':>12}{'memory':>12}{'bond':>6}{'off by':>10}"
    lines = [f"{head}{'energy':>12}  note"]
    for row in rows:
        ms = "-" if row.ms_per_strike is None else f"{row.ms_per_strike:.3g}"
        size = "-" if row.state_bytes is None else _format_bytes(row.state_bytes)
        bond = "-" if row.bond_dimension is None else str(row.bond_dimension)
        off = "-" if row.distance_max is None else f"{row.distance_max:.1e}"
        energy = "-" if row.energy is None else f"{row.energy:.4f}"
        note = row.note if row.status == "ok" else f"{row.status}: {row.note}"
        lines.append(
            f"{row.graph:<12}{row.n:>5}{row.p:>3}{row.live_qubits_max:>6}  {row.engine:<10}{ms:>12}{size:>12}{bond:>6}"
            f"{off:>10}{energy:>12}  {note}".rstrip()
        )
    return lines


def _format_bytes(count: int) -> str:
    power = min(3, max(0, count.bit_length() - 1) // 10)
    return f"{count / 1024**power:.3g} {('B', 'KiB', 'MiB', 'GiB')[power]}"
