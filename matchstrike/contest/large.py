"""The contest on graphs of 40 to 100 vertices, where nobody enumerates: how good the best cut is after each budget.

Targets are published optima, or, where there are none, the best cut of a long annealing (status `reference`). Instances
whose circuits need too many live qubits are left to the classical methods, and files of over 100 vertices left out; the
result says so.

Terms:
    ratio: the best cut found over the target's cut; above 1 if a reference was beaten.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from io import StringIO
from statistics import median

import msgspec
import numpy as np

from matchstrike.contest.instances import Instance, make_graph
from matchstrike.contest.intervals import Hits, Interval, compute_mean
from matchstrike.contest.relaxation import make_rounding
from matchstrike.contest.rivals import make_annealing, make_uniform
from matchstrike.contest.strikes import make_fixed, make_learning, make_random, make_recursion, make_refined
from matchstrike.contest.trace import Kind, Method
from matchstrike.contest.trials import BUDGETS, Trial, run_trials
from matchstrike.contest.tuning import list_grids
from vm.annealed_circuit import make_annealed_circuit
from vm.engines.engine import Engine
from vm.formats import read_problem
from vm.problem import IsingProblem
from vm.problem_file import compute_energy_of_quantity
from vm.refinement import refine_one_flip
from vm.strike import compile_circuit

LIVE_QUBITS_MAX = 20
SHORT_LIVE_QUBITS = 17  # from here on a strike takes over 50 ms, and runs are a quarter as long
DEPTH_2_LIVE_QUBITS_MAX = 15
REFERENCE_EVALUATIONS = 1 << 21
CLASSICAL_EVALUATIONS = BUDGETS[-1]
TUNED_RUNS = 3


class LargePlan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured.

    Attributes:
        sizes: Vertices of the random graphs.
        per_size: Instances of each size and family.
        runs: Of each method on each instance.
        depths: Of match-strike; 2 only where few qubits are live.
        evaluations: Of a run of strikes.
        training_sizes: Vertices of the graphs on which rivals are tuned.
        file_vertices_max: Of public instances that are taken whether or not a strike holds them.
        vertices_max: Of those that are taken if one does.
    """

    sizes: tuple[int, ...]
    per_size: int
    runs: int
    depths: tuple[int, ...]
    evaluations: int
    training_sizes: tuple[int, ...]
    file_vertices_max: int = 100
    vertices_max: int = 100


class LargeCell(msgspec.Struct, frozen=True, kw_only=True):
    """How good the best cut was, over instances and runs of a group.

    Attributes:
        group: Family and size, or file.
        seconds: CPU time of the whole run, and `evaluations` what it took, medians.
    """

    group: str
    n: int
    budget: int
    method: str
    kind: Kind
    setting: str
    ratio: Interval
    hits: float
    evaluations: int
    seconds: float


