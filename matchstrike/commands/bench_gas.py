"""`matchstrike bench gas`: how well gas follows time on circuits that its fit has never seen, and the fit itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from time import process_time

import click
import msgspec

from chain.params import WorkParams
from consensus.core_problem import get_core_law, make_core_circuit
from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.fitted_circuits import FIT_SEED, list_fitted_by_label, list_fitted_problems
from matchstrike.commands.gas_fit import FIXED, KINDS, fit_prices, is_fit_possible
from matchstrike.commands.held_out_circuits import (
    HELD_OUT_SEED,
    list_anchors,
    list_held_out_problems,
    list_skewed_problems,
    list_wide_tori,
)
from matchstrike.commands.session import console, emit, output_option
from rpc.api import Json
from vm.annealed_circuit import make_annealed_circuit
from vm.gas import PRICES, STRIKE_GAS
from vm.law import AngleLaw, compute_law
from vm.problem import IsingProblem
from vm.strike import (
    LIVE_QUBITS_MAX,
    SHOTS_DEFAULT,
    Circuit,
    compile_circuit,
    get_gas_limit,
    get_gas_used,
    run_strike,
)
from vm.work import Work, count_registers, count_work

DEPTHS = (1, 2, 3, 5)
SEEDS = tuple(index.to_bytes(32, "little") for index in range(3))  # of the strikes of each circuit, in every round
NS_PER_GAS = 0.05  # of the machine of the fit, to tell beforehand what takes too long
BEYOND = 0.15
BURST_S = 2e-3  # strikes in a row until so much time has passed: short ones are not measured with cold caches alone
REFERENCE_STRIKES = 8  # of the core problem, before and after each circuit: whether the machine is as fast as it can be
SLOWED = 1.1


class GasRow(msgspec.Struct, frozen=True, kw_only=True):
    """One circuit.

    Attributes:
        group: held out; dense: like some of the fit; skewed: with coefficients that no fit knows; wide tori: not in
            an order of least gas; fitted: those of the fit.
        limit: Its gas limit.
        gas: What strikes of 32 shots used, the mean over seeds.
        ms: CPU time of such a strike, the mean over seeds of the least over rounds.
    """

    group: str
    graph: str
    n: int
    p: int
    live: int
    limit: int
    gas: float
    ms: float
    ns_per_gas: float


class GasSpread(msgspec.Struct, frozen=True, kw_only=True):
    """Nanoseconds per gas of a group.

    Attributes:
        deviation: Half of their range over its middle.
        inner: The same without the largest and the least twentieth.
        beyond: How many lie more than 15 % from the median.
    """

    group: str
    circuits: int
    least: float
    median: float
    most: float
    deviation: float
    inner: float
    beyond: int


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit that is measured, and what its strikes cost at most."""

    group: str
    graph: str
    circuit: Circuit
    law: AngleLaw
    limit: int


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One circuit in one round.

    Attributes:
        reference: CPU seconds of a strike of the reference, before or after, whichever was longer.
        times: CPU seconds of each seed's strike.
    """

    reference: float
    times: tuple[float, ...]


@click.command("gas")
@click.option("--rounds", type=click.IntRange(1), default=12, show_default=True, help="Each time is the least of them.")
@click.option("--ms-max", default=150.0, show_default=True, help="Leave out strikes of more, by their gas limit.")
@click.option("--ms-min", default=0.0, show_default=True, help="Leave out strikes of less.")
@click.option("--seed", type=int, help=f"Of the held-out graphs that are drawn.  [default: {HELD_OUT_SEED}]")
@click.option("--fit", is_flag=True, help="Measure the circuits of the fit instead, and fit prices to them.")
@output_option
def bench_gas(rounds: int, ms_max: float, ms_min: float, seed: int | None, fit: bool, output: str) -> None:
    """Measure time per gas on circuits that gas was not fitted to, beside some that it was.

    CPU time; rounds go over all circuits one after another, so that a busy spell spoils no circuit's every time. Times
    that a slow spell of the machine surrounds are left out, as far as there are others.
    """
    if seed is not None and (fit or seed == FIT_SEED):
        raise click.UsageError(f"the fit has its own graphs, of seed {FIT_SEED}: no --seed beside --fit, nor that one")
    if fit and not is_fit_possible():
        raise CommandFailed("fitting prices needs scipy: pip install 'matchstrike[bench]'")
    with console.status("looking for measurement orders") as status:
        listed = list_fit_candidates() if fit else list_judging_candidates(HELD_OUT_SEED if seed is None else seed)
        candidates = [one for one in listed if ms_min <= 1e-6 * NS_PER_GAS * one.limit <= ms_max]
        if len(candidates) < (len(KINDS) if fit else 1):
            what = f"{len(candidates)} circuits take {ms_min:g} to {ms_max:g} ms by their gas limit"
            raise click.UsageError(f"{what}, fewer than there are prices" if fit else what)
        samples: list[list[Sample]] = [[] for _ in candidates]
        for number in range(rounds):
            status.update(f"round {number + 1} of {rounds}, {len(candidates)} circuits")
            for taken, candidate in zip(samples, candidates, strict=True):
                taken.append(take_sample(candidate))
    fastest = min(sample.reference for taken in samples for sample in taken)
    best = [choose_times(taken, fastest) for taken in samples]
    rows = [make_row(candidate, times) for candidate, times in zip(candidates, best, strict=True)]
    spreads = [
        compute_spread(group, [row.ns_per_gas for row in rows if row.group == group])
        for group in dict.fromkeys(row.group for row in rows)
    ]
    data: dict[str, Json] = {"rounds": rounds, "strikes": len(SEEDS)}
    data |= {"rows": msgspec.to_builtins(rows), "spreads": msgspec.to_builtins(spreads)}
    lines = format_rows(rows, spreads)
    if fit:
        works = [work for candidate in candidates for work in count_strikes(candidate)]
        prices = fit_prices(works, [1e9 * seconds / NS_PER_GAS for times in best for seconds in times])
        data["prices"] = dict(prices)
        lines += format_prices(prices)
    emit(data, "\n".join(lines), output)


def list_judging_candidates(seed: int) -> list[Candidate]:
    """Return circuits to which prices were not fitted, and beside them dense ones and wide tori."""
    held_out = [(graph, problem, DEPTHS) for graph, problem in list_held_out_problems(seed)]
    dense = [(graph, problem, DEPTHS) for graph, problem in list_anchors()]
    skewed = [(graph, problem, DEPTHS) for graph, problem in list_skewed_problems()]
    tori = [(graph, problem, DEPTHS) for graph, problem in list_wide_tori()]
    return [
        *list_candidates("held out", held_out),
        *list_candidates("dense", dense),
        *list_candidates("skewed", skewed),
        *list_candidates("wide tori", tori, make_narrow_circuit),
    ]


def list_fit_candidates() -> list[Candidate]:
    """Return the circuits of the fit."""
    annealed = list_candidates("fitted", list_fitted_problems())
    return annealed + list_candidates("fitted", list_fitted_by_label(), make_labelled_circuit)


def list_candidates(
    group: str,
    problems: Iterable[tuple[str, IsingProblem, tuple[int, ...]]],
    make: Callable[[IsingProblem, int], Circuit] = make_annealed_circuit,
) -> list[Candidate]:
    """Return the circuits at each depth, but those that cannot be struck."""
    found = []
    for graph, problem, depths in problems:
        for depth in depths:
            circuit = make(problem, depth)
            if circuit.schedule.live_qubits_max <= LIVE_QUBITS_MAX:
                law, limit = compute_law(problem, depth), get_gas_limit(circuit)
                found.append(Candidate(group=group, graph=graph, circuit=circuit, law=law, limit=limit))
    return found


def make_labelled_circuit(problem: IsingProblem, depth: int) -> Circuit:
    """Return the circuit in the order of the labels."""
    return compile_circuit(problem, order=tuple(range(problem.n)), depth=depth)


def make_narrow_circuit(problem: IsingProblem, depth: int) -> Circuit:
    """Return the circuit in the order of least width, whatever its gas."""
    return compile_circuit(problem, depth=depth)


def take_sample(candidate: Candidate) -> Sample:
    """Return the times of a circuit, and how fast the machine was."""
    before = time_reference()
    times = time_strikes(candidate)
    return Sample(reference=max(before, time_reference()), times=tuple(times))


def time_reference() -> float:
    """Return the CPU seconds of a core strike, the least of a few."""
    circuit, law = make_core_circuit(bytes(32), WorkParams().core_qubits), get_core_law(WorkParams().core_qubits)
    return time_burst(circuit, law, bytes(32), REFERENCE_STRIKES)


def time_burst(circuit: Circuit, law: AngleLaw, seed: bytes, repetitions: int) -> float:
    """Return the least CPU seconds of a strike that is repeated."""
    times = []
    for _ in range(repetitions):
        started = process_time()
        run_strike(circuit, law, seed)
        times.append(process_time() - started)
    return min(times)


def choose_times(taken: Sequence[Sample], fastest: float) -> list[float]:
    """Return each strike's least time, of those rounds where the machine was hardly slower than at its fastest.

    Where it never was, of the round where it was fastest.
    """
    quiet = [sample for sample in taken if sample.reference <= SLOWED * fastest]
    chosen = quiet or [min(taken, key=lambda sample: sample.reference)]
    return [min(times) for times in zip(*(sample.times for sample in chosen), strict=True)]


def time_strikes(candidate: Candidate) -> list[float]:
    """Return the CPU seconds of each strike: the least of a burst, after one that brings all into memory and caches."""
    repetitions = 1 + int(BURST_S / (1e-9 * NS_PER_GAS * candidate.limit))
    run_strike(candidate.circuit, candidate.law, bytes(32))
    return [time_burst(candidate.circuit, candidate.law, seed, repetitions) for seed in SEEDS]


def count_strikes(candidate: Candidate) -> list[Work]:
    """Return the work of each strike."""
    circuit = candidate.circuit
    sheet = count_work(circuit.schedule, SHOTS_DEFAULT)
    drawn = [run_strike(circuit, candidate.law, seed) for seed in SEEDS]
    return [sheet.sum_up(count_registers(shots, circuit.order)) for shots in drawn]


def make_row(candidate: Candidate, times: Sequence[float]) -> GasRow:
    """Return a circuit's row."""
    schedule = candidate.circuit.schedule
    seconds = sum(times) / len(times)
    used = [get_gas_used(candidate.circuit, run_strike(candidate.circuit, candidate.law, seed)) for seed in SEEDS]
    gas = sum(used) / len(used)
    return GasRow(
        group=candidate.group,
        graph=candidate.graph,
        n=schedule.n,
        p=schedule.depth,
        live=schedule.live_qubits_max,
        limit=candidate.limit,
        gas=gas,
        ms=1e3 * seconds,
        ns_per_gas=1e9 * seconds / gas,
    )


