"""`matchstrike bench vm`: strikes per CPU second and time per gas, for dense and sparse problems."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import process_time

import click
import msgspec

from matchstrike.commands.bench_peers import PeerRow, measure_peers
from matchstrike.commands.peer_circuit import make_sk_problem
from matchstrike.commands.posting import load_problem
from matchstrike.commands.session import console, emit, output_option
from rpc.api import Json
from vm.law import DEPTH_MAX, compute_law
from vm.order import anneal_order
from vm.problem import IsingProblem, make_problem
from vm.strike import SHOTS_DEFAULT, compile_circuit, get_gas_used, run_strike

DENSE_QUBITS = range(12, 21)
CUBIC_QUBITS = {1: (40, 60, 100), 2: (20, 30, 40)}  # by depth: what the engine's register holds
CUBIC_QUBITS_DEEPER = (16, 20)
ORDER_SEED = 0
CHUNKS = 5
STRIKES_COUNTED = 8  # whose gas the mean is of


class VmRow(msgspec.Struct, frozen=True, kw_only=True):
    """The speed of one circuit, every strike with a fresh seed, derivation included."""

    graph: str
    n: int
    p: int
    shots: int
    strikes_per_cpu_s: float
    ms_per_strike: float
    gas: int
    ns_per_gas: float
    live_qubits_max: int


@click.command("vm")
@click.option("--problem", "files", type=click.Path(path_type=Path), multiple=True, help="Problem file; repeatable.")
@click.option("--depth", type=click.IntRange(1, DEPTH_MAX), default=1, show_default=True, help="Layers of the circuit.")
@click.option("--shots", type=click.IntRange(1), default=SHOTS_DEFAULT, show_default=True, help="Shots of a strike.")
@click.option("--seconds", default=1.0, show_default=True, help="CPU time spent on each row.")
@click.option("--peers", is_flag=True, help="Beside other simulators that run our circuit, if installed.")
@output_option
def bench_vm(files: tuple[Path, ...], depth: int, shots: int, seconds: float, peers: bool, output: str) -> None:
    """Measure strikes on one core; without files on `sk` problems of 12 to 20 qubits and on random cubic graphs.

    Time per gas should be nearly the same in all rows.
    """
    problems = [(path.name, load_problem(path).problem) for path in files] or list_default_problems(depth)
    with console.status("measuring") as status:
        rows = []
        for graph, problem in problems:
            status.update(f"measuring {graph}, n = {problem.n}")
            rows.append(measure_circuit(graph, problem, depth, shots=shots, seconds=seconds))
        beside = measure_peers(depth=depth, shots=shots, on_progress=status.update) if peers else None
    data: dict[str, Json] = {"rows": msgspec.to_builtins(rows)}
    if beside is not None:
        data["peers"] = msgspec.to_builtins(beside)
    emit(data, "\n".join([*_format_rows(rows), *_format_peers(beside or [])]), output)


def list_default_problems(depth: int = 1) -> list[tuple[str, IsingProblem]]:
    """Return the `sk` problems and random cubic graphs that are measured without files."""
    dense = [("sk", make_sk_problem(n)) for n in DENSE_QUBITS]
    return dense + [
        ("cubic", make_cubic_problem(n, random.Random(n))) for n in CUBIC_QUBITS.get(depth, CUBIC_QUBITS_DEEPER)
    ]


def make_cubic_problem(n: int, chance: random.Random) -> IsingProblem:
    """Return a random 3-regular graph with unit couplings."""
    while True:
        ends = [vertex for vertex in range(n) for _ in range(3)]
        chance.shuffle(ends)
        pairs = {(min(a, b), max(a, b)) for a, b in zip(ends[::2], ends[1::2], strict=True) if a != b}
        if len(pairs) == 3 * n // 2:
            return make_problem(n, [(a, b, 1) for a, b in pairs])


def measure_circuit(
    graph: str, problem: IsingProblem, depth: int, *, shots: int = SHOTS_DEFAULT, seconds: float = 1.0
) -> VmRow:
    """Return one row: the median over chunks of process CPU time, after a warm-up."""
    circuit = compile_circuit(problem, order=anneal_order(problem, depth, seed=ORDER_SEED), depth=depth)
    law = compute_law(problem, depth)

    def run(index: int) -> None:
        run_strike(circuit, law, index.to_bytes(32, "little"), shots=shots)

    cpu_s = _measure_median(run, seconds)
    seeds = (index.to_bytes(32, "little") for index in range(STRIKES_COUNTED))
    gas = sum(get_gas_used(circuit, run_strike(circuit, law, seed, shots=shots)) for seed in seeds) // STRIKES_COUNTED
    return VmRow(
        graph=graph,
        n=problem.n,
        p=depth,
        shots=shots,
        strikes_per_cpu_s=1 / cpu_s,
        ms_per_strike=1e3 * cpu_s,
        gas=gas,
        ns_per_gas=1e9 * cpu_s / gas,
        live_qubits_max=circuit.schedule.live_qubits_max,
    )


def _measure_median(run: Callable[[int], None], seconds: float) -> float:
    run(0)
    started = process_time()
    run(1)
    count = max(1, int(seconds / CHUNKS / max(process_time() - started, 1e-6)))
    index, samples = 2, []
    for _ in range(CHUNKS):
        started = process_time()
        for _ in range(count):
            run(index)
            index += 1
        samples.append((process_time() - started) / count)
    return max(median(samples), 1e-9)


def _format_rows(rows: Sequence[VmRow]) -> list[str]:
    lines = [f"{'graph':<16}{'n':>5}{'p':>3}{'shots':>7}{'strikes/s':>12}{'ms':>10}{'gas':>14}{'ns/gas':>9}{'live':>6}"]
    lines += [
        f"{row.graph:<16}{row.n:>5}{row.p:>3}{row.shots:>7}{row.strikes_per_cpu_s:>12.1f}{row.ms_per_strike:>10.3f}"
        f"{row.gas:>14}{row.ns_per_gas:>9.4f}{row.live_qubits_max:>6}"
        for row in rows
    ]
    return lines


def _format_peers(rows: Sequence[PeerRow]) -> list[str]:
    if not rows:
        return []
    lines = ["", f"{'library':<14}{'way':<22}{'n':>4}{'p':>3}{'strikes/s':>12}{'ours is faster by':>19}  note"]
    for row in rows:
        speed = "-" if row.strikes_per_cpu_s is None else f"{row.strikes_per_cpu_s:.1f}"
        ratio = "-" if row.ratio is None else f"{row.ratio:.1f}"
        lines.append(
            f"{row.package:<14}{row.way:<22}{row.n:>4}{row.p:>3}{speed:>12}{ratio:>19}  {row.status} {row.note}"
        )
    return lines
