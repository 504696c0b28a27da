"""One amplitude of a large circuit, contracted in slices: a tree found once, its slices run anywhere, summed in order.

cotengra finds the tree and contracts along it; it comes with the extra `[cluster]` and is imported only here. A plan
records all that decides the result: the tree and the variables that are sliced. Each slice is contracted in complex128
with BLAS on one thread, and the values of the slices are added from the first to the last. So the sum does not depend
on where the slices ran, how they were grouped, or in which order they came back: it is that of a serial contraction,
bit for bit, among machines of the same arithmetic (`describe_arithmetic`).

Terms:
    slice: the part of the sum in which the sliced variables have one of their settings.
    operations: complex multiplications with an addition, the sum over the tree of the variables that a step touches.

Source: Gray and Kourtis, Quantum 5, 410 (2021), arXiv:2002.01935.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from time import process_time
from types import ModuleType

import msgspec
import numpy as np

from vm.amplitude_network import AmplitudeNetwork, list_network_variables
from vm.problem import IsingProblem

TASK_OPERATIONS = 2 * 10**9  # a second or more
SIZE_BITS_DEFAULT = 26
SIZE_BITS_MAX = 30
SLICES_MAX = 2**24


class ContractionRefused(Exception):
    """A plan or a contraction that cannot be; the sentence says why."""


class ArithmeticDiffers(ContractionRefused):
    """A machine whose numpy, BLAS or cotengra would round differently."""


class ContractionPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a circuit's amplitudes are contracted.

    Attributes:
        n, depth, pairs: The circuits it serves: qubits, layers, coupled qubits.
        seed, size_bits: What it was found with; no tensor of a slice has more than 2^size_bits entries.
        path: The tree, in pairs (single static assignment: factors first, then results as they are made).
        sliced: The variables that are sliced.
        operations: Of all slices together.
        largest_bits: Of the largest tensor of a slice, log2 of its entries.
    """

    n: int
    depth: int
    pairs: tuple[tuple[int, int], ...]
    seed: int
    size_bits: int
    path: tuple[tuple[int, ...], ...]
    sliced: tuple[int, ...]
    operations: float
    largest_bits: float

    @property
    def slices(self) -> int:
        """How many."""
        return int(2 ** len(self.sliced))


class SliceRange(msgspec.Struct, frozen=True, kw_only=True):
    """A task: slices `start` to `start + count - 1` of an amplitude."""

    plan: ContractionPlan
    network: AmplitudeNetwork
    arithmetic: str
    start: int
    count: int


class SliceValues(msgspec.Struct, frozen=True, kw_only=True):
    """The values of slices, in their order, and the CPU time that they took."""

    start: int
    values: tuple[complex, ...]
    cpu_seconds: float


def find_plan(
    problem: IsingProblem, depth: int, *, size_bits: int = SIZE_BITS_DEFAULT, seed: int = 0, effort: int = 8
) -> ContractionPlan:
    """Return a plan; the same for the same seed and effort and version of cotengra.

    Args:
        size_bits: Entries of the largest tensor, log2: memory is about three times 16 bytes for each.
        effort: Starting trees, and steps of the annealing of the best one in units of ten.

    Raises:
        ContractionRefused: cotengra is missing, or too many slices would be needed.
    """
    if not 4 <= size_bits <= SIZE_BITS_MAX:
        raise ContractionRefused(f"the largest tensor has 2^4 to 2^{SIZE_BITS_MAX} entries, not 2^{size_bits}")
    ctg = _import_cotengra()
    pairs = tuple((i, j) for i, j, _ in problem.couplings)
    inputs, sizes = _name_variables(ctg, list_network_variables(problem.n, pairs, depth))
    trees = [
        ctg.RandomGreedyOptimizer(max_repeats=32, seed=seed + k, parallel=False).search(inputs, [], sizes)
        for k in range(effort)
    ]
    tree = min(trees, key=lambda each: each.total_flops(dtype=None))
    tree.subtree_reconfigure_(subtree_size=8, seed=seed)
    tree.simulated_anneal_(minimize="flops", tsteps=10 * effort, numiter=50, seed=seed)
    while tree.max_size() > 2**size_bits:
        if tree.multiplicity >= SLICES_MAX:
            raise ContractionRefused(f"tensors of 2^{size_bits} entries would need more than {SLICES_MAX} slices")
        tree.slice_(target_slices=2 * tree.multiplicity, seed=seed)
        tree.subtree_reconfigure_(subtree_size=8, seed=seed)
    numbers = {ctg.get_symbol(k): k for k in range(problem.n * depth)}
    return ContractionPlan(
        n=problem.n,
        depth=depth,
        pairs=pairs,
        seed=seed,
        size_bits=size_bits,
        path=tuple(tuple(int(k) for k in step) for step in tree.get_ssa_path()),
        sliced=tuple(numbers[name] for name in tree.sliced_inds),
        operations=float(tree.total_flops(dtype=None)),
        largest_bits=float(np.log2(tree.max_size())),
    )