class LargeResult(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of the large graphs; `left_out` says which instances met no strike, and why."""

    instances: tuple[Instance, ...]
    runs: int
    cells: tuple[LargeCell, ...]
    left_out: tuple[str, ...]
    trials: tuple[Trial, ...]


def make_large_plan(*, quick: bool) -> LargePlan:
    """Return what is measured."""
    if quick:
        return LargePlan(
            sizes=(40,),
            per_size=2,
            runs=2,
            depths=(1,),
            evaluations=2048,
            training_sizes=(40,),
            file_vertices_max=60,
            vertices_max=60,
        )
    return LargePlan(
        sizes=(40, 60, 80),
        per_size=3,
        runs=3,
        depths=(1, 2),
        evaluations=2048,
        training_sizes=(40, 60),
        vertices_max=800,
    )


def run_large(
    plan: LargePlan, files: dict[str, bytes], engine: Engine, *, seed: int, on_progress: Callable[[str], None]
) -> LargeResult:
    """Return the trials and ratios; `files` are the public graphs and their `best_cuts.csv`, by name."""
    on_progress("large graphs: searching references, tuning the rivals")
    instances = [
        make_reference_instance(family, n, number, seed=seed, purpose="contest")
        for family in ("cubic", "weighted", "grid")
        for n in plan.sizes
        for number in range(plan.per_size)
    ]
    public, left_out = choose_public_instances(files, plan)
    instances += public
    rivals = _tune_rivals(plan, seed=seed)
    cells, trials = [], []
    for group in dict.fromkeys(_get_group(instance) for instance in instances):
        own = [instance for instance in instances if _get_group(instance) == group]
        on_progress(f"large graphs: {group}")
        strikers, reason = _list_strikers(engine, own, plan.depths)
        left_out += [f"{group}: {reason}"] if reason else []
        for budget, method in [*rivals, *((None, striker) for striker in strikers)]:
            limit = CLASSICAL_EVALUATIONS if method.kind == "classical" else _get_run_length(own, plan)
            found = run_trials(method, own, runs=plan.runs, evaluations_max=min(limit, budget or limit), seed=seed)
            trials += found
            budgets = [budget] if budget else [b for b in BUDGETS if b <= limit]
            cells += [_make_cell(group, method, own, found, b) for b in budgets]
    return LargeResult(
        instances=tuple(instances),
        runs=plan.runs,
        cells=tuple(cells),
        left_out=tuple(left_out),
        trials=tuple(trials),
    )


def make_reference_instance(family: str, n: int, number: int, *, seed: int, purpose: str) -> Instance:
    """Return a random instance whose target is the best of a long annealing."""
    problem = make_graph(family, n, number, seed=seed, purpose=purpose)
    return _find_reference(f"{family}-{n}-{number}", family, problem)


def read_public_instances(files: dict[str, bytes], *, vertices_max: int) -> list[Instance]:
    """Return the public graphs that are small enough, with their published cuts where there are any."""
    table = files.get("best_cuts.csv", b"").decode()
    published = {row["file"]: row for row in csv.DictReader(StringIO(table))}
    instances = []
    for name in sorted(name for name in files if name.endswith(".txt")):
        file = read_problem(files[name], name=name)
        if file.problem.n > vertices_max:
            continue
        row = published.get(name)
        if row is None:
            instances.append(_find_reference(name, name, file.problem))
            continue
        target = compute_energy_of_quantity(file, int(row["best_cut"]))
        problem = file.problem
        instances.append(
            Instance(name=name, family=name, n=problem.n, problem=problem, target=target, status=row["status"])
        )
    return instances


def choose_public_instances(files: dict[str, bytes], plan: LargePlan) -> tuple[list[Instance], list[str]]:
    """Return the files that take part, and a line for each large one that no strike holds."""
    chosen, left_out = [], []
    for instance in read_public_instances(files, vertices_max=plan.vertices_max):
        live = compile_circuit(instance.problem, depth=1).schedule.live_qubits_max  # in the order of least width
        if instance.n <= plan.file_vertices_max or live <= LIVE_QUBITS_MAX:
            chosen.append(instance)
        else:
            left_out.append(f"{instance.name}, nor anything else: {instance.n} vertices, {live} live qubits")
    return chosen, left_out


def compute_cut_ratio(problem: IsingProblem, energy: int, target: int) -> float:
    """Return the cut that an energy stands for over the target's."""
    total = sum(weight for _, _, weight in problem.couplings) + problem.offset
    return (total - energy) / (total - target)


def _find_reference(name: str, family: str, problem: IsingProblem) -> Instance:
    endless = Instance(name=name, family=family, n=problem.n, problem=problem, target=-(2**62), status="reference")
    search = make_annealing(sweeps=512, hot=0.8, cold=0.03)
    trace = search.run(endless, REFERENCE_EVALUATIONS, np.random.Generator(np.random.PCG64(1)))
    return msgspec.structs.replace(endless, target=trace.marks[-1].energy)


def _tune_rivals(plan: LargePlan, *, seed: int) -> list[tuple[int | None, Method]]:
    """Return for each budget each rival's best setting on separate instances, by its mean ratio."""
    training = [
        make_reference_instance(family, n, 0, seed=seed, purpose="tuning")
        for family in ("cubic", "weighted", "grid")
        for n in plan.training_sizes
    ]
    rivals: list[tuple[int | None, Method]] = [(None, make_uniform()), (None, make_rounding())]
    for grid in list_grids().values():
        tried = [
            run_trials(method, training, runs=TUNED_RUNS, evaluations_max=CLASSICAL_EVALUATIONS, seed=seed)
            for method in grid
        ]
        for place, budget in enumerate(BUDGETS):
            scores = [(_compute_ratios(training, trials, place).mean(), -_count_typical(trials)) for trials in tried]
            rivals.append((budget, grid[scores.index(max(scores))]))
    return rivals


def _list_strikers(
    engine: Engine, instances: Sequence[Instance], depths: Sequence[int]
) -> tuple[list[Method], str | None]:
    """Return the strikes that these instances allow, or why there are none."""
    methods = []
    for depth in depths:
        live = max(make_annealed_circuit(one.problem, depth).schedule.live_qubits_max for one in instances)
        if live > (LIVE_QUBITS_MAX if depth == 1 else DEPTH_2_LIVE_QUBITS_MAX):
            if depth == min(depths):
                return [], f"{live} live qubits at p = {depth}, more than the {LIVE_QUBITS_MAX} of this contest"
            continue
        methods += [make_fixed(engine, depth), make_recursion(engine, depth)]
        if depth == 1:
            methods += [
                make_random(engine, depth),
                make_learning(engine, depth),
                make_refined(engine, depth, refine_one_flip, "one-flip"),
            ]
    return methods, None


def _get_run_length(instances: Sequence[Instance], plan: LargePlan) -> int:
    """Return the evaluations of a run of strikes."""
    live = max(make_annealed_circuit(one.problem, 1).schedule.live_qubits_max for one in instances)
    return plan.evaluations if live < SHORT_LIVE_QUBITS else plan.evaluations // 4


def _make_cell(
    group: str, method: Method, instances: Sequence[Instance], trials: Sequence[Trial], budget: int
) -> LargeCell:
    ratios = _compute_ratios(instances, trials, BUDGETS.index(budget))
    spent = [trial.hit_evaluations for trial in trials]
    return LargeCell(
        group=group,
        n=instances[0].n,
        budget=budget,
        method=method.name,
        kind=method.kind,
        setting=method.setting,
        ratio=compute_mean(ratios),
        hits=float(np.mean([hit is not None and hit <= budget for hit in spent])),
        evaluations=round(median(trial.evaluations for trial in trials)),
        seconds=median(trial.seconds for trial in trials),
    )


def _compute_ratios(instances: Sequence[Instance], trials: Sequence[Trial], place: int) -> Hits:
    """Return the mean ratio of each instance at a budget, 0 for a run that had found nothing yet."""
    rows = []
    for instance in instances:
        energies = [trial.best_at[place][1] for trial in trials if trial.instance == instance.name]
        rows.append(
            np.mean([0.0 if e is None else compute_cut_ratio(instance.problem, e, instance.target) for e in energies])
        )
    return np.array(rows)


def _count_typical(trials: Sequence[Trial]) -> float:
    """Return the median evaluations to the target, to decide between settings of one ratio."""
    return median(float("inf") if trial.hit_evaluations is None else trial.hit_evaluations for trial in trials)


def _get_group(instance: Instance) -> str:
    return instance.family if "." in instance.family else f"{instance.family} n={instance.n}"