def compute_spread(group: str, values: Sequence[float]) -> GasSpread:
    """Return the spread of a group."""
    ordered = sorted(values)
    cut = len(ordered) // 20
    kept = ordered[cut : len(ordered) - cut]
    middle = median(ordered)
    return GasSpread(
        group=group,
        circuits=len(ordered),
        least=ordered[0],
        median=middle,
        most=ordered[-1],
        deviation=(ordered[-1] - ordered[0]) / (ordered[-1] + ordered[0]),
        inner=(kept[-1] - kept[0]) / (kept[-1] + kept[0]),
        beyond=sum(abs(value / middle - 1) > BEYOND for value in ordered),
    )


def format_rows(rows: Sequence[GasRow], spreads: Sequence[GasSpread]) -> list[str]:
    """Return the table, circuits with the most time per gas first, and the spreads."""
    lines = [f"{'group':<10}{'graph':<26}{'n':>4}{'p':>3}{'live':>6}{'limit':>13}{'gas':>13}{'ms':>10}{'ns/gas':>9}"]
    lines += [
        f"{row.group:<10}{row.graph:<26}{row.n:>4}{row.p:>3}{row.live:>6}{row.limit:>13}{row.gas:>13.0f}"
        f"{row.ms:>10.3f}{row.ns_per_gas:>9.4f}"
        for row in sorted(rows, key=lambda row: -row.ns_per_gas)
    ]
    return lines + [
        f"{one.group}: {one.circuits} circuits, {one.least:.4f} to {one.most:.4f} ns per gas, +-{one.deviation:.1%}; "
        f"nine in ten within +-{one.inner:.1%}; {one.beyond} more than 15 % from the median, {one.median:.4f}"
        for one in spreads
    ]


def format_prices(prices: Mapping[str, int]) -> list[str]:
    """Return fitted prices beside those of gas."""
    now = {**msgspec.structs.asdict(PRICES), FIXED: STRIKE_GAS}
    return [f"{'kind':<12}{'fitted':>9}{'now':>9}", *(f"{kind:<12}{prices[kind]:>9}{now[kind]:>9}" for kind in prices)]