def check_plan(plan: ContractionPlan, problem: IsingProblem, depth: int) -> None:
    """Refuse a plan of other circuits.

    Raises:
        ContractionRefused: it has another number of qubits or layers, or other couplings, or its tree is none.
    """
    pairs = tuple((i, j) for i, j, _ in problem.couplings)
    if (plan.n, plan.depth, plan.pairs) != (problem.n, depth, pairs):
        raise ContractionRefused(
            f"the plan is for {plan.n} qubits, {len(plan.pairs)} couplings and depth {plan.depth}, and not for these "
            f"{problem.n} qubits, {len(pairs)} couplings and depth {depth}"
        )
    count = len(pairs) * depth + problem.n * depth
    left = set(range(count))
    for made, step in enumerate(plan.path, count):
        if len(step) != 2 or not left >= set(step) or step[0] == step[1]:
            raise ContractionRefused(f"the plan's tree has an impossible step {list(step)}")
        left = (left - set(step)) | {made}
    if (
        len(left) != 1
        or len(set(plan.sliced)) != len(plan.sliced)
        or not set(plan.sliced) <= set(range(plan.n * depth))
    ):
        raise ContractionRefused("the plan's tree ends with more than one tensor, or slices what is no variable")


def split_slices(plan: ContractionPlan, network: AmplitudeNetwork) -> list[SliceRange]:
    """Return the slices in tasks of a second or more."""
    each = plan.operations / plan.slices
    count = min(plan.slices, max(1, round(TASK_OPERATIONS / each)))
    arithmetic = describe_arithmetic()
    return [
        SliceRange(
            plan=plan, network=network, arithmetic=arithmetic, start=start, count=min(count, plan.slices - start)
        )
        for start in range(0, plan.slices, count)
    ]


def run_slices(task: SliceRange) -> SliceValues:
    """Contract some slices.

    Raises:
        ArithmeticDiffers: this machine would round differently.
    """
    if (found := describe_arithmetic()) != task.arithmetic:
        raise ArithmeticDiffers(f"a worker computes with {found}, the caller with {task.arithmetic}")
    began = process_time()
    tree = _make_tree(task.plan)
    with import_module("threadpoolctl").threadpool_limits(1):
        values = tuple(
            complex(tree.contract_slice(task.network.factors, index))
            for index in range(task.start, task.start + task.count)
        )
    return SliceValues(start=task.start, values=values, cpu_seconds=process_time() - began)


def sum_slices(results: list[SliceValues]) -> complex:
    """Return the amplitude: the values of all slices, added from the first to the last."""
    total = 0j
    for result in sorted(results, key=lambda each: each.start):
        for value in result.values:
            total += value
    return total


@lru_cache(maxsize=1)
def describe_arithmetic() -> str:
    """Return what decides the last bits of a contraction: versions, and the kernels that BLAS chose."""
    ctg = _import_cotengra()
    pools = [pool for pool in import_module("threadpoolctl").threadpool_info() if pool["user_api"] == "blas"]
    own = [pool for pool in pools if "numpy" in pool["filepath"]] or pools  # scipy may have loaded another
    kernels = sorted(f"{pool['internal_api']} {pool['version']} {pool.get('architecture')}" for pool in own)
    return ", ".join([f"numpy {np.__version__}", f"cotengra {ctg.__version__}", *kernels])


@lru_cache(maxsize=2)
def _make_tree(plan: ContractionPlan):  # type: ignore[no-untyped-def]
    """Return cotengra's tree of a plan."""
    ctg = _import_cotengra()
    inputs, sizes = _name_variables(ctg, list_network_variables(plan.n, plan.pairs, plan.depth))
    tree = ctg.ContractionTree.from_path(inputs, [], sizes, ssa_path=plan.path)
    for variable in plan.sliced:
        tree.remove_ind_(ctg.get_symbol(variable))
    return tree


def _name_variables(ctg: ModuleType, variables: tuple[tuple[int, ...], ...]) -> tuple[list[list[str]], dict[str, int]]:
    """Return cotengra's form of a network: a symbol for each variable, all of size two."""
    inputs = [[ctg.get_symbol(k) for k in each] for each in variables]
    return inputs, {name: 2 for each in inputs for name in each}


def _import_cotengra() -> ModuleType:
    try:
        import_module("threadpoolctl")
        return import_module("cotengra")
    except ImportError as error:
        raise ContractionRefused(f"{error}; install it with: pip install 'matchstrike[cluster]'") from None
